"""TaskKind: everything specific to one kind of task. One kind is one file in this package, and no other module names a kind.

Abstract methods are head, loss, decoding and measurement. Everything else has a default, so that a new kind is small: by default it is drawn, and
nothing is counted, exported or compared. Class attributes and class methods work without torch, for code that only reads runs.

Outputs are a head's raw tensors. Predictions are decoded, in the same units as targets; each kind's docstring describes their layout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.primitives import Picture, Primitive
from mtl_core.language import mark
from mtl_core.tasks.contents import Contents, TargetLayout
from mtl_core.tasks.map_files import MapFiles
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import Decoded, TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.findings import KindEvaluation
    from mtl_core.backbones.backbone import FeatureInfo

    Answer = Callable[[int], Tensor | dict[str, Tensor]]  # number of images -> the head's output


class KindOptions(BaseModel):
    """Parent of every kind's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Drawing:
    """A picture of one target or prediction.

    Attributes:
        image: uint8 (H * scale, W * scale, 3).
        caption: text beside the picture, e.g. ``"3 (98 %)"``; may be empty.
    """

    image: np.ndarray
    caption: str


class Measurement(ABC):
    """Metrics of one task over one pass over a split; built on torchmetrics."""

    @abstractmethod
    def update(self, output: Any, target: Tensor) -> None:
        """Add a batch, of which every row is labelled."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Values by metric name, over all batches; NaN if a metric is not defined."""


