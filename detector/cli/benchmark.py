"""The verbs `inception-rcnn benchmark …`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .numbers import COUNT
from .options import SPEC_HELP, Device, Json, Model, OneData, Sources
from .streams import report, show

benchmark_app = typer.Typer(no_args_is_help=True, help="Measure speed and quality, side by side in one run.")


@benchmark_app.command("proposals", epilog=SPEC_HELP)
def benchmark_proposals_command(
    data: OneData,
    methods: Annotated[str, typer.Option(help="With commas between.")] = (
        "opencv:fast,selective-search:opencv-settings,selective-search:fast,selective-search:googlenet,"
        "selective-search:quality,multibox:200,mix"
    ),
    images: Annotated[int, typer.Option(help="How many, evenly spread.", **COUNT)] = 50,
    json: Json = None,
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Methods of proposing regions: seconds, boxes, recall and overlap."""
    from ...data.formats.specs import open_dataset
    from ...proposals.benchmarking import benchmark_proposals
    from ..model_folders import proposer_named

    named = [proposer_named(method, model, device) for method in methods.split(",")]
    _show_rows(benchmark_proposals(open_dataset(data), named, images, report), json)


@benchmark_app.command("speed", epilog=SPEC_HELP)
def benchmark_speed_command(
    data: OneData,
    images: Annotated[int, typer.Option(help="How many, evenly spread.", **COUNT)] = 40,
    regions: Annotated[str, typer.Option(help="Numbers of proposals to classify, a row each.")] = "25,50,100,200,400",
    json: Json = None,
    svg: Annotated[Path | None, typer.Option(help="Draw mAP against regions and seconds to this file.")] = None,
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Detection: seconds an image by stage, beside mAP, for several settings and a plain R-CNN loop."""
    from ...data.files.atomic import write_atomically
    from ...data.formats.specs import open_dataset
    from ..benchmarks.speed import benchmark_speed, check_numbers, describe_machine
    from ..benchmarks.speed_plot import speed_svg
    from ..rcnn import RCNN

    detector = RCNN.from_pretrained(model, device=device)
    report(describe_machine(detector.device))
    rows = benchmark_speed(detector, open_dataset(data), images, check_numbers("--regions", regions), report)
    if svg is not None:
        write_atomically(svg, speed_svg(rows))
    _show_rows(rows, json)


@benchmark_app.command("ensemble", epilog=SPEC_HELP)
def benchmark_ensemble_command(
    data: OneData,
    model: Annotated[str, typer.Option(help="The model folder of an ensemble.")],
    images: Annotated[int, typer.Option(min=1, help="How many, evenly spread.")] = 100,
    json: Json = None,
    device: Device = "auto",
) -> None:
    """An ensemble: each member's mAP, what it adds to the others, and how often two of them disagree."""
    from ...data.formats.specs import open_dataset
    from ..benchmarks.ensemble_ablation import benchmark_ensemble
    from ..rcnn import RCNN

    detector = RCNN.from_pretrained(model, device=device)
    _show_rows(benchmark_ensemble(detector, open_dataset(data), images, report), json)


@benchmark_app.command("scale", epilog=SPEC_HELP)
def benchmark_scale_command(
    source: Sources,
    images: Annotated[int, typer.Option(help="How many, evenly spread.", **COUNT)] = 200,
    check: Annotated[
        str | None, typer.Option(help="Also run as many processes on all of the images, as 1,2, and compare.")
    ] = None,
    json: Json = None,
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Runs over very many images: hours, disk and network, from rates that are measured here."""
    from ...data.formats.specs import resolve_sources
    from ...data.terminal import format_rows
    from ..benchmarks.scale import check_rates, measure_rates, scale_table
    from ..benchmarks.speed import check_numbers
    from ..model_folders import model_folder
    from ..rcnn import RCNN

    folder, sources = model_folder(model), resolve_sources(source)
    sources = sources[:: max(len(sources) // images, 1)][:images]
    rates = measure_rates(RCNN.from_pretrained(folder, device=device), folder, sources, report)
    report(str(rates))
    if check is not None:
        show(format_rows(check_rates(rates, folder, sources, check_numbers("--check", check), report)) + "\n")
    _show_rows(scale_table(rates), json)


@benchmark_app.command("sizes", epilog=SPEC_HELP)
def benchmark_sizes_command(
    data: Annotated[str, typer.Option(help="A SPEC; its first image is taken, in several sizes.")],
    method: Annotated[str, typer.Option(help="One that takes images as they are.")] = (
        "selective-search:fast,width=none"
    ),
    megapixels: Annotated[
        list[float] | None, typer.Option(min=0.001, max=1000, help="May be given again [0.1 to 12].")
    ] = None,
    json: Json = None,
) -> None:
    """What Selective Search costs where images are not brought to a working width: CPU time by size."""
    from ...data.formats.specs import open_dataset
    from ...proposals.benchmarking import benchmark_sizes
    from ..model_folders import proposer_named

    sizes = megapixels or (0.1, 0.3, 1, 3, 6, 12)
    _show_rows(benchmark_sizes(open_dataset(data), proposer_named(method), sizes, report), json)


@benchmark_app.command("evaluate")
def benchmark_evaluate_command(
    images: Annotated[int, typer.Option(min=1, max=10**7)] = 4952,
    classes: Annotated[int, typer.Option(min=1, max=10**5)] = 20,
    detections: Annotated[int, typer.Option(min=0, max=10**8)] = 100_000,
    ways: Annotated[str, typer.Option(help="With commas between.")] = (
        "voc07,voc10,ilsvrc,coco:pycocotools,coco:faster-coco-eval"
    ),
    json: Json = None,
) -> None:
    """Evaluation by each protocol: seconds for a synthetic set of the size of VOC2007 test, or another."""
    from ...eval.benchmarking import benchmark_evaluation

    _show_rows(benchmark_evaluation(images, classes, detections, ways.split(","), report), json)


def _show_rows(rows: list[Any], json: Path | None) -> None:
    from ...data.files.atomic import write_atomically
    from ...data.terminal import format_rows, rows_to_json

    if json is not None:
        write_atomically(json, rows_to_json(rows))
    show(format_rows(rows))
