"""Options that several verbs of the command line have."""

from pathlib import Path
from typing import Annotated

import typer

from ...data.class_names import require_known
from ...data.diagnostics import cut
from ...data.errors import UsageError
from ...data.values import number_of
from .numbers import ABOVE_ZERO, COUNT, FRACTION, NUMBER, SEED

# For the end of the help of the verbs that take one. A marker keeps the lines as they are.
SPEC_HELP = """\b
A SPEC names a data set:
  voc:ROOT:YEAR:SPLIT          VOC's years; ROOT holds VOCdevkit or is it
  voc:FOLDER:SPLIT             FOLDER with Annotations, JPEGImages and ImageSets/Main/SPLIT.txt
  ilsvrc:ROOT:SPLIT            ILSVRC DET's layout: Annotations/DET, ImageSets/DET, Data/DET
  coco:FILE.json:IMAGES        COCO's annotations and the folder of their images
  yolo:DATA.yaml:SPLIT         a YOLO data set; SPLIT is train, val or test
  csv:FILE.csv:IMAGES          a table with a line for each box
  jsonl:FILE.jsonl:IMAGES      a line of JSON for each image
  label-studio:FILE.json:IMAGES  an export of Label Studio
Without :IMAGES the folder is searched for beside the file."""


def complete_model(incomplete: str) -> list[str]:
    """The models that ship whose names begin so, for the shell's completion, which must not wait for torch."""
    folders = sorted(path.parent for path in (Path(__file__).parents[1] / "models").glob("*/config.json"))
    return [folder.name for folder in folders if folder.name.startswith(incomplete)]


def complete_preset(incomplete: str) -> list[str]:
    """The presets of training whose names begin so."""
    return [name for name in ("default", "rcnn", "entry", "ilsvrc") if name.startswith(incomplete)]


