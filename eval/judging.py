"""From files to a report: predictions and a data set's name in, tables and pages out."""

from pathlib import Path

from ..data.errors import UsageError
from ..data.results import read_categories, read_predictions
from ..data.specs import open_dataset
from .report import format_table, write_report
from .voc import PROTOCOLS, evaluate_voc


def evaluate_files(predictions: Path, data: str, metrics: str, classes: str, out: Path) -> str:
    """Judge predictions by each of the metrics, write `report.json` and `report.html`, and give the table.

    Without `classes` those are judged that the predictions name (their classes file, else their labels).
    """
    names = _listed(metrics)
    for name in names or ("",):
        if name not in PROTOCOLS:
            raise UsageError(f"unknown --metric {name!r}; known: {', '.join(PROTOCOLS)}")
    dataset = open_dataset(data)
    pictures = read_predictions(predictions)
    wanted = _listed(classes) or read_categories(predictions, pictures)
    evaluations = [evaluate_voc(pictures, dataset.pictures, wanted, name) for name in names]
    write_report(evaluations, out, {"predictions": str(predictions), "data": data})
    return format_table(evaluations)


def _listed(text: str) -> tuple[str, ...]:
    """The names between the commas, each once."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
