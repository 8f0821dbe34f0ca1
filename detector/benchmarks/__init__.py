"""Measurements of a detector: an ensemble's members, and seconds by stage beside mAP."""
