"""From files to a report: predictions and a data set's name in, tables and pages out."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from ..data.class_names import hint
from ..data.datasets.dataset import Dataset
from ..data.diagnostics import Notices, cut, listed
from ..data.errors import DataError, LimitError, UsageError
from ..data.files.json_files import load_json
from ..data.formats.predictions import RUN_NAME, read_categories, read_predictions
from ..data.formats.specs import open_dataset
from ..data.records import Stages
from ..data.stores.detections_jsonl import LEDGER_NAME
from ..data.stores.proposal_files import NamedProposals, read_proposal_file
from ..data.stores.stage_files import read_stages
from ..data.terminal import Report, printable, silent
from .analysis.breakdown import break_down
from .analysis.comparison import Comparison, compare
from .analysis.image_explanation import explain_image
from .analysis.intervals import find_intervals
from .analysis.tide import find_errors
from .analysis.waterfall import find_losses
from .metrics.coco import engine_name
from .metrics.evaluation import Evaluation
from .metrics.protocols import checked_metrics, evaluate
from .metrics.recall import evaluate_recall, format_recall
from .metrics.table import tabulate
from .report.drawn_files import Drawings
from .report.explanation_drawing import draw_explanation
from .report.omissions import omission_line, omissions, warnings
from .report.report import EvaluationReport, format_table, write_report

EXPLAINED = "explained"  # the folder of drawn explanations, in the one of the report


@dataclass(frozen=True)
class EvaluationOptions:
    """What `evaluate_files` evaluates, on which data and by which protocols."""

    predictions: Path | None
    data: str  # a SPEC
    metrics: str = "voc10,voc07"
    classes: str = ""  # those that the predictions are about, if none are named
    proposals: Sequence[Path] = ()
    blacklist: Path | None = None  # in place of ILSVRC's own
    explain: str | None = None  # an image


def evaluate_files(options: EvaluationOptions, out: Path) -> str:
    """Write `report.json`, `report.csv` and `report.html` into a folder; gives the tables for a terminal.

    The first protocol is the one that errors, breakdowns and images are of. Where `detect --keep-stages` made the
    predictions, the report says at which step each missed object was lost.
    """
    checked_metrics(_listed(options.metrics))
    if options.predictions is None and not options.proposals:
        raise UsageError("nothing to evaluate: give --predictions, --proposals, or both")
    if options.predictions is None and options.explain is not None:
        raise UsageError("--explain needs --predictions")
    notices = Notices()
    dataset = open_dataset(options.data, notices, options.blacklist)
    proposals = _proposals_by_name(options.proposals)
    recalls = [evaluate_recall(name, found, dataset.images) for name, found in proposals.items()]
    report, texts = EvaluationReport(recalls=recalls, facts=_facts(options)), []
    if options.predictions is not None:
        folder = options.predictions.parent if options.predictions.name == LEDGER_NAME else options.predictions
        stages = read_stages(folder) or None
        report = _with_predictions(report, options, dataset, stages, notices)
        texts.append(format_table(report))
        if options.explain is not None:
            texts.append(_explained(options.explain, report.evaluations[0], stages, dataset, out / EXPLAINED))
    write_report(report, out)
    return "\n\n".join([*texts, format_recall(recalls)] if recalls else texts)


def _with_predictions(
    report: EvaluationReport,
    options: EvaluationOptions,
    dataset: Dataset,
    stages: Mapping[str, Stages] | None,
    notices: Notices,
) -> EvaluationReport:
    assert options.predictions is not None
    images, chosen = read_predictions(options.predictions, dataset, notices), _listed(options.classes)
    classes = _checked_classes(chosen, read_categories(options.predictions, images, dataset), dataset)
    table = tabulate(images, dataset.images, classes)
    evaluations = evaluate(table, _listed(options.metrics))
    return replace(
        report,
        evaluations=evaluations,
        intervals={one.metric: find_intervals(one) for one in evaluations},
        errors=find_errors(evaluations[0].table),
        breakdowns=break_down(evaluations[0]),
        waterfall=find_losses(evaluations[0], stages) if stages else None,
        failures=[(image.file, image.error) for image in images if image.error is not None],
        left_out=omissions(table, dataset, notices, chosen=bool(chosen)),
        warnings=warnings(table, dataset),
        read=dataset.read,
    )


def _facts(options: EvaluationOptions) -> dict[str, str]:
    """What was evaluated, with which versions, and the settings of the run that made the predictions."""
    facts = {
        "data": options.data,
        "predictions": options.predictions,
        "proposals": ", ".join(map(str, options.proposals)),
        "classes": options.classes,
        "blacklist": options.blacklist,
        **_settings_of_run(options.predictions),
        "COCO's numbers by": engine_name() if "coco" in options.metrics else "",
        "versions": ", ".join(f"{name} {version(name)}" for name in ("inception-rcnn", "numpy")),
        "Python": f"{platform.python_version()} on {platform.platform()}",
    }
    return {name: str(value) for name, value in facts.items() if value}


def _settings_of_run(predictions: Path | None) -> dict[str, str]:
    """The settings in `run.json` beside predictions that `detect` wrote."""
    if predictions is None:
        return {}
    folder = predictions if predictions.is_dir() else predictions.parent
    try:
        settings = load_json(folder / RUN_NAME)["settings"]
        return {f"detector: {name}": json.dumps(value) for name, value in settings.items()}
    except (DataError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # made by something else


def _explained(
    name: str, evaluation: Evaluation, stages: Mapping[str, Stages] | None, dataset: Dataset, folder: Path
) -> str:
    """The explanation of one image, also drawn into a folder if the image is there."""
    explanation = explain_image(evaluation, name, stages)
    truth = explanation.truth
    if not dataset.path(truth).is_file():
        return str(explanation)
    drawn = Drawings(folder).write(truth.file, draw_explanation(dataset.read(truth), explanation))
    return f"{explanation}\ndrawn in {drawn}"


def compare_files(a: Path, b: Path, data: str, metric: str, classes: str = "", report: Report = silent) -> Comparison:
    """Evaluate two sets of predictions by one protocol on the same data, class by class.

    Without `classes` those are compared that both sets are about; others are reported.
    """
    (name,) = checked_metrics([metric])
    notices = {path: Notices() for path in (a, b)}
    dataset = open_dataset(data)
    found = [read_predictions(path, dataset, notices[path]) for path in (a, b)]
    known = [read_categories(path, images, dataset) for path, images in zip((a, b), found, strict=True)]
    in_both = tuple(each for each in known[0] if each in known[1])
    compared = _checked_classes(_listed(classes), in_both, dataset)
    if left_out := sorted({*known[0], *known[1]} - {*compared}):
        report(f"left out, not in both: {', '.join(map(printable, left_out))}")
    tables = [tabulate(images, dataset.images, compared) for images in found]
    for path, table in zip((a, b), tables, strict=True):
        for warning in warnings(table, dataset):
            report(f"{path}: {warning}")
        if reasons := omissions(table, dataset, notices[path], chosen=True):
            report(f"{path}: {omission_line(reasons)}")
    first, second = (evaluate(table, [name])[0] for table in tables)
    return compare(first, second)


def check_drop(comparison: Comparison, allowed: float) -> None:
    """LimitError where B's mean lies further below A's than is allowed."""
    if (drop := -comparison.mean.change) > allowed:
        raise LimitError(f"{comparison.protocol} fell by {drop:.4f}, more than the {allowed:g} of --fail-if-drop")


def _proposals_by_name(paths: Sequence[Path]) -> dict[str, NamedProposals]:
    """Files of proposals by the method that made them, or by their paths where that is unknown or one of several."""
    files = {path: read_proposal_file(path) for path in paths}
    methods = [found.method for found in files.values()]
    return {
        found.method if found.method and methods.count(found.method) == 1 else str(path): found
        for path, found in files.items()
    }


def _checked_classes(chosen: tuple[str, ...], predicted: tuple[str, ...], dataset: Dataset) -> tuple[str, ...]:
    """The chosen classes, else the predicted ones; UsageError for one that neither side knows: it is a mistake."""
    known = {*predicted, *dataset.classes}
    for name in chosen or predicted:
        if name not in known:
            advice = hint(name, sorted(known), f"known: {listed(sorted(known))}")
            raise UsageError(f"class {cut(name)!r} is neither in the data set nor in the predictions; {advice}")
    return chosen or predicted


def _listed(text: str) -> tuple[str, ...]:
    """The names between the commas, each once."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
