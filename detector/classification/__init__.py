"""Runs that train and test classifiers."""
