"""Where each task looks: Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391) on the features that the tasks share.

The weight of a channel is the mean gradient of the task's own score over all places (eq. 1), the map the positive part of the weighted sum of
channels (eq. 2), here at the coarsest level, enlarged to the image. All tasks read the same features, so their maps stand side by side.
Deviations: what a task's score is, is ours for all but classification (``TaskKind.score``); maps are scaled to their own maximum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mtl_core.errors import NotPossibleError
from mtl_core.inference.predictor import Predictor


def saliency(predictor: Predictor, frame: np.ndarray) -> dict[str, np.ndarray]:
    """float32 (H, W) in 0..1 per task for one image, uint8 (H, W, C) at the network's size; all zeros where nothing speaks for the answer.

    Raises:
        NotPossibleError: the network has no feature map that all tasks read.
    """
    model = predictor.model
    backbone, heads = getattr(model, "backbone", None), getattr(model, "heads", None)
    if backbone is None or heads is None or not model.has_shared_features or backbone.features[-1].stride is None:
        raise NotPossibleError(
            "this network has no feature map that all tasks share, so there is nothing to compare. Hard sharing with a CNN has one."
        )
    with torch.enable_grad():
        features = [level.detach().requires_grad_() for level in backbone(predictor.normalised(frame[None]))]
        return {name: _map(predictor.kinds[name].score(heads[name](features)), features, frame.shape[:2]) for name in heads}


def _map(value: Tensor, features: list[Tensor], size: tuple[int, int]) -> np.ndarray:
    coarsest = features[-1]
    (gradient,) = torch.autograd.grad(value, [coarsest], allow_unused=True)
    if gradient is None:
        return np.zeros(size, dtype=np.float32)
    weighted = (gradient.mean((2, 3), keepdim=True) * coarsest).sum(1, keepdim=True).clamp(min=0)
    enlarged = interpolate(weighted, size=size, mode="bilinear", align_corners=False)[0, 0].detach()
    return (enlarged / enlarged.max().clamp(min=1e-12)).cpu().numpy()
