"""Keypoints: places of the named points of one object (eyes and mouth of a face, joints of a body, the middle of each digit).

Targets float32 (n, K, 3): x and y as shares of width and height in 0..1, and visibility: 0 absent or not known, 1 hidden, 2 visible. Predictions
float32 (n, K, 3): x and y likewise, and the probability that the point is present. The task's ``classes`` name the points.

Heads: heat maps whose mean place is the prediction (soft-argmax), with the loss of Nibali et al. 2018, "Numerical Coordinate Regression with
Convolutional Neural Networks" (https://arxiv.org/abs/1801.07372, eq. 8): the distance, and the Jensen-Shannon divergence of the map from a
Gaussian around the point; or coordinates from the pooled features, with the distance alone (in the manner of Toshev and Szegedy 2014, "DeepPose",
https://arxiv.org/abs/1312.4659, without its cascade). Both learn from labelled points only. Presence is learnt from all points.

Metrics: PCK (Yang and Ramanan 2013, https://doi.org/10.1109/TPAMI.2012.261) against a tenth of the frame's longer side, and AP over OKS by COCO's
rules (https://cocodataset.org/#keypoints-eval), see ``mtl_core.tasks.metrics.point_metrics``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mtl_core.analysis.evaluation.findings import THRESHOLD, ratio
from mtl_core.data.dataset import Task
from mtl_core.data.moves import moved
from mtl_core.events import Metric
from mtl_core.figures.overlays import class_colours, class_legend, draw_points
from mtl_core.figures.primitives import Points
from mtl_core.tasks.contents import TargetLayout
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.metrics.point_metrics import METRICS, NEAR, Found, KeypointsEvaluation, sigmas_of
from mtl_core.tasks.task_result import TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer


class KeypointsOptions(KindOptions):
    """Options of keypoints."""

    head: Literal["heat_maps", "coordinates"] = Field(
        "heat_maps", description="'heat_maps': a map for each point; its mean place is the prediction. 'coordinates': two numbers, pooled features."
    )
    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder of heat maps.")
    spread: float = Field(0.03, gt=0, le=0.5, description="Standard deviation of the Gaussian that is a heat map's target, as a share of the frame.")
    presence_weight: float = Field(0.2, ge=0, le=10, description="Weight of the loss of each point's presence; 0 for points that are always present.")


@dataclass(frozen=True)
class NamedPoints(TaskResult):
    """``points`` float32 (K, 2): x and y as shares of the image's width and height; ``scores`` (K,): probability that each is present."""

    @property
    def points(self) -> np.ndarray:
        return self.decoded[:, :2]

    @property
    def scores(self) -> np.ndarray:
        return self.decoded[:, 2]

    @property
    def names(self) -> tuple[str, ...]:
        return self.task.classes

    def to_dict(self) -> dict[str, Any]:
        return {"points": [{"name": name, "x": x, "y": y, "score": s} for name, (x, y, s) in zip(self.names, self.decoded.tolist(), strict=True)]}

    def in_short(self) -> str:
        return f"{int((self.scores >= THRESHOLD).sum())} of {len(self.decoded)} points"


class KeypointsMeasurement(Measurement):
    """PCK, OKS AP, distance and presence over one pass."""

    def __init__(self, kind: Keypoints):
        self.kind, self.found = kind, Found(sigmas_of(kind.task))

    def update(self, output: Mapping[str, Tensor], target: Tensor) -> None:
        self.found.add(self.kind.decode(output), target.cpu().numpy(), self.kind.image_size)

    def compute(self) -> dict[str, float]:
        values = self.found.measured()
        return {metric.name: float(values[metric.name]) for metric in METRICS}


