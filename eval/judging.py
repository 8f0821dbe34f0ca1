"""From files to a report: predictions and a data set's name in, tables and pages out."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from ..data.errors import UsageError
from ..data.proposal_files import NamedProposals, read_proposal_file
from ..data.results import read_categories, read_predictions
from ..data.specs import open_dataset
from .protocols import checked_metrics, evaluate
from .recall import evaluate_recall, format_recall
from .report import format_table, write_report
from .table import tabulate


def evaluate_files(
    predictions: Path | None, data: str, metrics: str, classes: str, out: Path, proposals: Sequence[Path] = ()
) -> str:
    """Judge predictions by each of the metrics and files of proposals, write `report.json` and `report.html`.

    Gives the tables. Without `classes` those are judged that the predictions name (their classes file, else their
    labels); proposals are judged on all objects of the data set.
    """
    names = checked_metrics(_listed(metrics))
    if predictions is None and not proposals:
        raise UsageError("nothing to evaluate: give --predictions, --proposals, or both")
    dataset = open_dataset(data)
    evaluations, facts = [], {"data": data}
    if predictions is not None:
        pictures = read_predictions(predictions)
        predicted = read_categories(predictions, pictures)
        wanted = _listed(classes) or predicted
        _check_known(wanted, {*predicted, *dataset.classes})
        evaluations = evaluate(tabulate(pictures, dataset.pictures, wanted), names)
        facts["predictions"] = str(predictions)
    recalls = [evaluate_recall(name, found, dataset.pictures) for name, found in _named(proposals).items()]
    if recalls:
        facts["proposals"] = ", ".join(map(str, proposals))
    write_report(evaluations, out, facts, recalls)
    tables = [format_table(evaluations)] if evaluations else []
    return "\n\n".join([*tables, format_recall(recalls)] if recalls else tables)


def _named(paths: Sequence[Path]) -> dict[str, NamedProposals]:
    """Files of proposals by the method that made them, or by their paths where that is unknown or one of several."""
    files = {path: read_proposal_file(path) for path in paths}
    methods = [found.method for found in files.values()]
    return {
        found.method if found.method and methods.count(found.method) == 1 else str(path): found
        for path, found in files.items()
    }


def _check_known(wanted: tuple[str, ...], known: set[str]) -> None:
    """A class that neither the predictions nor the data set know is a mistake, not one without objects."""
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"class {name!r} is neither in the data set nor in the predictions; {hint}")


def _listed(text: str) -> tuple[str, ...]:
    """The names between the commas, each once."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
