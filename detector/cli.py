"""The command `inception-rcnn`. Machine output goes to stdout, talk and progress to stderr.

Each verb parses, calls and shows; what it does is one call away, and as short in Python. Heavy imports wait inside
the verbs, so that `--help` answers at once.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..data.errors import InceptionRcnnError, SetupError

app = typer.Typer(add_completion=True, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
train_app = typer.Typer(no_args_is_help=True, help="Train a detector.")
app.add_typer(train_app, name="train")
benchmark_app = typer.Typer(no_args_is_help=True, help="Measure speed and quality, side by side in one run.")
app.add_typer(benchmark_app, name="benchmark")

Sources = Annotated[list[str], typer.Argument(help="Files, folders, quoted globs, @list.txt, - (stdin) or a SPEC.")]
Out = Annotated[Path, typer.Option(help="The folder to write to.")]
Model = Annotated[str | None, typer.Option(help="A model that ships, by name, or a model folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PREDICTIONS = "What detect wrote, or COCO's, VOC's, ILSVRC's, YOLO's or Label Studio's results, or a CSV."
Json = Annotated[Path | None, typer.Option(help="Write the rows to this file too.")]
Tensorboard = Annotated[bool, typer.Option(help="Write curves for TensorBoard too, an extra.")]
Classes = Annotated[str, typer.Option(help="Class names, separated by commas; all without.")]
Mode = Annotated[str | None, typer.Option(help="crops or shared [the model's].")]
Method = Annotated[str | None, typer.Option(help="The method of proposing regions [the model's].")]
Regions = Annotated[int | None, typer.Option(help="Look at so many proposals, the best [the model's].")]
Features = Annotated[Path | None, typer.Option(help="A folder to keep the features in [the user's cache].")]


# Where torchrun started this process as one of several.
RANK = int(os.environ.get("RANK", 0)) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def _say(line: object) -> None:
    """Talk, which is for the first of several processes to do."""
    if RANK == 0:
        print(line, file=sys.stderr, flush=True)


def _complain(sentence: str) -> None:
    process = f" in process {RANK}" if "TORCHELASTIC_RUN_ID" in os.environ else ""
    print(f"error{process}: {sentence}", file=sys.stderr, flush=True)


@app.command()
def detect(
    source: Sources,
    out: Out,
    model: Model = None,
    score: Annotated[float | None, typer.Option(help="Leave weaker detections out [the model's, .3].")] = None,
    proposals: Annotated[str | None, typer.Option(help="A method's name, or a file that `propose` wrote.")] = None,
    regions: Annotated[int | None, typer.Option(help="Look at so many proposals, the best.")] = None,
    mode: Annotated[str | None, typer.Option(help="crops (the paper's) or shared (an order faster).")] = None,
    device: Device = "auto",
    draw: Annotated[bool, typer.Option(help="Draw the boxes on copies of the pictures.")] = True,
    format: Annotated[
        str, typer.Option(help="Further files, with commas: voc, yolo, csv, label-studio, coco-results, ilsvrc.")
    ] = "coco",
    overwrite: Annotated[bool, typer.Option(help="Start anew where other settings have written before.")] = False,
    keep_stages: Annotated[bool, typer.Option(help="Keep what was thought of each region, to explain misses.")] = False,
) -> None:
    """Detect objects in pictures: boxes as JSON lines and COCO, and drawn on the pictures."""
    from .running import DetectRun

    options = {"score": score, "proposals": proposals, "regions": regions, "mode": mode}
    run = DetectRun(source, out, model, options, device, draw, format, overwrite, keep_stages)
    _say(run.execute(_say))


@app.command()
def propose(
    source: Sources,
    out: Annotated[
        Path,
        typer.Option(
            help="The file to write: .safetensors, .npz, .csv or .json; without an ending a folder of shards."
        ),
    ],
    proposals: Annotated[str, typer.Option(help="The method.")] = "selective-search:fast",
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Compute region proposals and keep them in a file."""
    from .pretrained import proposer_named
    from .running import propose_to_file

    _say(propose_to_file(source, out, proposer_named(proposals, model, device), _say))


