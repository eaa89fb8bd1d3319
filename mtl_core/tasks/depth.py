"""Depth: one distance per pixel (dense regression).

Targets and predictions float32 (n, H, W): distance in the task's unit; NaN in a target is no measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import depth_legend, draw_depth
from mtl_core.figures.primitives import Heat
from mtl_core.tasks.contents import TargetLayout, moments
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.map_files import MapFiles, ValueMaps
from mtl_core.tasks.metrics.image_errors import SampleErrors, of_each
from mtl_core.tasks.task_result import TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.depth_evaluation import DepthEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer


class DepthOptions(KindOptions):
    """Options of depth."""

    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder.")


@dataclass(frozen=True)
class DepthMap(TaskResult):
    """``values``: distance per pixel in the task's unit, float32 (H, W); NaN in parts of the image that the network did not see."""

    @property
    def values(self) -> np.ndarray:
        return self.decoded

    @property
    def unit(self) -> str:
        return self.task.unit

    def to_dict(self) -> dict[str, Any]:
        if not np.isfinite(self.decoded).any():
            return {"unit": self.unit}
        low, middle, high = (float(value) for value in np.nanpercentile(self.decoded, (0, 50, 100)))
        return {"unit": self.unit, "nearest": low, "median": middle, "farthest": high}


class Depth(TaskKind):
    """Smooth L1 loss on the depth standardised by the training split, over pixels that have a measurement."""

    title: ClassVar[str] = "Depth"
    needs_map: ClassVar[bool] = True
    keeps_halves: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse", "Root mean squared error", "unit", False),
        Metric("mae", "Mean absolute error", "unit", False),
        Metric("delta1", "Pixels within 25 %", "", True),
        Metric("r2", "R2 (1 exact, 0 no better than the mean)", "", True),
    )
    selection_metric: ClassVar[str] = "r2"
    Options = DepthOptions
    options: DepthOptions
    geometry: ClassVar[str] = "depth"
    layer: ClassVar[str] = Heat.type
    standardises: ClassVar[bool] = True
    valued: ClassVar[str] = "pixels"
    map_files: ClassVar[MapFiles] = ValueMaps()
    Result: ClassVar[type[TaskResult]] = DepthMap

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.mean = float(self.target_statistics["mean"])
        self.std = max(float(self.target_statistics["std"]), 1e-6)

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.dense_head import DenseHead

        return DenseHead(features, 1, self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, known = self.loss_parts(output, target)
        return total / known.clamp(min=1)

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        known = torch.isfinite(target)
        standardised = torch.where(known, (target - self.mean) / self.std, 0.0)
        error = torch.nn.functional.smooth_l1_loss(output[:, 0], standardised, reduction="none")
        return torch.where(known, error, 0.0).sum(), known.sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return self._in_units(output).cpu().numpy()

    def measurement(self) -> Measurement:
        from mtl_core.tasks.metrics.depth_metrics import DepthMeasurement

        return DepthMeasurement(self._in_units)

    def _in_units(self, output: Tensor) -> Tensor:
        return output[:, 0] * self.std + self.mean

    def constant_answers(self) -> list[Answer]:
        """The mean: standardised depths have the mean 0."""
        return [lambda count: torch.zeros(count, 1, *self.image_size)]

    def finished(self, output: Tensor) -> dict[str, Tensor]:
        return {"": self._in_units(output)}

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout(size, np.float32, np.nan)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return moments(values, rows)

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """Mean absolute error over pixels with a measurement."""
        return SampleErrors(of_each(_error, predictions, targets), None, "Mean absolute error of the pixels", "unit")

    @classmethod
    def evaluation(cls, task: Task) -> DepthEvaluation:
        from mtl_core.analysis.evaluation.depth_evaluation import DepthEvaluation

        return DepthEvaluation(task)

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Heat:
        return Heat(target)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Heat:
        return Heat(prediction)

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return depth_legend(*task.value_range, task.unit)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        near, far = task.value_range
        return Drawing(draw_depth(target, near, far, scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)


def _error(predicted: np.ndarray, target: np.ndarray) -> float:
    known = np.isfinite(target)
    return float(np.abs(predicted[known].astype(float) - target[known]).mean()) if known.any() else float("nan")
