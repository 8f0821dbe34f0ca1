import math

import pytest
import torch

from inception_rcnn.backbone.training.recipe import Recipe, new_optimizer, rate_at
from inception_rcnn.data.errors import UsageError


def test_the_rate_warms_up_and_falls_to_nothing():
    recipe = Recipe(steps=60, learning_rate=0.05, warmup=5)
    rates = [rate_at(step, recipe) for step in range(60)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[5] == pytest.approx(0.05)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.0001


@pytest.mark.parametrize(("decay", "every"), [(0.1, 500), (0.96, 7)])
def test_the_rate_falls_in_steps_counted_from_the_first(decay, every):
    recipe = Recipe(learning_rate=0.001, warmup=3, schedule="step", decay=decay, decay_every=every)
    rate = 0.001
    for step in range(3 * every):
        if step and step % every == 0:
            rate *= decay
        expected = 0.001 * (step + 1) / 3 if step < 3 else rate
        assert rate_at(step, recipe) == pytest.approx(expected, rel=1e-9)


def test_without_a_warm_up_the_first_step_has_the_full_rate():
    assert rate_at(0, Recipe(learning_rate=0.5, warmup=0)) == 0.5


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [("adamw", torch.optim.AdamW, {"betas": (0.9, 0.999)}), ("sgd", torch.optim.SGD, {"momentum": 0.9})],
)
def test_groups_keep_their_own_weight_decay(name, kind, own):
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    groups = [{"params": [first], "weight_decay": 0.0, "scale": 2.0}, {"params": [second], "scale": 1.0}]
    optimizer = new_optimizer(groups, Recipe(optimizer=name, weight_decay=0.25))
    assert type(optimizer) is kind
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.25]
    for group in optimizer.param_groups:
        assert {key: group.get(key) for key in ("betas", "momentum") if key in group} == own
        assert group["lr"] == Recipe().learning_rate
    (first + second).backward()
    optimizer.step()
    assert first.item() < 1  # down the gradient, and less the decay where there is one
    assert second.item() < first.item()


@pytest.mark.parametrize("steps", [1, 5, 60, 199, 1000, 4000])
def test_a_run_reaches_its_rate_however_short_it_is(steps):
    recipe = Recipe(steps=steps, learning_rate=0.5)
    assert max(rate_at(step, recipe) for step in range(steps)) == pytest.approx(0.5)
    assert recipe.warmup_steps == min(200, steps // 10)


def test_a_warm_up_longer_than_the_run_is_refused_and_a_long_one_is_kept():
    with pytest.raises(UsageError, match="warmup is 200: a run of 100 steps would never reach its rate"):
        Recipe(steps=100, warmup=200)
    assert "after 90 steps of warm-up" in str(Recipe(steps=100, warmup=90))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("learning_rate", value) for value in (0, -0.1, math.nan, math.inf, "fast", True)),
        *(("ema", value) for value in (1.0, -0.1, math.nan)),
        *(("seed", value) for value in (-1, 2**32, 0.5)),
        *(("steps", value) for value in (0, 2.5, 10**400)),
        *(("weight_decay", value) for value in (-1, math.nan)),
        *(("gradient_limit", value) for value in (0, math.nan)),
        *((name, 0) for name in ("checkpoint_every", "validate_every", "decay_every", "decay")),
        ("warmup", -1),
    ],
)
def test_numbers_that_cannot_be_are_refused(field, value):
    with pytest.raises(UsageError, match=f"^{field} is .*: need "):
        Recipe(**{field: value})
