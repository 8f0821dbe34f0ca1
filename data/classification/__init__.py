"""Labelled images for training and testing classifiers."""
