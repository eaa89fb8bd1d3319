"""Detection: boxes with classes, by FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355) with torchvision's parts.

Targets float32 (n, M, 5): x1, y1, x2, y2 in pixels (x2, y2 exclusive), class index; class -1 = padding.
Predictions float32 (n, M, 6): the same, and a score.

Head, focal and GIoU losses, box coding and non-maximum suppression are torchvision's. The assignment of places of the feature maps to boxes
follows torchvision's FCOS, but for a whole batch at once (``fcos.assign``): torchvision's loop over images takes longer than the rest of a step
at 64 x 64 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mtl_core.analysis.box_matching import MATCHING_IOU, SHOWN_SCORE, match_boxes
from mtl_core.data.dataset import PADDING, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import class_colours, class_legend, draw_boxes
from mtl_core.figures.primitives import Boxes as BoxesLayer
from mtl_core.tasks.contents import Contents, TargetLayout, chunks, class_presence
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.detection_evaluation import DetectionEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.metrics.detection_metrics import MeanAveragePrecisionMeasurement

FEW_NAMES = 4  # boxes with names that fit into a thumbnail


@dataclass(frozen=True)
class Boxes(TaskResult):
    """Boxes, best first, from the run's score threshold on."""

    @property
    def boxes(self) -> np.ndarray:
        return self.decoded[:, :4]

    @property
    def classes(self) -> np.ndarray:
        return self.decoded[:, 4].astype(np.int64)

    @property
    def scores(self) -> np.ndarray:
        return self.decoded[:, 5]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.task.classes[index] for index in self.classes)

    def to_dict(self) -> dict[str, Any]:
        rows = zip(self.boxes.tolist(), self.names, self.scores.tolist(), strict=True)
        return {"boxes": [{"box": box, "class": name, "score": score} for box, name, score in rows]}

    def in_short(self) -> str:
        return f"{len(self.decoded)} boxes"


class DetectionOptions(KindOptions):
    """Options of detection."""

    channels: int = Field(64, ge=32, le=256, multiple_of=32, description="Channels of the feature pyramid and the FCOS head.")
    convolutions: int = Field(1, ge=1, le=4, description="3x3 convolutions before each of the FCOS head's outputs; the paper uses 4.")
    score_threshold: float = Field(0.05, ge=0, lt=1, description="Boxes below this score are dropped before the metrics.")
    nms_threshold: float = Field(0.6, gt=0, le=1, description="Of two boxes of one class that overlap (IoU) more than this, the better stays.")
    one_class_per_place: bool = Field(False, description="Of overlapping boxes only the best stays, also if their classes differ.")
    max_boxes: int = Field(32, ge=1, le=300, description="Boxes kept per image.")


