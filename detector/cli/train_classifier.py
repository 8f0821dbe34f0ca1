"""The verb `inception-rcnn train classifier`."""

from typing import Annotated

import typer

from .numbers import COUNT, NUMBER
from .options import (
    FREEZE,
    CheckpointEvery,
    Device,
    Out,
    Rate,
    Resume,
    Seed,
    Steps,
    Tensorboard,
    ValidateEvery,
    ValidationImages,
)
from .streams import report


def classifier(
    data: Annotated[str, typer.Option(help="FOLDER/CLASS/*.jpg, or WebDataset shards: a .tar, a folder or a glob.")],
    out: Out,
    val: Annotated[str | None, typer.Option(help="As --data; the best weights by top-1 on it are saved.")] = None,
    init: Annotated[str | None, typer.Option(help="A classifier's weights or folder [none: from scratch].")] = None,
    resume: Resume = False,
    freeze: Annotated[str, typer.Option(help=FREEZE)] = "none",
    balanced: Annotated[bool, typer.Option(help="Show every class as often as the others.")] = False,
    auxiliary: Annotated[bool, typer.Option(help="Learn with the two side classifiers.")] = True,
    steps: Steps = 100_000,
    learning_rate: Rate = 0.01,
    weight_decay: Annotated[float, typer.Option(**NUMBER)] = 0.0002,
    schedule: Annotated[str, typer.Option(help="step (4 % less every 8 epochs) or cosine (to zero).")] = "step",
    crops: Annotated[int, typer.Option(help="Crops a step.", **COUNT)] = 32,
    validate_every: ValidateEvery = 1000,
    checkpoint_every: CheckpointEvery = 250,
    validation_images: ValidationImages = 1000,
    tensorboard: Tensorboard = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train GoogLeNet to classify images; writes a folder that `classify` and `train finetune --init` take."""
    from ...backbone.training.run import Run
    from ..classification.testing import open_labelled
    from ..classification.training import ClassifierOptions, momentum_recipe, train_classifier

    options = ClassifierOptions(crops, freeze, balanced, auxiliary, validation_images, device)
    every = {"validate_every": validate_every, "checkpoint_every": checkpoint_every}
    recipe = momentum_recipe(steps, learning_rate, weight_decay, schedule, seed, **every)
    training, validation = open_labelled(data), open_labelled(val) if val else None
    train_classifier(training, validation, init, options, Run(recipe, out, resume, tensorboard, report))
    report(f"written to {out}; try: inception-rcnn classify --model {out} --data FOLDER")
