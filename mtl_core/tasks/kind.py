"""TaskKind: how one kind of task is learnt, measured, decoded and drawn. One kind is one file in this package.

Outputs are what a head gives (raw tensors). Predictions are decoded, in the same units as targets:

============== =====================================================================================
kind           prediction (n images)
============== =====================================================================================
classification float32 (n, K) probabilities
multi_label    float32 (n, K) probability that class k is there
regression     float32 (n,) in the task's unit
segmentation   uint8 (n, H, W) class index
depth          float32 (n, H, W) in the task's unit
detection      float32 (n, M, 6): x1, y1, x2, y2 in pixels, class index, score; class -1 = padding
normals        float16 (n, 3, H, W) unit vectors
============== =====================================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric


class KindOptions(BaseModel):
    """Parent of every kind's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Drawing:
    """A picture of one target or prediction.

    Attributes:
        image: uint8 (H * scale, W * scale, 3).
        caption: the part that is said rather than drawn, e.g. ``"3 (98 %)"``; may be empty.
    """

    image: np.ndarray
    caption: str


class Measurement(ABC):
    """Metrics of one task over one pass; built on torchmetrics."""

    @abstractmethod
    def update(self, output: Any, target: Tensor) -> None:
        """Add a batch. Every row is labelled: the caller has left out the others."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Values by metric name, over everything added; NaN where a metric is not defined."""


class TaskKind(ABC):
    """One task of a run, with everything its kind knows how to do.

    Args:
        task: name, classes, unit.
        options: the kind's own options.
        statistics: ``PreparedData.statistics`` (measured on train only).

    Class attributes:
        needs_map: True where the head needs feature maps, so that a backbone giving a vector does not fit.
        metrics: what ``Measurement.compute`` gives; the first is the main one.
        selection_metric: name of a metric that is at most 1 and higher when better. Its mean over tasks chooses the best checkpoint.
        keeps_halves: an evaluation keeps the predictions of its worst images as float16: maps that are only drawn. False where digits would be lost.
        is_self_supervised: its targets are made from the pixels (``mtl_core.tasks.self_supervised``), not read from the data set.
    """

    title: ClassVar[str]
    needs_map: ClassVar[bool]
    metrics: ClassVar[tuple[Metric, ...]]
    selection_metric: ClassVar[str]
    keeps_halves: ClassVar[bool] = False
    is_self_supervised: ClassVar[bool] = False
    Options: ClassVar[type[KindOptions]] = KindOptions

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        self.task = task
        self.options = options
        self.image_size: tuple[int, int] = tuple(statistics["image_shape"][1:])
        self.target_statistics: dict[str, Any] = statistics["targets"].get(task.target, {})

    @abstractmethod
    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        """A module from the backbone's feature list (finest first) to this task's output."""

    @abstractmethod
    def loss(self, output: Any, target: Tensor) -> Tensor:
        """Mean loss over the rows given, all of them labelled. A scalar in float32."""

    def loss_parts(self, output: Any, target: Tensor) -> tuple[Tensor, Tensor | int]:
        """The same loss as a sum and the number of things summed over: images, known pixels, responsible places.

        Sums and numbers of several batches add up, so that the loss of a split does not depend on the batch size. The kinds that count something
        else than images say so here; the number may be 0.
        """
        return self.loss(output, target) * len(target), len(target)

    @abstractmethod
    def select(self, output: Any, rows: Tensor) -> Any:
        """The output of some images only: ``rows`` holds their indices."""

    @abstractmethod
    def decode(self, output: Any) -> np.ndarray:
        """Predictions, as in the module's table."""

    def candidates(self, output: Any) -> np.ndarray | None:
        """What ``decode`` chooses from by thresholds that a viewer may want to move; None for kinds without any.

        Detection: float32 (n, M, 6), laid out as its predictions, before overlapping boxes are dropped.
        """
        return None

    @abstractmethod
    def measurement(self) -> Measurement:
        """A new, empty measurement."""

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        """What the colours drawn mean: (CSS colour, text) pairs; empty where nothing is drawn in colour."""
        return []

    @classmethod
    @abstractmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        """One image (uint8 (H, W, 3)) with its target, enlarged by the whole number ``scale``."""

    @classmethod
    @abstractmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        """The same for a prediction."""
