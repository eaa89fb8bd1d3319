"""Surface normals: the direction of each pixel's surface (dense regression of unit vectors).

Targets float16 (n, 3, H, W): unit vectors that point out of the surface; a zero vector is a missing normal. Predictions have the same layout.
Metrics as in Eigen and Fergus 2015 (https://arxiv.org/abs/1411.4734): mean and median angle, share of pixels within 11.25, 22.5 and 30 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.contents import TargetLayout
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors, angles, of_each

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.normals_evaluation import NormalsEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer

_PER_DEGREE = 100  # bins of the histogram from which the median is read
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
        cosine = torch.nn.functional.cosine_similarity(output.double(), target.double(), dim=1)[known].clamp(-1, 1)
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
    """Loss: one minus the cosine between predicted and true normal, over the pixels with a true normal."""

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
    options: NormalsOptions
    geometry: ClassVar[str] = "normals"

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.dense_head import DenseHead

        return DenseHead(features, 3, self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, known = self.loss_parts(output, target)
        return total / known.clamp(min=1)

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        known = _known(target)
        error = 1 - torch.nn.functional.cosine_similarity(output, target.float(), dim=1)
        return torch.where(known, error, 0.0).sum(), known.sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return torch.nn.functional.normalize(output.float(), dim=1).half().cpu().numpy()

    def measurement(self) -> Measurement:
        return AngleMeasurement()

    def constant_answers(self) -> list[Answer]:
        """Each of the six directions along the axes, at all pixels."""
        ways = [sign * torch.eye(3)[axis].view(1, 3, 1, 1) for axis in range(3) for sign in (1, -1)]
        return [lambda count, way=way: way.expand(count, 3, *self.image_size) for way in ways]

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((3, *size), np.float16, 0)

    @classmethod
    def examples(cls, task: Task, size: tuple[int, int], count: int, random: np.random.Generator) -> np.ndarray:
        """Random directions; the first rows of the picture are missing."""
        vectors = random.normal(size=(count, 3, *size))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[:, :, :4] = 0
        return vectors.astype(np.float16)

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """Mean angle over pixels that have a normal."""
        return SampleErrors(of_each(_error, predictions, targets), None, "Mean angle of the pixels", "°")

    @classmethod
    def evaluation(cls, task: Task) -> NormalsEvaluation:
        from mtl_core.analysis.evaluation.normals_evaluation import NormalsEvaluation

        return NormalsEvaluation(task)

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


def _error(predicted: np.ndarray, target: np.ndarray) -> float:
    found = angles(predicted, target)
    return float(found.mean()) if len(found) else float("nan")
