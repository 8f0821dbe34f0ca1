"""What must be the same for a stopped training to go on as if it had not been: facts that a checkpoint keeps."""

from ...data.datasets.dataset import Dataset
from ...data.stores.proposal_store import hash_of


def data_fact(data: Dataset | None) -> str | None:
    """All that a data set says of its images in a few words that change with it, wherever its files are."""
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
