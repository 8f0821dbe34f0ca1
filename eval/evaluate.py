"""From files to a report: predictions and a data set's name in, tables and pages out."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from ..data.class_names import did_you_mean
from ..data.datasets.dataset import Dataset
from ..data.diagnostics import Notices, cut, listed
from ..data.errors import DataError, LimitError, UsageError
from ..data.files.json_files import load_json
from ..data.formats.predictions import RUN_NAME, read_categories, read_predictions
from ..data.formats.specs import open_dataset
from ..data.images.pairing import pair_files
from ..data.printable import printable
from ..data.records import NO_INDEX, ImageDetections, Stages
from ..data.stores.detections_jsonl import LEDGER_NAME
from ..data.stores.proposal_files import NamedProposals, read_proposal_file
from ..data.stores.stage_files import STAGES_NAME, read_stages
from ..data.terminal import printable
from ..data.values import NO_INDEX
from .analysis.breakdown import break_down
from .analysis.comparison import Comparison, compare
from .analysis.intervals import find_intervals
from .analysis.tide import find_errors
from .analysis.waterfall import find_losses
from .metrics.coco import engine_name
from .metrics.evaluation import Evaluation
from .metrics.protocols import checked_metrics, evaluate
from .metrics.recall import evaluate_recall, format_recall
from .metrics.table import tabulate
from .report.explanation import draw_explanation, explain
from .report.gallery import write_drawing
from .report.omissions import omission_line, omissions, warnings
from .report.report import Report, format_table, write_report

_LONGEST = 200  # characters of a name that are compared
EXPLAINED = "explained"  # the folder of drawn explanations, in the one of the report


@dataclass(frozen=True)
class Judging:
    """One `evaluate`: what is judged, on which data, by which protocols, and where the report goes."""

    predictions: Path | None
    data: str  # a SPEC
    out: Path
    metrics: str = "voc10,voc07"
    classes: str = ""  # those that the predictions are about, if none are named
    proposals: Sequence[Path] = ()
    blacklist: Path | None = None  # in place of ILSVRC's own
    explain: str | None = None  # an image

    def execute(self) -> str:
        """Judge, write `report.json`, `report.csv` and `report.html`; gives the tables for a terminal.

        The first protocol is the one that errors, breakdowns and images are of. Where `detect --keep-stages` made
        the predictions, the report says at which step each missed object was lost.
        """
        metrics = checked_metrics(_listed(self.metrics))
        if self.predictions is None and not self.proposals:
            raise UsageError("nothing to evaluate: give --predictions, --proposals, or both")
        if self.predictions is None and self.explain is not None:
            raise UsageError("--explain needs --predictions")
        notices = Notices()
        dataset = open_dataset(self.data, notices, self.blacklist)
        recalls = [evaluate_recall(name, found, dataset.images) for name, found in _named(self.proposals).items()]
        report = Report(recalls=recalls, facts=self._facts())
        texts = []
        if self.predictions is not None:
            images = read_predictions(self.predictions, dataset, notices)
            chosen = _listed(self.classes)
            wanted = _wanted(chosen, read_categories(self.predictions, images, dataset), dataset)
            table = tabulate(images, dataset.images, wanted)
            evaluations = evaluate(table, metrics)
            stages = _stages(self.predictions)
            report = replace(
                _with_analyses(report, evaluations, stages, images, dataset),
                left_out=omissions(table, dataset, notices, chosen=bool(chosen)),
                warnings=warnings(table, dataset),
            )
            texts.append(format_table(evaluations, report.intervals, report.left_out, report.warnings))
            if self.explain is not None:
                texts.append(_explained(self.explain, evaluations[0], stages, dataset, self.out))
        write_report(report, self.out)
        return "\n\n".join([*texts, format_recall(recalls)] if recalls else texts)

    def _facts(self) -> dict[str, str]:
        """What was judged, with what, and what `detect` says of the run that made the predictions."""
        facts = {
            "data": self.data,
            "predictions": self.predictions,
            "proposals": ", ".join(map(str, self.proposals)),
            "classes": self.classes,
            "blacklist": self.blacklist,
            **_settings_of_run(self.predictions),
            "COCO's numbers by": engine_name() if "coco" in self.metrics else "",
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


def _wanted(named: tuple[str, ...], predicted: tuple[str, ...], dataset: Dataset) -> tuple[str, ...]:
    wanted = named or predicted
    for name in wanted:
        _check_known(name, {*predicted, *dataset.classes})
    return wanted


def _stages(predictions: Path) -> Mapping[str, Stages] | None:
    """What `detect --keep-stages` kept of the run that made the predictions, if it did."""
    folder = predictions.parent if predictions.name == LEDGER_NAME else predictions
    return read_stages(folder) if (folder / STAGES_NAME).is_dir() else None


def _with_analyses(
    report: Report,
    evaluations: Sequence[Evaluation],
    stages: Mapping[str, Stages] | None,
    images: Sequence[ImageDetections],
    dataset: Dataset,
) -> Report:
    first = evaluations[0]
    return replace(
        report,
        evaluations=evaluations,
        intervals={one.metric: find_intervals(one) for one in evaluations},
        errors=find_errors(first.table),
        breakdowns=break_down(first),
        waterfall=find_losses(first, stages) if stages else None,
        failures=[(image.file, image.error) for image in images if image.error is not None],
        read=dataset.read,
    )


def _explained(
    name: str, evaluation: Evaluation, stages: Mapping[str, Stages] | None, dataset: Dataset, out: Path
) -> str:
    """One image's story, also drawn into the folder of the report if the image is there."""
    files = [truth.file for truth in dataset.images]
    (place,) = pair_files([name], files)
    if place == NO_INDEX:
        near = difflib.get_close_matches(name[:_LONGEST], files, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{cut(name)} is no image of {dataset.name}{hint}")
    truth = dataset.images[place]
    story = explain(evaluation, truth.file, stages)
    if dataset.path(truth).is_file():
        image = draw_explanation(dataset.read(truth), evaluation, truth.file, stages)
        drawn = write_drawing(out / EXPLAINED, truth.file, image)
        story += f"\ndrawn in {drawn}"
    return story


def compare_files(
    a: Path, b: Path, data: str, metric: str, classes: str = "", report: Callable[[str], None] = lambda line: None
) -> Comparison:
    """Judge two sets of predictions by one protocol on the same data, class by class.

    Without `classes` those are compared that both sets are about; others are reported.
    """
    (name,) = checked_metrics([metric])
    notices = {path: Notices() for path in (a, b)}
    dataset = open_dataset(data)
    found = [read_predictions(path, dataset, notices[path]) for path in (a, b)]
    known = [read_categories(path, images, dataset) for path, images in zip((a, b), found, strict=True)]
    in_both = tuple(each for each in known[0] if each in known[1])
    wanted = _wanted(_listed(classes), in_both, dataset)
    if left_out := sorted({*known[0], *known[1]} - {*wanted}):
        report(f"left out, not in both: {', '.join(map(printable, left_out))}")
    tables = [tabulate(images, dataset.images, wanted) for images in found]
    for path, table in zip((a, b), tables, strict=True):
        for warning in warnings(table, dataset):
            report(f"{path}: {warning}")
        if reasons := omissions(table, dataset, notices[path], chosen=True):
            report(f"{path}: {omission_line(reasons)}")
    first, second = (evaluate(table, [name])[0] for table in tables)
    return compare(first, second)


def check_drop(comparison: Comparison, allowed: float) -> None:
    """LimitError where B's mean lies further below A's than is allowed."""
    if comparison.mean.change < -allowed:
        raise LimitError(
            f"{comparison.protocol} fell by {-comparison.mean.change:.4f}, more than the {allowed:g} of --fail-if-drop"
        )


def _named(paths: Sequence[Path]) -> dict[str, NamedProposals]:
    """Files of proposals by the method that made them, or by their paths where that is unknown or one of several."""
    files = {path: read_proposal_file(path) for path in paths}
    methods = [found.method for found in files.values()]
    return {
        found.method if found.method and methods.count(found.method) == 1 else str(path): found
        for path, found in files.items()
    }


def _check_known(name: str, known: set[str]) -> None:
    """A class that neither the predictions nor the data set know is a mistake, not one without objects."""
    if name not in known:
        near = did_you_mean(name, sorted(known))
        hint = f"did you mean {near!r}?" if near else f"known: {listed(sorted(known))}"
        raise UsageError(f"class {cut(name)!r} is neither in the data set nor in the predictions; {hint}")


def _listed(text: str) -> tuple[str, ...]:
    """The names between the commas, each once."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
