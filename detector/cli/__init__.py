"""The command inception-rcnn."""
