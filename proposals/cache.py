"""The cache of proposals: those of a whole data set, computed once."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import PIL

from ..data.datasets.dataset import Dataset
from ..data.errors import DataError, UsageError
from ..data.files.atomic import naming_failures
from ..data.records import Proposals
from ..data.stores.proposal_files import NamedProposals
from ..data.stores.proposal_store import ProposalStore, hash_of, read_proposals
from ..data.stores.proposal_writers import write_proposals
from ..data.terminal import Report, tracked
from .methods import Proposer, propose_all


def home() -> Path:
    """The folder of this package's caches: `INCEPTION_RCNN_HOME`, else a folder in the user's cache."""
    own = os.environ.get("INCEPTION_RCNN_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # set to nothing it counts as not set
    return Path(own) if own else Path(cache) / "inception-rcnn"


def cached_proposals(dataset: Dataset, method: Proposer, report: Report) -> Mapping[str, Proposals]:
    """The proposals of every image of a data set, from disk if the same method had the same files before.

    The file's name is a hash of the method, its settings, the releases that decode and resize, each image's name,
    size and time of change, and of what decides its orientation, so it is never stale. A file that is damaged, or holds
    anything else, is made anew.
    """
    images = tuple(
        (truth.file, truth.width, truth.height, truth.upright, *file_state(dataset.path(truth)))
        for truth in dataset.images
    )
    key = hash_of(*method.parameters, image_releases(), images)
    path = home() / "proposals" / f"{key}.safetensors"
    if path.exists():
        if (stored := _stored(path, dataset, method)) is not None:
            report(f"proposals of {dataset.name}: found in {path}")
            return stored
        report(f"proposals of {dataset.name}: {path} is damaged, or of other images; they are made anew")
        with naming_failures(path):
            path.unlink(missing_ok=True)  # so that one that cannot be replaced fails before hours of work
    report(f"proposals of {dataset.name}: {method.name} on {len(dataset)} images, cached in {path}")
    made = {}
    all_found = propose_all(method, dataset.images, dataset.read)
    pairs = zip(dataset.images, all_found, strict=True)
    for truth, found in tracked(pairs, "proposals", len(dataset), report):
        if isinstance(found, DataError):
            raise found
        made[truth.file] = found
    write_proposals(path, made, method.name, method.parameters)
    return read_proposals(path)


@dataclass(frozen=True)
class BestProposals(Mapping[str, Proposals]):
    """Of the proposals of each image only the best, as a detector that takes few of a ranking method sees them."""

    proposals: Mapping[str, Proposals]
    count: int  # an image

    def __getitem__(self, file: str) -> Proposals:
        return self.proposals[file][: self.count]

    def __iter__(self) -> Iterator[str]:
        return iter(self.proposals)

    def __len__(self) -> int:
        return len(self.proposals)


def _stored(path: Path, dataset: Dataset, method: Proposer) -> ProposalStore | None:
    """The proposals on file, if they are whole, of these very images, and by this method."""
    try:
        store = read_proposals(path)
    except DataError:
        return None
    names = dict.fromkeys(truth.file for truth in dataset.images)
    return store if [*store] == [*names] and store.parameters == hash_of(*method.parameters) else None


def check_fresh(path: Path, stored: NamedProposals, method_named: Callable[[str], Proposer]) -> None:
    """Refuse proposals on file that their method would no longer make; those of unknown origin pass."""
    if not stored.method:
        return
    try:
        method = method_named(stored.method)
    except UsageError:
        return
    now = hash_of(*method.parameters)
    if stored.parameters != now:
        raise DataError(
            f"{path} was made by {stored.method} with parameters {stored.parameters}, which now are {now}: "
            f"run `inception-rcnn propose --proposals {stored.method}` again"
        )


def image_releases() -> tuple[str, ...]:
    """The releases of what decodes and resizes images: others may give other pixels."""
    return f"Pillow {PIL.__version__}", f"OpenCV {cv2.__version__}"


def file_state(image: Path) -> tuple[int, int]:
    """Size and time of change of a file."""
    try:
        state = image.stat()
    except OSError as error:
        raise DataError(f"{image}: the image cannot be found ({error.strerror}); is the data set whole?") from error
    return state.st_size, state.st_mtime_ns
