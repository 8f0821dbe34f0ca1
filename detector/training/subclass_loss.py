"""The loss of a detector that keeps the classifier it is grown from, for classes that no data set has boxes of.

Shapes: R regions over the images of a step, K classes (0 = background), F subclasses.
"""

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbone.googlenet import FEATURE_CHANNELS, BoxHead
from ...backbone.precision import autocast
from ...backbone.training.distributed import totals
from ..network import RegionNetwork
from ..region_features import Mode, region_features
from .batches import Example
from .region_loss import loss_terms, regions_of, wrong_classes

# Background of an image may be of a class that nobody annotated there; from this probability on the classifier decides.
SEEN = 0.3


class SubclassLoss:
    """R-CNN's loss, and how far the subclasses' probabilities are from those of the classifier as it was.

    The latter is learning without forgetting (Li and Hoiem, ECCV 2016): without boxes of a class, what a region of it
    looks like stays what it was. The backbone is frozen, so both run on the same features. Such a class gets no logit
    of its own, which would only learn that it never occurs: with it, six classes of VOC whose boxes were hidden had an
    mAP of .37, without it .47.
    """

    def __init__(self, network: RegionNetwork, mode: Mode, learned: Sequence[int]):
        """`learned` are the classes that there are objects of, 0 = the background; others get no logit of their own."""
        self.mode: Mode = mode
        self.box_head = copy.deepcopy(network.box_head(mode)).requires_grad_(False).eval()
        self.predictor = copy.deepcopy(network.box_predictor(mode)).requires_grad_(False).eval()
        own = network.box_predictor(mode).classifier
        rows = torch.zeros(own.out_features, 1)
        rows[[*learned]] = 1
        own.weight.register_hook(lambda gradient: gradient * rows.to(gradient))
        own.bias.register_hook(lambda gradient: gradient * rows[:, 0].to(gradient))

    def __call__(self, network: RegionNetwork, batch: list[Example]) -> dict[str, Tensor]:
        """The terms of `region_loss`, and "forgetting": the Kullback-Leibler divergence from the earlier classifier."""
        device = next(network.parameters()).device
        for module in (self.box_head, self.predictor):
            module.to(device)
        logits, deltas, ours, earlier = self._predict(network, batch)
        (num_regions,) = totals(len(logits))
        if not num_regions:
            return {}
        wrong = torch.as_tensor(wrong_classes(batch, logits.shape[1]), device=device)  # [R, K + 1]
        terms = loss_terms(logits, deltas, batch, self._without_unseen(wrong, earlier))
        forgetting = F.kl_div(ours.log_softmax(dim=1), earlier.log_softmax(dim=1), reduction="sum", log_target=True)
        forgetting = forgetting / num_regions
        return {**terms, "loss": terms["loss"] + forgetting, "forgetting": forgetting}

    def _predict(self, network: RegionNetwork, batch: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits [R, K + 1] and deltas [R, K, 4], the logits of the subclasses [R, F], and those of before [R, F]."""
        predictor, of_before = network.box_predictor(self.mode), self.predictor.subclasses
        assert of_before is not None
        assert predictor.subclasses is not None
        heads = cast(BoxHead, _BothHeads(network.box_head(self.mode), self.box_head))
        indices, pooled, before = [], [], []
        with autocast(next(network.parameters()).device):
            for part, features in region_features(
                self.mode, heads, regions_of(network.backbone, batch), predictor.size
            ):
                own, earlier = features[:, :FEATURE_CHANNELS], features[:, -FEATURE_CHANNELS:]
                indices.append(part)
                pooled.append(predictor.pool(own))
                before.append(of_before.classifier(earlier.mean(dim=(2, 3))))
            order = np.argsort(np.concatenate(indices))  # [R]
            ours = torch.cat(pooled)[order]  # [R, D]
            outputs = [predictor.predict(ours[:0])]
            for each, part in zip(batch, ours.split([len(each.sample) for each in batch]), strict=True):
                torch.manual_seed(each.seed)  # dropout is the image's own, in whichever process
                outputs.append(predictor.predict(part))
            subclasses = predictor.subclasses.classifier(ours[:, :FEATURE_CHANNELS])
        logits, deltas = (torch.cat(parts) for parts in zip(*outputs, strict=True))
        return logits, deltas, subclasses.float(), torch.cat(before)[order].float().detach()

    def _without_unseen(self, wrong: Tensor, earlier: Tensor) -> Tensor:
        """The wrong classes [R, K + 1], with those that background might be but the classifier does not see there."""
        assert self.predictor.subclasses is not None
        seen = (
            self.predictor.subclasses.class_logits(earlier).softmax(dim=1).masked_fill(wrong, 0)[:, 1:].amax(dim=1)
            > SEEN
        )
        only_background = ~wrong[:, 0] & ~seen  # [R]
        return torch.cat([wrong[:, :1], wrong[:, 1:] | only_background[:, None]], dim=1)


class _BothHeads(nn.Module):
    """Two box heads on the same features: theirs one after the other along the channels, [R, 2048, size, size]."""

    def __init__(self, own: BoxHead, earlier: BoxHead):
        super().__init__()
        self.own, self.earlier, self.pool4 = own, earlier, own.pool4

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            earlier = self.earlier(x)
        return torch.cat([self.own(x), earlier], dim=1)
