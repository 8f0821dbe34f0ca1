"""What a detector found in an image, which can show itself."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..data.records import Detections, Stages
from ..data.suppression import detections_of
from ..eval.report.drawing import draw_detections
from .inputs import AnyImage, as_rgb


@dataclass(frozen=True, eq=False)
class Detected(Detections):
    """Detections that draw themselves on their image; `data/`, where all others live, knows no drawing."""

    @classmethod
    def of(cls, stages: Stages) -> Self:
        """The detections that suppression makes of an image's stages."""
        found = detections_of(stages)
        return cls(found.boxes, found.labels, found.scores)

    def plot(self, image: AnyImage) -> NDArray[np.uint8]:
        """A copy of the image, anything that `RCNN.detect` takes, with the boxes on it: (H, W, 3) RGB."""
        return draw_detections(as_rgb(image), self)
