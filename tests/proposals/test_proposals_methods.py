"""Methods by name, and running one over many images at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count
from typing import Any

import numpy as np
import pytest

from inception_rcnn.backbone.features.shared_maps import SharedMaps
from inception_rcnn.backbone.googlenet import Backbone
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.images import prefetching
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.proposal_store import hash_of
from inception_rcnn.proposals import methods
from inception_rcnn.proposals.methods import ALGORITHM, METHODS, Proposer, prefetch, propose_all, proposer
from inception_rcnn.proposals.multibox.network import MultiBox, MultiBoxHead
from inception_rcnn.proposals.selective_search.search import PRESETS

SIDES = (50, 100, 200)  # of the image pyramid

pytestmark = pytest.mark.usefixtures("small_maps")

IMAGE = np.zeros((40, 50, 3), dtype=np.uint8)


def multibox() -> MultiBox:
    return MultiBox(Backbone(), MultiBoxHead(4), SIDES)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the two families of methods are called with, instead of running them."""
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(methods, "selective_search", lambda image, settings, *, seed: seen.append((settings, seed)))
    monkeypatch.setattr(methods, "opencv_selective_search", lambda image, mode: seen.append((mode,)))
    return seen


@pytest.mark.parametrize("name", PRESETS)
def test_selective_search_runs_with_the_preset_and_the_seed(calls: list[tuple[Any, ...]], name: str) -> None:
    proposer(f"selective-search:{name}", seed=3)(IMAGE)
    proposer(f"selective-search:{name}")(IMAGE)
    assert calls == [(PRESETS[name], 3), (PRESETS[name], 0)]


def test_selective_search_alone_is_the_fast_one(calls: list[tuple[Any, ...]]) -> None:
    proposer("selective-search")(IMAGE)
    assert calls == [(PRESETS["fast"], 0)]


@pytest.mark.parametrize("mode", ["fast", "quality"])
def test_opencv_runs_in_the_mode_that_is_named(calls: list[tuple[Any, ...]], mode: str) -> None:
    proposer(f"opencv:{mode}")(IMAGE)
    assert calls == [(mode,)]


