"""What must be the same for a stopped training to go on as if it had not been: facts that a checkpoint keeps."""

from ..data.dataset import Dataset
from ..data.store import hash_of


def data_fact(data: Dataset | None) -> str | None:
    """A data set's annotations in a few words that change with them, wherever its files are."""
    if data is None:
        return None
    parts = (
        (truth.file, truth.boxes.tolist(), truth.labels.tolist(), truth.difficult.tolist()) for truth in data.pictures
    )
    return f"{len(data)} pictures {hash_of(*parts)}"