@train_app.command()
def finetune(
    data: Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")],
    out: Out,
    val: Annotated[str | None, typer.Option(help="A SPEC; the best weights by mAP on it are kept.")] = None,
    init: Annotated[str | None, typer.Option(help="A classifier's weights, or a model [the one that ships].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    preset: Annotated[
        str, typer.Option(help="default, rcnn (R-CNN's way), entry (without deltas) or ilsvrc.")
    ] = "default",
    mode: Annotated[str | None, typer.Option(help="crops or shared [the preset's].")] = None,
    classes: Classes = "",
    freeze: Annotated[str | None, typer.Option(help="What stays: conv1, trunk or none [the preset's].")] = None,
    proposals: Annotated[str | None, typer.Option(help="The method of proposing regions [the preset's].")] = None,
    deltas: Annotated[bool | None, typer.Option(help="Learn where the object is too [the preset's].")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or sgd [the preset's].")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate: cosine or step [the preset's].")] = None,
    steps: Annotated[int | None, typer.Option(help="[4000, the presets' 70000]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="[0.0001, the presets' 0.001]")] = None,
    pictures: Annotated[int, typer.Option(help="Pictures a step, where the preset goes by pictures.")] = 2,
    regions: Annotated[int, typer.Option(help="Regions of each of them, a quarter of them foreground.")] = 64,
    validate_every: Annotated[int, typer.Option(help="Steps.")] = 1000,
    checkpoint_every: Annotated[int, typer.Option(help="Steps; so many are lost at most.")] = 250,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 100,
    tensorboard: Tensorboard = False,
    members: Annotated[int, typer.Option(help="So many nets, an ensemble: seeds --seed and up.")] = 1,
    seed: int = 0,
    device: Device = "auto",
) -> None:
    """Fine-tune GoogLeNet on regions, R-CNN's way; writes a model folder that `detect --model` takes."""
    from ..data.specs import open_dataset, open_datasets
    from .finetuning_presets import changed_preset
    from .members import finetune_members
    from .regions import checked_mode

    changes = {
        "classes": tuple(filter(None, classes.split(","))),
        "mode": mode and checked_mode(mode),
        "freeze": freeze,
        "proposals": proposals,
        "box_deltas": deltas,
        "optimizer": optimizer,
        "schedule": schedule,
        "steps": steps,
        "learning_rate": learning_rate,
        "pictures": pictures,
        "regions": regions,
        "validate_every": validate_every,
        "checkpoint_every": checkpoint_every,
        "validation_pictures": validation_pictures,
        "tensorboard": tensorboard,
        "seed": seed,
        "device": device,
    }
    chosen = changed_preset(preset, changes)
    training, validation = open_datasets(data), open_dataset(val) if val else None
    finetune_members(
        training, validation, init, out, chosen.options, chosen.recipe, members, resume=resume, report=_say
    )
    _say(f"written to {out}; try: inception-rcnn detect PICTURES --model {out} --out found")


@train_app.command()
def distil(
    model: Annotated[str, typer.Option(help="The model folder of the ensemble to learn from.")],
    data: Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")],
    out: Out,
    val: Annotated[str | None, typer.Option(help="A SPEC; the best weights by mAP on it are kept.")] = None,
    init: Annotated[str | None, typer.Option(help="What to start from, as finetune takes it [member-1].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    mode: Annotated[str, typer.Option(help="crops or shared.")] = "shared",
    freeze: Annotated[str, typer.Option(help="What stays as it is: conv1, trunk or none.")] = "conv1",
    steps: int = 4000,
    learning_rate: float = 0.0001,
    pictures: Annotated[int, typer.Option(help="Pictures a step.")] = 2,
    regions: Annotated[int, typer.Option(help="Regions a picture.")] = 64,
    validate_every: Annotated[int, typer.Option(help="Steps.")] = 1000,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 100,
    seed: int = 0,
    device: Device = "auto",
) -> None:
    """Teach one net what an ensemble says of regions; writes a model folder that `detect --model` takes."""
    from ..backbone.training import Recipe
    from ..data.specs import open_dataset, open_datasets
    from .distilling import distil
    from .finetuning import FinetuneOptions
    from .regions import checked_mode

    options = FinetuneOptions(
        mode=checked_mode(mode),
        freeze=freeze,
        pictures=pictures,
        regions=regions,
        validation_pictures=validation_pictures,
        device=device,
    )
    recipe = Recipe(steps=steps, learning_rate=learning_rate, validate_every=validate_every, seed=seed)
    training, validation = open_datasets(data), open_dataset(val) if val else None
    distil(model, training, validation, init, out, options, recipe, resume=resume, report=_say)
    _say(f"written to {out}; try: inception-rcnn detect PICTURES --model {out} --out found")


@train_app.command("ilsvrc-split")
def ilsvrc_split(
    data: Annotated[str, typer.Option(help="The whole validation set: ilsvrc:ROOT:val.")],
    out: Annotated[Path, typer.Option(help="Where val1.txt and val2.txt go: ROOT/ImageSets/DET.")],
    training_objects: Annotated[
        int | None, typer.Option(min=1, help="Write trainN.txt too: pictures with N objects of each class.")
    ] = None,
    seed: int = 0,
) -> None:
    """Split ILSVRC's validation set in two halves with as equal numbers of each class as can be."""
    from ..data.ilsvrc_splits import write_halves, write_training_list
    from ..data.specs import open_dataset

    validation = open_dataset(data)
    print(f"val1 and val2: {write_halves(validation, out, seed)}")
    if training_objects is not None:
        print(f"train{training_objects}: {write_training_list(validation, training_objects, out, seed)}")
    _say(f"written to {out}")


@train_app.command()
def multibox(
    data: Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")],
    out: Out,
    val: Annotated[str | None, typer.Option(help="A SPEC; the best weights by recall on it are kept.")] = None,
    init: Annotated[str | None, typer.Option(help="The detector whose trunk it sits on [the one that ships].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    priors: Annotated[str, typer.Option(help="How many, or a file such as Google's ipriors800.txt.")] = "800",
    alpha: Annotated[float, typer.Option(help="Weight of the location loss.")] = 0.1,
    steps: int = 4000,
    learning_rate: float = 0.0005,
    pictures: Annotated[int, typer.Option(help="Pictures a step.")] = 4,
    validate_every: Annotated[int, typer.Option(help="Steps.")] = 1000,
    checkpoint_every: Annotated[int, typer.Option(help="Steps; so many are lost at most.")] = 250,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 100,
    tensorboard: Tensorboard = False,
    seed: int = 0,
    device: Device = "auto",
) -> None:
    """Train MultiBox, which proposes boxes itself; writes the detector's folder with it."""
    from ..backbone.recipe import Recipe
    from ..data.specs import open_dataset, open_datasets
    from .multibox_training import MultiBoxOptions, train_multibox

    options = MultiBoxOptions(priors, alpha, pictures, validation_pictures, device, tensorboard)
    recipe = Recipe(
        steps=steps,
        learning_rate=learning_rate,
        validate_every=validate_every,
        checkpoint_every=checkpoint_every,
        seed=seed,
    )
    training, validation = open_datasets(data), open_dataset(val) if val else None
    train_multibox(training, validation, init, out, options, recipe, resume=resume, report=_say)
    _say(
        f"written to {out}; try: inception-rcnn propose PICTURES --proposals mix --model {out} --out boxes.safetensors"
    )


@train_app.command()
def svm(
    data: Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")],
    out: Out,
    model: Model = None,
    val: Annotated[str | None, typer.Option(help="A SPEC; the mAP before and of both solvers is told.")] = None,
    solver: Annotated[str, typer.Option(help="mined (R-CNN's) or ridge (fast); which is written.")] = "mined",
    classes: Annotated[str, typer.Option(help="Class names, separated by commas [the model's].")] = "",
    mode: Mode = None,
    proposals: Method = None,
    regions: Regions = None,
    features: Features = None,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 100,
    device: Device = "auto",
) -> None:
    """Put linear classifiers in place of a detector's softmax, R-CNN's way; writes a model folder."""
    from ..data.specs import open_dataset, open_datasets
    from .linear_training import LinearOptions, checked_solver, train_svm
    from .regions import checked_mode

    names, chosen = tuple(filter(None, classes.split(","))), checked_mode(mode) if mode else None
    options = LinearOptions(names, chosen, proposals, regions, features, validation_pictures, device)
    training, validation = open_datasets(data), open_dataset(val) if val else None
    train_svm(training, validation, model, out, options, checked_solver(solver), _say)
    _say(f"written to {out}; try: inception-rcnn detect PICTURES --model {out} --out found")


@train_app.command()
def boxes(
    data: Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")],
    out: Out,
    model: Model = None,
    val: Annotated[str | None, typer.Option(help="A SPEC; the mAP before, after and without deltas is told.")] = None,
    penalty: Annotated[float, typer.Option(min=0.001, help="Lambda: with few pictures less may be better.")] = 1000,
    mode: Mode = None,
    proposals: Method = None,
    regions: Regions = None,
    features: Features = None,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 100,
    device: Device = "auto",
) -> None:
    """Put R-CNN's ridge box regressors in place of a detector's learned deltas; writes a model folder."""
    from ..data.specs import open_dataset, open_datasets
    from .linear_training import LinearOptions, train_boxes
    from .regions import checked_mode

    chosen = checked_mode(mode) if mode else None
    options = LinearOptions((), chosen, proposals, regions, features, validation_pictures, device)
    training, validation = open_datasets(data), open_dataset(val) if val else None
    train_boxes(training, validation, model, out, options, penalty, _say)
    _say(f"written to {out}; try: inception-rcnn detect PICTURES --model {out} --out found")


@train_app.command()
def classifier(
    data: Annotated[str, typer.Option(help="FOLDER/CLASS/*.jpg, or WebDataset shards: a .tar, a folder or a glob.")],
    out: Out,
    val: Annotated[str | None, typer.Option(help="As --data; the best weights by top-1 on it are kept.")] = None,
    init: Annotated[str | None, typer.Option(help="A classifier's weights or folder [none: from scratch].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    freeze: Annotated[str, typer.Option(help="What stays as it is: none, stem (to 3b) or trunk (to 4e).")] = "none",
    balanced: Annotated[bool, typer.Option(help="Show every class as often as the others.")] = False,
    auxiliary: Annotated[bool, typer.Option(help="Learn with the two side classifiers.")] = True,
    steps: int = 100_000,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0002,
    schedule: Annotated[str, typer.Option(help="step (4 % less every 8 epochs) or cosine (to zero).")] = "step",
    crops: Annotated[int, typer.Option(help="Crops a step.")] = 32,
    validate_every: Annotated[int, typer.Option(help="Steps.")] = 1000,
    checkpoint_every: Annotated[int, typer.Option(help="Steps; so many are lost at most.")] = 250,
    validation_pictures: Annotated[int, typer.Option(help="Evenly spread over --val.")] = 1000,
    tensorboard: Tensorboard = False,
    seed: int = 0,
    device: Device = "auto",
) -> None:
    """Train GoogLeNet to classify pictures; writes a folder that `classify` and `train finetune --init` take."""
    from .classifier_training import ClassifierOptions, momentum_recipe, train_classifier
    from .classifying import open_labelled

    options = ClassifierOptions(crops, freeze, balanced, auxiliary, validation_pictures, device, tensorboard)
    every = {"validate_every": validate_every, "checkpoint_every": checkpoint_every}
    recipe = momentum_recipe(steps, learning_rate, weight_decay, schedule, seed, **every)
    training, validation = open_labelled(data), open_labelled(val) if val else None
    train_classifier(training, validation, init, out, options, recipe, resume=resume, report=_say)
    _say(f"written to {out}; try: inception-rcnn classify --model {out} --data FOLDER")


@app.command()
def classify(
    model: Annotated[list[str], typer.Option(help="A classifier's folder or weights; given again, an ensemble.")],
    data: Annotated[str, typer.Option(help="FOLDER/CLASS/*.jpg, or WebDataset shards: a .tar, a folder or a glob.")],
    crops: Annotated[int, typer.Option(help="1, 10 or 144 a picture, averaged.")] = 1,
    pictures: Annotated[int | None, typer.Option(min=1, help="So many, evenly spread [all].")] = None,
    json: Json = None,
    device: Device = "auto",
) -> None:
    """Test classifiers: top-1, top-5 and what they take for what."""
    from ..data.files import write_atomically
    from .classifying import classify

    result = classify(model, data, crops, device, pictures, _say)
    print(result)
    if json is not None:
        write_atomically(json, result.to_json())


@app.command()
def evaluate(
    data: Annotated[str, typer.Option(help="A SPEC such as voc:ROOT:2012:val.")],
    out: Out,
    predictions: Annotated[Path | None, typer.Option(help=PREDICTIONS)] = None,
    proposals: Annotated[
        list[Path] | None, typer.Option(help="A file of proposals, to measure recall; may be given again.")
    ] = None,
    metric: Annotated[str, typer.Option(help="voc07, voc10, ilsvrc, coco, with commas.")] = "voc10,voc07",
    classes: Classes = "",
    blacklist: Annotated[Path | None, typer.Option(help="In place of ILSVRC's own: lines `index wnid`.")] = None,
    explain: Annotated[str | None, typer.Option(help="A picture: tell what became of each object in it.")] = None,
) -> None:
    """Judge predictions (average precision) and proposals (recall): a table, report.json, .csv and .html."""
    from ..eval.judging import Judging

    print(Judging(predictions, data, out, metric, classes, proposals or (), blacklist, explain).execute())
    _say(f"written to {out}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Predictions, as evaluate takes them.")],
    b: Annotated[Path, typer.Argument(help="Other predictions on the same pictures.")],
    data: Annotated[str, typer.Option(help="A SPEC such as voc:ROOT:2012:val.")],
    metric: Annotated[str, typer.Option(help="voc07, voc10, ilsvrc or coco.")] = "voc10",
    classes: Classes = "",
    fail_if_drop: Annotated[
        float | None, typer.Option(min=0, help="Exit 1 if B's mean is more than this below A's, as .01.")
    ] = None,
    json: Json = None,
) -> None:
    """Whether B is better than A: differences for each class, with 95 % intervals over the pictures."""
    from ..eval.comparing import format_comparison, write_comparison
    from ..eval.judging import check_drop, compare_files

    comparison = compare_files(a, b, data, metric, classes, _say)
    print(format_comparison(comparison))
    if json is not None:
        write_comparison(comparison, json)
    if fail_if_drop is not None:
        check_drop(comparison, fail_if_drop)


@app.command()
def draw(
    predictions: Annotated[Path, typer.Argument(help=PREDICTIONS)],
    images: Annotated[Path, typer.Option(help="The folder that the pictures are in.")],
    out: Out,
    data: Annotated[str | None, typer.Option(help="A SPEC: draw its ground truth, dashed, beside them.")] = None,
    score: Annotated[float, typer.Option(help="Leave weaker detections out.")] = 0.3,
) -> None:
    """Draw stored predictions on their pictures."""
    from ..eval.gallery import draw_predictions

    _say(draw_predictions(predictions, images, out, data, score, _say))


@benchmark_app.command("proposals")
def benchmark_proposals_command(
    data: Annotated[str, typer.Option(help="A SPEC, for pictures and objects.")],
    methods: Annotated[str, typer.Option(help="With commas between.")] = (
        "opencv:fast,selective-search:opencv-settings,selective-search:fast,selective-search:googlenet,"
        "selective-search:quality,multibox:200,mix"
    ),
    pictures: Annotated[int, typer.Option(help="So many, evenly spread.")] = 50,
    json: Json = None,
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Methods of proposing regions: seconds, boxes, recall and overlap."""
    from ..data.specs import open_dataset
    from ..proposals.benchmarking import benchmark_proposals
    from .pretrained import proposer_named

    named = [proposer_named(method, model, device) for method in methods.split(",")]
    _show_rows(benchmark_proposals(open_dataset(data), named, pictures, _say), json)


@benchmark_app.command("ensemble")
def benchmark_ensemble_command(
    data: Annotated[str, typer.Option(help="A SPEC, for pictures and objects.")],
    model: Annotated[str, typer.Option(help="The model folder of an ensemble.")],
    pictures: Annotated[int, typer.Option(min=1, help="So many, evenly spread.")] = 100,
    json: Json = None,
    device: Device = "auto",
) -> None:
    """An ensemble: each member's mAP, what it adds to the others, and how often two of them disagree."""
    from ..data.specs import open_dataset
    from .ensemble_benchmark import benchmark_ensemble
    from .rcnn import RCNN

    detector = RCNN.from_pretrained(model, device=device)
    _show_rows(benchmark_ensemble(detector, open_dataset(data), pictures, _say), json)


@benchmark_app.command("sizes")
def benchmark_sizes_command(
    data: Annotated[str, typer.Option(help="A SPEC; its first picture is taken, in several sizes.")],
    method: Annotated[str, typer.Option(help="One that takes pictures as they are.")] = (
        "selective-search:fast,width=none"
    ),
    megapixels: Annotated[list[float] | None, typer.Option(min=0.001, help="May be given again [0.1 to 12].")] = None,
    json: Json = None,
) -> None:
    """What Selective Search costs where pictures are not brought to a working width: CPU time by size."""
    from ..data.specs import open_dataset
    from ..proposals.benchmarking import benchmark_sizes
    from .pretrained import proposer_named

    sizes = megapixels or (0.1, 0.3, 1, 3, 6, 12)
    _show_rows(benchmark_sizes(open_dataset(data), proposer_named(method), sizes, _say), json)


@benchmark_app.command("evaluate")
def benchmark_evaluate_command(
    pictures: Annotated[int, typer.Option(min=1)] = 4952,
    classes: Annotated[int, typer.Option(min=1)] = 20,
    detections: Annotated[int, typer.Option(min=0)] = 100_000,
    ways: Annotated[str, typer.Option(help="With commas between.")] = (
        "voc07,voc10,ilsvrc,coco:pycocotools,coco:faster-coco-eval"
    ),
    json: Json = None,
) -> None:
    """Judging by each protocol: seconds for a made-up set of the size of VOC2007 test, or another."""
    from ..eval.benchmarking import benchmark_evaluation

    _show_rows(benchmark_evaluation(pictures, classes, detections, ways.split(","), _say), json)


def _show_rows(rows: list[Any], json: Path | None) -> None:
    from ..data.files import write_atomically
    from ..data.rows import format_rows, rows_to_json

    print(format_rows(rows))
    if json is not None:
        write_atomically(json, rows_to_json(rows))


@app.command()
def check(
    data: Annotated[str, typer.Option(help="A SPEC such as voc:FOLDER:train.")],
    json: Annotated[Path | None, typer.Option(help="Write all that was found to this file too.")] = None,
) -> None:
    """Look a data set over: what is in it, what cannot be used, what is odd."""
    from ..data.checks import check_dataset
    from ..data.files import write_atomically
    from ..eval.printable import printable

    report = check_dataset(data)
    print("\n".join(map(printable, report.lines())))
    if json is not None:
        write_atomically(json, report.to_json())
    report.require_usable()


@app.command()
def demo(out: Out = Path("demo"), model: Model = None, device: Device = "auto") -> None:
    """Detect in the public-domain photos of scikit-image."""
    from .demonstration import run_demo

    print(run_demo(out, model, device, _say))


@app.command()
def info() -> None:
    """Versions, devices, models and methods, ready to paste into a bug report."""
    from .information import describe

    print(describe())


def _machine_lacks(error: Exception) -> str | None:
    """What an error of the system or of an import says about the machine; None for one that is our own mistake."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'while writing'}): make room; the same command goes on from here"
    if "torchvision::nms" in str(error):
        return "this torchvision was built for another torch: install both anew from the same index"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name!r} is missing: install inception-rcnn again with all its dependencies"
    return None


def main() -> None:
    """Run the command line; errors the user can mend are one sentence and an exit code."""
    try:
        app()
    except InceptionRcnnError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except (OSError, RuntimeError, ImportError) as error:
        reason = _machine_lacks(error)
        if reason is None:
            raise
        _complain(reason)
        sys.exit(SetupError.exit_code)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on where this one stopped (train: with --resume)")
        sys.exit(130)
