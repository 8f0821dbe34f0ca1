"""The command `inception-rcnn`. Results go to stdout, progress and messages to stderr.

Each verb parses, calls and shows; what it does is one call away, and as short in Python. Heavy imports wait inside
the verbs, so that `--help` answers at once.
"""

import errno
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from ...data.errors import InceptionRcnnError, SetupError
from .benchmark import benchmark_app
from .classify import classify
from .convert import convert
from .detect import detect, merge, propose
from .numbers import FRACTION, NUMBER
from .options import (
    PREDICTIONS,
    SPEC_HELP,
    Classes,
    Device,
    IgnoreExif,
    Json,
    Model,
    OneData,
    Out,
    current_name,
    names_of,
)
from .reproduce import reproduce
from .streams import escape_what_cannot_be_encoded, report, report_error, show
from .train import train_app

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": current_name},
)
app.add_typer(train_app, name="train")
app.add_typer(benchmark_app, name="benchmark")
app.command(epilog=SPEC_HELP)(detect)
app.command()(merge)
app.command(epilog=SPEC_HELP)(propose)
app.command(epilog=SPEC_HELP)(convert)
app.command(epilog=SPEC_HELP)(classify)
app.command(epilog=SPEC_HELP)(reproduce)


_debug = False  # whether errors that are one sentence show where they come from


def _show_version(wanted: bool) -> None:
    if wanted:
        show(f"inception-rcnn {version('inception-rcnn')}")
        raise typer.Exit


@app.callback()
def options_of_all(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Detect objects in images as GoogLeNet's ILSVRC-2014 entry did; train, evaluate, compare and draw."""
    global _debug
    _debug = debug


@app.command(epilog=SPEC_HELP)
def evaluate(
    data: OneData,
    out: Out,
    predictions: Annotated[Path | None, typer.Option(help=PREDICTIONS)] = None,
    proposals: Annotated[
        list[Path] | None, typer.Option(help="A file of proposals, to measure recall; may be given again.")
    ] = None,
    metric: Annotated[str, typer.Option(help="voc07, voc10, ilsvrc, coco, with commas.")] = "voc10,voc07",
    classes: Classes = None,
    blacklist: Annotated[Path | None, typer.Option(help="In place of ILSVRC's own: lines `index wnid`.")] = None,
    explain: Annotated[str | None, typer.Option(help="An image: how each object in it was found or lost.")] = None,
) -> None:
    """Evaluate predictions (average precision) and proposals (recall): a table, report.json, .csv and .html."""
    from ...eval.evaluate import EvaluationOptions, evaluate_files

    names = ",".join(names_of(classes))
    options = EvaluationOptions(predictions, data, metric, names, proposals or (), blacklist, explain)
    show(evaluate_files(options, out))
    report(f"written to {out}")


@app.command(epilog=SPEC_HELP)
def compare(
    a: Annotated[Path, typer.Argument(help="Predictions, as evaluate takes them.")],
    b: Annotated[Path, typer.Argument(help="Other predictions on the same images.")],
    data: OneData,
    metric: Annotated[str, typer.Option(help="voc07, voc10, ilsvrc or coco.")] = "voc10",
    classes: Classes = None,
    fail_if_drop: Annotated[
        float | None, typer.Option(help="Exit 1 if B's mean is more than this below A's, as .01.", **NUMBER)
    ] = None,
    json: Json = None,
) -> None:
    """Whether B is better than A: differences for each class, with 95 % intervals over the images."""
    from ...eval.analysis.comparison import format_comparison, write_comparison
    from ...eval.evaluate import check_drop, compare_files

    comparison = compare_files(a, b, data, metric, ",".join(names_of(classes)), report)
    if json is not None:
        write_comparison(comparison, json)
    show(format_comparison(comparison))
    if fail_if_drop is not None:
        check_drop(comparison, fail_if_drop)


@app.command(epilog=SPEC_HELP)
def draw(
    predictions: Annotated[Path, typer.Argument(help=PREDICTIONS)],
    images: Annotated[Path, typer.Option(help="The folder that the images are in.")],
    out: Out,
    data: Annotated[str | None, typer.Option(help="A SPEC: draw its ground truth, dashed, beside them.")] = None,
    score: Annotated[float, typer.Option("--score", "--conf", help="Leave weaker detections out.", **FRACTION)] = 0.3,
    ignore_exif: IgnoreExif = False,
) -> None:
    """Draw stored predictions on their images."""
    from ...eval.report.drawn_predictions import draw_predictions

    report(draw_predictions(predictions, images, out, data, score, report, ignore_exif=ignore_exif))


@app.command(epilog=SPEC_HELP)
def check(
    data: OneData,
    json: Annotated[Path | None, typer.Option(help="Write all that was found to this file too.")] = None,
) -> None:
    """Check a data set: its content, what cannot be used, what is odd."""
    from ...data.files.atomic import write_atomically
    from ...data.formats.checks import check_dataset
    from ...data.terminal import printable

    report = check_dataset(data)
    if json is not None:
        write_atomically(json, report.to_json())
    show("\n".join(map(printable, report.lines())))
    report.require_usable()


@app.command()
def demo(out: Out = Path("demo"), model: Model = None, device: Device = "auto") -> None:
    """Detect in photos that come with scikit-image."""
    from ..inference.demo import run_demo

    show(run_demo(out, model, device, report))


@app.command()
def info() -> None:
    """Versions, devices, models and methods, ready to paste into a bug report."""
    from .information import describe

    show(describe())


def _machine_lacks(error: Exception) -> str | None:
    """The message for an error of the system or of an import; None for any other."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'while writing'}): make room; the same command goes on from here"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
        return "the memory is too small for this: take fewer --regions, smaller images or --device cpu"
    if "torchvision::nms" in str(error):
        return "this torchvision was built for another torch: install both anew from the same index"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name!r} is missing: install inception-rcnn again with all its dependencies"
    return None


def main() -> None:
    """Run the command line; errors the user can mend are one sentence and an exit code."""
    escape_what_cannot_be_encoded()
    try:
        app()
    except InceptionRcnnError as error:
        if _debug:
            traceback.print_exc()
        report_error(str(error))
        sys.exit(error.exit_code)
    except (OSError, RuntimeError, ImportError, MemoryError) as error:
        reason = _machine_lacks(error)
        if reason is None:
            raise
        report_error(reason)
        sys.exit(SetupError.exit_code)
    except KeyboardInterrupt:
        report("interrupted; the same command goes on where this one stopped (train: with --resume)")
        sys.exit(130)
