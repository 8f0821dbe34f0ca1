"""PASCAL VOC."""