def test_every_known_name_gives_a_method_with_parameters_of_its_own() -> None:
    made = [proposer(method, multibox=multibox) for method in METHODS]
    assert [each.name for each in made] == list(METHODS)
    assert len({hash_of(each.parameters) for each in made}) == len(METHODS) >= 6


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "''. Known: selective-search:single, "),
        ("xyz", "'xyz'. Known: selective-search:single, "),
        ("opencv", "'opencv'; did you mean 'opencv:fast'?"),
        ("opencv:fest", "did you mean 'opencv:fast'?"),
        ("selective_search:fast", "did you mean 'selective-search:fast'?"),
        ("Selective-Search:googlenet", "did you mean 'selective-search:googlenet'?"),
        ("selective-search:qualty", "did you mean 'quality'?"),
        ("selective-search:fast:slow", "did you mean 'fast'?"),
        ("selective-search:fast,sizes=3", "no setting 'sizes'"),
        ("selective-search:fast,scale=3", "did you mean 'scales'?"),
        ("selective-search:fast,scales=a", "scales=a is not a value such as (50, 100)"),
        ("multibox:many", "need a number of boxes"),
        ("multibox:²", "need a number of boxes"),
        ("multibox:1000000000000", "boxes are 1000000000000: need at least 1"),
        ("multibox:0", "boxes are 0: need at least 1"),
        ("multibox:200,crops=1000", "crops are 1000: need at least 1 and at most 10"),
        ("mix", "mix needs a trained MultiBox network"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_that_is_known(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        proposer(name, multibox=None if name == "mix" else multibox)
    assert words in str(caught.value)


def test_parameters_hold_whatever_decides_the_boxes() -> None:
    assert proposer("selective-search:fast", 1).parameters != proposer("selective-search:fast", 2).parameters
    assert PRESETS["googlenet"] in proposer("selective-search:googlenet").parameters
    assert proposer("opencv:fast", 1).parameters == proposer("opencv:fast", 2).parameters  # it takes no seed


# What each method finds in one image under ALGORITHM 1. Another hash: add one to ALGORITHM, and write it down here.
FOUND = {
    "selective-search:fast": "d08bb1eadb914bfd",
    "selective-search:googlenet": "3b65bf943b6eb761",
    "opencv:fast": "a26b5eb1f73a4cc4",
}


@pytest.mark.parametrize("method", FOUND)
def test_other_boxes_need_another_number_of_the_algorithm(method: str) -> None:
    image = np.full((60, 90, 3), 40, np.uint8)
    image[10:40, 20:60] = (200, 60, 30)
    image[30:55, 50:85] = (30, 90, 220)
    image[::7, ::5] += 15
    boxes = np.unique(proposer(method)(image).boxes, axis=0)
    assert (ALGORITHM, hash_of(boxes.round(3).tolist())) == (1, FOUND[method])


@pytest.mark.parametrize(
    ("part", "method"),
    [
        *(("ALGORITHM", name) for name in ("selective-search:fast", "opencv:fast", "selectivesearch", "mix")),
        *(("OpenCV", name) for name in ("selective-search:fast", "opencv:fast", "selectivesearch", "mix")),
        ("ALGORITHM", "multibox:9"),  # whose network resizes by torch
    ],
)
def test_another_algorithm_or_opencv_is_another_method(monkeypatch: pytest.MonkeyPatch, part: str, method: str) -> None:
    network = multibox()
    before = hash_of(*proposer(method, multibox=lambda: network).parameters)
    assert before == hash_of(*proposer(method, multibox=lambda: network).parameters)
    monkeypatch.setattr(*((methods, "ALGORITHM", 2) if part == "ALGORITHM" else (methods.cv2, "__version__", "0")))
    assert before != hash_of(*proposer(method, multibox=lambda: network).parameters)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("items", [[], [7], [1, 1, 1], list(range(40))])
def test_mapped_is_map(items: list[int], threads: int) -> None:
    assert list(prefetch(lambda item: item * 10, items, threads)) == [item * 10 for item in items]


def test_results_keep_the_order_though_the_first_ends_last() -> None:
    second_is_done = threading.Event()

    def wait_for_the_second(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        if item == 1:
            second_is_done.set()
        return item

    assert list(prefetch(wait_for_the_second, range(6), 2)) == list(range(6))


def test_as_many_run_at_once_as_there_are_threads() -> None:
    meeting = threading.Barrier(3)
    assert list(prefetch(lambda item: meeting.wait(10) >= 0, range(6), 3)) == [True] * 6


class _Counted:
    """The numbers from 0, without end, and how many were asked for."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for number in count():
            self.taken += 1
            yield number


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_than_two_items_a_thread_are_ahead_of_the_reader(threads: int) -> None:
    items = _Counted()
    results = prefetch(lambda item: item, items, threads)
    assert items.taken == 0
    for read in range(5):
        assert next(results) == read
        assert items.taken == read + 2 * threads
    results.close()


def test_all_cores_are_used_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, ahead in ((3, 6), (1, 2)):
        monkeypatch.setattr(prefetching, "usable_cores", lambda cores=cores: cores)
        items = _Counted()
        results = prefetch(lambda item: item, items)
        next(results)
        results.close()
        assert items.taken == ahead


def test_an_exception_comes_out_in_its_place_and_ends_the_work() -> None:
    def fail_at_two(item: int) -> int:
        if item == 2:
            raise KeyError("two")
        return item

    items = _Counted()
    results = prefetch(fail_at_two, items, 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(results)
    assert items.taken == 6  # two read, four ahead
    with pytest.raises(StopIteration):
        next(results)


def test_an_exception_of_the_items_comes_out() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(prefetch(lambda item: item, items(), 1))


def test_closing_early_stops_the_work_and_its_threads() -> None:
    before = threading.active_count()
    done: list[int] = []
    items = _Counted()
    results = prefetch(done.append, items, 2)
    next(results)
    results.close()
    finished = list(done)
    assert threading.active_count() == before
    assert items.taken == 4
    assert len(finished) <= 4
    with pytest.raises(StopIteration):
        next(results)
    assert done == finished


def test_what_waits_at_closing_is_never_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    cancelled: list[bool] = []
    release = threading.Event()
    cancel = Future[int].cancel

    def cancel_then_release(future: Future[int]) -> bool:
        cancelled.append(cancel(future))
        if len(cancelled) == 3:
            release.set()
        return cancelled[-1]

    def begin(item: int) -> int:
        begun.append(item)
        assert item == 0 or release.wait(10)  # 1 and 2 hold both threads, so that 3 must wait
        return item

    monkeypatch.setattr(Future, "cancel", cancel_then_release)
    results = prefetch(begin, count(), 2)
    assert next(results) == 0
    results.close()
    assert cancelled[-1]
    assert 3 not in begun


def test_a_method_that_asks_the_network_searches_first_and_looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`search` runs without the network; maps that are there already are used, others made."""
    looks: list[tuple[int, ...]] = []
    network = multibox()
    network.backbone.register_forward_hook(lambda backbone, inputs, output: looks.append(tuple(inputs[0].shape[2:])))
    method = proposer("mix", multibox=lambda: network)
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    searched = method.search(image)
    assert looks == []
    found = method.finish(searched, image)
    made = len(looks)
    assert made > 0
    maps = SharedMaps(network.backbone, image, SIDES)
    again = [method.finish(searched, maps) for _ in range(2)]
    assert len(looks) == 2 * made
    assert all(np.array_equal(each.boxes, found.boxes) for each in again)
    method.finish(searched, SharedMaps(Backbone(), image, SIDES))  # another backbone's maps are of no use
    assert len(looks) == 3 * made


def test_all_images_are_proposed_on_in_order_and_one_that_fails_is_an_error_in_its_place() -> None:
    def read(item: int) -> np.ndarray:
        if item == 1:
            raise DataError("no image")
        return np.full((40 + item, 50, 3), 9, dtype=np.uint8)

    first, second, third = propose_all(proposer("selective-search:single"), range(3), read)
    assert isinstance(second, DataError)
    assert isinstance(first, Proposals)
    assert isinstance(third, Proposals)
    assert (first.boxes.tolist(), third.boxes.tolist()) == ([[0, 0, 50, 40]], [[0, 0, 50, 42]])


def test_whatever_goes_wrong_with_one_image_is_its_own_failure() -> None:
    class Failing:
        def __call__(self, image: np.ndarray) -> Proposals:
            if len(image) == 41:
                raise MemoryError
            if len(image) == 42:
                raise RuntimeError("LLVM went away")
            return Proposals(np.zeros((1, 4)), np.ones(1))

    def complete(found: Proposals, maps: SharedMaps) -> Proposals:
        if len(maps.image) == 43:
            raise RuntimeError("out of numbers")
        return found

    method = Proposer("m", (), Failing(), multibox(), complete)
    read = [np.zeros((height, 30, 3), dtype=np.uint8) for height in range(40, 45)]
    outcomes = list(propose_all(method, range(5), read.__getitem__, name=lambda item: f"{item}.png"))
    assert [type(each).__name__ for each in outcomes] == ["Proposals", *["DataError"] * 3, "Proposals"]
    assert [str(each).split(":")[0] for each in outcomes[1:4]] == ["1.png", "2.png", "3.png"]


def test_an_image_that_takes_too_long_is_a_failure() -> None:
    release = threading.Event()

    def read(item: int) -> np.ndarray:
        if item == 1:
            release.wait(20)
        return np.zeros((40, 50, 3), dtype=np.uint8)

    method = Proposer("m", (), lambda image: Proposals(np.zeros((1, 4)), np.ones(1)))
    first, second, third = propose_all(method, range(3), read, seconds=0.2)
    release.set()
    assert isinstance(first, Proposals)
    assert "took longer than 0.2 s" in str(second)
    assert isinstance(third, Proposals)
