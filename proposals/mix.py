"""The entry's proposals: Selective Search's boxes and the best of MultiBox's, in one order (GoogLeNet, section 8)."""

import numpy as np

from ..backbone.features.shared_maps import SharedMaps
from ..data.records import Proposals
from .common.ranking import best_first
from .multibox.network import MultiBox

NUM_OWN = 200  # MultiBox's boxes


def mix(searched: Proposals, multibox: MultiBox, maps: SharedMaps) -> Proposals:
    """Selective Search's boxes and MultiBox's best 200, near-duplicates removed, by confidence and predicted IoU."""
    own, confidence = multibox.candidates(maps)
    best = best_first(own, confidence)[0][:NUM_OWN]
    boxes = np.concatenate([own[best], searched.boxes])
    scores = np.concatenate([confidence[best], multibox.predict_iou(maps, searched.boxes)])
    order, gains = best_first(boxes, scores)
    return Proposals(boxes[order], gains)
