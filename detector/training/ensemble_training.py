"""Training an ensemble: the same recipe with several seeds.

The seed decides the order of the images, the regions sampled from them and the first weights of new layers. The
paper's nets even shared their first weights, an "oversight" (GoogLeNet, section 7).
"""

from dataclasses import replace

from ...backbone.training.checkpoints import CHECKPOINT, State, check_model_folder
from ...backbone.training.distributed import is_first, joined, only_first
from ...backbone.training.run import Run
from ...data.datasets.dataset import Dataset
from ...data.files.atomic import write_atomically
from ...data.values import check_range
from ..config import MEMBERS, read_config
from ..model_folders import member_folders
from .finetuning import FinetuneOptions, finetune


@joined()
def finetune_members(
    data: Dataset, validation: Dataset | None, init: str | None, options: FinetuneOptions, run: Run, members: int
) -> list[State]:
    """Train `members` detectors, seeds `run.recipe.seed` and up; `run.out` becomes the ensemble's model folder.

    One member is a detector like any other. A resumed run keeps the members that are done, resumes the one that was
    stopped, and goes on with the others.
    """
    check_range(f"--members {members}", members, MEMBERS)
    if members == 1:
        return [finetune(data, validation, init, options, run)]
    folders = member_folders(run.out, members)
    if not run.resume:
        check_model_folder(run.out)
    for folder in folders[:1] if run.resume else folders:
        check_model_folder(folder, run.resume)  # before hours go into the first of them
    states, report = [], only_first(run.report)
    for index, folder in enumerate(folders):
        report(f"member {index + 1} of {members}")
        recipe = replace(run.recipe, seed=run.recipe.seed + index)
        own = replace(run, recipe=recipe, out=folder, resume=run.resume and (folder / CHECKPOINT).exists())
        states.append(finetune(data, validation, init, replace(options, new_outputs=True), own))
    if is_first():
        config = replace(read_config(folders[0] / "config.json"), members=members)
        write_atomically(run.out / "config.json", config.to_json())
    return states
