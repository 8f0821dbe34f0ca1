"""Proposals of a data set that are computed once and found again, as long as nothing has changed."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.errors import DataError, SetupError, UsageError
from inception_rcnn.data.records import GroundTruth, Proposals
from inception_rcnn.data.stores.proposal_files import NamedProposals, read_proposal_file
from inception_rcnn.data.stores.proposal_store import hash_of, read_proposals
from inception_rcnn.data.stores.proposal_writers import write_proposals
from inception_rcnn.proposals import methods
from inception_rcnn.proposals.cache import cached_proposals, check_fresh, home
from inception_rcnn.proposals.methods import proposer


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCEPTION_RCNN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The heights and widths of the images that were proposed on; the whole image is their only proposal."""
    sizes: list[tuple[int, int]] = []

    def whole_image(image: NDArray[np.uint8]) -> Proposals:
        height, width = image.shape[:2]
        sizes.append((height, width))
        return Proposals(as_boxes([[0, 0, width, height]]), np.ones(1))

    monkeypatch.setattr(methods, "selective_search", lambda image, settings, seed: whole_image(image))
    monkeypatch.setattr(methods, "opencv_selective_search", lambda image, mode: whole_image(image))
    return sizes


def _save(path: Path, width: int, height: int, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), "teal").save(path, exif=exif)


def _dataset(folder: Path, *files: str) -> Dataset:
    nothing = np.zeros(0)
    return Dataset(
        "photos val", (), tuple(GroundTruth(file, 0, 0, nothing, nothing, nothing) for file in files), folder
    )


@pytest.fixture
def photos(tmp_path: Path) -> Dataset:
    _save(tmp_path / "photos" / "b.png", 30, 20)
    _save(tmp_path / "photos" / "sub" / "a.png", 40, 50)
    return _dataset(tmp_path / "photos", "b.png", "sub/a.png")


def _ask(dataset: Dataset, method: str = "selective-search:fast") -> dict[str, list[list[float]]]:
    return {
        file: each.boxes.tolist()
        for file, each in cached_proposals(dataset, proposer(method), lambda line: None).items()
    }


FAST = "selective-search:fast"
EXPECTED = {"b.png": [[0, 0, 30, 20]], "sub/a.png": [[0, 0, 40, 50]]}


def test_a_data_set_without_images_has_no_proposals(tmp_path: Path) -> None:
    assert _ask(_dataset(tmp_path)) == {}


def test_every_image_is_proposed_on_in_order(photos: Dataset, seen: list[tuple[int, int]]) -> None:
    found = _ask(photos)
    assert found == EXPECTED
    assert list(found) == ["b.png", "sub/a.png"]
    assert sorted(seen) == [(20, 30), (50, 40)]


