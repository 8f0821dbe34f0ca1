import json
import os

import pytest
import torch

from inception_rcnn.backbone.training import Recipe, rate_at, train
from inception_rcnn.data.errors import DataError, UsageError

RECIPE = Recipe(steps=60, learning_rate=0.05, warmup=5, checkpoint_every=20, validate_every=30, average=0.9)


class Line(torch.nn.Module):
    """y = w x + b, with a dropout whose random numbers a resumed run has to continue."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.dropout = torch.nn.Dropout(0.05)


def batch_at(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(16, 2, generator=generator)
    return x, x @ torch.tensor([[2.0], [-1.0]]) + 0.5


def squared_error(model, batch):
    x, y = batch
    error = ((model.layer(model.dropout(x)) - y) ** 2).mean()
    return {"loss": error, "error": error.sqrt()}


def run(out, *, recipe=RECIPE, batch=batch_at, validate=None, resume=False):
    torch.manual_seed(1)
    model, saved = Line(), []
    groups = [{"params": list(model.parameters()), "scale": 1.0}]
    state = train(
        model,
        groups,
        batch,
        squared_error,
        recipe,
        out,
        save=lambda kept: saved.append({k: v.clone() for k, v in kept.state_dict().items()}),
        validate=validate,
        resume=resume,
    )
    return model, saved, state


def test_it_learns_a_line_and_saves_the_average(tmp_path):
    model, saved, state = run(tmp_path)
    assert state.step == 60
    assert len(saved) == 1
    torch.testing.assert_close(saved[0]["layer.weight"], torch.tensor([[2.0, -1.0]]), atol=0.4, rtol=0)
    assert not torch.equal(saved[0]["layer.weight"], model.layer.weight)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [25, 50, 60]
    assert rows[-1]["loss"] < rows[0]["loss"] / 2


def test_the_rate_warms_up_and_falls_to_nothing():
    rates = [rate_at(step, RECIPE) for step in range(RECIPE.steps)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[5] == pytest.approx(0.05)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.0001


class StoppedError(Exception):
    pass


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    def stopping(step):
        if step == 50:
            raise StoppedError
        return batch_at(step)

    whole, _, _ = run(tmp_path / "whole")
    with pytest.raises(StoppedError):
        run(tmp_path / "stopped", batch=stopping)
    resumed, _, _ = run(tmp_path / "stopped", resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "stopped")]
    assert [json.loads(line)["step"] for line in logs[1]] == [json.loads(line)["step"] for line in logs[0]]


def test_the_best_by_validation_is_kept(tmp_path):
    scores = iter([0.7, 0.4])
    _, saved, state = run(tmp_path, validate=lambda model: next(scores))
    assert len(saved) == 1
    assert state.best == 0.7
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(row["step"], row["best"]) for row in rows if "score" in row] == [(30, True), (60, False)]


def test_resuming_nothing_is_an_error_and_so_is_starting_over_something(tmp_path):
    with pytest.raises(UsageError, match="nothing to resume"):
        run(tmp_path, resume=True)
    run(tmp_path)
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path)
    with pytest.raises(UsageError, match="same recipe"):
        run(tmp_path, recipe=Recipe(steps=99), resume=True)


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(tmp_path):
    def poisoned(step):
        x, y = batch_at(step)
        return (x * float("nan"), y) if step == 45 else (x, y)

    with pytest.raises(DataError, match="step 45"):
        run(tmp_path, batch=poisoned)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["state"]["step"] == 40


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "last.ckpt"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"last\.ckpt"):
        run(tmp_path, resume=True)
