import math

import pytest

from inception_rcnn.backbone.training.recipe import rate_at
from inception_rcnn.data.errors import UsageError
from inception_rcnn.detector.classification.training import ClassifierOptions
from inception_rcnn.detector.linear.training import LinearOptions
from inception_rcnn.detector.training.finetuning import FinetuneOptions
from inception_rcnn.detector.training.multibox_training import MultiBoxOptions
from inception_rcnn.detector.training.presets import PRESETS, changed_preset


def test_rcnn_is_as_its_paper_says():
    options, recipe = PRESETS["rcnn"].options, PRESETS["rcnn"].recipe
    assert (options.sampling, options.foreground, options.background, options.mode) == ("windows", 32, 96, "crops")
    assert (options.head_rate, options.head_rate * options.bias_rate, options.box_deltas) == (10, 20, True)
    assert (recipe.optimizer, recipe.learning_rate, recipe.weight_decay) == ("sgd", 0.001, 0.0005)
    assert (recipe.schedule, recipe.decay, recipe.decay_every) == ("step", 0.1, 20_000)


def test_the_entry_is_the_same_without_box_deltas_and_with_the_mix_of_proposals():
    entry, rcnn = PRESETS["entry"], PRESETS["rcnn"]
    assert entry.recipe == rcnn.recipe
    differing = {name for name, value in vars(entry.options).items() if value != getattr(rcnn.options, name)}
    assert differing == {"box_deltas", "proposals"}


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_not_changed_stays(name):
    assert changed_preset(name, {"steps": None, "mode": None}) == PRESETS[name]
    changed = changed_preset(name, {"steps": 7, "box_deltas": False, "seed": 3})
    assert (changed.recipe.steps, changed.recipe.seed, changed.options.box_deltas) == (7, 3, False)
    assert changed.recipe.learning_rate == PRESETS[name].recipe.learning_rate


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="did you mean 'entry'"):
        changed_preset("entri", {})
    with pytest.raises(UsageError, match="named stepz"):
        changed_preset("default", {"stepz": 3})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_short(name):
    recipe = changed_preset(name, {"steps": 7}).recipe
    assert max(rate_at(step, recipe) for step in range(7)) == pytest.approx(recipe.learning_rate)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (FinetuneOptions, {"validation_images": 0}),
        (FinetuneOptions, {"validation_images": -1}),
        (FinetuneOptions, {"background": 0}),
        (FinetuneOptions, {"head_rate": math.nan}),
        (FinetuneOptions, {"regions": True}),
        (MultiBoxOptions, {"validation_images": -1}),
        (MultiBoxOptions, {"alpha": -1.0}),
        (MultiBoxOptions, {"images": 0}),
        (LinearOptions, {"validation_images": 0}),
        (ClassifierOptions, {"crops": 0}),
        (ClassifierOptions, {"validation_images": -1}),
    ],
)
def test_options_that_cannot_be_are_refused(options, changes):
    (name,) = changes
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')} .*: need"):
        options(**changes)
