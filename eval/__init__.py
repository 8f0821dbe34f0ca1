"""Evaluation of detections, wherever they come from: metrics, analysis, report, drawing. Imports no torch."""
