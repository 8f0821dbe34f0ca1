import contextlib
import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from line_training import RECIPE, batch_at, judged, run, squared_error

from inception_rcnn.backbone.training import loop
from inception_rcnn.backbone.training.checkpoints import check_model_folder
from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.data.errors import DataError, SetupError, UsageError

SCRIPT = str(Path(__file__).with_name("line_training.py"))


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_times(folder):
    return [{name: row[name] for name in row if name not in ("seconds", "waiting")} for row in rows(folder)]


def assert_same(model, other):
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_it_learns_a_line_and_saves_the_ema(tmp_path):
    model, saved, state = run(tmp_path)
    assert state.step == 90
    assert len(saved) == 1
    torch.testing.assert_close(saved[0]["layer.weight"], torch.tensor([[2.0, -1.0]]), atol=0.4, rtol=0)
    assert not torch.equal(saved[0]["layer.weight"], model.layer.weight)
    assert [row["step"] for row in rows(tmp_path)] == [25, 50, 75, 90]
    assert rows(tmp_path)[-1]["loss"] < rows(tmp_path)[0]["loss"] / 2


def test_batches_made_by_several_threads_are_those_of_one(tmp_path, monkeypatch):
    model, _, _ = run(tmp_path / "one")
    monkeypatch.setattr(loop, "_batch_threads", lambda model: 4)  # as beside a GPU
    other, _, _ = run(tmp_path / "four", batch=lambda step: (time.sleep(0.002 * (step % 3)), batch_at(step))[1])
    for one, four in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, four)


