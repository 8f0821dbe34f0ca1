"""How to train: the steps, the optimiser and its learning rate. Plain values, and what they mean."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from ...data.class_names import require_known
from ...data.errors import UsageError
from ...data.values import ABOVE_ZERO, NOT_NEGATIVE, SEED, Range, check_ranges

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "step")
MOMENTUM = 0.9  # of "sgd", in both papers
WARMUP = 200  # steps
_STEPS = Range(1, 10**9, whole=True)
RANGES = {
    "steps": _STEPS,
    "learning_rate": ABOVE_ZERO,
    "warmup": Range(0, 10**9, whole=True, optional=True),
    "weight_decay": NOT_NEGATIVE,
    "ema": Range(0, 1, open_high=True),
    "gradient_limit": Range(0, math.inf, open_low=True),
    "checkpoint_every": _STEPS,
    "validate_every": _STEPS,
    "seed": SEED,
    "decay": Range(0, 1, open_low=True),
    "decay_every": _STEPS,
}


@dataclass(frozen=True)
class Recipe:
    """How to train; the rates of the parameter groups are multiples of `learning_rate`."""

    steps: int = 5000
    learning_rate: float = 0.0001
    warmup: int | None = None  # steps from 0 to the full rate; without, 200 or a tenth of a run that is short
    weight_decay: float = 0.01
    ema: float = 0.999  # decay of the exponential moving average of the weights, which is validated and saved
    gradient_limit: float = 35.0  # norm: a rare bad batch must not throw the weights off
    checkpoint_every: int = 250  # steps
    validate_every: int = 1000  # steps
    seed: int = 0
    optimizer: str = "adamw"  # or "sgd", with momentum .9
    schedule: str = "cosine"  # down to zero; or "step": times `decay` every `decay_every` steps
    decay: float = 0.1  # R-CNN's; GoogLeNet's is .96
    decay_every: int = 20_000  # steps, R-CNN's; GoogLeNet's are those of 8 epochs

    def __post_init__(self) -> None:
        require_known("optimizer", self.optimizer, OPTIMIZERS)
        require_known("schedule", self.schedule, SCHEDULES)
        check_ranges(self, RANGES)
        if self.warmup is not None and self.warmup > self.steps:
            raise UsageError(
                f"warmup is {self.warmup}: a run of {self.steps} steps would never reach its rate; "
                f"need at most {self.steps}"
            )

    @property
    def warmup_steps(self) -> int:
        """The steps from 0 to the full rate: those given, else 200 or a tenth of the run, whichever is less.

        >>> Recipe(steps=100).warmup_steps, Recipe(steps=100, warmup=50).warmup_steps
        (10, 50)
        """
        return min(WARMUP, self.steps // 10) if self.warmup is None else self.warmup

    def __str__(self) -> str:
        """
        >>> str(Recipe(steps=9, schedule="step"))
        '9 steps of adamw, rate 0.0001 times 0.1 every 20000 steps, no warm-up, seed 0'
        """
        stepwise = f"times {self.decay:g} every {self.decay_every} steps"
        falling = stepwise if self.schedule == "step" else "falling to 0"
        warmup = f"after {self.warmup_steps} steps of warm-up" if self.warmup_steps else "no warm-up"
        return (
            f"{self.steps} steps of {self.optimizer}, rate {self.learning_rate:g} {falling}, {warmup}, seed {self.seed}"
        )


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step: a linear warm-up, then the schedule.

    "cosine" is half a cosine from the end of the warm-up down to zero; "step" counts its steps from the first one.

    >>> recipe = Recipe(steps=100, learning_rate=1.0, warmup=10)
    >>> [round(rate_at(step, recipe), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    >>> recipe = Recipe(steps=100, learning_rate=1.0, warmup=10, schedule="step", decay=0.1, decay_every=40)
    >>> [round(rate_at(step, recipe), 3) for step in (0, 39, 40, 99)]
    [0.1, 1.0, 0.1, 0.01]
    """
    warmup = recipe.warmup_steps
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.decay ** (step // recipe.decay_every)
    progress = (step - warmup) / max(recipe.steps - warmup, 1)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def new_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of torch's parameter groups; a group's own weight decay goes before the recipe's."""
    groups = [{"weight_decay": recipe.weight_decay, **group} for group in groups]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=MOMENTUM)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)
