"""What the verbs of the command line share: options by the names they have everywhere, and how to talk."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

Sources = Annotated[list[str], typer.Argument(help="Files, folders, quoted globs, @list.txt, - (stdin) or a SPEC.")]
Data = Annotated[list[str], typer.Option(help="A SPEC such as voc:FOLDER:train; may be given again.")]
Out = Annotated[Path, typer.Option(help="The folder to write to.")]
Model = Annotated[str | None, typer.Option(help="A model that ships, by name, or a model folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PREDICTIONS = "What detect wrote, or COCO's, VOC's, ILSVRC's, YOLO's or Label Studio's results, or a CSV."
Json = Annotated[Path | None, typer.Option(help="Write the rows to this file too.")]
Resume = Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")]
ValidateEvery = Annotated[int, typer.Option(help="Steps.")]
CheckpointEvery = Annotated[int, typer.Option(help="Steps; so many are lost at most.")]
ValidationPictures = Annotated[int, typer.Option(help="Evenly spread over --val.")]
Tensorboard = Annotated[bool, typer.Option(help="Write curves for TensorBoard too, an extra.")]
Classes = Annotated[str, typer.Option(help="Class names, separated by commas; all without.")]
Mode = Annotated[str | None, typer.Option(help="crops or shared [the model's].")]
Method = Annotated[str | None, typer.Option(help="The method of proposing regions [the model's].")]
Regions = Annotated[int | None, typer.Option(help="Look at so many proposals, the best [the model's].")]
FailOnError = Annotated[str | None, typer.Option(help="Exit 1 if more images fail, as 5 or 10% [all of them].")]
IgnoreExif = Annotated[bool, typer.Option(help="Take all images as they are stored, not turned upright.")]
TimeLimit = Annotated[float, typer.Option(help="Seconds that decoding and proposing may take, an image.")]
Features = Annotated[Path | None, typer.Option(help="A folder to keep the features in [the user's cache].")]


# Where torchrun started this process as one of several.
RANK = int(os.environ.get("RANK", 0)) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def say(line: object) -> None:
    """Talk, which is for the first of several processes to do."""
    if RANK == 0:
        print(line, file=sys.stderr, flush=True)


def complain(sentence: str) -> None:
    process = f" in process {RANK}" if "TORCHELASTIC_RUN_ID" in os.environ else ""
    print(f"error{process}: {sentence}", file=sys.stderr, flush=True)
