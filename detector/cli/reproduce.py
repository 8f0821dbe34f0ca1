"""The verb `inception-rcnn reproduce`."""

from typing import Annotated

import typer

from .numbers import COUNT
from .options import Device, OneData, Out, Regions
from .streams import report, show


def reproduce(
    data: OneData,
    out: Out,
    model: Annotated[
        list[str] | None, typer.Option(help="A model that ships, or a folder, also of an ensemble; may be given again.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="ilsvrc, voc10, voc07 or coco [by the data's classes].")] = None,
    images: Annotated[int | None, typer.Option(help="How many, evenly spread [all].", **COUNT)] = None,
    regions: Regions = None,
    classified: Annotated[
        str | None, typer.Option(help="Images of known classes, as classify --data has them, for the paper's Table 3.")
    ] = None,
    classifier: Annotated[
        list[str] | None, typer.Option(help="What classifies them, as classify --model has it [the models].")
    ] = None,
    device: Device = "auto",
) -> None:
    """Measure the rows of the paper's tables on your data: proposals, detection, classification."""
    from ..reproduction.run import ReproductionOptions
    from ..reproduction.run import reproduce as run

    options = ReproductionOptions(model or (), metric, images, regions, classified, classifier or (), device)
    show(run(data, out, options, report))
