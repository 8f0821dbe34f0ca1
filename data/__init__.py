"""Images, boxes, records and files: what everything else stands on. Imports no torch."""