Sources = Annotated[
    list[str], typer.Argument(help="Files, folders, .zip, .tar, quoted globs, @list.txt, - (stdin) or a SPEC.")
]
Data = Annotated[list[str], typer.Option(help="A SPEC (below), such as voc:FOLDER:train; may be given again.")]
OneData = Annotated[str, typer.Option(help="A SPEC (below), such as voc:ROOT:2012:val.")]
Validation = Annotated[str | None, typer.Option(help="A SPEC; the best weights by mAP on it are saved.")]
Rename = Annotated[
    str | None,
    typer.Option(
        help="Other names for classes of the data sets: OLD=NEW,OLD= (to ignore it), a file with one a line, or ilsvrc."
    ),
]
Incomplete = Annotated[
    list[str] | None,
    typer.Option(help="As --data, where objects may lack their annotation: nothing there is background."),
]
Out = Annotated[Path, typer.Option(help="The folder to write to.")]
Model = Annotated[
    str | None,
    typer.Option(help="A model that ships, by name, or a model folder.", autocompletion=complete_model),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
PREDICTIONS = "What detect wrote, or COCO's, VOC's, ILSVRC's, YOLO's or Label Studio's results, or a CSV."
Json = Annotated[Path | None, typer.Option(help="Write the rows to this file too.")]
Resume = Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")]
Steps = Annotated[int, typer.Option(**COUNT)]
Rate = Annotated[float, typer.Option(**ABOVE_ZERO)]
Seed = Annotated[int, typer.Option(**SEED)]
Images = Annotated[int, typer.Option(help="Images a step.", **COUNT)]
ValidateEvery = Annotated[int, typer.Option(help="Steps.", **COUNT)]
CheckpointEvery = Annotated[int, typer.Option(help="Steps; at most as many are lost.", **COUNT)]
ValidationImages = Annotated[int, typer.Option(help="Evenly spread over --val.", **COUNT)]
Tensorboard = Annotated[bool, typer.Option(help="Write curves for TensorBoard too, an extra.")]
Classes = Annotated[str | None, typer.Option(help="Class names, separated by commas; all without.")]
Mode = Annotated[str | None, typer.Option(help="crops or shared [the model's].")]
Method = Annotated[str | None, typer.Option(help="The method of proposing regions [the model's].")]
MethodOrFile = Annotated[
    str | None,
    typer.Option(help="A method's name, or what `propose` wrote; only .safetensors knows images that changed."),
]
Budget = Annotated[
    float | None, typer.Option(help="Seconds an image: what is classified by then, the best first.", **NUMBER)
]
Context = Annotated[
    float | None,
    typer.Option(help="Scores are times this power of the whole image's class probabilities [0].", **NUMBER),
]
Formats = Annotated[
    str, typer.Option(help="Further files, with commas: voc, yolo, csv, label-studio, coco-results, ilsvrc.")
]
ShardOfRun = Annotated[
    str | None, typer.Option(help="INDEX/COUNT from 0/8 to 7/8: this part of the images; `merge` joins all.")
]
Preset = Annotated[
    str,
    typer.Option(help="default, rcnn (R-CNN's way), entry (no deltas) or ilsvrc.", autocompletion=complete_preset),
]
Regions = Annotated[int | None, typer.Option(help="How many proposals to classify, the best [the model's].", **COUNT)]
FailOnError = Annotated[str | None, typer.Option(help="Exit 1 if more images fail, as 5 or 10% [all of them].")]
Engine = Annotated[str, typer.Option(help="threads: this process; or ray: Ray Data, an extra, here or in a cluster.")]
RayAddress = Annotated[str | None, typer.Option(help="Of Ray's cluster, or auto [one on this machine's cores].")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write errors alone to the terminal.")]
IgnoreExif = Annotated[bool, typer.Option(help="Take all images as they are stored, not turned upright.")]
TimeLimit = Annotated[float, typer.Option(help="Seconds that decoding and proposing may take, an image.", **ABOVE_ZERO)]
MaxMegapixels = Annotated[
    float | None, typer.Option(help="Do not read images of more million pixels [179].", **ABOVE_ZERO)
]
FREEZE = "Layers to freeze: none, conv1, stem (to 3b), backbone (to 4e) or 5a."
Subclasses = Annotated[
    str | None, typer.Option(help="Keep the outputs of --init's classifier: ilsvrc, or a file of lines NAME=CLASS.")
]
Balance = Annotated[bool, typer.Option(help="Meet images of rare classes more often.")]
TrainingProposals = Annotated[
    str | None,
    typer.Option(help="The method of proposing regions [the preset's; of a detector that gets a mode, its own]."),
]
BestProposals = Annotated[int | None, typer.Option(help="Sample from an image's best N proposals [all].", **COUNT)]
ShortSides = Annotated[
    str | None, typer.Option(help="Short sides of the image pyramid, in pixels, as 200,400,800 [the model's].")
]
Features = Annotated[Path | None, typer.Option(help="A folder for the features [the user's cache].")]
Score = Annotated[
    float | None, typer.Option("--score", "--conf", help="Leave weaker detections out [the model's].", **FRACTION)
]
Overlap = Annotated[
    float | None,
    typer.Option("--iou", help="IoU above which a better box suppresses [the model's, .3].", **FRACTION),
]
MaxDet = Annotated[
    int | None, typer.Option("--max-det", help="Detections an image, the best [the model's, 100].", **COUNT)
]
OutputClasses = Annotated[
    str | None, typer.Option("--classes", help="Detect these classes only, separated by commas [all of the model's].")
]
MinSize = Annotated[
    float | None, typer.Option("--min-size", help="Leave boxes of less width or height out, in pixels [0].", **NUMBER)
]
AgnosticNms = Annotated[
    bool | None,
    typer.Option("--agnostic-nms/--no-agnostic-nms", help="A box suppresses those of other classes too [no]."),
]


def current_name(name: str) -> str:
    """What an option is called now: scripts may have its name of an earlier release.

    >>> current_name("validation-pictures"), current_name("steps")
    ('validation-images', 'steps')
    """
    return name.replace("pictures", "images") if name in ("pictures", "validation-pictures") else name


def names_of(text: str | None) -> tuple[str, ...]:
    """The names that `--classes` has, with commas between them; none where it is not given.

    >>> names_of("person, dog,"), names_of(None)
    (('person', 'dog'), ())
    """
    names = tuple(name for part in (text or "").split(",") if (name := part.strip()))
    if text is not None and not names:
        raise UsageError(f"--classes {cut(text)!r}: name one class at least, or leave the option out")
    return names


def sides_of(text: str | None) -> tuple[float, ...]:
    """The numbers that `--short-sides` has, with commas between them; none where it is not given.

    >>> sides_of("240,480"), sides_of(None)
    ((240, 480), ())
    """
    sides = [number_of(part) for part in (text or "").split(",")] if text is not None else []
    if any(side != side for side in sides):
        raise UsageError(f"--short-sides {cut(str(text))!r}: need numbers of pixels, as 240,480")
    return tuple(int(side) if side % 1 == 0 else side for side in sides)


def is_ray(engine: str) -> bool:
    """Whether `--engine` is Ray; UsageError where it is none that there is."""
    require_known("--engine", engine, ("threads", "ray"))
    return engine == "ray"


def given(**options: object) -> dict[str, object]:
    """The options that were given: a model's own settings stay where there is none."""
    return {name: value for name, value in options.items() if value is not None and value != ()}
