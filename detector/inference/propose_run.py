"""A run of `propose`, from its options to the file, or the folder of shards, that it writes."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ...backbone.training.interruption import Interruption, leave, noticing_signals
from ...data.diagnostics import failure_of
from ...data.errors import DataError, UsageError
from ...data.files.run_lock import locked
from ...data.files.tensor_files import shard_names
from ...data.images.file_identity import is_gone, origin_of, roots_of
from ...data.images.sources import Source
from ...data.records import Origin, Proposals
from ...data.stores.proposal_store import hash_of, read_proposals
from ...data.stores.proposal_writers import check_writable, read_origins, write_proposals
from ...data.stores.unfinished_proposals import ProposalSpool
from ...data.terminal import Progress, Report
from ...proposals.methods import Proposer
from ..streaming import IMAGE_SECONDS, Prefetched, StageSeconds, prefetch_images
from .failure_limit import FailureLimit, check_seconds
from .run_images import command_to_go_on, list_images

SHARD = 2000  # images; about 60 MB of proposals
SPOOL = ".part"  # behind the name of the file that is being made


# The proposals of images, in their order, without the pixels; or the errors in place of them.
FindProposals = Callable[[Proposer, Sequence[Source], float], Generator[Prefetched, None, None]]


def find_proposals(method: Proposer, sources: Sequence[Source], time_limit: float) -> Generator[Prefetched, None, None]:
    """By this process: reading and searching run on threads, the network's part on this one."""
    with closing(prefetch_images(method, sources, None, StageSeconds(), time_limit)) as prefetched:
        for ready in prefetched:
            yield finished(method, ready)


def finished(method: Proposer, ready: Prefetched) -> Prefetched:
    """An image that was searched with all of its proposals, and without its pixels."""
    if ready.image is None or ready.proposals is None:
        return ready
    try:
        return replace(ready, image=None, proposals=method.finish(ready.proposals, ready.image))
    except Exception as error:
        return Prefetched(ready.source, error=str(failure_of(error, ready.source.file)))


@dataclass
class _Counts:
    """Failures and notices of a run."""

    failed: int = 0
    failure: str | None = None  # the first one's reason
    animated: int = 0


def propose_to_file(
    sources: Sequence[str],
    out: Path,
    method: Proposer,
    report: Report,
    *,
    fail_on_error: str | None = None,
    ignore_exif: bool = False,
    time_limit: float = IMAGE_SECONDS,
    find: FindProposals | None = None,
) -> str:
    """Write the proposals of every source that can be read; gives a summary, and reports each image left out.

    The ending of `out` names the format. Without one it is a folder of shards; those that an earlier run left are not
    made again, as long as their images are the same. What is made is on disk at once, in a file beside the one that it
    will be part of, and the same command goes on from there. A signal ends the run with the image at hand. `find` makes
    the proposals elsewhere than in this process. UsageError where another run writes to `out`.
    """
    limit = FailureLimit(fail_on_error)
    check_seconds(time_limit)
    if out.suffix:
        check_writable(out)  # before minutes go into proposals
    listed, notices = list_images(sources, ignore_exif=ignore_exif)
    counts = _Counts()
    with noticing_signals() as noticed, locked(out.parent, f".{out.name}.lock"):
        run = _Run(method, report, time_limit, noticed, counts, find or find_proposals)
        summary = run.shards(listed, out) if not out.suffix else run.file(listed, out)
    if noticed.signal:
        report(f"stopped; to go on: {command_to_go_on()}")
        leave(noticed.signal)
    if counts.animated:
        notices.append(f"{counts.animated} with more than one frame or page: only the first was searched")
    for line in notices:
        report(line)
    limit.check(counts.failed, of=len(listed), example=counts.failure)
    return summary


