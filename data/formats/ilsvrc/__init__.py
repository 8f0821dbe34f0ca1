"""ILSVRC DET."""
