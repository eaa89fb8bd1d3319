"""Time that sharing saves in prediction: one pass of the trunk for all heads, compared with one pass per head."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mtl_core.inference.predictor import Predictor
from mtl_core.training.execution import wait_for_device

ROUNDS = 7


@dataclass(frozen=True)
class SharingTimes:
    """Median milliseconds of a forward pass of one image over ``rounds``: ``shared_ms`` with ``repeated`` ("trunk", or "network" for a sharing
    scheme without a trunk) once for all ``heads`` heads, ``apart_ms`` with it once per head."""

    shared_ms: float
    apart_ms: float
    rounds: int
    device: str
    heads: int
    repeated: str


@torch.inference_mode()
def time_sharing(predictor: Predictor, frame: np.ndarray, rounds: int = ROUNDS) -> SharingTimes:
    """Time both on one image, uint8 (H, W, C) at the network's size, alternating, after one warm-up pass.

    The single-task network is this trunk with one of its heads, so the width is equal and only sharing differs. A scheme without a separate trunk
    (``backbone`` and ``heads``) runs unchanged once per task.
    """
    model, images = predictor.model, predictor.normalised(frame[None])
    has_trunk = hasattr(model, "heads") and hasattr(model, "backbone")

    def shared() -> None:
        model(images)

    def apart() -> None:
        for name in predictor.kinds:
            if has_trunk:
                model.heads[name](model.backbone(images))
            else:
                model(images)

    times: dict[str, list[float]] = {"shared": [], "apart": []}
    for turn in range(rounds + 1):
        for name, work in (("shared", shared), ("apart", apart)):
            seconds = _timed(work, predictor.device)
            if turn:
                times[name].append(1000 * seconds)
    medians = (statistics.median(times[name]) for name in ("shared", "apart"))
    return SharingTimes(*medians, rounds, predictor.device, len(predictor.kinds), "trunk" if has_trunk else "network")


def _timed(work: Callable[[], None], device: str) -> float:
    start = time.perf_counter()
    work()
    wait_for_device(device)
    return time.perf_counter() - start