@dataclass(frozen=True)
class _Run:
    """A run at work."""

    method: Proposer
    report: Report
    time_limit: float
    noticed: Interruption
    counts: _Counts
    find: FindProposals

    def file(self, listed: Sequence[Source], out: Path) -> str:
        """One file of all."""
        images, boxes, _ = self._make(listed, out, is_shard=False)
        return f"{images} of {len(listed)} images, {boxes} proposals by {self.method.name}, written to {out}"

    def shards(self, listed: Sequence[Source], out: Path) -> str:
        """A file for each `SHARD` images; those that hold stay."""
        by_file, unchanged = {source.file: source for source in listed}, 0
        shards = shard_names("proposals", list(by_file), SHARD)
        surplus = self._surplus(out, by_file) - {out / name for name in shards}
        for name, files in shards.items():
            if self.noticed.signal:
                break
            images, _, written = self._make([by_file[file] for file in files], out / name, is_shard=True)
            unchanged += not written
            if written and not self.noticed.signal:
                self.report(f"{out / name}: {images} of {len(files)} images")
        for path in () if self.noticed.signal else surplus:
            path.unlink()  # of a larger set: what of it is still there is in another shard now
        done = f"{unchanged} shards done before"
        return f"{len(listed)} images, proposals by {self.method.name}, in shards in {out} ({done})"

    def _surplus(self, out: Path, by_file: Mapping[str, Source]) -> set[Path]:
        """All shards of an earlier run; UsageError where images of them would be lost, as they are still there."""
        found: set[Path] = set()
        for path in sorted(out.glob("proposals-*.safetensors")):
            origins, roots = read_origins(path)
            others = [file for file in origins if file not in by_file and not is_gone(file, roots)]
            if others:
                raise UsageError(
                    f"{out} holds proposals of images that are not among the sources, as {others[0]}: name them too, "
                    "delete the folder, or choose another --out"
                )
            found |= {path} if origins else set()
        return found

    def _make(self, sources: Sequence[Source], path: Path, *, is_shard: bool) -> tuple[int, int, bool]:
        """Make one file: how many images and boxes it has, and whether it had to be written."""
        spool_path = path.with_name(path.name + SPOOL)
        origins = {source.file: origin for source in sources if (origin := origin_of(source)) is not None}
        earlier, unchanged = self._earlier(path, origins, is_shard=is_shard)
        with ProposalSpool(spool_path, self.method.name, self.method.parameters) as spool:
            spool.keep([file for file, origin in spool.origins().items() if origins.get(file) == origin])
            if spool:
                self.report(f"{len(spool)} images are done already, in {spool_path}")
            done = {*spool, *unchanged}
            self._propose([source for source in sources if source.file not in done], origins, spool)
            if self.noticed.signal:
                return len(spool), sum(spool.counts()), False
            written = bool(spool) or not unchanged or len(unchanged) < len(earlier)
            for file in unchanged:
                spool.add(file, earlier[file], origins[file])
            spool.keep([source.file for source in sources])
            if written:
                about = (spool.counts(), spool.origins(), roots_of(sources))
                write_proposals(path, spool, self.method.name, self.method.parameters, *about)
            made = len(spool), sum(spool.counts()), written
        spool_path.unlink()
        return made

    def _earlier(
        self, path: Path, now: Mapping[str, Origin], *, is_shard: bool
    ) -> tuple[Mapping[str, Proposals], list[str]]:
        """What an earlier run made, and the images of it that are the same now; nothing where that is not known.

        A single file of other proposals is written anew, as it is named; a shard has others beside it, and is refused.
        """
        if not path.exists() or path.suffix.lower() != ".safetensors":
            return {}, []
        try:
            store, origins = read_proposals(path), read_origins(path)[0]
            if store.parameters != hash_of(*self.method.parameters):
                raise DataError(
                    f"{path} was made with parameters {store.parameters}, and {self.method.name} has "
                    f"{hash_of(*self.method.parameters)}: delete the folder, or choose another --out"
                )
        except DataError:
            if is_shard:
                raise
            return {}, []
        return store, [file for file in store if file in origins and now.get(file) == origins[file]]

    def _propose(self, sources: Sequence[Source], origins: dict[str, Origin], spool: ProposalSpool) -> None:
        """Add the proposals of the sources to the spool, and their files as they were read to the `origins`."""
        found = self.find(self.method, sources, self.time_limit)
        with closing(found), Progress("proposing", len(sources), self.report) as progress:
            for ready in found:
                if ready.proposals is not None:
                    origins[ready.source.file] = origin = ready.origin or Origin(0, 0, "")
                    spool.add(ready.source.file, ready.proposals, origin)
                    self.counts.animated += ready.animated
                else:
                    self.counts.failed += 1
                    self.counts.failure = self.counts.failure or ready.error
                    self.report(f"left out: {ready.error}")
                progress.add()
                if self.noticed.signal:
                    return
