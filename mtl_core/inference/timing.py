"""What sharing saves when an image is predicted: the network once with every head, against what a task alone needs, once for each head."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from mtl_core.inference.predictor import Predictor
from mtl_core.training.execution import wait_for_device

ROUNDS = 7
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class SharingTimes:
    """Milliseconds of a forward pass of one image, how often it was timed, and what was run: ``repeated`` ("backbone", or "network" where the
    tasks share no features) once for each of ``heads`` heads, against once for all."""

    shared_ms: float
    apart_ms: float
    rounds: int
    device: str
    heads: int
    repeated: str


@torch.inference_mode()
def time_sharing(predictor: Predictor, frame: np.ndarray, rounds: int = ROUNDS) -> SharingTimes:
    """Time both on one image, uint8 (H, W, C) at the network's size, alternating, after one warm-up pass.

    A network per task is taken to be what this one computes for that task alone: the same width, so what is compared is sharing alone.
    """
    model, images = predictor.model, predictor.normalised(frame[None])

    def shared() -> None:
        model(images)

    def apart() -> None:
        for name in predictor.kinds:
            model.heads[name](model.features(images, [name])[name])

    times = median_times({"shared": shared, "apart": apart}, rounds, predictor.device)
    return SharingTimes(
        times["shared"], times["apart"], rounds, predictor.device, len(predictor.kinds), "backbone" if model.has_shared_features else "network"
    )


def median_times(
    works: Mapping[Name, Callable[[], Any]], rounds: int, device: str, progress: Callable[[float, str], None] = lambda share, text: None
) -> dict[Name, float]:
    """Median milliseconds of each work. The works take turns, after one pass of each to warm up.

    Args:
        progress: called with the share that is done and what is done; an error that it raises ends the measurement.
    """
    times: dict[Name, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            progress(turn / (rounds + 1), f"round {turn} of {rounds}")
            seconds = _timed(work, device)
            if turn:
                times[name].append(1000 * seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def _timed(work: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    work()
    wait_for_device(device)
    return time.perf_counter() - start
