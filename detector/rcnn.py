"""The pipeline: image -> proposals -> region features -> scores and deltas -> boxes -> suppression -> detections.

Shapes: R regions of one (H, W, 3) uint8 image, K classes (0 = background in the probabilities).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from ..backbone.features.shared_maps import SharedMaps
from ..backbone.precision import Device, autocast, choose_device
from ..data.boxes import Boxes
from ..data.formats.specs import resolve_sources
from ..data.records import ImageDetections, Proposals, Stages
from ..proposals.common.box_coding import decode
from ..proposals.methods import proposer
from ..proposals.multibox.network import MultiBox
from .box_predictor import class_probabilities
from .config import DetectorConfig, checked_options
from .ensemble import Ensemble
from .fusion import Prediction
from .inputs import AnyImage, as_names, as_rgb
from .model_folders import load_detector, load_multibox, model_folder, save_detector, save_multibox
from .network import RegionNetwork
from .region_features import Regions
from .result import Detected
from .streaming import detect_stream

GPU_IMAGES = 8  # of a folder, whose maps and regions are computed together
REGIONS_A_CLOCK_READING = 32  # of an image with a budget of seconds


class RCNN:
    """A detector: regions with convolutional features (R-CNN) on GoogLeNet.

    >>> model = RCNN.from_pretrained()  # doctest: +SKIP
    >>> model.detect(image).labels  # doctest: +SKIP
    array(['cat'], dtype='<U3')
    """

    def __init__(
        self,
        network: RegionNetwork | Ensemble,
        config: DetectorConfig,
        device: Device = "auto",
        multibox: Callable[[], MultiBox] | None = None,
    ):
        self.config = config
        self.device = choose_device(device)
        self.images_at_once = GPU_IMAGES if self.device.type == "cuda" else 1
        self.network = network.to(self.device).eval()
        self._multibox = multibox  # a function that spawned workers can be sent
        self.proposer = proposer(config.proposals, multibox=multibox)

    def detect(self, image: AnyImage, proposals: Proposals | None = None) -> Detected:
        """The objects of an image: an upright RGB array, a file's path or a Pillow image.

        `proposals` made elsewhere replace those of the detector's own method.
        """
        propose = self.propose if proposals is None else lambda maps: proposals
        ((detections, _),) = self.forward([as_rgb(image)], [propose])
        return detections

    def detect_batch(self, images: Sequence[AnyImage]) -> list[Detected]:
        """The objects of each of several images, whose maps and regions are computed together: faster on a GPU."""
        rgb = [as_rgb(image) for image in images]
        if not rgb:
            return []
        return [detections for detections, _ in self.forward(rgb, [self.propose] * len(rgb))]

    def forward(
        self, images: Sequence[NDArray[np.uint8]], propose: Sequence[Callable[[SharedMaps], Proposals]]
    ) -> list[tuple[Detected, Stages]]:
        """The detections of RGB images, and the stages that led to them."""
        deadline = None if self.config.budget is None else time.monotonic() + self.config.budget
        maps = SharedMaps.of_images(self.network.backbone, images, self.config.short_sides)
        proposals = [find(own) for find, own in zip(propose, maps, strict=True)]
        best = [each[: self.config.regions] for each in proposals]
        predictions = self.score(list(zip(maps, best, strict=True)), deadline)  # [R, K + 1], [R, K, 4] each
        stages = [
            refine(self.config, image.shape, each.boxes, *prediction)
            for image, each, prediction in zip(images, proposals, predictions, strict=True)
        ]
        return [(Detected.of(each), each) for each in stages]

    def propose(self, maps: SharedMaps) -> Proposals:
        """The image's proposals by the detector's own method, the best first."""
        return self.proposer.finish(self.proposer.search(maps.image), maps)

    @torch.inference_mode()
    def score(
        self, proposals: Sequence[tuple[SharedMaps, Proposals]], deadline: float | None = None
    ) -> list[Prediction]:
        """Class probabilities [R, K + 1], background first, and deltas [R, K, 4] of each image's proposals, on the CPU.

        Those of the first ones, some at least, that are done by a `deadline` of the monotonic clock.
        """
        regions = [(maps, each.boxes) for maps, each in proposals]
        most = max((len(boxes) for _, boxes in regions), default=0)
        at_once = max(most, 1) if deadline is None else REGIONS_A_CLOCK_READING
        parts: list[list[Prediction]] = []
        for start in range(0, max(most, 1), at_once):
            if parts and deadline is not None and time.monotonic() >= deadline:
                break
            parts.append(self._predict([(maps, boxes[start : start + at_once]) for maps, boxes in regions]))
        predictions: list[Prediction] = []
        for of_image in zip(*parts, strict=True):
            probabilities, deltas = (torch.cat(each) for each in zip(*of_image, strict=True))
            predictions.append((probabilities, deltas))
        if self.config.context:
            images = [(maps, np.array([[0.0, 0.0, *maps.image.shape[1::-1]]])) for maps, _ in proposals]
            wholes = [probabilities for probabilities, _ in self._predict(images)]  # [1, K + 1] each
            predictions = [
                (in_context(probabilities, whole, self.config.context), deltas)
                for (probabilities, deltas), whole in zip(predictions, wholes, strict=True)
            ]
        if self.config.objectness:
            predictions = [
                (by_objectness(probabilities, each.scores[: len(deltas)], self.config.objectness), deltas)
                for (probabilities, deltas), (_, each) in zip(predictions, proposals, strict=True)
            ]
        return predictions

    def _predict(self, regions: Regions) -> list[Prediction]:
        """Class probabilities [R, K + 1] and deltas [R, K, 4] of each image's boxes (R, 4), on the CPU."""
        with autocast(self.device):
            predictions = self.network(self.config.mode, regions)
        return [(class_probabilities(logits.cpu(), self.config.scores), deltas.cpu()) for logits, deltas in predictions]

    def stream(self, sources: str | Path | Sequence[str | Path]) -> Iterator[ImageDetections]:
        """The detections of files, folders, globs or a data set, in order; few images are in memory at a time.

        An image that cannot be read gives one with an `error` and no detections.
        """
        listed = resolve_sources(as_names(sources))
        return (each.result for each in detect_stream(self, listed))

    def with_options(self, **changes: Any) -> Self:
        """The same network with other settings of `DetectorConfig`, such as `score=0.5` or `mode="crops"`."""
        config = replace(self.config, **checked_options(changes, self.config))
        return type(self)(self.network, config, str(self.device), self._multibox)

    def first_members(self, count: int) -> Self:
        """The ensemble of the first `count` of its networks; itself where it has no more."""
        if count >= self.config.members:
            return self
        networks = [cast(RegionNetwork, each) for each in [*cast(Ensemble, self.network).members][:count]]
        network = networks[0] if count == 1 else Ensemble(networks)
        return type(self)(network, replace(self.config, members=count), str(self.device), self._multibox)

    @classmethod
    def from_pretrained(cls, model: str | Path | None = None, *, device: Device = "auto") -> Self:
        """The detector that ships with the package, another by its name, or one from a model folder."""
        folder = model_folder(None if model is None else str(model))
        network, config = load_detector(folder)
        return cls(network, config, device, partial(load_multibox, folder, device, network.backbone))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder that `from_pretrained` reads, with the MultiBox that was trained on its backbone."""
        save_detector(Path(folder), self.network, self.config)
        if self._multibox is not None and (multibox := self._multibox()).backbone is self.network.backbone:
            save_multibox(Path(folder), multibox.backbone, multibox.head)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "proposer"}  # made of functions

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.proposer = proposer(self.config.proposals, multibox=self._multibox)


def in_context(probabilities: Tensor, whole: Tensor, power: float) -> Tensor:
    """Probabilities [R, K + 1], each class's times a power of that which it has among the whole image's, [1, K + 1]."""
    of_image = whole[:, 1:] / whole[:, 1:].sum().clamp(min=1e-12)  # [1, K]
    return torch.cat([probabilities[:, :1], probabilities[:, 1:] * of_image**power], dim=1)


def by_objectness(probabilities: Tensor, scores: NDArray[np.float64], power: float) -> Tensor:
    """Probabilities [R, K + 1], the classes' times a power of their proposals' scores [R]."""
    factors = torch.from_numpy(np.clip(scores, 0, 1) ** power).to(probabilities.dtype)[:, None]  # [R, 1]
    return torch.cat([probabilities[:, :1], probabilities[:, 1:] * factors], dim=1)


def refine(
    config: DetectorConfig, shape: tuple[int, ...], proposals: Boxes, probabilities: Tensor, deltas: Tensor
) -> Stages:
    """The boxes of all classes, decoded from their deltas and clipped to the image's shape, (H, W, …), for suppression.

    `probabilities` [R, K + 1] and `deltas` [R, K, 4] are those of the first R proposals, which may be more.
    """
    detected = [config.classes.index(name) for name in config.detected_classes]
    # Boxes of other classes suppress none, nor do they count among the most that an image may have.
    probabilities, deltas = probabilities[:, [0, *(index + 1 for index in detected)]], deltas[:, detected]
    boxes = torch.as_tensor(proposals[: len(deltas)], dtype=deltas.dtype)
    as_proposed = boxes[:, None].expand_as(deltas)  # [R, K, 4]
    refined = decode(as_proposed, deltas) if config.box_deltas else as_proposed
    boxes = clip_boxes_to_image(refined, shape[:2])  # pyright: ignore[reportArgumentType]
    large = (boxes[..., 2:] - boxes[..., :2] >= config.min_size).all(dim=2, keepdim=True)  # [R, K, 1]
    boxes = boxes * large  # an empty box is no candidate
    return Stages(
        proposals=proposals,
        probabilities=probabilities.double().numpy(),
        boxes=boxes.double().numpy(),
        classes=config.detected_classes,
        score_threshold=config.score,
        nms_threshold=config.nms_threshold,
        max_detections=config.max_detections,
        vote_threshold=config.vote_threshold if config.box_deltas else None,
        agnostic=config.agnostic_nms,
    )
