"""The verb `inception-rcnn classify`."""

from pathlib import Path
from typing import Annotated

import typer

from ...data.errors import UsageError
from .numbers import COUNT
from .options import Device
from .streams import report, show


def classify(
    source: Annotated[
        list[str] | None, typer.Argument(help="Images to predict the classes of, named as detect takes them.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A classifier's folder or weights; given again, an ensemble [googlenet-ilsvrc]."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Images of known classes, to test with: FOLDER/CLASS/*.jpg, WebDataset shards, or a SPEC."),
    ] = None,
    crops: Annotated[int, typer.Option(help="1, 10 or 144 an image, averaged.")] = 1,
    top: Annotated[int, typer.Option(help="Classes an image, the likeliest.", **COUNT)] = 5,
    images: Annotated[int | None, typer.Option(min=1, help="How many of --data, evenly spread [all].")] = None,
    json: Annotated[Path | None, typer.Option(help="Write a line of JSON an image, or the test's result.")] = None,
    device: Device = "auto",
) -> None:
    """Predict the classes of images; with --data test classifiers: top-1, top-5 and confusions."""
    from ...data.files.atomic import write_atomically
    from ..classification.prediction import classify_files
    from ..classification.testing import classify as test
    from ..model_folders import ILSVRC_MODEL

    if bool(source) == (data is not None):
        raise UsageError("name the images to classify, or with --data those to test classifiers with")
    models = model or [ILSVRC_MODEL]
    if data is None:
        report(classify_files(models, source or (), crops, top, device, json, show, report))
    else:
        result = test(models, data, crops, device, images, report)
        if json is not None:
            write_atomically(json, result.to_json())
        show(result)