def test_plain_momentum_with_steps_is_what_a_loop_with_torch_gives(tmp_path):
    recipe = replace(RECIPE, steps=30, optimizer="sgd", schedule="step", decay=0.5, decay_every=10, ema=0.0)
    model, saved, _ = run(tmp_path, recipe=recipe, loss=lambda model, batch: plain_error(model, batch))
    torch.manual_seed(1)
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for step in range(30):
        optimizer.param_groups[0]["lr"] = 0.05 * ((step + 1) / 5 if step < 5 else 0.5 ** (step // 10))
        _, _, x, y = batch_at(step)
        optimizer.zero_grad()
        ((layer(x) - y) ** 2).mean().backward()
        optimizer.step()
    torch.testing.assert_close(model.layer.weight, layer.weight)
    torch.testing.assert_close(saved[0]["layer.weight"], layer.weight.detach())  # no averaging


def plain_error(model, batch):
    _, _, x, y = batch
    return {"loss": ((model.layer(x) - y) ** 2).mean()}


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [21, 45, 61])
def test_a_run_that_broke_off_goes_on_to_the_same_weights_and_log(stop, tmp_path):
    def stopping(step):
        if step == stop:
            raise StoppedError
        return batch_at(step)

    whole, saved, _ = run(tmp_path / "whole", validate=judged)
    with pytest.raises(StoppedError):
        run(tmp_path / "stopped", batch=stopping, validate=judged)
    torch.manual_seed(99)  # chance is not what the run before left
    resumed, _, state = run(tmp_path / "stopped", resume=True, validate=judged)
    assert_same(whole, resumed)
    assert without_times(tmp_path / "stopped") == without_times(tmp_path / "whole")
    kept = torch.load(tmp_path / "stopped" / "saved.pt")  # the best may be from before
    assert all(torch.equal(kept[name], saved[-1][name]) for name in kept)
    assert state.best == pytest.approx(
        max(row["score"] for row in rows(tmp_path / "whole") if "score" in row), abs=1e-5
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and the model of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, validate=judged)[0]


def stop_at(out, step, number, *arguments):
    """Send a signal to a run in a process of its own when it asks for a step's batch; its exit code and errors."""
    command = [sys.executable, SCRIPT, str(out), "slow", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip() == str(step):
                process.send_signal(number)
                break
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, -signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_process_goes_on_to_the_same_weights_and_log(number, code, whole, tmp_path):
    returned, output, errors = stop_at(tmp_path, 33, number)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)["state"]["step"]
    if number == signal.SIGKILL:
        assert kept in (20, 30)  # two batches are made ahead, and a checkpoint follows validation
        with (tmp_path / "log.jsonl").open("a") as log:
            log.write('{"step": 50, "lo')  # what it had begun to write
    else:
        assert 30 < kept < 40
        assert f"stopped after step {kept}" in output
        assert "--resume" in output
    assert returned == code, errors
    resumed, _, _ = run(tmp_path, resume=True, validate=judged)
    assert_same(whole[1], resumed)
    assert without_times(tmp_path) == without_times(whole[0])


@pytest.mark.slow
def test_a_second_signal_ends_at_once(tmp_path):
    command = [sys.executable, "-c", STUCK, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in a step\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "still in it\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert not (tmp_path / "last.ckpt").exists()


STUCK = """
import signal, sys, time
from pathlib import Path
sys.path.append(sys.argv[2])
from line_training import run

def stuck(model, batch):
    print("in a step", flush=True)
    while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        time.sleep(0.01)
    print("still in it", flush=True)
    time.sleep(60)

run(Path(sys.argv[1]), loss=stuck)
"""


def test_signals_are_handled_as_before_once_a_run_is_over(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_best_by_validation_is_kept(tmp_path):
    scores, lines = iter([0.7, 0.4, 0.6]), []
    _, saved, state = run(tmp_path, validate=lambda model: next(scores), metric="mAP", report=lines.append)
    assert len(saved) == 1
    assert state.best == 0.7
    assert [(row["step"], row["best"]) for row in rows(tmp_path) if "score" in row] == [
        (30, True),
        (60, False),
        (90, False),
    ]
    assert "step 30: mAP 0.7000 (best so far, saved)" in lines


def test_the_best_is_remembered_over_a_stop(tmp_path):
    def stopping(step):
        if step == 50:
            raise StoppedError
        return batch_at(step)

    with pytest.raises(StoppedError):
        run(tmp_path, batch=stopping, validate=lambda model: 0.7)
    _, saved, state = run(tmp_path, resume=True, validate=lambda model: 0.4)
    assert (saved, state.best) == ([], 0.7)


def test_resuming_nothing_is_an_error_and_so_is_starting_over_something(tmp_path):
    with pytest.raises(UsageError, match="nothing to resume"):
        run(tmp_path, resume=True)
    run(tmp_path)
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path)


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    facts = {"data": "8 images 1f", "mode": "shared"}
    run(tmp_path, facts=facts)
    with pytest.raises(UsageError, match=r"another run: steps was 90 and is 99; seed was 0 and is 3\. Resume"):
        run(tmp_path, recipe=replace(RECIPE, steps=99, seed=3), facts=facts, resume=True)
    with pytest.raises(UsageError, match=r"another run: data was '8 images 1f' and is '9 images 2e'\. Resume"):
        run(tmp_path, facts={**facts, "data": "9 images 2e"}, resume=True)
    run(tmp_path, facts=facts, resume=True)


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(tmp_path):
    def poisoned(step):
        step, chosen, x, y = batch_at(step)
        return (step, chosen, x * float("nan"), y) if step == 45 else (step, chosen, x, y)

    with pytest.raises(DataError, match="nan at step 45"):
        run(tmp_path, batch=poisoned)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["state"]["step"] == 40


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "last.ckpt"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"last\.ckpt"):
        run(tmp_path, resume=True)


def test_overwritten_bytes_in_a_checkpoint_are_noticed(tmp_path):
    run(tmp_path)
    path = tmp_path / "last.ckpt"
    content, weights = bytearray(path.read_bytes()), torch.load(path, weights_only=True)["model"]
    name, tensor = next(iter(weights.items()))
    at = content.find(tensor.numpy().tobytes())
    assert at > 0, name
    content[at : at + 4] = np.float32(1024).tobytes()
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"last\.ckpt is not a readable checkpoint \(its part .* is not what was written"
    ):
        run(tmp_path, resume=True)


def test_the_table_has_what_the_rows_have(tmp_path):
    run(tmp_path, validate=judged)
    with (tmp_path / "log.csv").open(newline="") as file:
        table = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
    assert table == [{name: str(value) for name, value in row.items()} for row in rows(tmp_path)]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("optimizer", "adam", "did you mean 'adamw'"), ("schedule", "poly", "known: cosine, step"), ("steps", 0, "1")],
)
def test_recipes_that_cannot_be_are_refused(field, value, words):
    with pytest.raises(UsageError, match=words):
        Recipe(**{field: value})


@pytest.mark.parametrize("scores", [[math.nan] * 3, [math.nan, 0.5, math.nan], [0.5, math.nan, 0.25]])
def test_a_score_that_is_no_number_never_loses_the_weights(tmp_path, scores):
    waiting, lines = iter(scores), []
    _, saved, state = run(tmp_path, validate=lambda model: next(waiting), report=lines.append)
    good = [score for score in scores if not math.isnan(score)]
    assert state.best == max(good, default=-math.inf)
    assert len(saved) == {(): 3, (0.5,): 2, (0.5, 0.25): 1}[tuple(good)]
    said = [line for line in lines if "is no number: its weights are saved" in line]
    assert len(said) == (3 if not good else scores.index(good[0]))
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # JSON has no NaN


