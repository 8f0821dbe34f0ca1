"""The verbs `detect`, `merge` and `propose`: runs over many images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...data.terminal import Report, silent
from .options import (
    AgnosticNms,
    Budget,
    Context,
    Device,
    Engine,
    FailOnError,
    Formats,
    IgnoreExif,
    MaxDet,
    MaxMegapixels,
    MethodOrFile,
    MinSize,
    Model,
    Out,
    OutputClasses,
    Overlap,
    Quiet,
    RayAddress,
    Regions,
    Score,
    ShardOfRun,
    ShortSides,
    Sources,
    TimeLimit,
    given,
    is_ray,
    names_of,
    sides_of,
)
from .streams import report, show


def detect(
    source: Sources,
    out: Out,
    model: Model = None,
    score: Score = None,
    iou: Overlap = None,
    classes: OutputClasses = None,
    max_det: MaxDet = None,
    min_size: MinSize = None,
    agnostic_nms: AgnosticNms = None,
    proposals: MethodOrFile = None,
    regions: Regions = None,
    budget: Budget = None,
    context: Context = None,
    short_sides: ShortSides = None,
    mode: Annotated[str | None, typer.Option(help="crops (the paper's), shared (faster) or both (fused).")] = None,
    device: Device = "auto",
    draw: Annotated[bool, typer.Option(help="Draw the boxes on copies of the images.")] = True,
    save_crops: Annotated[bool, typer.Option(help="Cut each detection out, into a folder for its class.")] = False,
    keep_stages: Annotated[bool, typer.Option(help="Write the regions' scores and boxes, to explain misses.")] = False,
    format: Formats = "coco",
    overwrite: Annotated[bool, typer.Option(help="Start anew where other settings have written before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate time and disk space; write nothing.")] = False,
    shard: ShardOfRun = None,
    engine: Engine = "threads",
    ray_address: RayAddress = None,
    fail_on_error: FailOnError = None,
    ignore_exif: IgnoreExif = False,
    time_limit: TimeLimit = 300.0,
    max_megapixels: MaxMegapixels = None,
    quiet: Quiet = False,
) -> None:
    """Detect objects in images: boxes as JSON lines and COCO, and drawn on the images."""
    from ..inference.detect_run import DetectOptions, detect_files, prepare
    from ..inference.image_run import Writing
    from ..inference.plan import plan
    from ..scale.ray_engine import ray_engine
    from ..scale.sharded_run import detect_shard, prepare_shard
    from ..scale.shards import shard_named

    _limit_images(max_megapixels)
    found = given(score=score, nms_threshold=iou, output_classes=names_of(classes), max_detections=max_det)
    boxes = given(min_size=min_size, agnostic_nms=agnostic_nms, proposals=proposals, regions=regions, budget=budget)
    settings = {**found, **boxes, **given(context=context, short_sides=sides_of(short_sides), mode=mode)}
    writing = Writing(draw, save_crops, keep_stages)
    of_run = {"fail_on_error": fail_on_error, "ignore_exif": ignore_exif, "time_limit": time_limit}
    options, talk = DetectOptions(model, settings, device, writing, format, overwrite, **of_run), _reporter(quiet)
    by, part = ray_engine(ray_address) if is_ray(engine) else None, shard_named(shard) if shard is not None else None
    if dry_run:
        show(plan(prepare_shard(source, out, options, part)[0] if part else prepare(source, out, options)))
    elif part is not None:
        talk(str(detect_shard(source, out, options, part, talk, by)))
    else:
        talk(str(detect_files(source, out, options, talk, by)))


def merge(
    out: Annotated[Path, typer.Argument(help="The folder that all of `detect --shard` have written to, as --out.")],
    quiet: Quiet = False,
) -> None:
    """Join the shards of a run: the files are those that one run over all images would have written."""
    from ..scale.sharded_run import merge_shards

    talk = _reporter(quiet)
    talk(merge_shards(out, talk))


def _reporter(quiet: bool) -> Report:
    return silent if quiet else report


def _limit_images(max_megapixels: float | None) -> None:
    from ...data.images.decoding import limit_megapixels

    if max_megapixels is not None:
        limit_megapixels(max_megapixels)


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
    engine: Engine = "threads",
    ray_address: RayAddress = None,
    fail_on_error: FailOnError = None,
    ignore_exif: IgnoreExif = False,
    time_limit: TimeLimit = 300.0,
    max_megapixels: MaxMegapixels = None,
    quiet: Quiet = False,
) -> None:
    """Compute region proposals and write them to a file."""
    from ..inference.propose_run import propose_to_file
    from ..model_folders import proposer_named
    from ..scale.ray_engine import ray_proposals

    _limit_images(max_megapixels)
    method, talk = proposer_named(proposals, model, device), _reporter(quiet)
    how: dict[str, Any] = {"fail_on_error": fail_on_error, "ignore_exif": ignore_exif, "time_limit": time_limit}
    if is_ray(engine):
        how["find"] = ray_proposals(proposals, model, device, ray_address)
    talk(propose_to_file(source, out, method, talk, **how))
