"""A run of the training loop that is small, has chance in it, and can be a process of its own: `python FILE OUT`."""

import sys
import time
from pathlib import Path

import torch

from inception_rcnn.backbone.training.distributed import joined, own_shard, totals
from inception_rcnn.backbone.training.loop import Task, train
from inception_rcnn.backbone.training.recipe import Recipe
from inception_rcnn.backbone.training.run import Run

RECIPE = Recipe(steps=90, learning_rate=0.05, warmup=5, checkpoint_every=20, validate_every=30, ema=0.9)
SAMPLES = 16  # a step


class Line(torch.nn.Module):
    """y = w x + b, and a parameter that only an odd step's loss knows."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.sometimes = torch.nn.Parameter(torch.ones(1))


def batch_at(step):
    """This process's share of the step's samples: numbers, x, y."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(SAMPLES, 2, generator=generator)
    chosen = list(own_shard(range(SAMPLES)))
    return step, chosen, x[chosen], (x @ torch.tensor([[2.0], [-1.0]]) + 0.5)[chosen]


def squared_error(model, batch):
    """With dropout whose chance is a sample's own, as that of an image is."""
    step, chosen, x, y = batch
    error = x.new_zeros(())
    for number, one, wanted in zip(chosen, x, y, strict=True):
        torch.manual_seed(step * SAMPLES + number)
        error = error + ((model.layer(torch.nn.functional.dropout(one, 0.05)) - wanted) ** 2).sum()
    error = error / totals(len(x))[0]
    if step % 2:
        error = error + model.sometimes.square().sum() * (len(x) / SAMPLES) * 0.1
    return {"loss": error, "samples": torch.tensor(float(len(x)))}


def chancy_error(model, batch):
    """With dropout that draws from the chance of the step."""
    _, _, x, y = batch
    error = ((model.layer(torch.nn.functional.dropout(x, 0.05)) - y) ** 2).mean()
    return {"loss": error + 0 * model.sometimes.sum(), "error": error.sqrt()}


def run(out, *, recipe=RECIPE, batch=batch_at, loss=chancy_error, validate=None, **others):
    """The model, what was saved of it, and the state, after a run or the rest of one."""
    torch.manual_seed(1)
    model, saved = Line(), []

    def save(kept):
        saved.append({name: value.clone() for name, value in kept.state_dict().items()})
        torch.save(saved[-1], out / "saved.pt")

    groups = [{"params": list(model.parameters()), "scale": 1.0}]
    of_run = {name: others.pop(name) for name in ("resume", "report", "tensorboard") if name in others}
    state = train(Task(model, groups, batch, loss, save, validate, **others), Run(recipe, out, **of_run))
    return model, saved, state


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def judged(model):
    """A score that changes with the weights: the best is not the last."""
    return -abs(float(model.layer.weight.detach()[0, 0]) - 1.5)


def told(step):
    """A batch that says it was asked for, slowly enough to be stopped at."""
    say(step)
    time.sleep(0.02)
    return batch_at(step)


@joined()
def main(out, *arguments):
    """The run of the tests; `shared` adds up what several processes see."""
    loss = squared_error if "shared" in arguments else chancy_error
    batch = told if "slow" in arguments else batch_at
    run(Path(out), batch=batch, loss=loss, validate=judged, resume="resume" in arguments, report=say)


if __name__ == "__main__":
    main(*sys.argv[1:])
