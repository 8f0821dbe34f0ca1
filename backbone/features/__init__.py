"""The image pyramid, and the feature maps that all regions of an image share."""
