"""Surface normals: which way each pixel's surface faces (dense regression of unit vectors).

Metrics as in Eigen and Fergus 2015 (https://arxiv.org/abs/1411.4734): mean and median angle, share of pixels within 11.25, 22.5 and 30 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.dense_head import DenseHead
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement, TaskKind

_PER_DEGREE = 100  # of the histogram that the median is read from
_LIMITS = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}


class NormalsOptions(KindOptions):
    """Options of normals."""

    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder.")


class AngleMeasurement(Measurement):
    """Angles in degrees over all pixels that have a normal; the median is exact to 1/100 of a degree."""

    def __init__(self) -> None:
        self.histogram = torch.zeros(180 * _PER_DEGREE + 1, dtype=torch.int64)
        self.total = 0.0
        self.within = dict.fromkeys(_LIMITS, 0)

    def update(self, output: Tensor, target: Tensor) -> None:
        known = _known(target)
        cosine = cosine_similarity(output.double(), target.double(), dim=1)[known].clamp(-1, 1)
        angles = torch.rad2deg(torch.acos(cosine)).cpu()
        self.histogram += torch.bincount((angles * _PER_DEGREE).round().long(), minlength=len(self.histogram))
        self.total += float(angles.sum())
        for name, limit in _LIMITS.items():
            self.within[name] += int((angles < limit).sum())

    def compute(self) -> dict[str, float]:
        pixels = int(self.histogram.sum())
        if not pixels:
            return dict.fromkeys(("mean", "median", *_LIMITS), math.nan)
        median = int(torch.searchsorted(self.histogram.cumsum(0), (pixels + 1) // 2)) / _PER_DEGREE
        return {"mean": self.total / pixels, "median": median, **{name: count / pixels for name, count in self.within.items()}}


class Normals(TaskKind):
    """One minus the cosine between predicted and true normal, over the pixels that have one (a zero vector is a missing one)."""

    title: ClassVar[str] = "Surface normals"
    needs_map: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mean", "Angle, mean", "°", False),
        Metric("median", "Angle, median", "°", False),
        Metric("within_11", "Pixels within 11.25°", "", True),
        Metric("within_22", "Pixels within 22.5°", "", True),
        Metric("within_30", "Pixels within 30°", "", True),
    )
    selection_metric: ClassVar[str] = "within_30"
    Options = NormalsOptions

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return DenseHead(features, 3, self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, known = self.loss_parts(output, target)
        return total / known.clamp(min=1)

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        known = _known(target)
        error = 1 - cosine_similarity(output, target.float(), dim=1)
        return torch.where(known, error, 0.0).sum(), known.sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return normalize(output.float(), dim=1).half().cpu().numpy()

    def measurement(self) -> Measurement:
        return AngleMeasurement()

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return [(_css(axis), text) for axis, text in (((1, 0, 0), "x"), ((0, 1, 0), "y"), ((0, 0, 1), "z"), ((0, 0, 0), "missing"))]

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(_colours(np.moveaxis(target, 0, -1)), scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)


def _known(target: Tensor) -> Tensor:
    """bool (n, H, W); NaN and the zero vector are missing."""
    return target.float().square().sum(1) > 0.25  # between no vector and a unit vector


def _colours(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) -> uint8: -1..1 as 0..255, so that a missing one is mid grey."""
    return np.clip(np.nan_to_num(vectors.astype(np.float32)) * 127.5 + 127.5, 0, 255).round().astype(np.uint8)


def _css(axis: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*_colours(np.array(axis, dtype=np.float32)))
