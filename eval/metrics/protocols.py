"""The protocols by name."""

from collections.abc import Callable, Sequence

from ...data.errors import UsageError
from .coco import COCO_PROTOCOL, evaluate_coco
from .evaluation import Evaluation
from .ilsvrc import ILSVRC_PROTOCOL, evaluate_ilsvrc
from .table import Table
from .voc import VOC_PROTOCOLS, evaluate_voc

PROTOCOLS = {**VOC_PROTOCOLS, "ilsvrc": ILSVRC_PROTOCOL, "coco": COCO_PROTOCOL}

EVALUATORS: dict[str, Callable[[Table], Evaluation]] = {
    **{name: lambda table, name=name: evaluate_voc(table, name) for name in VOC_PROTOCOLS},
    "ilsvrc": evaluate_ilsvrc,
    "coco": evaluate_coco,
}


def checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """The protocols' names, if all are known and there is at least one."""
    for name in metrics or ("",):
        if name not in PROTOCOLS:
            raise UsageError(f"unknown --metric {name!r}; known: {', '.join(PROTOCOLS)}")
    return tuple(metrics)


def evaluate(table: Table, metrics: Sequence[str]) -> list[Evaluation]:
    """Evaluate by each of the protocols, whatever data set the table is from."""
    return [EVALUATORS[name](table) for name in checked_metrics(metrics)]
