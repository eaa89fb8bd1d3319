"""MultiTaskDataset: images with targets of several tasks, any of which may be missing.

How each kind's targets are laid out (N images of H x W pixels):

============== ==================== ==========================================================================
kind           array                meaning
============== ==================== ==========================================================================
classification int64 (N,)           class index
multi_label    uint8 (N, K)         1 where class k is in the image
regression     float32 (N,)         the number, in the task's unit
segmentation   uint8 (N, H, W)      class index per pixel, 255 = ignore
depth          float32 (N, H, W)    distance in the task's unit, NaN = no measurement
normals        float16 (N, 3, H, W) unit vectors that point out of the surface; a zero vector = missing
detection      float32 (N, M, 5)    x1, y1, x2, y2 in pixels (x2, y2 exclusive), class index; class -1 = padding
keypoints      float32 (N, K, 3)    x, y as shares of width and height; 0 absent, 1 hidden, 2 visible
============== ==================== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mtl_core.language import mark

IGNORE = 255  # segmentation pixels that count for nothing
PADDING = -1.0  # class of a detection row that holds no box
# Of the units that our data sets have.
SINGULAR = {"degrees": mark("degree"), "digits": mark("digit"), "objects": mark("object"), "pixels": mark("pixel")}
SHARE = "share"  # unit of a number from 0 to 1, such as the part of an image that ink covers
POINT_FIELDS = ("edges", "mirror_points", "sigmas")  # of a task of named points
LEAST_KEPT = 0.25  # of a box's area; with less of it left in the picture the box is dropped


@dataclass(frozen=True)
class Task:
    """What is to be learnt from an image.

    Attributes:
        name: how the run calls it, e.g. ``"segments"``.
        kind: name in the table of task kinds.
        target: which target array it reads; two tasks may read the same one.
        classes: class names in index order; empty for regression and depth.
        unit: unit of the value for regression and depth.
        title: for people.
        spoiled_by: moves (``target_geometry.FOLLOWING``: fields of AugmentationConfig, ways to resize) that change the image but not this target,
            and so make it wrong.
        rotation_up_to: largest turn, in degrees, under which the target stays true (a 6 that is turned round is a 9).
        geometry: what the target says about places, a name in ``target_geometry.GEOMETRIES``; empty for what its kind says.
        beside: of one coordinate of a point, the target that holds the other one; it is labelled on the same images.
        mirror: of a coordinate, the target that stands in its place in a mirror (the right eye's for the left eye's); empty for itself.
        edges: of named points (``classes``): pairs of their numbers between which a line is drawn.
        mirror_points: of named points: for each, the number of the one that stands in its place in a mirror; empty for itself.
        sigmas: of named points: how far each may be off, as a share of the object's size, as COCO's OKS has them; empty for the kind's default.
        superseded: another task of the data set says the same in a better way. Configs that name this one work; nothing else offers it.
        value_range: (nearest, farthest) depth for its colour scale; unused by other kinds.
    """

    name: str
    kind: str
    target: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    title: str = ""
    value_range: tuple[float, float] = (0.0, 1.0)
    spoiled_by: tuple[str, ...] = ()
    rotation_up_to: float = 180.0
    geometry: str = ""
    beside: str = ""
    mirror: str = ""
    # Not in the representation, which the digests of imported sets are made of.
    edges: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    mirror_points: tuple[int, ...] = field(default=(), repr=False)
    sigmas: tuple[float, ...] = field(default=(), repr=False)
    superseded: bool = field(default=False, repr=False)


def in_unit(unit: str) -> str:
    """The end of a title that names its unit: ``, in degrees``; ``, as a share (0 to 1)``; empty without a unit."""
    if not unit:
        return ""
    return ", as a share (0 to 1)" if unit == SHARE else f", in {unit}"


def read_by(tasks: Mapping[str, Task] | None) -> dict[str, Task]:
    """Target -> a task that reads it."""
    return {task.target: task for task in (tasks or {}).values()}


@dataclass(frozen=True)
class MultiTaskDataset:
    """One split of a data set.

    Attributes:
        images: uint8 (N, C, H, W), C is 1 (grey) or 3 (RGB); memory-mapped once prepared.
        targets: target name -> array as in the module's table.
        labelled: target name -> bool (N,); False where the image lacks that target (its row is then meaningless).
    """

    images: np.ndarray
    targets: Mapping[str, np.ndarray]
    labelled: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            raise ValueError(f"images: expected uint8 (N, 1 or 3, H, W), found {self.images.dtype} {self.images.shape}")
        for name, values in self.targets.items():
            if len(values) != count or self.labelled[name].shape != (count,):
                raise ValueError(f"target '{name}': expected {count} rows and labelled flags, found {len(values)} and {self.labelled[name].shape}")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class PreparedData:
    """A data set ready to train on.

    Attributes:
        train, val, test: the splits; they share no source image.
        tasks: every task the data set offers, by name.
        statistics: JSON-able, measured on train only: ``mean`` and ``std`` (lists of C numbers, in 0..1), ``image_shape`` (C, H, W),
            and per target ``targets[name]`` with ``mean`` and ``std`` (regression, depth: over known values) or ``class_counts``
            (classification, multi_label, segmentation, detection: a list of K numbers).
    """

    train: MultiTaskDataset
    val: MultiTaskDataset
    test: MultiTaskDataset
    tasks: Mapping[str, Task]
    statistics: dict

    def split(self, name: str) -> MultiTaskDataset:
        """The split called ``train``, ``val`` or ``test``."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]
