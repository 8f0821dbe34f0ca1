"""Ways to fine-tune a detector, as plain values: ours, R-CNN's, and that of GoogLeNet's ILSVRC-2014 entry."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ...backbone.training.recipe import Recipe
from ...data.errors import UsageError
from .finetuning import FinetuneOptions


@dataclass(frozen=True)
class Preset:
    """What to train and how."""

    options: FinetuneOptions
    recipe: Recipe


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
        average=0.0,
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


def preset_named(name: str) -> Preset:
    """The preset of that name; UsageError for another."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(PRESETS)}"
        raise UsageError(f"unknown preset {name!r}; {hint}")
    return PRESETS[name]


def changed_preset(name: str, changes: Mapping[str, Any]) -> Preset:
    """A preset with some fields of its options or recipe changed; None leaves one as it is.

    >>> changed_preset("entry", {"steps": 10, "mode": None}).recipe.steps
    10
    """
    preset = preset_named(name)
    given = {field: value for field, value in changes.items() if value is not None}
    options, recipe = (
        {field.name: given.pop(field.name) for field in fields(part) if field.name in given}
        for part in (preset.options, preset.recipe)
    )
    if given:
        raise UsageError(f"no setting of fine-tuning is named {', '.join(given)}")
    return Preset(replace(preset.options, **options), replace(preset.recipe, **recipe))
