"""YOLO, as Ultralytics lays it out."""
