"""The pipeline: image -> proposals -> regions -> scores and deltas -> boxes -> suppression -> detections.

Shapes: R regions of one (H, W, 3) uint8 image, K classes (0 = background in the probabilities).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

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
from .inputs import AnyImage, as_names, as_rgb
from .model_folders import load_detector, load_multibox, model_folder, save_detector, save_multibox
from .network import RegionNetwork
from .result import Detected
from .streaming import detect_stream


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
        self.network = network.to(self.device).eval()
        self._multibox = multibox  # a function that spawned workers can be sent
        self._proposer = proposer(config.proposals, multibox=multibox)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_proposer"}  # made of functions

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._proposer = proposer(self.config.proposals, multibox=self._multibox)

    @property
    def proposal_parameters(self) -> tuple[object, ...]:
        """Everything that decides where it looks."""
        return self._proposer.parameters

    @classmethod
    def from_pretrained(cls, model: str | Path | None = None, *, device: Device = "auto") -> Self:
        """The detector that ships with the package, another by its name, or one from a model folder."""
        folder = model_folder(None if model is None else str(model))
        network, config = load_detector(folder)
        return cls(network, config, device, partial(load_multibox, folder, device, network.backbone))

    def with_options(self, **changes: Any) -> Self:
        """The same network with other settings of `DetectorConfig`, such as `score=0.5` or `mode="crops"`."""
        config = replace(self.config, **checked_options(changes, self.config))
        return type(self)(self.network, config, str(self.device), self._multibox)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder that `from_pretrained` reads, with the MultiBox that was trained on its backbone."""
        save_detector(Path(folder), self.network, self.config)
        if self._multibox is not None and (multibox := self._multibox()).backbone is self.network.backbone:
            save_multibox(Path(folder), multibox.backbone, multibox.head)

    def detect(
        self, image: AnyImage, proposals: Proposals | None = None, *, searched: Proposals | None = None
    ) -> Detected:
        """The objects of an image: an upright RGB array, a file's path or a Pillow image.

        Proposals made elsewhere take the place of its own.
        `searched` is the part of its own that needs no network, where that was done before, as on another thread.
        """
        return Detected.of(self.look(image, proposals, searched=searched))

    def look(self, image: AnyImage, proposals: Proposals | None = None, *, searched: Proposals | None = None) -> Stages:
        """All that it thinks of an image, up to suppression; takes what `detect` takes."""
        maps = SharedMaps(self.network.backbone, as_rgb(image))
        proposals = self.propose(maps, searched) if proposals is None else proposals
        boxes = proposals.boxes[: self.config.regions]  # [R, 4]
        probabilities, deltas = self.score(maps, boxes)  # [R, K + 1], [R, K, 4]
        return conclude(self.config, maps.image.shape, proposals.boxes, probabilities, deltas)

    def search(self, image: NDArray[np.uint8]) -> Proposals:
        """The part of proposing that needs no network and may run on any thread."""
        return self._proposer.search(image)

    def propose(self, maps: SharedMaps, searched: Proposals | None = None) -> Proposals:
        """Where to look, the best first."""
        return self._proposer.finish(self.search(maps.image) if searched is None else searched, maps)

    @torch.inference_mode()
    def score(self, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor]:
        """Class probabilities [R, K + 1], background first, and deltas [R, K, 4] of an image's boxes."""
        with autocast(self.device):
            logits, deltas = self.network(self.config.mode, maps, boxes)
        return class_probabilities(logits.cpu(), self.config.scores), deltas.cpu()  # on the CPU: MPS has no float64

    def stream(self, sources: str | Path | Sequence[str | Path]) -> Iterator[ImageDetections]:
        """The detections of files, folders, globs or a data set, in order; few images are in memory at a time.

        An image that cannot be read gives one with an `error` and no detections.
        """
        listed = resolve_sources(as_names(sources))
        return (looked.result for looked in detect_stream(self, listed))


def conclude(
    config: DetectorConfig, shape: tuple[int, ...], proposals: Boxes, probabilities: Tensor, deltas: Tensor
) -> Stages:
    """What scores come to: boxes refined and cut to the image's shape, (H, W, …), with the rules of suppression.

    `probabilities` [R, K + 1] and `deltas` [R, K, 4] are those of the first R proposals, which may be more.
    """
    wanted = {*config.detected_classes}
    detected = [number for number, name in enumerate(config.classes) if name in wanted]
    # Of classes that nobody wants no box suppresses any, nor counts among the most that an image may have.
    probabilities, deltas = probabilities[:, [0, *(number + 1 for number in detected)]], deltas[:, detected]
    boxes = torch.as_tensor(proposals[: len(deltas)], dtype=deltas.dtype)
    as_proposed = boxes[:, None].expand_as(deltas)  # [R, K, 4]
    refined = decode(as_proposed, deltas) if config.box_deltas else as_proposed
    boxes = clip_boxes_to_image(refined, shape[:2])  # pyright: ignore[reportArgumentType]
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
