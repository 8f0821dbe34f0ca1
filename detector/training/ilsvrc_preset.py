"""How the entry can be trained again: ILSVRC's data and the recipe, as plain values."""

from dataclasses import dataclass

from ...data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from .presets import PRESETS, Preset


@dataclass(frozen=True)
class IlsvrcPreset:
    """On which images, for which classes, how, and how often with another seed."""

    data: tuple[str, ...]  # SPECs; ROOT stands for where the data are
    validation: str
    classes: tuple[str, ...]
    init: str  # the classifier to start from
    training: Preset
    members: int

    def __str__(self) -> str:
        recipe, options = self.training.recipe, self.training.options
        return (
            f"{' + '.join(self.data)}, judged on {self.validation}; {len(self.classes)} classes; {self.members} nets "
            f"from {self.init}; {options.proposals}, {options}; {recipe.steps} steps of {recipe.optimizer}, rate "
            f"{recipe.learning_rate:g} times {recipe.decay:g} every {recipe.decay_every}"
        )


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
