"""Non-maximum suppression: of boxes of one class that overlap too much, only the best stays.

Shapes: R regions, K classes, D detections.
"""

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image


def suppress(
    boxes: Tensor,
    scores: Tensor,
    *,
    size: tuple[int, int],
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Greedy suppression within each class of boxes [R, K, 4] and scores [R, K], clipped to a picture `size` (H, W).

    Gives boxes [D, 4], classes [D] in 0..K-1 and scores [D], the best first. Scores below the threshold go before
    the overlaps are looked at: they could suppress nothing better, and most scores are low. A box is dropped where
    its IoU with a better one is above `iou_threshold` (R-CNN's `nms.m`), and where clipping left nothing of it.
    """
    regions, classes = torch.nonzero(scores >= score_threshold, as_tuple=True)
    boxes = clip_boxes_to_image(boxes[regions, classes], size)  # [candidates, 4]
    scores = scores[regions, classes]
    whole = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, classes, scores = boxes[whole], classes[whole], scores[whole]
    keep = batched_nms(boxes, scores, classes, iou_threshold)[:max_detections]
    return boxes[keep], classes[keep], scores[keep]
