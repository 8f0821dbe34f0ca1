"""Runs of detect and propose over many images."""
