"""Two detectors on the same images: the change, its interval, and the limit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_analysis_intervals import CLASSES, random_images

from inception_rcnn.data.errors import LimitError, UsageError
from inception_rcnn.data.formats.exports import write_coco
from inception_rcnn.data.formats.voc.annotations import write_voc_annotation
from inception_rcnn.eval.analysis.comparison import Comparison, compare, format_comparison, write_comparison
from inception_rcnn.eval.evaluate import check_drop, compare_files
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate
from inception_rcnn.eval.metrics.table import tabulate


def worse(images):
    """The same predictions, none on every third image."""
    return [replace(each, detections=each.detections[:0]) if i % 3 == 0 else each for i, each in enumerate(images)]


def evaluation_of(images, truths, classes=CLASSES, metric="voc10") -> Evaluation:
    return evaluate(tabulate(images, truths, classes), [metric])[0]


@pytest.fixture
def comparison() -> Comparison:
    images, truths = random_images(4, 60)
    return compare(evaluation_of(images, truths), evaluation_of(worse(images), truths))


def test_a_clear_change(comparison: Comparison) -> None:
    mean = comparison.mean
    assert mean.change == pytest.approx(mean.b - mean.a)
    assert mean.interval.low < mean.change < mean.interval.high < 0
    assert mean.is_clear
    assert [one.name for one in comparison.classes] == list(CLASSES)
    assert np.isnan(comparison.classes[2].change)
    assert not comparison.classes[2].is_clear


def test_no_change_at_all() -> None:
    images, truths = random_images(4, 60)
    same = compare(evaluation_of(images, truths), evaluation_of(images, truths)).mean
    assert (same.change, same.interval.low, same.interval.high, same.is_clear) == (0, 0, 0, False)


def test_paired_differences_are_surer_than_two_intervals(comparison: Comparison) -> None:
    from inception_rcnn.eval.analysis.intervals import find_intervals

    images, truths = random_images(4, 60)
    single = [find_intervals(evaluation_of(each, truths)).map for each in (images, worse(images))]
    width = comparison.mean.interval.high - comparison.mean.interval.low
    assert width < sum(one.high - one.low for one in single)


def test_only_like_is_compared() -> None:
    images, truths = random_images(4, 10)
    one = evaluation_of(images, truths)
    for other in (
        evaluation_of(images, truths, metric="voc07"),
        evaluation_of(images, truths[::-1]),
        evaluation_of(images, truths, CLASSES[:2]),
    ):
        with pytest.raises(UsageError, match="can be compared"):
            compare(one, other)


def test_a_table_and_a_file(comparison: Comparison, tmp_path: Path) -> None:
    lines = format_comparison(comparison).splitlines()
    assert lines[0].split()[:3] == ["class", "A", "B"]
    assert lines[3].split()[:2] == ["none", "n/a"]
    assert lines[4].startswith("mean")
    assert lines[4].endswith("*")
    assert "VOC10+" in lines[-1]
    write_comparison(comparison, tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["classes"][2]["change"] is None
    assert content["mean"]["interval"]["high"] < 0


def test_a_limit(comparison: Comparison) -> None:
    drop = -comparison.mean.change
    check_drop(comparison, drop + 1e-9)
    with pytest.raises(LimitError, match=r"fell by 0\.\d+, more than"):
        check_drop(comparison, drop - 1e-9)


def test_from_files(tmp_path: Path) -> None:
    images, truths = random_images(4, 12)
    for truth in truths:
        write_voc_annotation(truth, tmp_path / "own" / "Annotations" / truth.file.replace("jpg", "xml"))
    names = "".join(f"{truth.file.removesuffix('.jpg')}\n" for truth in truths)
    (tmp_path / "own" / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "own" / "ImageSets" / "Main" / "val.txt").write_text(names)
    write_coco(images, tmp_path / "a.json", ["ant", "bee", "only in a"])
    write_coco(worse(images), tmp_path / "b.json", ["bee", "ant"])
    said: list[str] = []
    files = tmp_path / "a.json", tmp_path / "b.json"
    found = compare_files(*files, f"voc:{tmp_path / 'own'}:val", "voc10", report=said.append)
    assert [one.name for one in found.classes] == ["ant", "bee"]
    assert found.mean.change < 0
    assert said == ["left out, not in both: only in a"]
    (bee,) = compare_files(*files, f"voc:{tmp_path / 'own'}:val", "voc07", "bee").classes
    assert bee.name == "bee"
    with pytest.raises(UsageError, match="unknown --metric 'voc99'"):
        compare_files(*files, f"voc:{tmp_path / 'own'}:val", "voc99")
    with pytest.raises(UsageError, match="did you mean 'bee'"):
        compare_files(*files, f"voc:{tmp_path / 'own'}:val", "voc10", "beee")


def test_what_each_side_leaves_out_is_said(tmp_path: Path) -> None:
    images, truths = random_images(2, 6)
    folder = tmp_path / "own"
    for truth in truths:
        write_voc_annotation(truth, folder / "Annotations" / f"{Path(truth.file).stem}.xml")
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("".join(f"{Path(each.file).stem}\n" for each in truths))
    write_coco(images, tmp_path / "a.json", list(CLASSES))
    write_coco([replace(each, file=f"other-{each.file}") for each in images], tmp_path / "b.json", list(CLASSES))
    said: list[str] = []
    compare_files(tmp_path / "a.json", tmp_path / "b.json", f"voc:{folder}:val", "voc10", report=said.append)
    own = [line for line in said if line.startswith(f"{tmp_path / 'b.json'}: ")]
    assert "only 0 of 6 images of the data set have predictions" in own[0]
    assert "on 6 images outside the data set" in own[1]
