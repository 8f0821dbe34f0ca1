"""The one training loop: recipe, checkpoints, resume, log, several processes. Nothing in it is about detection."""