def test_the_second_time_nothing_is_computed(
    photos: Dataset, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _ask(photos)

    def fail(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(Dataset, "read", fail)
    assert _ask(photos) == EXPECTED


def test_another_method_is_computed_anew_and_both_are_kept(photos: Dataset, seen: list[tuple[int, int]]) -> None:
    for _ in range(2):
        for method in ("selective-search:fast", "selective-search:single", "opencv:fast"):
            _ask(photos, method)
    assert len(seen) == 3 * 2


def test_a_changed_image_is_computed_anew(photos: Dataset, seen: list[tuple[int, int]]) -> None:
    _ask(photos)
    _save(photos.folder / "b.png", 33, 22)
    assert _ask(photos)["b.png"] == [[0, 0, 33, 22]]
    assert len(seen) == 4


def test_an_image_of_the_same_size_but_another_time_is_computed_anew(
    photos: Dataset, seen: list[tuple[int, int]]
) -> None:
    _ask(photos)
    os.utime(photos.folder / "b.png", ns=(1, 1))
    _ask(photos)
    assert len(seen) == 4


def test_an_image_more_or_fewer_or_of_another_name_is_computed_anew(
    photos: Dataset, seen: list[tuple[int, int]]
) -> None:
    _ask(photos)
    assert list(_ask(_dataset(photos.folder, "b.png"))) == ["b.png"]
    assert list(_ask(_dataset(photos.folder, "sub/a.png", "b.png"))) == ["sub/a.png", "b.png"]
    (photos.folder / "b.png").rename(photos.folder / "c.png")
    assert list(_ask(_dataset(photos.folder, "c.png"))) == ["c.png"]
    assert len(seen) == 2 + 1 + 2 + 1


def test_images_are_read_as_stored(tmp_path: Path, seen: list[tuple[int, int]]) -> None:
    _save(tmp_path / "turned.png", 30, 20, orientation=6)
    assert _ask(_dataset(tmp_path, "turned.png")) == {"turned.png": [[0, 0, 30, 20]]}


def test_a_missing_image_is_named_before_any_work(photos: Dataset, seen: list[tuple[int, int]]) -> None:
    with pytest.raises(DataError, match=r"none\.png: the image cannot be found"):
        _ask(_dataset(photos.folder, "b.png", "none.png"))
    assert seen == []


def test_work_that_fails_leaves_nothing_behind(photos: Dataset, own_home: Path, seen: list[tuple[int, int]]) -> None:
    (photos.folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        _ask(_dataset(photos.folder, "b.png", "broken.png"))
    assert not list(own_home.rglob("*.*"))


def test_a_person_is_told_what_happens(
    photos: Dataset, own_home: Path, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inception_rcnn.data.terminal.EVERY", 0.0)
    lines: list[str] = []
    for _ in range(2):
        cached_proposals(photos, proposer("opencv:fast"), lines.append)
    (path,) = own_home.rglob("*.safetensors")
    assert lines.pop(1).startswith("proposals: 1/2 images, ")
    assert lines.pop(1).startswith("proposals: 2/2 images, ")
    assert lines == [
        f"proposals of photos val: opencv:fast on 2 images, cached in {path}",
        f"proposals of photos val: found in {path}",
    ]
    assert path.parent == own_home / "proposals"
    stored = read_proposals(path)
    assert (stored.method, stored.parameters) == ("opencv:fast", hash_of(*proposer("opencv:fast").parameters))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _overwrite(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")


def _of_another_kind(path: Path) -> None:
    path.write_bytes(save({"a": np.zeros(1)}, {"format": "x"}))


def _of_other_images(path: Path) -> None:
    write_proposals(path, {"x.png": Proposals(as_boxes([]), np.zeros(0))}, FAST, proposer(FAST).parameters)


def _in_another_order(path: Path) -> None:
    stored = read_proposals(path)
    write_proposals(path, {file: stored[file] for file in reversed([*stored])}, FAST, proposer(FAST).parameters)


def _of_another_seed(path: Path) -> None:
    write_proposals(path, read_proposals(path), FAST, proposer(FAST, seed=1).parameters)


CHANGES = [_cut, _overwrite, _of_another_kind, _of_other_images, _in_another_order, _of_another_seed]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_damaged_or_of_anything_else_is_made_anew(
    photos: Dataset, own_home: Path, seen: list[tuple[int, int]], change: Callable[[Path], None]
) -> None:
    _ask(photos)
    (path,) = own_home.rglob("*.safetensors")
    whole = path.read_bytes()
    change(path)
    lines: list[str] = []
    assert dict(cached_proposals(photos, proposer(FAST), lines.append)).keys() == EXPECTED.keys()
    assert lines[0] == f"proposals of photos val: {path} is damaged, or of other images; they are made anew"
    assert (path.read_bytes(), len(seen)) == (whole, 4)
    assert _ask(photos) == EXPECTED


def test_what_cannot_be_replaced_is_told_before_any_work(
    photos: Dataset, own_home: Path, seen: list[tuple[int, int]]
) -> None:
    _ask(photos)
    (path,) = own_home.rglob("*.safetensors")
    path.unlink()
    path.mkdir()
    with pytest.raises(SetupError, match="cannot be written"):
        _ask(photos)
    assert len(seen) == 2


def test_a_data_set_that_names_an_image_twice_finds_its_proposals(photos: Dataset, seen: list[tuple[int, int]]) -> None:
    twice = _dataset(photos.folder, "b.png", "sub/a.png", "b.png")
    assert _ask(twice) == _ask(twice) == EXPECTED
    assert len(seen) == 3


def test_a_method_is_run_on_the_pixels(tmp_path: Path) -> None:
    image = np.full((80, 500, 3), 90, np.uint8)
    image[20:60, 100:400] = (200, 30, 40)
    Image.fromarray(image).save(tmp_path / "a.png")
    boxes = np.array(_ask(_dataset(tmp_path, "a.png"), "opencv:fast")["a.png"])
    assert np.abs(boxes - [100, 20, 400, 60]).max(axis=1).min() <= 3


def _stored(tmp_path: Path, method: str, parameters: tuple[object, ...], ending: str) -> tuple[Path, NamedProposals]:
    path = tmp_path / f"p{ending}"
    write_proposals(path, {"a.png": Proposals(as_boxes([[0, 0, 1, 1]]), np.ones(1))}, method, parameters)
    return path, read_proposal_file(path)


def test_what_the_method_would_make_again_is_fresh(tmp_path: Path) -> None:
    check_fresh(*_stored(tmp_path, FAST, proposer(FAST).parameters, ".safetensors"), proposer)


def test_what_the_method_would_no_longer_make_is_refused(tmp_path: Path) -> None:
    path, stored = _stored(tmp_path, FAST, proposer(FAST, seed=1).parameters, ".safetensors")
    was, now = hash_of(*proposer(FAST, seed=1).parameters), hash_of(*proposer(FAST).parameters)
    with pytest.raises(DataError, match=f"was made by {FAST} with parameters {was}, which now are {now}") as caught:
        check_fresh(path, stored, proposer)
    assert str(caught.value).startswith(str(path))
    assert f"inception-rcnn propose --proposals {FAST}" in str(caught.value)


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        (FAST, ".csv"),  # a format that does not say how its boxes were made
        (FAST, ".npz"),
        ("", ".safetensors"),
        ("somebody's own", ".safetensors"),
        ("selective-search:fats", ".safetensors"),
        ("mix", ".safetensors"),  # `proposer` has no network to ask here
    ],
)
def test_proposals_of_unknown_origin_pass(tmp_path: Path, method: str, ending: str) -> None:
    check_fresh(*_stored(tmp_path, method, ("others",), ending), proposer)


def test_only_the_method_being_unknown_is_forgiven(tmp_path: Path) -> None:
    def broken(name: str) -> methods.Proposer:
        raise DataError(f"{name}: no weights")

    def unknown(name: str) -> methods.Proposer:
        raise UsageError(name)

    path, stored = _stored(tmp_path, "mix", ("others",), ".safetensors")
    check_fresh(path, stored, unknown)
    check_fresh(path, NamedProposals({}), broken)  # nobody is asked about proposals that do not say who made them
    with pytest.raises(DataError, match="mix: no weights"):
        check_fresh(path, stored, broken)


@pytest.mark.parametrize(
    ("own", "cache", "expected"),
    [
        ("", "", "{user}/.cache/inception-rcnn"),  # set to nothing is not set
        (None, None, "{user}/.cache/inception-rcnn"),
        (None, "/c", "/c/inception-rcnn"),
        ("/own", "/c", "/own"),
    ],
)
def test_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str | None, cache: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in (("INCEPTION_RCNN_HOME", own), ("XDG_CACHE_HOME", cache)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert home() == Path(expected.format(user=tmp_path))


@pytest.mark.parametrize("release", [("Pillow 1", "OpenCV 2"), ("Pillow 1",)])
def test_other_releases_of_what_decodes_and_resizes_are_asked_anew(
    photos: Dataset, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, release: tuple[str, ...]
) -> None:
    _ask(photos)
    _ask(photos)
    assert len(seen) == 2
    monkeypatch.setattr("inception_rcnn.proposals.cache.image_releases", lambda: release)
    _ask(photos)
    assert len(seen) == 4


@pytest.mark.parametrize("change", [{"upright": True}, {"width": 30, "height": 20}])
def test_what_decides_how_an_image_is_turned_is_in_the_key(
    photos: Dataset, seen: list[tuple[int, int]], change: dict[str, Any]
) -> None:
    _ask(photos)
    _ask(replace(photos, images=tuple(replace(truth, **change) for truth in photos.images)))
    assert len(seen) == 4
