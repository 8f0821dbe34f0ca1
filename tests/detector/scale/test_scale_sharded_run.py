"""Shards of a run of `detect`, and what merging them gives: the same files as one run."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained_model import save_untrained

from inception_rcnn.data.errors import DataError, LimitError, UsageError
from inception_rcnn.data.files.run_lock import locked
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.stores.detections_jsonl import read_ledger
from inception_rcnn.detector.inference.detect_run import DetectOptions, detect_files
from inception_rcnn.detector.inference.image_run import Writing
from inception_rcnn.detector.inference.plan import plan
from inception_rcnn.detector.scale.sharded_run import detect_shard, merge_shards, prepare_shard
from inception_rcnn.detector.scale.shards import Shard, shard_index, shard_named

pytestmark = pytest.mark.usefixtures("small_maps")
COUNT = 3


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> DetectOptions:
    folder = tmp_path_factory.mktemp("model")
    save_untrained(folder, ("a", "b/c"))
    return DetectOptions(str(folder), device="cpu", writing=Writing(save_crops=True, keep_stages=True))


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "photos"
    for name in ("10.png", "9.png", "sub/1.png", "sub/2.png", "sub/3.gif", "z.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        (folder / name).write_bytes(encode_image(pixels, Path(name).suffix if name.endswith("png") else ".jpg"))
    (folder / "broken.jpg").write_bytes(b"")
    return folder


def detect_all(photos: Path, out: Path, options: DetectOptions) -> None:
    for index in range(COUNT):
        detect_shard([str(photos)], out, options, Shard(index, COUNT))


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder but those that name the run itself."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("run.json", ".lock"))
    relative = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in relative.items() if not name.startswith("shards/")}


def test_merged_shards_are_what_one_run_writes(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    detect_files([str(photos)], tmp_path / "one", options)
    detect_all(photos, tmp_path / "many", options)
    assert merge_shards(tmp_path / "many").startswith("3 shards, 7 images (1 failed)")
    one, many = contents(tmp_path / "one"), contents(tmp_path / "many")
    assert one.keys() == many.keys()
    assert [name for name in one if one[name] != many[name]] == []
    assert {"failures.csv", "detections.jsonl", "drawn/sub/3.gif.jpg"} <= one.keys()
    assert {name.split("/")[1] for name in one if name.startswith("crops/")} == {"a", "b_c"}
    again = detect_files([str(photos)], tmp_path / "many", options)
    assert (again.skipped, again.failed) == (6, 1)


def test_a_second_merge_changes_nothing(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    detect_all(photos, tmp_path / "out", options)
    merge_shards(tmp_path / "out")
    before = contents(tmp_path / "out")
    merge_shards(tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_the_shard_of_an_image_follows_from_its_name_and_all_are_in_one() -> None:
    names = [f"photos/{number}.jpg" for number in range(8000)]
    counts = Counter(shard_index(name, 8) for name in names)
    assert sorted(counts) == list(range(8))
    assert max(counts.values()) < 1.15 * 1000
    assert [index for index in range(8) if Shard(index, 8).has("photos/17.jpg")] == [shard_index("photos/17.jpg", 8)]
    assert shard_index("\udcff.jpg", 4) in range(4)  # a name that is not UTF-8


@pytest.mark.parametrize("text", ["3/3", "-1/3", "1", "a/b", "1/0", "1/2/3", "", "0/99999999"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="need INDEX/COUNT, counted from 0"):
        shard_named(text)


def test_an_interrupted_shard_is_not_merged_and_goes_on(
    photos: Path, tmp_path: Path, options: DetectOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect_all(photos, tmp_path / "out", options)
    folder = tmp_path / "out" / "shards"
    os.rename(folder / "1-of-3", folder / "1-of-3.part")  # as a run that was killed before its end leaves it
    ledger = folder / "1-of-3.part" / "detections.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"of 3 shards 1/3 are missing or not done"):
        merge_shards(tmp_path / "out")
    detect_shard([str(photos)], tmp_path / "out", options, Shard(1, 3))
    assert (folder / "1-of-3" / "detections.jsonl").read_bytes() == whole
    merge_shards(tmp_path / "out")
    assert len(read_ledger(tmp_path / "out" / "detections.jsonl")) == 7


def test_a_shard_that_is_run_again_has_new_images_too(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    detect_all(photos, tmp_path / "out", options)
    (photos / "0.png").write_bytes((photos / "z.png").read_bytes())
    detect_all(photos, tmp_path / "out", options)
    merge_shards(tmp_path / "out")
    files = [row.file for row in read_ledger(tmp_path / "out" / "detections.jsonl")]
    assert files == ["0.png", "9.png", "10.png", "broken.jpg", "sub/1.png", "sub/2.png", "sub/3.gif", "z.png"]


def test_a_shard_whose_images_all_fail_is_done(tmp_path: Path, options: DetectOptions) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    for index in range(2):
        detect_shard([str(tmp_path / "photos")], tmp_path / "out", options, Shard(index, 2))
    assert "1 images (1 failed)" in merge_shards(tmp_path / "out")
    limited = DetectOptions(options.model, device="cpu", fail_on_error="0", overwrite=True)
    with pytest.raises(LimitError, match="1 of 1 images failed"):
        detect_shard([str(tmp_path / "photos")], tmp_path / "other", limited, Shard(shard_index("a.jpg", 2), 2))


def test_shards_of_other_settings_or_counts_are_refused(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="has no shards; run detect with"):
        merge_shards(out)
    detect_all(photos, out, options)
    other: dict[str, Any] = {**vars(options), "settings": {"score": 0.9}}
    with pytest.raises(UsageError, match=r"config.score 0.0 -> 0.9"):
        detect_shard([str(photos)], out, DetectOptions(**other), Shard(1, 3))
    detect_shard([str(photos)], out, DetectOptions(**{**other, "overwrite": True}), Shard(1, 3))
    with pytest.raises(UsageError, match=r"1-of-3: was made with other settings than 0-of-3 \(config.score"):
        merge_shards(out)
    detect_shard([str(photos)], out, options, Shard(0, 2))
    with pytest.raises(DataError, match="has shards of 2 and of 3"):
        merge_shards(out)


def test_merging_loses_no_rows_of_other_images(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.png").write_bytes((photos / "z.png").read_bytes())
    detect_files([str(tmp_path / "more")], tmp_path / "out", options)
    detect_all(photos, tmp_path / "out", options)
    with pytest.raises(UsageError, match=r"has 1 images that are in no shard, as other.png: move it away"):
        merge_shards(tmp_path / "out")


def test_a_run_has_its_folder_alone(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    with locked(tmp_path / "out"), pytest.raises(UsageError, match="another run is writing to it"):
        detect_files([str(photos)], tmp_path / "out", options)
    with (
        locked(tmp_path / "out" / "shards", ".1-of-3.lock"),
        pytest.raises(UsageError, match="another run is writing to it"),
    ):
        detect_shard([str(photos)], tmp_path / "out", options, Shard(1, 3))
    detect_files([str(photos)], tmp_path / "out", options)  # the lock of a run that ended stops none


def test_a_plan_of_a_shard_is_about_its_images(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    planned = [plan(prepare_shard([str(photos)], tmp_path / "out", options, Shard(index, 3))[0]) for index in range(3)]
    assert sum(each.images for each in planned) == 7
    assert not (tmp_path / "out").exists()
    detect_shard([str(photos)], tmp_path / "out", options, Shard(1, 3))
    again = plan(prepare_shard([str(photos)], tmp_path / "out", options, Shard(1, 3))[0])
    rows = read_ledger(tmp_path / "out" / "shards" / "1-of-3" / "detections.jsonl")
    assert again.done == sum(row.error is None for row in rows) > 0
    assert not list((tmp_path / "out" / "shards").glob("*.part"))


def test_the_shard_says_what_it_is_a_part_of(photos: Path, tmp_path: Path, options: DetectOptions) -> None:
    detect_shard([str(photos)], tmp_path / "out", options, Shard(2, 3))
    record = json.loads((tmp_path / "out" / "shards" / "2-of-3" / "shard.json").read_text())
    assert (record["shard"], record["sources"], record["classes"]) == ("2/3", [str(photos)], ["a", "b/c"])
    order = ["9.png", "10.png", "broken.jpg", "sub/1.png", "sub/2.png", "sub/3.gif", "z.png"]
    assert record["positions"] == {name: order.index(name) for name in order if shard_index(name, 3) == 2}
