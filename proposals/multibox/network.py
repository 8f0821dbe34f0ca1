"""MultiBox: a network that proposes boxes itself (Erhan et al., CVPR 2014; Szegedy et al., arXiv 1412.1441).

It knows K priors, boxes where objects usually are, and says of each how it should move and how sure it is that an
object is there. Its head sits on the detector's own maps, so an image pays for them once. Where the paper's last
layer has weights for every prior, one small network reads the map under each prior here: what it learns of one place
holds in all others, it fits into 4 MB, and it can judge any other box as well, which is what orders the mix.

Shapes: K priors, R boxes of one image, of which P make a part.
"""

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
CHANNELS = 128
HIDDEN = 256
WINDOW = 7  # cells along a side of what is read under a box
AT_ONCE = 512  # boxes pooled together: 50 MB between the two products
CROPS = 2  # windows along a side: .979 instead of .975 of the objects of VOC val covered in the mix, .08 s an image
NMS_THRESHOLD = 0.7  # IoU; the .5 of Erhan et al., section 4.2, loses a seventh of the recall at .7 here
MOST = 1000  # boxes left after it


class MultiBoxHead(nn.Module):
    """How sure it is of each box once moved, how to move it, and how well the box fits as it is.

    `confidence` and `fit` are logits of the same quantity, see `overlap_target`, so proposals of other methods and
    MultiBox's own can be put into one order.
    """

    def __init__(self, num_priors: int):
        super().__init__()
        self.priors: Tensor  # [K, 4], fractions of the image
        self.register_buffer("priors", torch.zeros(num_priors, 4))
        self.reduce = ConvReLU(MAP_CHANNELS, CHANNELS, 1)
        self.look = ConvReLU(CHANNELS, CHANNELS, 3, padding=1)
        self.hidden = nn.Linear(CHANNELS * WINDOW * WINDOW, HIDDEN)
        self.outputs = nn.Linear(HIDDEN, 6)  # confidence, dx, dy, dw, dh, fit
        nn.init.normal_(self.outputs.weight, std=0.01)
        with torch.no_grad():
            self.outputs.bias.copy_(torch.tensor([-3.0, 0, 0, 0, 0, -3.0]))  # most boxes hold no object

    def forward(self, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        """Confidence [R], deltas [R, 4] and fit [R] of an image's boxes, in float32."""
        places, parts = [np.empty(0, dtype=np.intp)], [torch.zeros(0, 6, device=maps.device)]
        for members, feature_map, windows in maps.windows(boxes):
            reduced = self.look(self.reduce(feature_map))  # [1, 128, h, w]
            for start in range(0, len(members), AT_ONCE):
                cells = roi_align(reduced, windows[start : start + AT_ONCE], STRIDE, WINDOW)  # [P, 128, 7, 7]
                hidden = torch.relu(self.hidden(cells.flatten(1)))  # [P, 256]
                parts.append(self.outputs(hidden).float())
            places.append(members)
        outputs = torch.cat(parts)[np.argsort(np.concatenate(places))]  # [R, 6]
        return outputs[:, 0], outputs[:, 1:5], outputs[:, 5]


def place_priors(priors: Boxes, window: Boxes) -> Boxes:
    """Priors (K, 4), fractions, as pixels of each window (N, 4): (N * K, 4)."""
    corner, sides = np.tile(window[:, :2], 2)[:, None], np.tile(window[:, 2:] - window[:, :2], 2)[:, None]
    return (corner + priors[None] * sides).reshape(-1, 4)


def crop_windows(shape: tuple[int, ...], crops: int) -> Boxes:
    """The whole image, and with `crops` n > 1 also n x n windows over it that overlap by half, (1 + n * n, 4)."""
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

    `crops` looks at the image in so many times so many overlapping windows too (Szegedy et al., section 4.3), each
    with the smaller half of the priors: small objects have priors near them only there.
    """

    def __init__(
        self, backbone: Backbone, head: MultiBoxHead, *, crops: int = CROPS, nms_threshold: float = NMS_THRESHOLD
    ):
        self.backbone, self.head = backbone.eval(), head.eval()
        self.crops, self.nms_threshold = crops, nms_threshold

    @property
    def fingerprint(self) -> str:
        """Changes with the weights and the settings."""
        return f"{tensors_hash(self.backbone)} {tensors_hash(self.head)} {self.crops} {self.nms_threshold}"

    def propose(self, maps: SharedMaps, count: int) -> Proposals:
        """The best `count` boxes, ordered so that any prefix is a good choice; a score is what a box adds, 0..1."""
        boxes, confidence = self.candidates(maps)
        order, worth = best_first(boxes, confidence)
        return Proposals(boxes[order[:count]], worth[:count])

    def candidates(self, maps: SharedMaps) -> tuple[Boxes, NDArray[np.float64]]:
        """All boxes (N, 4) that are left after suppression, 1,000 at most, and their confidences (N,), surest first."""
        priors = self._placed_priors(maps.image.shape)
        confidence, deltas, _ = self._judge(maps, priors)
        moved = decode(torch.as_tensor(priors, dtype=deltas.dtype), deltas)  # [R, 4]
        height, width = maps.image.shape[:2]
        boxes = torch.as_tensor(clip_boxes(moved.double().numpy(), width, height))
        scores = confidence.double().sigmoid()
        whole = (boxes[:, 2:] - boxes[:, :2] >= 1).all(dim=1)
        boxes, scores = boxes[whole], scores[whole]
        kept = nms(boxes, scores, self.nms_threshold)[:MOST]
        return boxes[kept].numpy(), scores[kept].numpy()

    def _placed_priors(self, shape: tuple[int, ...]) -> Boxes:
        """All priors in the whole image, and the smaller half of them in each further window: large ones abound."""
        priors = self.head.priors.double().cpu().numpy()
        windows = crop_windows(shape, self.crops)
        return np.concatenate(
            [place_priors(priors, windows[:1]), place_priors(priors[len(priors) // 2 :], windows[1:])]
        )

    def fit(self, maps: SharedMaps, boxes: Boxes) -> NDArray[np.float64]:
        """How well each of the boxes (R, 4) holds an object as it is, (R,), in 0..1 as confidences are."""
        return self._judge(maps, boxes)[2].double().sigmoid().numpy()

    @torch.inference_mode()
    def _judge(self, maps: SharedMaps, boxes: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        with autocast(maps.device):
            confidence, deltas, fit = self.head(maps, boxes)
        return confidence.cpu(), deltas.cpu(), fit.cpu()
