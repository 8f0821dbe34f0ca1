"""Proposals from a file or a folder of shards, of the images that are still those that they were made for."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...data.images.file_identity import origin_of
from ...data.images.image_files import is_turned
from ...data.images.sources import Source
from ...data.records import Origin, Proposals
from ...data.stores.proposal_files import read_proposal_file
from ...data.stores.proposal_writers import read_origins


class StoredProposals(Mapping[str, Proposals]):
    """The proposals on file of the sources; those that were made for another file of a source's name are left out.

    Files are compared by their sizes in bytes: copies on another machine have other times. Proposals for the pixels
    as stored are none for the upright image. Only `.safetensors` knows what its proposals were made for.
    """

    def __init__(self, path: Path, sources: Sequence[Source]):
        self.named = read_proposal_file(path)
        shards = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        made_for = {file: origin for shard in shards for file, origin in read_origins(shard)[0].items()}
        self._other = {
            source.file for source in sources if source.file in made_for and _is_other(source, made_for[source.file])
        }

    def __getitem__(self, file: str) -> Proposals:
        if file in self._other:
            raise KeyError(file)
        return self.named[file]

    def __iter__(self) -> Iterator[str]:
        return (file for file in self.named if file not in self._other)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_other(source: Source, before: Origin) -> bool:
    """Whether a source has other pixels now than those that proposals were made for."""
    now = origin_of(source)
    if now is None:
        return False
    return now.bytes != before.bytes or (now.read_as != before.read_as and is_turned(source.content(), upright=True))
