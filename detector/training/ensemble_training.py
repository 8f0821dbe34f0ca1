"""Training an ensemble: the same recipe several times, so that the members differ by chance alone.

Each has a seed of its own: for the order of the images, the regions drawn from them and the first weights of its
outputs. The paper's nets even shared their first weights, an "oversight" (GoogLeNet, section 7).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...backbone.training.checkpoints import check_model_folder
from ...backbone.training.distributed import is_first, joined, only_first
from ...backbone.training.loop import CHECKPOINT, Recipe, State
from ...data.datasets.dataset import Dataset
from ...data.files.atomic import write_atomically
from ...data.ranges import check_range
from ..config import MEMBERS, read_config
from ..model_folders import member_folders
from .finetuning import FinetuneOptions, finetune


@joined()
def finetune_members(
    data: Dataset,
    validation: Dataset | None,
    init: str | None,
    out: Path,
    options: FinetuneOptions,
    recipe: Recipe,
    members: int,
    *,
    resume: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> list[State]:
    """Train so many detectors, seeds `recipe.seed` and up; `out` becomes the model folder of all of them.

    One member is a detector like any other. With `resume` those that were done are kept, the one that was stopped goes
    on, and the others follow.
    """
    check_range(f"--members {members}", members, MEMBERS)
    if members == 1:
        return [finetune(data, validation, init, out, options, recipe, resume=resume, report=report)]
    places = member_folders(out, members)
    if not resume:
        check_model_folder(out)
    for place in places[:1] if resume else places:
        check_model_folder(place, resume)  # before hours go into the first of them
    states, report = [], only_first(report)
    for number, place in enumerate(places):
        report(f"member {number + 1} of {members}")
        own, go_on = replace(recipe, seed=recipe.seed + number), resume and (place / CHECKPOINT).exists()
        own_options = replace(options, new_outputs=True)
        states.append(finetune(data, validation, init, place, own_options, own, resume=go_on, report=report))
    if is_first():
        config = replace(read_config(places[0] / "config.json"), members=members)
        write_atomically(out / "config.json", config.to_json())
    return states
