"""The rows of the paper's tables on the data at hand: proposals, detection and classification."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ...backbone.training.interruption import Interruption
from ...backbone.weights import tensors_hash
from ...data.classification.labelled_images import LabelledImages
from ...data.classification.test_crops import COUNTS
from ...data.datasets.dataset import Dataset
from ...data.formats.specs import resolve_sources
from ...data.images.sources import Source
from ...data.terminal import Report
from ...eval.analysis.intervals import find_intervals
from ...eval.metrics.classification import ClassificationResult
from ...eval.metrics.protocols import PROTOCOLS
from ...eval.metrics.table import tabulate
from ...proposals.benchmarking import benchmark_proposals
from ...proposals.cache import image_releases
from ..classification.testing import for_outputs, open_classifiers, predict
from ..inference.detect_run import DETECTOR
from ..inference.image_run import Writing, detect_folder
from ..model_folders import proposer_named
from ..rcnn import RCNN
from ..training.resume_facts import data_fact
from .experiment import Row, Values
from .published import CLASSIFICATION, DETECTION, PROPOSALS

LOWEST_SCORE = 0.001  # average precision needs nearly all detections
CONTEXT = 0.25  # the power of the whole image's probabilities, where a model has none of its own
SIX = 6


@dataclass(frozen=True)
class Setting:
    """What all rows have in common."""

    data: Dataset
    spec: str
    metric: str
    device: str
    noticed: Interruption = field(default_factory=Interruption)


class Stopped(Exception):
    """A row was left by a signal."""


def proposal_rows(setting: Setting, model: str | None, report: Report) -> Iterator[Row]:
    """Coverage and cost of the entry's proposals, step by step (section 8)."""
    for name, published in PROPOSALS.items():
        method = proposer_named(name, model, setting.device)

        def measure(folder: Path, method: Any = method) -> Values:
            (row,) = benchmark_proposals(setting.data, [method], len(setting.data), report)
            return {
                "boxes an image": row.boxes,
                "coverage at IoU .5": row.recall_50,
                "coverage at IoU .7": row.recall_70,
                "CPU seconds an image": row.cpu_seconds,
            }

        yield Row("Proposals", name, (*method.parameters, data_fact(setting.data)), measure, published)


def detection_rows(setting: Setting, models: Sequence[str], regions: int | None, report: Report) -> Iterator[Row]:
    """mAP with and without box regression and context, by every mode of each model, and of its growing ensembles."""
    for name in models:
        model = _opened(name, setting.device)
        members = model.config.members
        for mode in model.config.detection_modes:
            plain = {"mode": mode, "box_deltas": False, "context": 0.0}
            ways = {
                "no box regression, no context": plain,
                "no context": {**plain, "box_deltas": model.config.box_deltas},
            }
            ways["with context"] = {**ways["no context"], "context": model.config.context or CONTEXT}
            if not model.config.box_deltas:
                del ways["no context"]
            for way, settings in ways.items():
                for count in sorted({1, members}) if way != "no context" else range(1, members + 1):
                    title = f"{mode}, {way}"
                    of = f"{Path(name).name}, first {count} of {members} nets" if members > 1 else Path(name).name
                    published = DETECTION["six"] if count == SIX else DETECTION.get(title, "") if count == 1 else ""
                    options = {**settings, "score": LOWEST_SCORE, **({"regions": regions} if regions else {})}
                    yield _detection_row(setting, model, count, options, f"{of}: {title}", published, report)


def _detection_row(
    setting: Setting, model: RCNN, count: int, options: dict[str, Any], name: str, published: str, report: Report
) -> Row:
    chosen = model.first_members(count).with_options(**options)
    facts = (
        *(DETECTOR, *image_releases(), setting.metric, data_fact(setting.data)),
        *(tensors_hash(chosen.network), chosen.config.to_json()),
        *chosen.proposer.parameters,
    )
    measure = partial(_detect, setting, chosen, report=report)
    return Row("Detection", name, facts, measure, published if setting.metric == "ilsvrc" else "")


def _detect(setting: Setting, model: RCNN, folder: Path, report: Report) -> Values:
    """The mAP of a detector on the data, with its interval, and seconds an image."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = _sources(setting)
    how = {"writing": Writing(draw=False), "noticed": setting.noticed, "report": report}
    rows, summary = detect_folder(model, sources, folder, **how)
    if setting.noticed.signal:
        raise Stopped
    classes = [name for name in model.config.detected_classes if name in setting.data.classes]
    evaluation = PROTOCOLS[setting.metric](tabulate(rows, setting.data.images, classes))
    interval = find_intervals(evaluation).map
    new = summary.images - summary.skipped
    return {
        "mAP": evaluation.map,
        "95 % interval": f"{interval.low:.3f} to {interval.high:.3f}",
        "regions": model.config.regions,
        "seconds an image": summary.wall_seconds / new if new else None,
    }


def _sources(setting: Setting) -> list[Source]:
    wanted = {truth.file for truth in setting.data.images}
    return [source for source in resolve_sources([setting.spec]) if source.file in wanted]


def classification_rows(
    setting: Setting, classifiers: Sequence[str], images: LabelledImages, report: Report
) -> Iterator[Row]:
    """Errors by 1, 10 and 144 crops, of one network and of all together (Table 3)."""
    saved = open_classifiers(classifiers, 1)
    images = for_outputs(saved, images)
    for number in sorted({1, len(saved)}):
        networks = [each.model for each in saved[:number]]
        for crops in COUNTS:

            def measure(folder: Path, networks: Any = networks, crops: int = crops) -> Values:
                result = ClassificationResult(images.classes, images.targets, predict(networks, images, crops, report))
                return {
                    "images": len(images),
                    "top-1 error, %": 100 * (1 - result.top(1)),
                    "top-5 error, %": 100 * (1 - result.top(5)),
                }

            facts = (images.files, images.targets.tolist(), crops, *map(tensors_hash, networks))
            name = f"{number} network{'s' * (number > 1)}, {crops} crop{'s' * (crops > 1)}"
            yield Row("Classification", name, facts, measure, CLASSIFICATION.get((number, crops), ""))


@lru_cache(maxsize=1)
def _opened(name: str, device: str) -> RCNN:
    return RCNN.from_pretrained(name, device=device)