def change(content, path, value):
    """A copy of nested tables with the value at a path replaced, or without it."""
    content = {**content}
    if len(path) > 1:
        content[path[0]] = change(content[path[0]], path[1:], value)
    elif value is None:
        del content[path[0]]
    else:
        content[path[0]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(
            ((name,), value)
            for name in ("model", "ema", "optimizer", "state", "log", "identity")
            for value in (None, 3, [])
        ),
        *((("state", "step"), value) for value in (None, -1, 1.5, "9", True, 10**30)),
        *((("state", "best"), value) for value in (None, "high", math.nan)),
        *((("log", "counts"), value) for value in (None, "9", -1, {"loss": 0}, {"loss": "1"})),
        *((("log", "sums"), value) for value in (None, [], {"loss": "x"}, {"loss": torch.zeros(2)})),
        (("optimizer", "param_groups"), [3]),
        (("optimizer", "param_groups"), None),
        (("optimizer", "state"), [1]),
        (("optimizer", "state", 0), {"exp_avg": torch.zeros(7, 7)}),
        (("optimizer", "state", 99), {"exp_avg": torch.zeros(7, 7)}),
        (("model", "layer.weight"), torch.full((1, 2), torch.nan)),
        (("model", "layer.weight"), "weights"),
        (("model", "layer.weight"), torch.zeros(5)),
        (("model", "layer.weight"), None),
        (("ema", 3), torch.zeros(5)),
        (("identity", "steps"), torch.zeros(3)),
        (("identity", "steps"), "x" * 10**6),
    ],
)
def test_a_checkpoint_with_something_else_in_it_is_one_sentence(tmp_path, path, value):
    run(tmp_path, recipe=replace(RECIPE, steps=5))
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save(change(content, path, value), tmp_path / "last.ckpt")
    with pytest.raises((DataError, UsageError), match=r"last\.ckpt") as caught:
        run(tmp_path, recipe=replace(RECIPE, steps=5), resume=True)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("content", [[1], 3, "x", {}, {"step": 1}])
def test_what_is_no_checkpoint_at_all_is_one_sentence(tmp_path, content):
    run(tmp_path, recipe=replace(RECIPE, steps=5))
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(DataError, match=r"last\.ckpt is not a checkpoint of this program"):
        run(tmp_path, recipe=replace(RECIPE, steps=5), resume=True)


def test_damaged_checkpoints_go_on_or_are_one_sentence(tmp_path):
    recipe = replace(RECIPE, steps=5)
    run(tmp_path, recipe=recipe)
    whole, rng = (tmp_path / "last.ckpt").read_bytes(), random.Random(0)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "last.ckpt").write_bytes(content)
        with contextlib.suppress(DataError, UsageError):
            run(tmp_path, recipe=recipe, resume=True)


def test_a_model_folder_is_not_overwritten(tmp_path):
    check_model_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="holds a model, which would be overwritten"):
        check_model_folder(tmp_path)
    with pytest.raises(SetupError, match="cannot be written"):
        check_model_folder(tmp_path / "config.json" / "below")


def test_a_checkpoint_of_another_release_says_so(tmp_path):
    run(tmp_path)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save({name: value for name, value in content.items() if name != "format"}, tmp_path / "last.ckpt")
    with pytest.raises(DataError, match="is of another release of this program"):
        run(tmp_path, resume=True)


def test_how_often_a_checkpoint_is_written_may_change(tmp_path):
    run(tmp_path, recipe=replace(RECIPE, checkpoint_every=7))
    run(tmp_path, recipe=replace(RECIPE, checkpoint_every=9), resume=True)


def test_a_step_without_anything_to_learn_changes_nothing(tmp_path):
    """Nor do its moments or its weight decay."""

    def empty(network, batch):
        return {} if batch[0] % 2 else squared_error(network, batch)

    recipe = replace(RECIPE, warmup=0, schedule="step")
    twice, saved, _ = run(tmp_path / "twice", loss=empty, recipe=replace(recipe, steps=2))
    once, expected, _ = run(tmp_path / "once", loss=empty, recipe=replace(recipe, steps=1))
    assert_same(twice, once)
    assert all(torch.equal(saved[0][name], mean) for name, mean in expected[0].items())
    (row,), (other,) = without_times(tmp_path / "twice"), without_times(tmp_path / "once")
    assert (row["step"], row["loss"]) == (2, other["loss"])
