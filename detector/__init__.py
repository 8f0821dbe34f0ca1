"""The detector: proposals, region features, scores and deltas, boxes and suppression in one pipeline."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rcnn import RCNN

__all__ = ["RCNN"]


def __getattr__(name: str) -> Any:
    """Offer `RCNN` without making every importer of this folder, the command line first, pay for torch."""
    if name == "RCNN":
        from .rcnn import RCNN

        return RCNN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
