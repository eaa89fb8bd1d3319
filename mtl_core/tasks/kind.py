"""TaskKind: all that is special about one kind of task. One kind is one file in this package, and no other module asks for a kind by its name.

What must be said is said in abstract methods: head, loss, decoding, measuring. Everything else has a default, so that a kind is small at first:
it is drawn by itself, nothing is counted, exported or compared. Whatever only reads (class attributes and class methods) works without torch.

Outputs are what a head gives (raw tensors). Predictions are decoded, in the same units as targets; their layout stands in each kind's docstring.
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
from mtl_core.tasks.contents import Contents, TargetLayout
from mtl_core.tasks.map_files import MapFiles
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import Decoded, TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.findings import KindEvaluation
    from mtl_core.backbones.backbone import FeatureInfo

    Answer = Callable[[int], Tensor]  # number of images -> the head's output


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
        is_self_supervised: its targets are made from the pixels (``mtl_core.tasks.pretext.self_supervised``), not read from the data set.
        geometry: what a target says about places, a name in ``mtl_core.data.target_geometry.GEOMETRIES``, where the task itself does not say;
            empty where nothing is known: then a change of the picture is refused.
        mixes: the losses of two images laid over each other (mixup) can be mixed, whatever the geometry.
        layer: which primitive it is drawn as (``mtl_core.figures.primitives``).
        counted: what a class can have several of in one image, in the plural (boxes, pixels); empty where it is there or not.
        valued: what has one number each, in the plural (images, pixels), for a histogram; empty for other kinds.
        several: its classes are of the whole image, any number of them at once.
        stratifies: each image has exactly one class, so that the parts of a data set can be drawn with equal shares of each.
        needs_classes: a task without classes can't be learnt.
        standardises: its answers are in units of its targets' mean and standard deviation.
        map_files: how its predictions are written as pictures of their own; None for kinds that have none.
        Result: what ``predict`` gives of an image.
        confusion_titles: of the rows and the columns of its confusion matrix.
        curve_note: what to add to the title of its precision-recall curves.
    """

    title: ClassVar[str]
    needs_map: ClassVar[bool]
    metrics: ClassVar[tuple[Metric, ...]]
    selection_metric: ClassVar[str]
    keeps_halves: ClassVar[bool] = False
    is_self_supervised: ClassVar[bool] = False
    Options: ClassVar[type[KindOptions]] = KindOptions
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
    confusion_titles: ClassVar[tuple[str, str]] = ("true", "predicted")
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
        """Predictions of n images, one row each."""

    def candidates(self, output: Any) -> np.ndarray | None:
        """What ``decode`` chooses from by thresholds that a viewer may want to move; None for kinds without any.

        Boxes: float32 (n, M, 6), laid out as predictions, before overlapping boxes are dropped.
        """
        return None

    @abstractmethod
    def measurement(self) -> Measurement:
        """A new, empty measurement."""

    def constant_answers(self) -> list[Answer] | None:
        """Outputs that ignore the image, as the training targets suggest them: number of images -> output. None where nobody knows any."""
        return None

    def constant_score(self) -> float | None:
        """The main metric of the best constant answer where that needs no measuring; None where it does."""
        return None

    def finished(self, output: Any) -> dict[str, Tensor]:
        """What an exported network gives of an output: part -> tensor; the part ``""`` is called as the task."""
        return output if isinstance(output, dict) else {"": output}

    def score(self, output: Any) -> Tensor:
        """The number whose rise Grad-CAM asks for: the answer that the network gives. By default the mean size of the output."""
        parts = list(output.values()) if isinstance(output, Mapping) else [output]
        total = parts[0].float().abs().mean()
        for each in parts[1:]:
            total = total + each.float().abs().mean()
        return total

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout | None:
        """How one row of targets is laid out at this image size (height, width); None for a kind whose targets lie in no file."""
        return None

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        """What is measured on the labelled ``rows`` of the training targets, JSON-able; ``target_statistics`` later."""
        return {}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray | None:
        """bool (n, K): which classes are in the images that these labelled targets belong to; None for kinds without classes."""
        return None

    @classmethod
    def contents(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> Contents:
        """What the labelled ``rows`` of a split hold, besides ``presence`` and numbers."""
        return Contents()

    @classmethod
    def imported_classes(cls, value: Any) -> Sequence[int]:
        """Class numbers in a target as an import format gives it, for counting."""
        return ()

    @classmethod
    def renumbered(cls, value: Any, place: Sequence[int]) -> Any:
        """A target as an import format gives it, its class c called ``place[c]`` from now on. Boxes and what is drawn are renumbered already."""
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
        """The target of one image as it is stored.

        Args:
            row: empty, as ``layout`` says.
            value: as an import format gives it; what is drawn has ``render(place)``.
            place: ``mtl_core.data.imports.checking.frames.Placement``, how the picture came to its size.
        """
        if hasattr(value, "render"):
            return value.render(place)
        row[...] = value
        return row

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors | None:
        """How wrong each of n labelled images is; None where nothing is known about it."""
        return None

    @classmethod
    def evaluation(cls, task: Task) -> KindEvaluation | None:
        """A new, empty evaluation; None where there is none. Callers use ``mtl_core.analysis.evaluation.evaluation_of``."""
        return None

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any] | None:
        """Columns of a table of predictions: name -> values. ``image`` is the row of the split. None for kinds that no table can hold."""
        return None

    @classmethod
    def coco_annotations(cls, task: Task, image: int, row: np.ndarray, size: tuple[int, int], predicted: bool) -> list[dict[str, Any]] | None:
        """COCO's entries for one row of targets, or of predictions (these with ``score``); None for kinds that COCO has no entries for."""
        return None

    @classmethod
    def coco_categories(cls, task: Task) -> list[dict[str, Any]]:
        """COCO's entries for what ``category_id`` of the annotations names."""
        return [{"id": index, "name": name} for index, name in enumerate(task.classes)]

    # -- drawing

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        """What the colours drawn mean: (CSS colour, text) pairs; empty where nothing is drawn in colour."""
        return []

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Primitive:
        """One image's target for the viewer. ``image``: uint8 (H, W, 3)."""
        drawing = cls.draw_target(image, target, task, 1)
        return Picture(drawing.image, drawing.caption)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Primitive:
        """One image's prediction for the viewer; of ``candidates``, where there are any, the viewer chooses again."""
        drawing = cls.draw_prediction(image, prediction, task, 1)
        return Picture(drawing.image, drawing.caption)

    @classmethod
    @abstractmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        """One image (uint8 (H, W, 3)) with its target, enlarged by the whole number ``scale``."""

    @classmethod
    @abstractmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        """The same for a prediction."""

    @classmethod
    def for_thumbnails(cls, task: Task, row: np.ndarray) -> Task:
        """The task as it is drawn in a small picture of this target or prediction."""
        return task
