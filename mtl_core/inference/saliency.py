"""Saliency maps per task: Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391) on the shared features.

The weight of a channel is the mean gradient of the task's own score over all places (eq. 1), the map the positive part of the weighted sum of
channels (eq. 2), here at the coarsest level, enlarged to the image. All tasks read the same features, so their maps can be compared.
Deviations: the scores of all kinds but classification are our own definitions (see ``score``); each map is scaled to its maximum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mtl_core.errors import NotPossibleError
from mtl_core.inference.predictor import Predictor


def saliency(predictor: Predictor, frame: np.ndarray) -> dict[str, np.ndarray]:
    """float32 (H, W) in 0..1 per task for one image, uint8 (H, W, C) at the network's size; all zeros if no channel raises the score.

    Raises:
        NotPossibleError: the network has no feature map that all tasks read.
    """
    model = predictor.model
    backbone, heads = getattr(model, "backbone", None), getattr(model, "heads", None)
    if backbone is None or heads is None or not model.has_shared_features or backbone.features[-1].stride is None:
        raise NotPossibleError("this network has no feature map that all tasks share, so maps cannot be compared. Hard sharing with a CNN has one.")
    with torch.enable_grad():
        features = [level.detach().requires_grad_() for level in backbone(predictor.normalised(frame[None]))]
        return {name: _map(score(predictor.kinds[name].task.kind, heads[name](features)), features, frame.shape[:2]) for name in heads}


def score(kind: str, output: Any) -> Tensor:
    """The scalar whose gradient is taken.

    Classification: the logit of the best class. Multi-label: the sum of the logits of classes at 0.5 or more, else the best logit.
    Detection: the sum of the logits of places with a score of 0.3 or more, else the best logit. Segmentation: the mean of each pixel's best logit.
    Regression and depth: the distance of the prediction from the training mean. Other kinds: the mean absolute output.
    """
    if kind == "classification":
        return output.max()
    if kind == "multi_label":
        return _chosen(output, output >= 0)
    if kind == "detection":
        scores = (output["cls_logits"].sigmoid() * output["bbox_ctrness"].sigmoid()).sqrt()
        return _chosen(output["cls_logits"], scores >= 0.3)
    if kind == "segmentation":
        return output.amax(1).mean()
    return output.abs().mean() if isinstance(output, Tensor) else torch.stack([each.float().abs().mean() for each in output.values()]).sum()


def _chosen(logits: Tensor, where: Tensor) -> Tensor:
    return logits[where].sum() if bool(where.any()) else logits.max()


def _map(value: Tensor, features: list[Tensor], size: tuple[int, int]) -> np.ndarray:
    coarsest = features[-1]
    (gradient,) = torch.autograd.grad(value, [coarsest], allow_unused=True)
    if gradient is None:
        return np.zeros(size, dtype=np.float32)
    weighted = (gradient.mean((2, 3), keepdim=True) * coarsest).sum(1, keepdim=True).clamp(min=0)
    enlarged = interpolate(weighted, size=size, mode="bilinear", align_corners=False)[0, 0].detach()
    return (enlarged / enlarged.max().clamp(min=1e-12)).cpu().numpy()
