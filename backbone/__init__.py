"""GoogLeNet, its weights, and the one training loop."""
