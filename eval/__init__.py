"""Judging and drawing detections, wherever they come from. Imports no torch."""
