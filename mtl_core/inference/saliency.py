"""Where each task looks: Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391) on the features that its head reads.

The weight of a channel is the mean gradient of the task's own score over all places (eq. 1), the map the positive part of the weighted sum of
channels (eq. 2), here at the coarsest level, enlarged to the image. All heads read features of the same size, so the tasks' maps stand side by side.
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
    """float32 (H, W) in 0..1 per task for one image, uint8 (H, W, C) at the network's size; all zeros if no channel raises the score.

    Raises:
        NotPossibleError: the heads read a vector, which has no places.
    """
    model, maps = predictor.model, {}
    if model.feature_info[-1].stride is None:
        raise NotPossibleError("the heads of this network read a vector without places, so no task looks anywhere. A CNN has feature maps.")
    with torch.no_grad():
        read = model.features(predictor.normalised(frame[None]), model.tasks)
    with torch.enable_grad():
        for name in model.tasks:
            features = [level.detach().requires_grad_() for level in read[name]]
            maps[name] = _map(predictor.kinds[name].score(model.heads[name](features)), features, frame.shape[:2])
    return maps


def _map(value: Tensor, features: list[Tensor], size: tuple[int, int]) -> np.ndarray:
    coarsest = features[-1]
    (gradient,) = torch.autograd.grad(value, [coarsest], allow_unused=True)
    if gradient is None:
        return np.zeros(size, dtype=np.float32)
    weighted = (gradient.mean((2, 3), keepdim=True) * coarsest).sum(1, keepdim=True).clamp(min=0)
    enlarged = interpolate(weighted, size=size, mode="bilinear", align_corners=False)[0, 0].detach()
    return (enlarged / enlarged.max().clamp(min=1e-12)).cpu().numpy()
