"""MultiBox: a network that proposes boxes itself (Erhan et al., CVPR 2014; Szegedy et al., arXiv 1412.1441).

It has K priors, boxes where objects usually are, and predicts for each how to move it and a confidence that an object
is there. Its head sits on the detector's own maps, so an image pays for them once. Where the paper's last layer has
weights for every prior, one small network reads the map under each prior here: what it learns at one position holds at
all others, it takes 4 MB, and it scores any other box as well, which orders the mix.

Shapes: K priors, R boxes of one image, C of them in a chunk.
"""

import math
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import nms

from ...backbone.features.shared_maps import SharedMaps
from ...backbone.googlenet import STRIDE, Backbone
from ...backbone.inception import ConvReLU
from ...backbone.precision import autocast
from ...backbone.roi_align import roi_align
from ...backbone.weights import tensors_hash
from ...data.boxes import Boxes, clip_boxes
from ...data.records import Proposals
from ..common.box_coding import decode
from ..common.ranking import best_first

MAP_CHANNELS = 832
CHANNELS = 64
HIDDEN = 128
POOLED_SIZE = 4  # cells along a side of what is pooled under a box
CHUNK = 512  # boxes pooled together
CROPS = 1  # windows along a side: 2 find small objects a little better and cost .05 seconds an image, for no mAP
NMS_THRESHOLD = 0.7  # IoU; the .5 of Erhan et al., section 4.2, loses a seventh of the recall at .7 here
MAX_BOXES = 1000  # after it


