"""The verbs `inception-rcnn train …`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .numbers import COUNT, NUMBER
from .options import (
    FREEZE,
    SPEC_HELP,
    Balance,
    BestProposals,
    CheckpointEvery,
    Classes,
    Data,
    Device,
    Engine,
    Features,
    Images,
    Incomplete,
    Method,
    Mode,
    Model,
    Out,
    Preset,
    Rate,
    RayAddress,
    Regions,
    Rename,
    Resume,
    Seed,
    ShortSides,
    Steps,
    Subclasses,
    Tensorboard,
    TrainingProposals,
    ValidateEvery,
    Validation,
    ValidationImages,
    is_ray,
    names_of,
    sides_of,
)
from .streams import report, show
from .train_classifier import classifier

train_app = typer.Typer(no_args_is_help=True, help="Train a detector.")


def _datasets(
    data: list[str],
    val: str | None,
    rename: str | None,
    incomplete: list[str] | None = None,
    classes: tuple[str, ...] = (),
) -> tuple[Any, Any]:
    from ...data.datasets.dataset import rename_classes
    from ...data.formats.specs import open_dataset, open_datasets, read_names

    renames = read_names(rename)
    training = open_datasets(data, report, renames=renames, classes=classes, incomplete=incomplete or ())
    return training, rename_classes(open_dataset(val), renames) if val else None


def _say_written(out: Path) -> None:
    report(f"written to {out}; try: inception-rcnn detect IMAGES --model {out} --out found")


@train_app.command(epilog=SPEC_HELP)
def finetune(
    data: Data,
    out: Out,
    rename: Rename = None,
    incomplete: Incomplete = None,
    val: Validation = None,
    init: Annotated[str | None, typer.Option(help="A classifier's weights, or a model [the one that ships].")] = None,
    resume: Resume = False,
    preset: Preset = "default",
    mode: Annotated[str | None, typer.Option(help="crops or shared [the preset's].")] = None,
    classes: Classes = None,
    freeze: Annotated[str | None, typer.Option(help=f"{FREEZE} [the preset's]")] = None,
    proposals: TrainingProposals = None,
    best_proposals: BestProposals = None,
    short_sides: ShortSides = None,
    balance: Balance = False,
    subclasses: Subclasses = None,
    deltas: Annotated[bool | None, typer.Option(help="Learn where the object is too [the preset's].")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or sgd [the preset's].")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate: cosine or step [the preset's].")] = None,
    steps: Annotated[int | None, typer.Option(help="[4000, the presets' 70000]", **COUNT)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="[0.0001, the presets' 0.001]", **NUMBER)] = None,
    images: Annotated[int, typer.Option(help="Images a step, where the preset goes by images.", **COUNT)] = 2,
    regions: Annotated[int, typer.Option(help="Regions of each of them, a quarter of them foreground.", **COUNT)] = 64,
    validate_every: ValidateEvery = 1000,
    checkpoint_every: CheckpointEvery = 250,
    validation_images: ValidationImages = 100,
    tensorboard: Tensorboard = False,
    members: Annotated[int, typer.Option(help="How many nets, an ensemble: seeds --seed and up.", min=1, max=1000)] = 1,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Fine-tune GoogLeNet on regions, R-CNN's way; writes a model folder that `detect --model` takes."""
    from ...backbone.training.run import Run
    from ..region_features import checked_mode
    from ..training.ensemble_training import finetune_members
    from ..training.presets import changed_preset

    of_detector = {"classes": names_of(classes), "mode": mode and checked_mode(mode), "subclasses": subclasses}
    of_data = {"proposals": proposals, "best_proposals": best_proposals, "balance": balance}
    of_step = {"steps": steps, "learning_rate": learning_rate, "images": images, "regions": regions, "seed": seed}
    of_network = {
        "freeze": freeze,
        "short_sides": sides_of(short_sides) or None,
        "box_deltas": deltas,
        "device": device,
    }
    changes = {"optimizer": optimizer, "schedule": schedule, "validation_images": validation_images}
    changes |= {"validate_every": validate_every, "checkpoint_every": checkpoint_every}
    changes |= {**of_detector, **of_data, **of_step, **of_network}
    chosen = changed_preset(preset, changes)
    run = Run(chosen.recipe, out, resume, tensorboard, report)
    finetune_members(*_datasets(data, val, rename, incomplete, names_of(classes)), init, chosen.options, run, members)
    _say_written(out)


