"""Facts in a checkpoint that a resumed run must have in common with the earlier one."""

from ...data.datasets.dataset import Dataset
from ...data.stores.proposal_store import hash_of


def data_fact(data: Dataset | None) -> str | None:
    """A hash of all annotations of a data set, wherever its files are."""
    if data is None:
        return None
    parts = (
        (
            *(truth.file, truth.width, truth.height, truth.upright, truth.ignored_classes, truth.exhaustive),
            *(getattr(truth, name).tolist() for name in ("boxes", "labels", "difficult", "crowd", "ignore")),
        )
        for truth in data.images
    )
    return f"{len(data)} images {hash_of(data.classes, *parts)}"
