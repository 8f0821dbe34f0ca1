"""What runs leave on disk: detections, stages, proposals and features."""