@train_app.command(epilog=SPEC_HELP)
def distil(
    model: Annotated[str, typer.Option(help="The model folder of the ensemble to learn from.")],
    data: Data,
    out: Out,
    rename: Rename = None,
    incomplete: Incomplete = None,
    val: Validation = None,
    init: Annotated[str | None, typer.Option(help="What to start from, as finetune takes it [member-1].")] = None,
    resume: Resume = False,
    mode: Annotated[str, typer.Option(help="crops or shared.")] = "shared",
    teacher_mode: Annotated[str | None, typer.Option(help="crops, shared or both [that of --mode].")] = None,
    freeze: Annotated[str, typer.Option(help=FREEZE)] = "conv1",
    steps: Steps = 4000,
    learning_rate: Rate = 0.0001,
    images: Images = 2,
    regions: Annotated[int, typer.Option(help="Regions an image.", **COUNT)] = 64,
    validate_every: ValidateEvery = 1000,
    checkpoint_every: CheckpointEvery = 250,
    validation_images: ValidationImages = 100,
    tensorboard: Tensorboard = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Distil an ensemble, or what a detector knows by its other mode, into one net; writes a model folder."""
    from ...backbone.training.recipe import Recipe
    from ...backbone.training.run import Run
    from ..region_features import checked_mode
    from ..training.distillation import distil
    from ..training.finetuning import FinetuneOptions

    options = FinetuneOptions(
        mode=checked_mode(mode),
        freeze=freeze,
        images=images,
        regions=regions,
        validation_images=validation_images,
        device=device,
    )
    recipe = Recipe(steps, learning_rate, validate_every=validate_every, checkpoint_every=checkpoint_every, seed=seed)
    distil(
        model,
        *_datasets(data, val, rename, incomplete),
        init,
        options,
        Run(recipe, out, resume, tensorboard, report),
        teacher_mode,
    )
    _say_written(out)


@train_app.command("ilsvrc-split", epilog=SPEC_HELP)
def ilsvrc_split(
    data: Annotated[str, typer.Option(help="The whole validation set: ilsvrc:ROOT:val.")],
    out: Annotated[Path, typer.Option(help="Where val1.txt and val2.txt go: ROOT/ImageSets/DET.")],
    training_objects: Annotated[
        int | None, typer.Option(min=1, help="Write trainN.txt too: images with N objects of each class.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Split ILSVRC's validation set in two halves with as equal numbers of each class as can be."""
    from ...data.formats.ilsvrc.splits import write_halves, write_training_list
    from ...data.formats.specs import open_dataset

    validation = open_dataset(data)
    show(f"val1 and val2: {write_halves(validation, out, seed)}")
    if training_objects is not None:
        show(f"train{training_objects}: {write_training_list(validation, training_objects, out, seed)}")
    report(f"written to {out}")


@train_app.command(epilog=SPEC_HELP)
def multibox(
    data: Data,
    out: Out,
    rename: Rename = None,
    incomplete: Incomplete = None,
    val: Annotated[str | None, typer.Option(help="A SPEC; the best weights by recall on it are saved.")] = None,
    init: Annotated[str | None, typer.Option(help="The detector whose backbone it uses [the one that ships].")] = None,
    resume: Resume = False,
    classes: Classes = None,
    balance: Balance = False,
    priors: Annotated[str, typer.Option(help="How many, or a file such as Google's ipriors800.txt.")] = "800",
    alpha: Annotated[float, typer.Option(help="Weight of the location loss.", **NUMBER)] = 0.1,
    steps: Steps = 4000,
    learning_rate: Rate = 0.0005,
    images: Images = 4,
    validate_every: ValidateEvery = 1000,
    checkpoint_every: CheckpointEvery = 250,
    validation_images: ValidationImages = 100,
    tensorboard: Tensorboard = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train MultiBox, which proposes boxes and ranks others; writes the detector with it, which then needs fewer."""
    from ...backbone.training.recipe import Recipe
    from ...backbone.training.run import Run
    from ..training.multibox_training import MultiBoxOptions, train_multibox

    options = MultiBoxOptions(priors, alpha, balance, images, validation_images, device)
    recipe = Recipe(steps, learning_rate, validate_every=validate_every, checkpoint_every=checkpoint_every, seed=seed)
    train_multibox(
        *_datasets(data, val, rename, incomplete, names_of(classes)),
        init,
        options,
        Run(recipe, out, resume, tensorboard, report),
    )
    report(
        f"written to {out}; try: inception-rcnn propose IMAGES --proposals mix --model {out} --out boxes.safetensors"
    )


def _features_by(engine: str, address: str | None, model: str | None, device: str) -> Any:
    """Computes features elsewhere than in this process; None for this one."""
    from ..scale.ray_engine import ray_features

    return ray_features(model, device, address) if is_ray(engine) else None


@train_app.command(epilog=SPEC_HELP)
def svm(
    data: Data,
    out: Out,
    rename: Rename = None,
    model: Model = None,
    val: Annotated[str | None, typer.Option(help="A SPEC; logs the mAP before and of both solvers.")] = None,
    solver: Annotated[str, typer.Option(help="mined (R-CNN's) or ridge (one pass); which is written.")] = "mined",
    classes: Annotated[str | None, typer.Option(help="Class names, separated by commas [the model's].")] = None,
    mode: Mode = None,
    proposals: Method = None,
    regions: Regions = None,
    features: Features = None,
    validation_images: ValidationImages = 100,
    device: Device = "auto",
    engine: Engine = "threads",
    ray_address: RayAddress = None,
) -> None:
    """Replace a detector's softmax by linear classifiers, R-CNN's way; writes a model folder."""
    from ..linear.training import LinearOptions, train_svm
    from ..region_features import checked_mode

    names, chosen = names_of(classes), checked_mode(mode) if mode else None
    options = LinearOptions(names, chosen, proposals, regions, features, validation_images, device, solver)  # pyright: ignore[reportArgumentType]
    find = _features_by(engine, ray_address, model, device)
    train_svm(*_datasets(data, val, rename), model, out, options, report, find)
    _say_written(out)


@train_app.command(epilog=SPEC_HELP)
def boxes(
    data: Data,
    out: Out,
    rename: Rename = None,
    model: Model = None,
    val: Annotated[str | None, typer.Option(help="A SPEC; logs the mAP before, after and without deltas.")] = None,
    penalty: Annotated[float, typer.Option(help="Lambda: with few images less may be better.", **NUMBER)] = 1000,
    mode: Mode = None,
    proposals: Method = None,
    regions: Regions = None,
    features: Features = None,
    validation_images: ValidationImages = 100,
    device: Device = "auto",
    engine: Engine = "threads",
    ray_address: RayAddress = None,
) -> None:
    """Replace a detector's learned deltas by R-CNN's ridge box regressors; writes a model folder."""
    from ..linear.training import LinearOptions, train_boxes
    from ..region_features import checked_mode

    chosen = checked_mode(mode) if mode else None
    options = LinearOptions((), chosen, proposals, regions, features, validation_images, device, penalty=penalty)
    find = _features_by(engine, ray_address, model, device)
    train_boxes(*_datasets(data, val, rename), model, out, options, report, find)
    _say_written(out)


train_app.command()(classifier)
