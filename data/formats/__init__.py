"""Annotations and detections in other tools' formats, found by a SPEC or by their content."""