class TaskKind(ABC):
    """One task of a run, with the operations of its kind.

    Args:
        task: name, classes, unit.
        options: the kind's own options.
        statistics: ``PreparedData.statistics`` (measured on train only).

    Class attributes:
        needs_map: the head needs feature maps, so that a backbone with a vector does not fit.
        metrics: the metrics of ``Measurement.compute``; the first is the main one.
        selection_metric: name of a metric that is at most 1 and higher when better. Its mean over tasks chooses the best checkpoint.
        keeps_halves: an evaluation stores predictions of its worst images as float16, for maps that are only drawn. False if precision matters.
        is_self_supervised: its targets are made from the pixels (``mtl_core.tasks.pretext.self_supervised``), not read from the data set.
        geometry: how a target moves with the picture, a name in ``mtl_core.data.target_geometry.GEOMETRIES``; used if the task states none.
            Empty if unknown: then changes of the picture are refused.
        mixes: the losses of two blended images (mixup) can be mixed, whatever the geometry.
        layer: the primitive that draws it (``mtl_core.figures.primitives``).
        counted: plural noun for the items of a class in one image (boxes, pixels); empty if a class is present or absent.
        valued: plural noun for the items with one number each (images, pixels), for a histogram; empty for other kinds.
        several: an image can have any number of its classes.
        stratifies: each image has exactly one class, so that splits can be stratified by it.
        needs_classes: the task needs at least one class.
        standardises: its outputs are standardised by its targets' mean and standard deviation.
        map_files: how its predictions are written as image files; None for kinds that are not.
        Result: the result class of ``predict``.
        confusion_titles: titles of the rows and the columns of its confusion matrix.
        curve_note: suffix of the title of its precision-recall curves.
    """

    title: ClassVar[str]
    needs_map: ClassVar[bool]
    metrics: ClassVar[tuple[Metric, ...]]
    selection_metric: ClassVar[str]
    keeps_halves: ClassVar[bool] = False
    is_self_supervised: ClassVar[bool] = False
    Options: ClassVar[type[KindOptions]] = KindOptions
    options: KindOptions
    geometry: ClassVar[str] = ""
    mixes: ClassVar[bool] = False
    layer: ClassVar[str] = Picture.type
    counted: ClassVar[str] = ""
    valued: ClassVar[str] = ""
    several: ClassVar[bool] = False
    stratifies: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    standardises: ClassVar[bool] = False
    map_files: ClassVar[MapFiles | None] = None
    Result: ClassVar[type[TaskResult]] = Decoded
    confusion_titles: ClassVar[tuple[str, str]] = (mark("true"), mark("predicted"))
    curve_note: ClassVar[str] = ""

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        self.task = task
        self.options = options
        self.image_size: tuple[int, int] = tuple(statistics["image_shape"][1:])
        self.target_statistics: dict[str, Any] = statistics["targets"].get(task.target, {})

    # -- learning

    @abstractmethod
    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        """A module from the backbone's feature list (finest first) to this task's output."""

    @abstractmethod
    def loss(self, output: Any, target: Tensor) -> Tensor:
        """Mean loss over the rows given, all of them labelled. A scalar in float32."""

    def loss_parts(self, output: Any, target: Tensor) -> tuple[Tensor, Tensor | int]:
        """The same loss as a sum and the number of items summed: images, known pixels, responsible places.

        Sums and numbers of several batches add up, so that the loss of a split does not depend on the batch size. Kinds that do not count images
        override this method; the number may be 0.
        """
        return self.loss(output, target) * len(target), len(target)

    @abstractmethod
    def select(self, output: Any, rows: Tensor) -> Any:
        """The output of the images with the indices ``rows``."""

    @abstractmethod
    def decode(self, output: Any) -> np.ndarray:
        """Predictions of n images, one row each."""

    def candidates(self, output: Any) -> np.ndarray | None:
        """Candidates from which ``decode`` chooses by thresholds, for a viewer that moves the thresholds; None for kinds without thresholds.

        Boxes: float32 (n, M, 6), laid out as predictions, before overlapping boxes are dropped.
        """
        return None

    @abstractmethod
    def measurement(self) -> Measurement:
        """A new, empty measurement."""

    def constant_answers(self) -> list[Answer] | None:
        """Constant outputs derived from the training targets: functions from number of images to output. None if the kind has none."""
        return None

    def constant_score(self) -> float | None:
        """The main metric of the best constant answer if it is known without measuring, otherwise None."""
        return None

    def finished(self, output: Any) -> dict[str, Tensor]:
        """The outputs of an exported network: part -> tensor. The part ``""`` is named like the task."""
        return output if isinstance(output, dict) else {"": output}

    def score(self, output: Any) -> Tensor:
        """The score that Grad-CAM differentiates: that of the network's own prediction. By default the mean absolute output."""
        parts = list(output.values()) if isinstance(output, Mapping) else [output]
        total = parts[0].float().abs().mean()
        for each in parts[1:]:
            total = total + each.float().abs().mean()
        return total

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout | None:
        """The layout of one row of targets at this image size (height, width); None for a kind without stored targets."""
        return None

    @classmethod
    def examples(cls, task: Task, size: tuple[int, int], count: int, random: np.random.Generator) -> np.ndarray:
        """Made-up targets of ``count`` images, laid out as ``layout`` says; the contract tests train and measure with them.

        By default class numbers where the layout has whole numbers, and numbers from 1 to 2 elsewhere. A kind whose targets mean something else
        overrides this method.

        Raises:
            NotImplementedError: the kind has no ``layout``.
        """
        layout = cls.layout(task, size)
        if layout is None:
            raise NotImplementedError(
                f"{cls.__name__} has no stored targets; write layout, or inherit SelfSupervised if the targets are made from pixels"
            )
        shape = (count, *layout.shape)
        if np.issubdtype(layout.dtype, np.integer):
            return random.integers(0, max(2, len(task.classes)), shape).astype(layout.dtype)
        return random.uniform(1, 2, shape).astype(layout.dtype)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """JSON-able statistics of the labelled ``rows`` of the training targets; ``target_statistics`` later."""
        return {}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray | None:
        """bool (n, K): the classes present in the images of these labelled targets; None for kinds without classes."""
        return None

    @classmethod
    def contents(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> Contents:
        """Statistics of the labelled ``rows`` of a split, beside ``presence`` and values."""
        return Contents()

    @classmethod
    def imported_classes(cls, value: Any) -> Sequence[int]:
        """Class numbers in a target from an import format, for counting."""
        return ()

    @classmethod
    def renumbered(cls, value: Any, place: Sequence[int]) -> Any:
        """A target from an import format with class c renumbered to ``place[c]``. Boxes and masks are renumbered elsewhere."""
        return value

    @classmethod
    def joined(cls, first: Task, second: Task, place: Sequence[int], count: int) -> Task:
        """One task for the targets of two import sources that give ``first`` and ``second``.

        What a task says of its classes beside their names is joined here; the caller joins the names.

        Args:
            place: for each class of ``second``, its number in the joined task. The classes of ``first`` keep theirs.
            count: number of classes of the joined task.
        """
        return first

    @classmethod
    def imported_row(cls, row: np.ndarray, value: Any, place: Any) -> np.ndarray:
        """The target of one image in its stored form.

        Args:
            row: an empty row of ``layout``.
            value: the target from an import format; masks and maps have ``render(place)``.
            place: ``mtl_core.data.imports.checking.frames.Placement``, the resizing of the picture.
        """
        if hasattr(value, "render"):
            return value.render(place)
        row[...] = value
        return row

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors | None:
        """The error of each of n labelled images; None for kinds that define none."""
        return None

    @classmethod
    def evaluation(cls, task: Task) -> KindEvaluation | None:
        """A new, empty evaluation; None if the kind has none. Callers use ``mtl_core.analysis.evaluation.evaluation_of``."""
        return None

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any] | None:
        """Columns of a table of predictions: name -> values. ``image`` is the row of the split. None for kinds that do not fit a table."""
        return None

    @classmethod
    def coco_annotations(cls, task: Task, image: int, row: np.ndarray, size: tuple[int, int], predicted: bool) -> list[dict[str, Any]] | None:
        """COCO annotations of one row of targets, or of predictions (with ``score``); None for kinds without COCO annotations."""
        return None

    @classmethod
    def coco_categories(cls, task: Task) -> list[dict[str, Any]]:
        """COCO categories, which ``category_id`` of the annotations refers to."""
        return [{"id": index, "name": name} for index, name in enumerate(task.classes)]

    # -- drawing

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        """The legend of the colours: (CSS colour, text) pairs; empty if nothing is drawn in colour."""
        return []

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Primitive:
        """One image's target for the viewer. ``image``: uint8 (H, W, 3)."""
        drawing = cls.draw_target(image, target, task, 1)
        return Picture(drawing.image, drawing.caption)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Primitive:
        """One image's prediction for the viewer, which chooses again from ``candidates`` if there are any."""
        drawing = cls.draw_prediction(image, prediction, task, 1)
        return Picture(drawing.image, drawing.caption)

    @classmethod
    @abstractmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        """One image (uint8 (H, W, 3)) with its target, enlarged by the whole number ``scale``."""

    @classmethod
    @abstractmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        """One image (uint8 (H, W, 3)) with its prediction, enlarged by the whole number ``scale``."""

    @classmethod
    def for_thumbnails(cls, task: Task, row: np.ndarray) -> Task:
        """The task for drawing this target or prediction in a small picture."""
        return task
