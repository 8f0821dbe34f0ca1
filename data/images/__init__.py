"""Image files: the one decoder, orientation, listing of folders, crops and augmentation."""
