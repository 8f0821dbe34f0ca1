"""Where release 0.1.0 had `kept_proposals`: for scripts written for it, until the next release."""

from .cache import cached_proposals as kept_proposals

__all__ = ["kept_proposals"]