class Keypoints(TaskKind):
    """Distances of predicted points from labelled ones, and presence of each point."""

    title: ClassVar[str] = "Keypoints"
    needs_map: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    selection_metric: ClassVar[str] = "pck"
    Options = KeypointsOptions
    options: KeypointsOptions
    geometry: ClassVar[str] = "points"
    layer: ClassVar[str] = Points.type
    needs_classes: ClassVar[bool] = True
    Result: ClassVar[type[TaskResult]] = NamedPoints

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.needs_map = options.head == "heat_maps"  # type: ignore[misc] - coordinates need only a vector

    # -- learning

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.point_heads import CoordinateHead, HeatMapHead

        count = len(self.task.classes)
        if self.options.head == "coordinates":
            return CoordinateHead(features, count)
        return HeatMapHead(features, count, self.image_size, self.options.channels)

    def loss(self, output: Mapping[str, Tensor], target: Tensor) -> Tensor:
        total, points = self.loss_parts(output, target)
        return total / points.clamp(min=1)

    def loss_parts(self, output: Mapping[str, Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over labelled points. The presence loss is summed over all points and divided by the same number (as FCOS divides its class loss)."""
        labelled = target[..., 2] > 0
        off = 2 * (output["points"] - target[..., :2])  # the paper's frame is -1..1
        error = (off.square().sum(-1) + 1e-12).sqrt()
        if "logits" in output:
            error = error + self._divergence(output["logits"].float(), target)
        total = torch.where(labelled, error, 0.0).sum()
        there = torch.nn.functional.binary_cross_entropy_with_logits(output["there"], labelled.float(), reduction="sum")
        return total + self.options.presence_weight * there, labelled.sum()

    def _divergence(self, logits: Tensor, target: Tensor) -> Tensor:
        """(n, K): Jensen-Shannon divergence of each heat map from a Gaussian around its point."""
        height, width = logits.shape[-2:]
        x = (torch.arange(width, device=logits.device) + 0.5) / width - target[..., :1]  # (n, K, width)
        y = (torch.arange(height, device=logits.device) + 0.5) / height - target[..., 1:2]
        wanted = (-(x[..., None, :].square() + y[..., :, None].square()) / (2 * self.options.spread**2)).flatten(2).log_softmax(-1)
        said = logits.flatten(2).log_softmax(-1)
        middle = torch.logaddexp(wanted, said) - float(np.log(2))
        return 0.5 * ((wanted.exp() * (wanted - middle)).sum(-1) + (said.exp() * (said - middle)).sum(-1))

    def select(self, output: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
        return {name: values[rows] for name, values in output.items()}

    def decode(self, output: Mapping[str, Tensor]) -> np.ndarray:
        return self.finished(output)[""].cpu().numpy()

    def measurement(self) -> KeypointsMeasurement:
        return KeypointsMeasurement(self)

    def constant_answers(self) -> list[Answer]:
        """Each point at its mean place."""
        places = torch.tensor(self.target_statistics["mean_points"], dtype=torch.float32)
        return [lambda count: {"points": places.expand(count, *places.shape), "there": torch.zeros(count, len(places))}]

    def finished(self, output: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"": torch.cat([output["points"], output["there"].sigmoid()[..., None]], dim=-1).float()}

    def score(self, output: Mapping[str, Tensor]) -> Tensor:
        """The largest logit of each point's heat map; for coordinates, the logits of the points present, or the best logit."""
        if "logits" in output:
            return output["logits"].amax((-2, -1)).sum()
        there = output["there"] >= 0
        return output["there"][there].sum() if bool(there.any()) else output["there"].max()

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((len(task.classes), 3), np.float32, 0)

    @classmethod
    def examples(cls, task: Task, size: tuple[int, int], count: int, random: np.random.Generator) -> np.ndarray:
        """Random places; the first point is visible, the others are visible, hidden or absent."""
        points = random.uniform(0, 1, (count, len(task.classes), 3))
        points[..., 2] = random.integers(0, 3, points.shape[:2])
        points[:, 0, 2] = 2
        return points.astype(np.float32)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """Number of images with each point, and its mean place (the middle if no image has it)."""
        chosen = np.asarray(values[rows], np.float64)
        labelled = chosen[..., 2] > 0
        sums = np.where(labelled[..., None], chosen[..., :2], 0.0).sum(0)
        counts = labelled.sum(0)
        middle = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], 0.5)
        return {"class_counts": counts.tolist(), "mean_points": middle.tolist()}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray:
        return np.asarray(values)[..., 2] > 0

    @classmethod
    def imported_classes(cls, value: np.ndarray) -> Sequence[int]:
        return np.flatnonzero(value[:, 2] > 0).tolist()

    @classmethod
    def renumbered(cls, value: Any, place: Sequence[int]) -> Any:
        """Of points that get one number, the one that is seen best is kept."""
        rows = np.asarray(getattr(value, "rows", value))
        after = np.zeros((max(place) + 1, 3), rows.dtype)
        for row, number in zip(rows, place, strict=False):
            if row[2] > after[number, 2]:
                after[number] = row
        return replace(value, rows=after) if hasattr(value, "rows") else after

    @classmethod
    def joined(cls, first: Task, second: Task, place: Sequence[int], count: int) -> Task:
        """Lines of both; the mirror and sigma of each point from the first task that has the point.

        Sigmas are dropped where they are not known for every point.
        """
        own = len(first.classes)
        edges: dict[frozenset[int], tuple[int, int]] = {}
        for edge in (*first.edges, *((place[one], place[other]) for one, other in second.edges)):
            if edge[0] != edge[1]:
                edges.setdefault(frozenset(edge), edge)
        mirror, sigmas = list(range(count)), np.full(count, np.nan)
        for number, at in enumerate(place):
            mirror[at] = place[second.mirror_points[number]] if second.mirror_points else at
            sigmas[at] = second.sigmas[number] if second.sigmas else np.nan
        mirror[:own] = first.mirror_points or range(own)
        sigmas[:own] = first.sigmas or sigmas[:own]
        agree = all(mirror[other] == number for number, other in enumerate(mirror))
        spoiled = dict.fromkeys((*first.spoiled_by, *second.spoiled_by, *(() if agree else ("flip",))))
        return replace(
            first,
            edges=tuple(edges.values()),
            mirror_points=tuple(mirror) if agree and (first.mirror_points or second.mirror_points) else (),
            sigmas=tuple(sigmas.tolist()) if np.isfinite(sigmas).all() else (),
            spoiled_by=tuple(spoiled),
        )

    @classmethod
    def imported_row(cls, row: np.ndarray, value: np.ndarray, place: Any) -> np.ndarray:
        """``value`` (K or fewer, 3): x and y in pixels of the picture, and visibility. Points beyond its last row are absent."""
        row[: len(value)] = moved(np.asarray(value, np.float64)[None], cls.geometry, place.move())[0]
        return row

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """Mean distance of the labelled points, as a share of the frame. A mistake if a point is off by more than a tenth."""
        off = predictions[..., :2].astype(np.float64) - targets[..., :2]
        distances, labelled = np.sqrt((off**2).sum(-1)), targets[..., 2] > 0
        values = ratio(np.where(labelled, distances, 0).sum(1), labelled.sum(1))
        return SampleErrors(values, (labelled & (distances > NEAR)).any(1), "Mean distance of the points, share of the frame", "")

    @classmethod
    def evaluation(cls, task: Task) -> KeypointsEvaluation:
        return KeypointsEvaluation(task)

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any]:
        count, points = predictions.shape[:2]
        known = np.where(labelled[:, None, None] & (targets[..., 2:] > 0), targets[..., :2], np.nan).reshape(-1, 2)
        said = predictions.reshape(-1, 3)
        return {
            "image": np.repeat(np.arange(count), points),
            "point": list(task.classes) * count,
            "target x": known[:, 0],
            "target y": known[:, 1],
            "visibility": np.where(labelled[:, None], targets[..., 2], np.nan).reshape(-1),
            "x": said[:, 0],
            "y": said[:, 1],
            "score": said[:, 2],
        }

    @classmethod
    def coco_annotations(cls, task: Task, image: int, row: np.ndarray, size: tuple[int, int], predicted: bool) -> list[dict[str, Any]]:
        """One object per image, its points in pixels; its box and area are the frame's. No entry for a target without any labelled point."""
        height, width = size
        visible = np.where(row[:, 2] >= THRESHOLD, 2, 0) if predicted else row[:, 2]
        if not predicted and not (visible > 0).any():
            return []
        points = np.stack([row[:, 0].astype(float) * width, row[:, 1].astype(float) * height, visible], 1)
        entry = {"image_id": image, "category_id": 1, "keypoints": points.ravel().tolist()}
        if predicted:
            return [{**entry, "score": float(row[:, 2].astype(float).mean())}]
        box = {"bbox": [0.0, 0.0, float(width), float(height)], "area": float(width * height)}
        return [{**entry, "num_keypoints": int((visible > 0).sum()), **box}]

    @classmethod
    def coco_categories(cls, task: Task) -> list[dict[str, Any]]:
        skeleton = [[one + 1, other + 1] for one, other in task.edges]
        return [{"id": 1, "name": task.name, "keypoints": list(task.classes), "skeleton": skeleton}]

    # -- drawing

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return class_legend(task.classes)

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Points:
        return Points(_in_pixels(image, target, np.ones(len(target))))

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Points:
        visible = np.concatenate([prediction[:, :2], np.full((len(prediction), 1), 2.0)], axis=1)
        return Points(_in_pixels(image, visible, prediction[:, 2]))

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        points = _in_pixels(image, target, np.ones(len(target)))
        return Drawing(draw_points(image, points[:, :3], class_colours(task.classes), task.edges, scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        shown = np.where(prediction[:, 2:] >= THRESHOLD, 2.0, 0.0)
        return cls.draw_target(image, np.concatenate([prediction[:, :2], shown], axis=1), task, scale)


def _in_pixels(image: np.ndarray, points: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(K, 4): x, y in pixels, visibility, share."""
    height, width = image.shape[:2]
    x, y = points[:, 0].astype(float) * width, points[:, 1].astype(float) * height
    return np.stack([x, y, points[:, 2].astype(float), shares.astype(float)], axis=1)
