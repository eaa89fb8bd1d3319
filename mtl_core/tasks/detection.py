"""Detection: boxes with classes, by FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355) with torchvision's parts.

torchvision gives the head, the focal and GIoU losses, the box coding and the non-maximum suppression. Which place of the feature maps is
responsible for which box follows torchvision's FCOS, but for a whole batch at once (``assign``): its loop over images takes longer than
the rest of a step at 64 x 64 pixels.

Deviation: batch normalisation in the pyramid, none in the head, instead of group normalisation in the head. On a CPU in bf16, group
normalisation alone took 30 % of the step; batch normalisation in the head would mix the statistics of the levels that share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead
from torchvision.ops import FeaturePyramidNetwork, batched_nms, box_area, clip_boxes_to_image, generalized_box_iou_loss, sigmoid_focal_loss

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import PADDING, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import class_colours, class_legend, draw_boxes
from mtl_core.tasks.detection_metrics import MeanAveragePrecisionMeasurement
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind

FINEST_STRIDE = 8  # as in the paper (P3); finer maps cost much
CENTRE_RADIUS = 1.5  # in strides; FCOS's centre sampling
DRAWN_SCORE = 0.3  # predictions below are kept for the metrics but not drawn


class DetectionOptions(KindOptions):
    """Options of detection."""

    channels: int = Field(64, ge=32, le=256, multiple_of=32, description="Channels of the feature pyramid and the FCOS head.")
    convolutions: int = Field(1, ge=1, le=4, description="3x3 convolutions before each of the FCOS head's outputs; the paper has 4.")
    score_threshold: float = Field(0.05, ge=0, lt=1, description="Boxes below this score are dropped before the metrics.")
    nms_threshold: float = Field(0.6, gt=0, le=1, description="Of two boxes of one class that overlap (IoU) more than this, the better stays.")
    max_boxes: int = Field(32, ge=1, le=300, description="Boxes kept per image.")


class DetectionHead(nn.Module):
    """Feature pyramid, and FCOS's classification and regression heads shared by its levels.

    Output: ``cls_logits`` (n, A, K), ``bbox_regression`` (n, A, 4) as distances left, top, right, bottom in strides, ``bbox_ctrness``
    (n, A, 1), all float32, for the A places of all levels, and ``places`` (A, 3): x and y of the place in pixels and its stride.
    """

    def __init__(self, features: Sequence[FeatureInfo], classes: int, options: DetectionOptions):
        super().__init__()
        coarse_enough = [level for level, info in enumerate(features) if info.stride >= FINEST_STRIDE]
        self.levels = coarse_enough or [len(features) - 1]
        used = [features[level] for level in self.levels]
        self.strides = [info.stride for info in used]
        self.pyramid = FeaturePyramidNetwork([info.channels for info in used], options.channels, norm_layer=nn.BatchNorm2d)
        self.classification = FCOSClassificationHead(options.channels, 1, classes, options.convolutions, norm_layer=nn.Identity)
        self.regression = FCOSRegressionHead(options.channels, 1, options.convolutions, norm_layer=nn.Identity)

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        levels = self.pyramid({str(level): features[level] for level in self.levels})
        maps = list(levels.values())
        places = [_grid(level.shape[-2:], stride, level.device) for level, stride in zip(maps, self.strides, strict=True)]
        sides, centreness = self.regression(maps)
        return {
            "cls_logits": self.classification(maps).float(),
            "bbox_regression": sides.float(),
            "bbox_ctrness": centreness.float(),
            "places": torch.cat(places),
        }


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

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.coder = BoxLinearCoder(normalize_by_size=True)

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return DetectionHead(features, len(self.task.classes), self.options)

    def loss(self, output: dict[str, Tensor], target: Tensor) -> Tensor:
        """Focal + GIoU + centre-ness loss, each summed and divided by the number of responsible places, as in the paper (eq. 2)."""
        total, count = self.loss_parts(output, target)
        return total / count.clamp(min=1)

    def loss_parts(self, output: dict[str, Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        places, boxes, classes = output["places"], target[..., :4], target[..., 4].long()
        box_of_place = assign(places, boxes, classes)  # (n, A), -1 = background
        foreground = box_of_place >= 0
        chosen = box_of_place.clamp(min=0)
        wanted_class = one_hot(classes.gather(1, chosen).clamp(min=0), len(self.task.classes)).float() * foreground[..., None]
        class_loss = sigmoid_focal_loss(output["cls_logits"], wanted_class, reduction="sum")
        anchors = _anchors(places).expand(len(boxes), -1, -1)[foreground]
        wanted_boxes = boxes.gather(1, chosen[..., None].expand(-1, -1, 4))[foreground]
        predicted_boxes = self.coder.decode(output["bbox_regression"][foreground], anchors)
        box_loss = generalized_box_iou_loss(predicted_boxes, wanted_boxes, reduction="sum")
        centreness = _centreness(self.coder.encode(anchors, wanted_boxes))
        centre_loss = binary_cross_entropy_with_logits(output["bbox_ctrness"][..., 0][foreground], centreness, reduction="sum")
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
        first = (~strong).int().argsort(dim=1, stable=True)[:, :most]  # strong ones first, in the order of their scores
        return rows.gather(1, first[..., None].expand(-1, -1, 6)).cpu().numpy()

    def boxes(self, output: dict[str, Tensor]) -> Tensor:
        """float32 (n, max_boxes, 6): x1, y1, x2, y2, class, score, best first; class -1 = padding."""
        rows = self._best(output)
        image = torch.arange(len(rows), device=rows.device).repeat_interleave(rows.shape[1])
        return self._suppress(rows.flatten(0, 1), image, len(rows))

    def _best(self, output: dict[str, Tensor]) -> Tensor:
        """float32 (n, 4 * max_boxes or fewer, 6): the places and classes with the highest scores, best first."""
        scores = (output["cls_logits"].sigmoid() * output["bbox_ctrness"].sigmoid()).sqrt()  # (n, A, K)
        _, places, classes = scores.shape
        best, flat = scores.flatten(1).topk(min(places * classes, 4 * self.options.max_boxes))
        place, label = flat // classes, flat % classes
        regression = output["bbox_regression"].gather(1, place[..., None].expand(-1, -1, 4))
        boxes = self.coder.decode(regression.flatten(0, 1), _anchors(output["places"])[place].flatten(0, 1))
        boxes = clip_boxes_to_image(boxes, self.image_size).view(*best.shape, 4)
        return torch.cat([boxes, label[..., None], best[..., None]], dim=2)

    def _strong(self, rows: Tensor) -> Tensor:
        return (rows[:, 5] > self.options.score_threshold) & (box_area(rows[:, :4]) > 0)

    def _suppress(self, rows: Tensor, image: Tensor, images: int) -> Tensor:
        """Drop weak and doubled boxes of all images at once; pad to ``max_boxes`` each."""
        strong = self._strong(rows)
        rows, image = rows[strong], image[strong]
        kept = batched_nms(rows[:, :4], rows[:, 5], image * len(self.task.classes) + rows[:, 4].long(), self.options.nms_threshold)
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
        return MeanAveragePrecisionMeasurement(self.boxes)

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
        return cls.draw_target(image, prediction[prediction[:, 5] >= DRAWN_SCORE], task, scale)


def assign(places: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """Which box each place is responsible for.

    A place takes a box if it lies inside it and within ``CENTRE_RADIUS`` strides of its centre, and if the box's size suits its
    level (largest distance to a side between 4 and 8 strides; below 4 for the finest level, above 8 for the coarsest). Of several,
    the smallest box. The rule of torchvision's ``FCOS.compute_loss``.

    Args:
        places: (A, 3) x, y, stride.
        boxes: (n, M, 4); classes: (n, M), -1 = padding.

    Returns:
        int64 (n, A): row of the box, -1 = none.
    """
    x, y, stride = places.T[:, :, None]  # (A, 1) each
    sides = torch.stack([x - boxes[:, None, :, 0], y - boxes[:, None, :, 1], boxes[:, None, :, 2] - x, boxes[:, None, :, 3] - y])  # (4, n, A, M)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    off_centre = torch.maximum((x - centres[:, None, :, 0]).abs(), (y - centres[:, None, :, 1]).abs())
    largest = sides.amax(0)
    lower = torch.where(stride == stride.min(), 0.0, 4 * stride)
    upper = torch.where(stride == stride.max(), torch.inf, 8 * stride)
    takes = (sides.amin(0) > 0) & (off_centre < CENTRE_RADIUS * stride) & (largest > lower) & (largest < upper) & (classes >= 0)[:, None]
    if boxes.shape[1] == 0:
        return torch.full(takes.shape[:2], -1, device=boxes.device)
    areas = torch.where(takes, box_area(boxes.flatten(0, 1)).view(boxes.shape[:2])[:, None], torch.inf)
    smallest, row = areas.min(2)
    return torch.where(smallest.isfinite(), row, -1)


def _grid(size: torch.Size, stride: int, device: torch.device) -> Tensor:
    """(h * w, 3): centre x, centre y and stride of each place of a map, row by row."""
    y, x = torch.meshgrid(torch.arange(size[0], device=device), torch.arange(size[1], device=device), indexing="ij")
    centres = (torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride
    return torch.cat([centres, torch.full_like(centres[:, :1], stride)], dim=1)


def _anchors(places: Tensor) -> Tensor:
    """(A, 4): a square of one stride around each place; what torchvision's coder measures distances from."""
    centre, half = places[:, :2], places[:, 2:] / 2
    return torch.cat([centre - half, centre + half], dim=1)


def _centreness(sides: Tensor) -> Tensor:
    """1 at a box's centre, towards 0 at its sides (eq. 3 of the paper). ``sides`` (F, 4): left, top, right, bottom, all positive."""
    across, down = sides[:, [0, 2]], sides[:, [1, 3]]
    return ((across.amin(1) / across.amax(1)) * (down.amin(1) / down.amax(1))).sqrt()
