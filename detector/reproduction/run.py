"""A run of `reproduce`, from its options to the tables and the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ...backbone.training.interruption import leave, noticing_signals
from ...data.datasets.dataset import Dataset, require_objects, spread
from ...data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from ...data.formats.specs import open_dataset
from ...data.terminal import Report
from ...eval.metrics.protocols import checked_metrics
from ..benchmarks.speed import describe_machine
from ..classification.testing import open_labelled
from ..inference.run_images import command_to_go_on
from ..model_folders import DEFAULT_MODEL, ILSVRC_MODEL
from ..rcnn import RCNN
from .experiment import Measured, Row, measured
from .rows import Setting, Stopped, classification_rows, detection_rows, proposal_rows
from .stage_images import StageImage, stage_images
from .tables import Reproduction, write_tables


@dataclass(frozen=True)
class ReproductionOptions:
    """Options of `reproduce`, beside the data and the output folder."""

    models: Sequence[str] = ()  # none: the one that ships for the data's classes
    metric: str | None = None  # none: ILSVRC's for its classes, else VOC10+
    images: int | None = None  # evenly spread; none: all
    regions: int | None = None  # none: the models' own
    classified: str | None = None  # images with a class each, for Table 3
    classifiers: Sequence[str] = ()  # none: the models
    device: str = "auto"


def reproduce(spec: str, out: Path, options: ReproductionOptions, report: Report) -> str:
    """Measure the rows and write the tables after each of them; rows that were measured before are read back."""
    data = open_dataset(spec)
    data = data if options.images is None else spread(data, options.images)
    is_ilsvrc = data.classes == ILSVRC_CLASSES
    models = options.models or (ILSVRC_MODEL if is_ilsvrc else DEFAULT_MODEL,)
    (metric,) = checked_metrics([options.metric or ("ilsvrc" if is_ilsvrc else "voc10")])
    require_objects(data, data.classes, "to measure on", report)
    rows: list[Measured] = []
    with noticing_signals() as noticed:
        setting = Setting(data, spec, metric, options.device, noticed)
        facts, stages = _facts(setting, models), _stages(data, models[0], options.device)
        try:
            for row in _rows(setting, models, options, report):
                report(f"{row.table}: {row.name}")
                found, was_there = measured(row, out / "rows")
                rows.append(found)
                if was_there:
                    report("  measured before")
                write_tables(Reproduction(facts, rows, stages), out)
                if noticed.signal:
                    raise Stopped
        except Stopped:
            report(f"stopped after {len(rows)} rows; to go on: {command_to_go_on()}")
            leave(noticed.signal)
    return f"{len(rows)} rows, written to {out / 'reproduction.html'}, .md and .csv"


def _rows(setting: Setting, models: Sequence[str], options: ReproductionOptions, report: Report) -> Iterator[Row]:
    yield from proposal_rows(setting, models[0], report)
    yield from detection_rows(setting, models, options.regions, report)
    if options.classified is not None:
        images = open_labelled(options.classified, report)
        yield from classification_rows(setting, options.classifiers or models, images, report)


def _facts(setting: Setting, models: Sequence[str]) -> dict[str, str]:
    data = setting.data
    return {
        "data": f"{data.name}: {len(data)} images, {sum(int(each.to_find.sum()) for each in data.images)} objects",
        "models": ", ".join(Path(model).name for model in models),
        "metric": setting.metric,
        "machine": describe_machine(RCNN.from_pretrained(models[0], device=setting.device).device),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("inception-rcnn", "torch")),
    }


def _stages(data: Dataset, model: str, device: str) -> list[StageImage]:
    """Every stage on the photo of the data whose objects are the most, up to three: few are easy to see."""
    truth = max(data.images, key=lambda each: (min(int(each.to_find.sum()), 3), each.file))
    detector, image = RCNN.from_pretrained(model, device=device), data.read(truth)
    ((_, stages),) = detector.forward([image], [detector.propose])
    return stage_images(image, stages)
