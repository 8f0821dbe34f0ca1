import csv
import json
import math
import sys

import pytest

from inception_rcnn.backbone.training.log import TrainingLog
from inception_rcnn.data.errors import DataError, SetupError

NOTHING = {"sums": {}, "counts": {}}


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def new_log(folder, steps=100, report=lambda line: None, start=0, unwritten=NOTHING, **options):
    log = TrainingLog(folder, steps, report, **options)
    log.go_on(start, unwritten)
    return log


def test_lines_are_means_since_the_last_line(tmp_path):
    lines = []
    log = new_log(tmp_path, 30, lines.append, images=2)
    for step in range(30):
        log.add(step, {"loss": float(step)}, 0.5, seconds=0.5, waited=0.125)
    assert rows(tmp_path) == [
        {"step": 25, "rate": 0.5, "loss": 12.0, "seconds": 0.5, "waiting": 0.25},  # of 0...24
        {"step": 30, "rate": 0.5, "loss": 27.0, "seconds": 0.5, "waiting": 0.25},  # of 25...29
    ]
    assert lines[0].startswith("step 25/30  loss 12.000  0.50 s/step  4.0 images/s  25% waiting for data")
    assert lines[1].endswith("0:00:00 left")


def test_what_a_resumed_run_will_do_again_is_forgotten(tmp_path):
    first = new_log(tmp_path)
    for step in range(75):
        first.add(step, {"loss": 1.0}, 0.5)
    first.validated(75, 0.625, best=True)
    new_log(tmp_path, start=50)
    assert [row["step"] for row in rows(tmp_path)] == [25, 50]


def test_a_run_that_begins_anew_drops_what_one_without_a_checkpoint_left(tmp_path):
    new_log(tmp_path).validated(3, 0.5, best=True)
    new_log(tmp_path)
    assert rows(tmp_path) == []


def test_means_continue_where_a_checkpoint_fell_between_two_lines(tmp_path):
    first = new_log(tmp_path)
    for step in range(10):
        first.add(step, {"loss": 3.0}, 0.5)
    second = new_log(tmp_path, start=10, unwritten=first.unwritten)
    for step in range(10, 25):
        second.add(step, {"loss": 8.0}, 0.5)
    assert rows(tmp_path)[0]["loss"] == 6.0  # (10 * 3 + 15 * 8) / 25


def test_the_table_is_whole_after_a_stop_and_has_a_column_for_scores(tmp_path):
    first = new_log(tmp_path)
    for step in range(60):
        first.add(step, {"loss": 1.0, "class": 0.5}, 0.5)
    second = new_log(tmp_path, start=25)
    for step in range(25, 50):
        second.add(step, {"loss": 2.0, "class": 0.5}, 0.5)
    second.validated(50, 0.75, best=True)
    with (tmp_path / "log.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["step"], row["loss"], row["score"]) for row in table] == [
        ("25", "1.0", ""),
        ("50", "2.0", ""),
        ("50", "", "0.75"),
    ]
    assert list(table[0]) == ["step", "rate", "loss", "class", "seconds", "waiting", "score", "best"]


def test_a_process_that_is_to_say_nothing_writes_nothing(tmp_path):
    log = new_log(None, 1)
    log.add(0, {"loss": 1.0}, 0.5)
    log.validated(1, 0.5, best=True)
    assert list(tmp_path.iterdir()) == []


def test_curves_have_every_number_once_even_after_a_stop(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = new_log(tmp_path, tensorboard=True)
    for step in range(75):
        first.add(step, {"loss": float(step)}, 0.5)
    first.validated(75, 0.625, best=True)
    first.close()
    second = new_log(tmp_path, start=50, tensorboard=True)
    for step in range(50, 75):
        second.add(step, {"loss": float(step)}, 0.5)
    second.close()
    curves = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in curves.Scalars("loss")] == [(25, 12), (50, 37), (75, 62)]


def test_curves_without_their_package_are_refused_with_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(SetupError, match=r"pip install 'inception-rcnn\[tensorboard\]'"):
        TrainingLog(tmp_path, 1, lambda line: None, tensorboard=True)


@pytest.mark.parametrize(
    "line", ["{", "[1]", "3", '{"step": "9"}', '{"loss": 1}', "[" * 10**5, '{"step": 1e999}', "\udcff"]
)
def test_a_row_that_is_none_is_one_sentence(tmp_path, line):
    (tmp_path / "log.jsonl").write_text(f'{{"step": 25, "loss": 1.0}}\n{line}\n', errors="surrogateescape")
    with pytest.raises(DataError, match=r"log\.jsonl, line 2: .*; mend or move the file") as caught:
        new_log(tmp_path)
    assert len(str(caught.value)) < 500


def test_numbers_that_json_does_not_have_are_null(tmp_path):
    log = new_log(tmp_path, 1)
    log.add(0, {"loss": 1.0, "box": math.inf}, 0.5)
    log.validated(1, math.nan, best=False)
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    assert [row.get("box", row.get("score")) for row in rows(tmp_path)] == [None, None]


def test_means_are_over_the_steps_that_have_the_term(tmp_path):
    log = new_log(tmp_path, 5)
    for step, terms in enumerate(
        ({}, {"loss": 2.0, "accuracy": 1.0}, {"loss": 1.0, "accuracy": math.nan}, {"loss": 0.0, "accuracy": 0.5}, {})
    ):
        log.add(step, terms, 0.5)
    (row,) = rows(tmp_path)
    assert (row["loss"], row["accuracy"]) == (1.0, 0.75)
    assert (tmp_path / "log.csv").read_text().splitlines()[0].startswith("step,rate,loss,accuracy,seconds")
