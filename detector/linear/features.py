"""The cached features of a data set's regions, from which linear classifiers and box regressors learn.

Shapes: R regions of one image, D features of a region.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.precision import autocast
from ...backbone.weights import tensors_hash
from ...data.datasets.dataset import Dataset
from ...data.errors import DataError
from ...data.images.prefetching import prefetch
from ...data.images.sources import Source
from ...data.records import GroundTruth, Proposals
from ...data.stores.feature_store import (
    FeatureStore,
    RegionFeatures,
    check_room,
    has_shard,
    open_features,
    shard_files,
    write_shard,
)
from ...data.stores.proposal_store import hash_of
from ...data.terminal import Progress, Report, silent
from ...proposals.cache import file_state, home, image_releases
from ..network import RegionNetwork
from ..region_features import Mode

Item = tuple[Source, NDArray[np.float64]]  # an image, and boxes in it (R, 4)
# The features [R, D] of images' boxes, in the images' order, by a mode on maps of these short sides.
FindFeatures = Callable[[Mode, tuple[float, ...], Sequence[Item]], Iterable[NDArray[np.float32]]]
ALGORITHM = 1  # to be raised whenever the same regions would get other features
HALF_MAX = float(np.finfo(np.float16).max)


def cached_features(
    network: RegionNetwork,
    mode: Mode,
    short_sides: tuple[float, ...],
    data: Dataset,
    proposals: Mapping[str, Proposals],
    num_regions: int,
    folder: Path | None = None,
    report: Report = silent,
    find: FindFeatures | None = None,
) -> FeatureStore:
    """The features of every image's objects and first `num_regions` proposals, from disk if they are there.

    Without a `folder` of the user's choice they go to a folder of their own below the package's home. A run that was
    stopped goes on at the next shard; features that another model, or other boxes, gave are refused. `find` computes
    them elsewhere than in this process.
    """
    boxes = {truth.file: proposals[truth.file].boxes[:num_regions] for truth in data.images}
    parameters = _parameters(network, mode, short_sides, data, boxes)
    folder = folder or home() / "features" / parameters
    width = network.box_predictor(mode).classifier.in_features
    shards = shard_files([truth.file for truth in data.images], num_regions, width)
    # By their order: two data sets may both have the same file.
    in_order = iter(data.images)
    truths = {name: [next(in_order) for _ in files] for name, files in shards.items()}
    missing = {name: files for name, files in shards.items() if not has_shard(folder / name, files, parameters)}
    if missing:
        wanted = {name: truths[name] for name in missing}
        regions = sum(len(truth) + len(boxes[truth.file]) for picked in wanted.values() for truth in picked)
        report(f"features of {data.name}: {check_room(folder, regions, width)}; written to {folder}")
        with Progress("features", sum(map(len, wanted.values())), report) as progress:
            compute = partial(find or partial(find_features, network), mode, short_sides)
            for name, of_shard in wanted.items():
                write_shard(folder / name, _make(compute, data, boxes, of_shard, progress), parameters)
    else:
        report(f"features of {data.name}: found in {folder}")
    store = open_features(folder, shards, parameters)
    for shard, truths_there in zip(store.shards, truths.values(), strict=True):
        shard.check_regions([(len(truth), _regions(truth, boxes)) for truth in truths_there])
    return store


def _parameters(
    network: RegionNetwork,
    mode: Mode,
    short_sides: tuple[float, ...],
    data: Dataset,
    boxes: Mapping[str, NDArray[np.float64]],
) -> str:
    """A hash of everything that decides the features: the network's parts they pass, the images, the boxes, how."""
    head = network.box_predictor(mode)
    parts = (network.backbone, network.box_heads[mode], head.reduce)
    images = tuple(
        (
            truth.file,
            truth.width,
            truth.height,
            truth.upright,
            *file_state(data.path(truth)),
            hash_of(truth.boxes.tobytes(), boxes[truth.file].tobytes()),
        )
        for truth in data.images
    )
    number_format = "float32" if isinstance(autocast(_device_of(network)), nullcontext) else "bfloat16"
    return hash_of(ALGORITHM, *map(tensors_hash, parts), mode, short_sides, number_format, image_releases(), images)


def _regions(truth: GroundTruth, boxes: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The boxes of an image's objects, then those of its proposals, [R, 4]."""
    return np.concatenate([truth.boxes, boxes[truth.file]])


def _device_of(network: RegionNetwork) -> torch.device:
    return next(network.parameters()).device


def _make(
    compute: Callable[[Sequence[Item]], Iterable[NDArray[np.float32]]],
    data: Dataset,
    boxes: Mapping[str, NDArray[np.float64]],
    truths: Sequence[GroundTruth],
    progress: Progress,
) -> list[RegionFeatures]:
    """The features of a shard's images."""
    items, made = [(data.source(truth), _regions(truth, boxes)) for truth in truths], []
    for truth, (_, of_image), features in zip(truths, items, compute(items), strict=True):
        made.append(RegionFeatures(truth.file, len(truth), of_image, _in_half_precision(features, truth.file)))
        progress.add()
    return made


def find_features(
    network: RegionNetwork, mode: Mode, short_sides: tuple[float, ...], items: Sequence[Item]
) -> Iterator[NDArray[np.float32]]:
    """The features of images' boxes, by this process; images are read ahead."""
    images = prefetch(lambda item: item[0].read(), items)
    for (_, boxes), image in zip(items, images, strict=True):
        yield image_features(network, mode, short_sides, image, boxes)


@torch.inference_mode()
def image_features(
    network: RegionNetwork,
    mode: Mode,
    short_sides: tuple[float, ...],
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
) -> NDArray[np.float32]:
    """What the outputs of a mode's head read of an image's boxes, [R, D]."""
    maps = SharedMaps(network.backbone, image, short_sides)
    with autocast(maps.device):
        features = network.pooled_features(mode, [(maps, boxes)])
    return features.to("cpu", torch.float32).numpy()


def _in_half_precision(features: NDArray[np.float32], file: str) -> NDArray[np.float16]:
    """Features as they are stored; DataError where they are no numbers, or too large for that."""
    if not np.isfinite(features).all():
        raise DataError(f"{file}: the model gives features that are not finite: its training has diverged")
    largest = float(np.abs(features).max(initial=0.0))
    if largest > HALF_MAX:
        raise DataError(
            f"{file}: a feature is {largest:.3g}, and features are stored in half precision, up to 65,504: this model "
            "cannot be given linear outputs; train finetune can go on with it"
        )
    return features.astype(np.float16)