class MultiBoxHead(nn.Module):
    """Confidence and deltas of each box, and its predicted IoU with an object as it is.

    Confidence (of the moved box) and predicted IoU are logits of the same quantity, see `iou_target`, so proposals of
    other methods and MultiBox's own can be put into one order.
    """

    def __init__(self, num_priors: int, channels: int = CHANNELS, pooled_size: int = POOLED_SIZE, hidden: int = HIDDEN):
        super().__init__()
        self.pooled_size = pooled_size
        self.priors: Tensor  # [K, 4], fractions of the image
        self.register_buffer("priors", torch.zeros(num_priors, 4))
        self.reduce = ConvReLU(MAP_CHANNELS, channels, 1)
        self.look = ConvReLU(channels, channels, 3, padding=1)  # the name in files of weights
        self.hidden = nn.Linear(channels * pooled_size**2, hidden)
        self.outputs = nn.Linear(hidden, 6)  # confidence, dx, dy, dw, dh, predicted IoU
        nn.init.normal_(self.outputs.weight, std=0.01)
        with torch.no_grad():
            self.outputs.bias.copy_(torch.tensor([-3.0, 0, 0, 0, 0, -3.0]))  # most boxes hold no object

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor]) -> Self:
        """A head of the sizes that these weights have; those that are missing or odd are the usual ones."""
        usual = {"priors": (0, 4), "reduce.bias": (CHANNELS,), "hidden.weight": (HIDDEN, CHANNELS * POOLED_SIZE**2)}
        shapes = {name: tensors[name].shape if name in tensors else torch.Size(shape) for name, shape in usual.items()}
        shapes = {name: shape if len(shape) == len(usual[name]) else usual[name] for name, shape in shapes.items()}
        (num_priors, _), (channels,), (hidden, cells) = shapes.values()
        return cls(num_priors, channels, math.isqrt(cells // max(channels, 1)), hidden)

    def forward(self, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        """Confidence [R], deltas [R, 4] and predicted IoU [R] of an image's boxes, in float32."""
        rows, chunks = [np.empty(0, dtype=np.intp)], [torch.zeros(0, 6, device=maps.device)]
        for indices, feature_map, windows in maps.windows(boxes):
            reduced = self.look(self.reduce(feature_map))  # [1, C', h, w]
            for chunk in windows.split(CHUNK):
                cells = roi_align(reduced, chunk, STRIDE, self.pooled_size)  # [C, C', size, size]
                hidden = torch.relu(self.hidden(cells.flatten(1)))  # [C, hidden]
                chunks.append(self.outputs(hidden).float())
            rows.append(indices)
        outputs = torch.cat(chunks)[np.argsort(np.concatenate(rows))]  # [R, 6]
        return outputs[:, 0], outputs[:, 1:5], outputs[:, 5]


def scale_priors(priors: Boxes, windows: Boxes) -> Boxes:
    """Priors (K, 4), fractions of each window (N, 4), in pixels: (N * K, 4)."""
    corner, sides = np.tile(windows[:, :2], 2)[:, None], np.tile(windows[:, 2:] - windows[:, :2], 2)[:, None]
    return (corner + priors[None] * sides).reshape(-1, 4)


def crop_windows(shape: tuple[int, ...], crops: int) -> Boxes:
    """The whole image, and with `crops` n > 1 also n x n windows on it that overlap by half, (1 + n * n, 4)."""
    height, width = shape[:2]
    whole = np.array([[0.0, 0.0, width, height]])
    if crops < 2:
        return whole
    starts = np.arange(crops) / (crops + 1)
    x, y = (grid.ravel() for grid in np.meshgrid(starts * width, starts * height))
    sides = 2 / (crops + 1) * np.array([width, height])
    return np.concatenate([whole, np.stack([x, y, x + sides[0], y + sides[1]], axis=1)])


class MultiBox:
    """A trained head on its backbone, ready to propose.

    With `crops` n > 1 there are priors in n x n overlapping windows of the image too (Szegedy et al., section 4.3), the
    smaller half of them in each: small objects have priors near them only there.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: MultiBoxHead,
        short_sides: tuple[float, ...],
        *,
        crops: int = CROPS,
        nms_threshold: float = NMS_THRESHOLD,
    ):
        self.backbone, self.head, self.short_sides = backbone.eval(), head.eval(), short_sides
        self.crops, self.nms_threshold = crops, nms_threshold

    def maps_of(self, image: NDArray[np.uint8]) -> SharedMaps:
        """The maps of an RGB image (H, W, 3), where a detector has made none."""
        return SharedMaps(self.backbone, image, self.short_sides)

    @property
    def fingerprint(self) -> str:
        """Changes with the weights and the settings."""
        weights = f"{tensors_hash(self.backbone)} {tensors_hash(self.head)}"
        return f"{weights} {self.short_sides} {self.crops} {self.nms_threshold}"

    def propose(self, maps: SharedMaps, count: int) -> Proposals:
        """The best `count` boxes, in an order of which any prefix is a good choice, with the gain of each, 0..1."""
        boxes, confidence = self.candidates(maps)
        order, gains = best_first(boxes, confidence)
        return Proposals(boxes[order[:count]], gains[:count])

    def candidates(self, maps: SharedMaps) -> tuple[Boxes, NDArray[np.float64]]:
        """The boxes (N, 4) that suppression leaves, 1,000 at most, and their confidences (N,), highest first."""
        priors = self.head.priors.cpu().double().numpy()
        windows = crop_windows(maps.image.shape, self.crops)
        smaller = priors[len(priors) // 2 :]
        priors = np.concatenate([scale_priors(priors, windows[:1]), scale_priors(smaller, windows[1:])])
        confidence, deltas, _ = self._predict(maps, priors)
        moved = decode(torch.as_tensor(priors, dtype=deltas.dtype), deltas)  # [R, 4]
        height, width = maps.image.shape[:2]
        boxes = torch.as_tensor(clip_boxes(moved.double().numpy(), width, height))
        scores = confidence.double().sigmoid()
        inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(dim=1)
        boxes, scores = boxes[inside], scores[inside]
        keep = nms(boxes, scores, self.nms_threshold)[:MAX_BOXES]
        return boxes[keep].numpy(), scores[keep].numpy()

    def predict_iou(self, maps: SharedMaps, boxes: Boxes) -> NDArray[np.float64]:
        """The predicted IoU of each of the boxes (R, 4) with an object, (R,), in 0..1 as confidences are."""
        return self._predict(maps, boxes)[2].double().sigmoid().numpy()

    @torch.inference_mode()
    def _predict(self, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        with autocast(maps.device):
            confidence, deltas, iou = self.head(maps, boxes)
        return confidence.cpu(), deltas.cpu(), iou.cpu()