class Detection(TaskKind):
    """One-stage, anchor-free detection."""

    title: ClassVar[str] = "Detection"
    needs_map: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("map", "mAP, IoU 0.50 to 0.95", "", True),
        Metric("map_50", "mAP at IoU 0.50", "", True),
    )
    selection_metric: ClassVar[str] = "map"
    Options = DetectionOptions
    options: DetectionOptions
    geometry: ClassVar[str] = "boxes"
    layer: ClassVar[str] = BoxesLayer.type
    counted: ClassVar[str] = "boxes"
    needs_classes: ClassVar[bool] = True
    Result: ClassVar[type[TaskResult]] = Boxes
    curve_note: ClassVar[str] = " at IoU 0.50"

    # -- learning

    @cached_property
    def coder(self) -> Any:
        """torchvision's box coding: distances to the sides in strides of the place."""
        from torchvision import models

        return models.detection._utils.BoxLinearCoder(normalize_by_size=True)  # pyright: ignore[reportAttributeAccessIssue]  # a private module

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.fcos import DetectionHead

        return DetectionHead(features, len(self.task.classes), self.options.channels, self.options.convolutions)

    def loss(self, output: dict[str, Tensor], target: Tensor) -> Tensor:
        """Focal + GIoU + centre-ness loss, each summed and divided by the number of responsible places, as in the paper (eq. 2)."""
        total, count = self.loss_parts(output, target)
        return total / count.clamp(min=1)

    def loss_parts(self, output: dict[str, Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        from torch import nn
        from torchvision import ops

        from mtl_core.tasks.heads.fcos import anchors_of, assign, centreness_of

        places, boxes, classes = output["places"], target[..., :4], target[..., 4].long()
        box_of_place = assign(places, boxes, classes)  # (n, A), -1 = background
        foreground = box_of_place >= 0
        chosen = box_of_place.clamp(min=0)
        wanted_class = nn.functional.one_hot(classes.gather(1, chosen).clamp(min=0), len(self.task.classes)).float() * foreground[..., None]
        class_loss = ops.sigmoid_focal_loss(output["cls_logits"], wanted_class, reduction="sum")
        anchors = anchors_of(places).expand(len(boxes), -1, -1)[foreground]
        wanted_boxes = boxes.gather(1, chosen[..., None].expand(-1, -1, 4))[foreground]
        predicted_boxes = self.coder.decode(output["bbox_regression"][foreground], anchors)
        box_loss = ops.generalized_box_iou_loss(predicted_boxes, wanted_boxes, reduction="sum")
        centreness = centreness_of(self.coder.encode(anchors, wanted_boxes))
        centre_loss = nn.functional.binary_cross_entropy_with_logits(output["bbox_ctrness"][..., 0][foreground], centreness, reduction="sum")
        return class_loss + box_loss + centre_loss, foreground.sum()

    def select(self, output: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
        return {name: values if name == "places" else values[rows] for name, values in output.items()}

    def decode(self, output: dict[str, Tensor]) -> np.ndarray:
        return self.boxes(output).cpu().numpy()

    def candidates(self, output: dict[str, Tensor]) -> np.ndarray:
        rows, images = self._best(output), len(output["cls_logits"])
        strong = self._strong(rows.flatten(0, 1)).view(images, -1)
        most = int(strong.sum(1).max()) if images else 0
        rows[..., 4].masked_fill_(~strong, PADDING)
        first = (~strong).int().argsort(dim=1, stable=True)[:, :most]  # strong candidates first, by score
        return rows.gather(1, first[..., None].expand(-1, -1, 6)).cpu().numpy()

    def boxes(self, output: dict[str, Tensor]) -> Tensor:
        """float32 (n, max_boxes, 6): x1, y1, x2, y2, class, score, best first; class -1 = padding."""
        rows = self._best(output)
        image = torch.arange(len(rows), device=rows.device).repeat_interleave(rows.shape[1])
        return self._suppress(rows.flatten(0, 1), image, len(rows))

    def _best(self, output: dict[str, Tensor]) -> Tensor:
        """float32 (n, 4 * max_boxes or fewer, 6): the places and classes with the highest scores, best first."""
        from torchvision import ops

        from mtl_core.tasks.heads.fcos import anchors_of

        scores = _scores(output)  # (n, A, K)
        _, places, classes = scores.shape
        best, flat = scores.flatten(1).topk(min(places * classes, 4 * self.options.max_boxes))
        place, label = flat // classes, flat % classes
        regression = output["bbox_regression"].gather(1, place[..., None].expand(-1, -1, 4))
        boxes = self.coder.decode(regression.flatten(0, 1), anchors_of(output["places"])[place].flatten(0, 1))
        boxes = ops.clip_boxes_to_image(boxes, self.image_size).view(*best.shape, 4)
        return torch.cat([boxes, label[..., None], best[..., None]], dim=2)

    def _strong(self, rows: Tensor) -> Tensor:
        from torchvision import ops

        return (rows[:, 5] > self.options.score_threshold) & (ops.box_area(rows[:, :4]) > 0)

    def _suppress(self, rows: Tensor, image: Tensor, images: int) -> Tensor:
        """Drop weak and overlapping boxes of all images at once; pad to ``max_boxes`` each."""
        from torchvision import ops

        strong = self._strong(rows)
        rows, image = rows[strong], image[strong]
        rival = image if self.options.one_class_per_place else image * len(self.task.classes) + rows[:, 4].long()
        kept = ops.batched_nms(rows[:, :4], rows[:, 5], rival, self.options.nms_threshold)
        padded = torch.zeros(images, self.options.max_boxes, 6, device=rows.device)
        padded[..., 4] = PADDING
        kept = kept[image[kept].argsort(stable=True)]  # by image, best first within each
        owner = image[kept]
        counts = torch.bincount(owner, minlength=images)
        place = torch.arange(len(kept), device=rows.device) - (counts.cumsum(0) - counts)[owner]
        fits = place < self.options.max_boxes
        padded[owner[fits], place[fits]] = rows[kept[fits]]
        return padded

    def measurement(self) -> MeanAveragePrecisionMeasurement:
        from mtl_core.tasks.metrics.detection_metrics import MeanAveragePrecisionMeasurement

        return MeanAveragePrecisionMeasurement(self.boxes)

    def constant_score(self) -> float:
        """0, the score of predicting no box."""
        return 0.0

    def finished(self, output: dict[str, Tensor]) -> dict[str, Tensor]:
        """``boxes`` (n, A, 4) x1, y1, x2, y2 in pixels and ``scores`` (n, A, K) of every place, before suppression."""
        x, y, stride = output["places"].unbind(1)
        left, top, right, bottom = (output["bbox_regression"] * stride[:, None]).unbind(2)
        height, width = self.image_size
        sides = ((x - left).clamp(0, width), (y - top).clamp(0, height), (x + right).clamp(0, width), (y + bottom).clamp(0, height))
        return {"boxes": torch.stack(sides, dim=2), "scores": _scores(output)}

    def score(self, output: dict[str, Tensor]) -> Tensor:
        """The logits of places with a score of 0.3 or more; the best logit if there is none."""
        logits, strong = output["cls_logits"], _scores(output) >= SHOWN_SCORE
        return logits[strong].sum() if bool(strong.any()) else logits.max()

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((1, 5), np.float32, np.array([0, 0, 0, 0, PADDING], np.float32), is_list=True)

    @classmethod
    def examples(cls, task: Task, size: tuple[int, int], count: int, random: np.random.Generator) -> np.ndarray:
        """Two boxes and padding in every image."""
        (height, width), last = size, len(task.classes) - 1
        first, second = [width / 8, height / 8, 0.6 * width, 0.6 * height, 0], [width / 3, height / 3, 0.9 * width, 0.9 * height, last]
        return np.tile(np.array([first, second, [0, 0, 0, 0, PADDING]], np.float32), (count, 1, 1))

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        found = values[rows][..., 4]
        return {"class_counts": np.bincount(found[found >= 0].astype(np.int64), minlength=len(task.classes)).tolist()}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray:
        return class_presence(values, len(task.classes), lambda boxes: boxes[boxes[:, 4] >= 0, 4].astype(np.int64))

    @classmethod
    def contents(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> Contents:
        sizes, per_image, amount = [np.zeros((0, 2), np.float32)], [np.zeros(0, np.int64)], np.zeros(len(task.classes), np.int64)
        for chunk in chunks(rows):
            found = values[chunk]
            real = found[..., 4] >= 0
            sizes.append((found[..., 2:4] - found[..., :2])[real].astype(np.float32))
            per_image.append(real.sum(axis=1))
            amount += np.bincount(found[..., 4][real].astype(np.int64), minlength=len(task.classes))
        return Contents(amount, 0, np.concatenate(sizes), np.concatenate(per_image))

    @classmethod
    def imported_classes(cls, value: np.ndarray) -> Sequence[int]:
        return value[:, 4].astype(int).tolist()

    @classmethod
    def imported_row(cls, row: np.ndarray, value: np.ndarray, place: Any) -> np.ndarray:
        from mtl_core.data.imports.checking.frames import place_boxes

        boxes = place_boxes(value, place)
        row[: len(boxes)] = boxes
        return row

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """1 minus the panoptic quality (Kirillov et al. 2019, https://arxiv.org/abs/1801.00868, eq. 1) of the boxes with a score of at least 0.3.

        Missed boxes, false positives, wrong classes and bad overlap all count. An image without boxes and without predictions has error 0.
        Deviation: boxes instead of masks, over all classes at once. A mistake if a box is missed, a false positive or of the wrong class.
        """
        found = np.array([_error(*pair) for pair in zip(predictions, targets, strict=True)]).reshape(-1, 2)
        return SampleErrors(found[:, 0], found[:, 1] > 0, "1 - quality of the boxes", "")

    @classmethod
    def evaluation(cls, task: Task) -> DetectionEvaluation:
        from mtl_core.analysis.evaluation.detection_evaluation import DetectionEvaluation

        return DetectionEvaluation(task)

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any]:
        images, places = np.nonzero(predictions[:, :, 4] >= 0)
        rows = predictions[images, places]
        sides = {name: rows[:, place] for place, name in enumerate(("x1", "y1", "x2", "y2"))}
        return {"image": images, **sides, "class": [task.classes[int(index)] for index in rows[:, 4]], "score": rows[:, 5]}

    @classmethod
    def coco_annotations(cls, task: Task, image: int, row: np.ndarray, size: tuple[int, int], predicted: bool) -> list[dict[str, Any]]:
        entries = []
        for x1, y1, x2, y2, index, *score in row[row[:, 4] >= 0].astype(float).tolist():
            entry = {"image_id": image, "category_id": int(index), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            entries.append({**entry, "score": score[0]} if score else entry)
        return entries

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> BoxesLayer:
        real = target[target[:, 4] >= 0, :5]
        return BoxesLayer(np.concatenate([real, np.ones((len(real), 1))], axis=1), digits=2)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> BoxesLayer:
        rows = prediction if candidates is None else candidates
        return BoxesLayer(rows[rows[:, 4] >= 0], raw=candidates is not None)

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return class_legend(task.classes)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        real = target[target[:, 4] >= 0]
        classes = real[:, 4].astype(int)
        captions = [task.classes[index] for index in classes]
        return Drawing(draw_boxes(image, real[:, :4], captions, class_colours(task.classes)[classes], scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction[prediction[:, 5] >= SHOWN_SCORE], task, scale)

    @classmethod
    def for_thumbnails(cls, task: Task, row: np.ndarray) -> Task:
        """The task without class names if more than ``FEW_NAMES`` boxes would be drawn: in a small picture the names cover the objects.

        The colours stay, and the legend names the classes.
        """
        shown = row[:, 4] >= 0
        if row.shape[1] > 5:
            shown &= row[:, 5] >= SHOWN_SCORE
        return task if shown.sum() <= FEW_NAMES else replace(task, classes=tuple(name if name == "background" else "" for name in task.classes))


def _scores(output: dict[str, Tensor]) -> Tensor:
    """Scores (n, A, K): the geometric mean of class probability and centre-ness."""
    return (output["cls_logits"].sigmoid() * output["bbox_ctrness"].sigmoid()).sqrt()


def _error(predicted: np.ndarray, target: np.ndarray) -> tuple[float, bool]:
    predicted = predicted[(predicted[:, 4] >= 0) & (predicted[:, 5] >= SHOWN_SCORE)]
    target = target[target[:, 4] >= 0]
    if not len(predicted) and not len(target):
        return 0.0, False
    matches = match_boxes(predicted, target, MATCHING_IOU)
    right = predicted[matches.predicted, 4] == target[matches.target, 4]
    hits = int(right.sum())
    quality = matches.iou[right].sum() / (hits + (len(predicted) - hits) / 2 + (len(target) - hits) / 2)
    return float(1.0 - quality), hits < max(len(predicted), len(target))
