"""Where release 0.1.0 had `open_dataset`: for scripts written for it, until the next release."""

from .formats.specs import open_dataset, open_datasets, resolve_sources

__all__ = ["open_dataset", "open_datasets", "resolve_sources"]
