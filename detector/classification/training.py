"""Training of GoogLeNet as an image classifier (section 6 of its paper)."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from ...backbone.classification.batches import ClassificationBatches
from ...backbone.classification.classifier import classification_loss, new_classifier, parameter_groups
from ...backbone.classification.model_folder import read_classifier, save_classifier
from ...backbone.googlenet import GoogLeNet
from ...backbone.precision import choose_device
from ...backbone.training.checkpoints import State, check_model_folder
from ...backbone.training.distributed import joined, only_first, require_shards
from ...backbone.training.freezing import freezes_backbone
from ...backbone.training.loop import Task, train
from ...backbone.training.recipe import Recipe
from ...backbone.training.run import Run
from ...data.classification.labelled_images import LabelledImages, groups_by_class
from ...data.errors import UsageError
from ...data.stores.proposal_store import hash_of
from ...data.values import COUNT, check_ranges
from ...eval.metrics.classification import ClassificationResult
from .testing import predict

DECAY = 0.96  # what is left of the learning rate after each eight epochs (section 6)
DECAY_EPOCHS = 8


@dataclass(frozen=True)
class ClassifierOptions:
    """Options of `train classifier`, beside the data and the recipe."""

    crops: int = 32  # a step
    freeze: str = "none"  # the layers to freeze, of `FREEZES`
    balanced: bool = False  # show every class as often as the others
    auxiliary: bool = True  # learn with the two side classifiers
    validation_images: int = 1000
    device: str = "auto"

    def __post_init__(self) -> None:
        check_ranges(self, dict.fromkeys(("crops", "validation_images"), COUNT), flags=True)


@joined()
def train_classifier(
    data: LabelledImages, validation: LabelledImages | None, init: str | None, options: ClassifierOptions, run: Run
) -> State:
    """Train a classifier and write its folder, the best by validation top-1 if there is any.

    With the schedule "step" the learning rate falls as the paper's does, in epochs of this data.
    """
    check_model_folder(run.out, run.resume)
    _check_data(data, options)
    run = replace(run, recipe=paper_schedule(run.recipe, len(data), options.crops))
    torch.manual_seed(run.recipe.seed)  # for the first weights
    frozen = freezes_backbone(options.freeze)  # then the auxiliary heads have nothing to train
    auxiliary = options.auxiliary and not frozen
    model, new = new_classifier(read_classifier(init) if init else None, data.classes, auxiliary=auxiliary)
    groups = parameter_groups(model, options.freeze, new, run.recipe.weight_decay)
    model.to(choose_device(options.device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    shown = groups_by_class(data) if options.balanced else [np.arange(len(data))]
    only_first(run.report)(_class_counts(data, options, run.recipe))
    about = {"init": init and Path(init).name, "options": asdict(options), "recipe": asdict(run.recipe)}
    task = Task(
        model,
        groups,
        ClassificationBatches(data, shown, options.crops, run.recipe.seed),
        lambda network, batch: classification_loss(cast(GoogLeNet, network), batch),
        save=lambda network: save_classifier(run.out, cast(GoogLeNet, network), data.classes, about),
        validate=_validator(validation.with_classes(data.classes), options) if validation is not None else None,
        metric="top-1 of the validation images",
        facts=_facts(data, validation, init, options),
        images=options.crops,
    )
    return train(task, run)


def _facts(
    data: LabelledImages, validation: LabelledImages | None, init: str | None, options: ClassifierOptions
) -> dict[str, object]:
    """What a resumed run must share with the one that it resumes."""
    facts = {**asdict(options), "init": init, "data": _data_fact(data)}
    del facts["device"]
    return {**facts, "validation": None if validation is None else _data_fact(validation)}


def _data_fact(images: LabelledImages) -> str:
    """Changes with the images' names, their classes or their order."""
    return hash_of(images.classes, images.files, images.targets.tolist())


def momentum_recipe(
    steps: int, learning_rate: float, weight_decay: float, schedule: str, seed: int, **every: int
) -> Recipe:
    """The paper's descent by SGD with momentum; `every` as in `Recipe`.

    >>> momentum_recipe(1000, 0.01, 0.0002, "step", 0, validate_every=500).validate_every
    500
    """
    recipe = Recipe(steps, learning_rate, None, weight_decay, seed=seed, optimizer="sgd", schedule=schedule)
    return replace(recipe, **every)


def paper_schedule(recipe: Recipe, images: int, crops: int) -> Recipe:
    """The recipe with the paper's steps of the learning rate: 4 % less after every eight epochs.

    >>> paper_schedule(Recipe(schedule="step"), images=1000, crops=32).decay_every
    250
    """
    if recipe.schedule != "step":
        return recipe
    return replace(recipe, decay=DECAY, decay_every=math.ceil(DECAY_EPOCHS * images / crops))


def _check_data(data: LabelledImages, options: ClassifierOptions) -> None:
    if not len(data):
        raise UsageError(f"{data.name} has no images to learn from")
    if len(data.classes) < 2:
        raise UsageError(f"{data.name} has no two classes ({', '.join(data.classes)}); there is nothing to classify")
    require_shards(options.crops, "--crops")


def _class_counts(data: LabelledImages, options: ClassifierOptions, recipe: Recipe) -> str:
    """The images of each class: an early sign of a wrong folder."""
    counts = np.bincount(data.targets, minlength=len(data.classes))
    few, many = int(counts.argmin()), int(counts.argmax())
    epochs = recipe.steps * options.crops / len(data)
    return (
        f"{len(data)} images of {len(data.classes)} classes, from {counts[few]} of {data.classes[few]} to "
        f"{counts[many]} of {data.classes[many]}{', shown equally often' if options.balanced else ''}; "
        f"{recipe.steps} steps of {options.crops} crops are {epochs:.1f} epochs"
    )


def _validator(validation: LabelledImages, options: ClassifierOptions) -> Callable[[nn.Module], float]:
    """Top-1 with one crop, on a fixed sample of the validation images, evenly spread."""
    sample = validation.spread(options.validation_images)
    if not len(sample):
        raise UsageError(f"{validation.name} has no images to validate on")

    def validate(network: nn.Module) -> float:
        probabilities = predict([cast(GoogLeNet, network)], sample, 1)
        return ClassificationResult(sample.classes, sample.targets, probabilities).top(1)

    return validate
