"""Ways to fine-tune a detector, as plain values: ours, R-CNN's, and that of GoogLeNet's ILSVRC-2014 entry."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ...backbone.training.recipe import Recipe
from ...data.class_names import require_known
from ...data.errors import UsageError
from ...data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from .finetuning import FinetuneOptions


@dataclass(frozen=True)
class Preset:
    """What to train and how."""

    options: FinetuneOptions
    recipe: Recipe


@dataclass(frozen=True)
class IlsvrcPreset:
    """How the entry can be trained again: on which images, for which classes, how, and how often with another seed."""

    data: tuple[str, ...]  # SPECs; ROOT stands for where the data are
    validation: str
    classes: tuple[str, ...]
    init: str  # the classifier to start from
    training: Preset
    members: int

    def __str__(self) -> str:
        recipe, options = self.training.recipe, self.training.options
        return (
            f"{' + '.join(self.data)}, evaluated on {self.validation}; {len(self.classes)} classes; "
            f"{self.members} nets from {self.init}; {options.proposals}, {options}; {recipe.steps} steps of "
            f"{recipe.optimizer}, rate {recipe.learning_rate:g} times {recipe.decay:g} every {recipe.decay_every}"
        )


# R-CNN, section 2.3, and its solver's settings: the gradient's limit is ours, far above what it meets.
RCNN = Preset(
    FinetuneOptions(
        mode="crops",
        freeze="none",
        proposals="selective-search:fast",
        sampling="windows",
        foreground=32,
        background=96,
        head_rate=10.0,
        bias_rate=2.0,
    ),
    Recipe(
        steps=70_000,
        learning_rate=0.001,
        warmup=0,
        weight_decay=0.0005,
        ema=0.0,
        optimizer="sgd",
        schedule="step",
        decay=0.1,
        decay_every=20_000,
    ),
)
# "we did not use bounding box regression due to lack of time" (GoogLeNet, section 8); MultiBox's boxes were added
ENTRY = replace(RCNN, options=replace(RCNN.options, box_deltas=False, proposals="mix"))
PRESETS = {
    "default": Preset(FinetuneOptions(), Recipe(steps=4000)),
    "rcnn": RCNN,
    "entry": ENTRY,
    "ilsvrc": replace(ENTRY, recipe=replace(ENTRY.recipe, steps=50_000)),  # R-CNN's on ILSVRC
}

# R-CNN's val1 + train1k: half of the exhaustive images, and of `train`, which gives no background, 1,000 objects of
# each class. `train ilsvrc-split --training-objects 1000` writes the lists.
ILSVRC = IlsvrcPreset(
    data=("ilsvrc:ROOT:val1", "ilsvrc:ROOT:train1000"),
    validation="ilsvrc:ROOT:val2",
    classes=ILSVRC_CLASSES,
    init="bvlc_googlenet.caffemodel",
    training=PRESETS["ilsvrc"],
    members=6,
)


def changed_preset(name: str, changes: Mapping[str, Any]) -> Preset:
    """A preset with some fields of its options or recipe changed; None leaves one as it is.

    >>> changed_preset("entry", {"steps": 10, "mode": None}).recipe.steps
    10
    """
    require_known("preset", name, PRESETS)
    preset = PRESETS[name]
    given = {field: value for field, value in changes.items() if value is not None}
    options, recipe = (
        {field.name: given.pop(field.name) for field in fields(part) if field.name in given}
        for part in (preset.options, preset.recipe)
    )
    if given:
        raise UsageError(f"no setting of fine-tuning is named {', '.join(given)}")
    return Preset(replace(preset.options, **options), replace(preset.recipe, **recipe))
