"""GoogLeNet as an image classifier."""
