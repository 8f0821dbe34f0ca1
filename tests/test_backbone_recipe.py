import pytest
import torch

from inception_rcnn.backbone.recipe import Recipe, new_optimizer, rate_at


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


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_groups_keep_their_own_weight_decay(name, kind):
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    groups = [{"params": [first], "weight_decay": 0.0, "scale": 2.0}, {"params": [second], "scale": 1.0}]
    optimizer = new_optimizer(groups, Recipe(optimizer=name, weight_decay=0.25))
    assert type(optimizer) is kind
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.25]
    assert optimizer.param_groups[0].get("momentum", 0.9) == 0.9
