"""The verb `convert`."""

from pathlib import Path
from typing import Annotated

import typer

from .streams import report, show


def convert(
    source: Annotated[str, typer.Argument(help="A data set's SPEC (below), or predictions as evaluate takes.")],
    to: Annotated[str, typer.Option(help="coco, yolo, voc, csv, jsonl or label-studio.")],
    out: Annotated[Path, typer.Option(help="The folder to write, which must be new or empty.")],
    data: Annotated[str | None, typer.Option(help="The SPEC of the data set that predictions are about.")] = None,
    copy_images: Annotated[bool, typer.Option(help="Copy a data set's images to where the format has them.")] = False,
) -> None:
    """Write a data set or predictions in another format."""
    from ...data.formats.conversion import convert

    show(convert(source, to, out, data, report, copy_images=copy_images))
