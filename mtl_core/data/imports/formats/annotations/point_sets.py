"""Named points of objects: options, the points of one image and their cleaning. A task of points has one object an image (``several_objects``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mtl_core.data.imports.checking.check_report import Outcome
from mtl_core.data.imports.formats import Context, Targets
from mtl_core.data.imports.formats.annotations.boxes import in_picture
from mtl_core.data.imports.formats.annotations.objects import ObjectOptions, Picture
from mtl_core.data.imports.spec import Strict

MOST_POINTS = 1000  # of one object
_EDGE = 1.0  # pixels by which a point may lie outside and still be moved to the picture's edge


class PointTask(Strict):
    """One task of named points."""

    task: str = Field(description="Name of the task; empty for none.")
    classes: list[str] = Field(default_factory=list, description="Classes of the objects whose points these are; empty for all.")
    names: list[str] = Field(description="Names of the points, in the order of the file.")
    edges: list[tuple[int, int]] = Field(default_factory=list, description="Pairs of points that a line joins in drawings; points count from 0.")
    mirror: list[int] = Field(
        default_factory=list,
        description="For each point, the number of the point that takes its place in a mirrored image; empty if not known: then images are not "
        "mirrored in training.",
    )
    sigmas: list[float] = Field(
        default_factory=list,
        description="For each point, the distance that OKS allows, as a share of the object's size; empty for 1 / number of points.",
    )

    @model_validator(mode="after")
    def _agree(self) -> PointTask:
        count = len(self.names)
        if not 0 < count <= MOST_POINTS:
            raise ValueError(f"names: expected 1 to {MOST_POINTS:,} points, found {count:,}")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"names: '{twice[0]}' occurs twice; each point needs a name of its own")
        for edge in self.edges:
            if not all(0 <= end < count for end in edge) or edge[0] == edge[1]:
                raise ValueError(f"edges: expected pairs of different numbers from 0 to {count - 1}, found {list(edge)}")
        if self.mirror and not is_mirror(self.mirror, count):
            raise ValueError(f"mirror: expected {count} numbers in which each point is the mirror of its mirror, found {self.mirror}")
        if self.sigmas and (len(self.sigmas) != count or min(self.sigmas) <= 0):
            raise ValueError(f"sigmas: expected {count} numbers above 0, found {self.sigmas}")
        return self


class PointOptions(ObjectOptions):
    """Options of formats whose objects may have named points."""

    named_points: list[PointTask] = Field(default_factory=list, description="Tasks of named points; empty for none.")
    several_objects: Literal["largest", "unlabelled"] = Field(
        "largest",
        description="Named points: an image with several objects shows the points of the 'largest' that has some (by its box), or counts as "
        "'unlabelled'.",
    )


@dataclass(frozen=True)
class PointSet:
    """Named points of one image.

    Attributes:
        rows: float64 (K, 3): x and y in pixels, or shares of the image's sides where ``shares``; visibility 0 (absent), 1 (hidden) or 2 (visible).
        size, turn, scale: as in ``Boxes``.
    """

    rows: np.ndarray
    shares: bool = False
    size: tuple[int, int] | None = None
    turn: str = ""
    scale: bool = False


def usable_points(points: PointSet, size: tuple[int, int]) -> tuple[np.ndarray | None, list[tuple[Outcome, str, str]]]:
    """(float64 (K, 3) in pixels of an image of ``size`` (width, height), findings as in ``usable``). None: the image is not labelled.

    Absent points are zeros. A point outside of the image is absent; up to a pixel outside, it is moved to the edge.
    """
    factors, turned, said = in_picture(points, size, "points")
    if factors is None:
        return None, said
    rows = np.array(points.rows, np.float64).reshape(-1, 3)
    rows[:, :2] *= size if points.shares else factors
    there = rows[:, 2] > 0
    if not np.isfinite(rows[there]).all():
        return None, [*said, ("skipped", "point_not_a_number", "a point with a coordinate that is no number; the image counts as not labelled")]
    inside = (rows[:, :2] >= -_EDGE).all(1) & (rows[:, :2] <= np.array(size) + _EDGE).all(1)
    lost = int((there & ~inside).sum())
    if lost and turned:
        return None, [*said, ("skipped", "size_differs", f"the points do not fit the upright picture of {size[0]} x {size[1]} pixels")]
    if lost:
        where = f"outside of the image of {size[0]} x {size[1]} pixels"
        if lost == int(there.sum()):
            return None, [*said, ("skipped", "points_outside", f"all its points lie {where}; the image counts as not labelled")]
        said.append(("repaired", "point_outside", f"{lost} of its {int(there.sum())} points lie {where} and count as absent"))
    rows[:, :2] = rows[:, :2].clip(0, size)
    return np.where((there & inside)[:, None], rows, 0.0), said


@dataclass
class _Seen:
    """The objects of one image that belong to a task."""

    objects: int = 0
    with_points: int = 0
    area: float = -1.0
    rows: np.ndarray | None = None


class PointSets:
    """Collects the points of each image of a source, and makes targets from them."""

    def __init__(self, context: Context, options: PointOptions):
        self.context, self.options = context, options
        self.seen: list[dict[str, _Seen]] = [{} for _ in options.named_points]

    def add(self, key: str, name: str, rows: np.ndarray | None, box: Sequence[float] | None, where: str) -> bool:
        """Add an object of an image.

        Args:
            name: class of the object.
            rows: (K, 3) in the file's order; None for an object without labelled points, such as a crowd.
            box: x1, y1, x2, y2, whose area says which object is the largest; None for the box around the points.

        Returns:
            False, with a finding, if a task has another number of points.
        """
        for task, seen in zip(self.options.named_points, self.seen, strict=True):
            if task.classes and name not in task.classes:
                continue
            if rows is not None and len(rows) != len(task.names):
                sentence = f"expected {len(task.names)} points, found {len(rows)}"
                self.context.findings.add("skipped", "bad_points", where, sentence, task.task)
                return False
            found = seen.setdefault(key, _Seen())
            found.objects += 1
            if rows is None or not (rows[:, 2] > 0).any():
                continue
            found.with_points += 1
            area = _area(box) if box is not None else _area(_around(rows))
            if area > found.area:
                found.area, found.rows = area, rows
        return True

    def targets(self, pictures: Mapping[str, Picture]) -> list[Targets]:
        """The tasks. ``pictures``: every image that the source names; one without any object of a task has all points absent."""
        return [self._task(task, seen, pictures) for task, seen in zip(self.options.named_points, self.seen, strict=True) if task.task]

    def _task(self, task: PointTask, seen: Mapping[str, _Seen], pictures: Mapping[str, Picture]) -> Targets:
        findings, keep_largest = self.context.findings, self.options.several_objects == "largest"
        found = targets_of(task)
        for key, picture in pictures.items():
            here = seen.get(key, _Seen())
            if picture.refused and self.options.refused == "picture":
                continue  # the finding about the object is there; the largest object is not known
            if here.objects and not here.with_points:
                findings.add("note", "no_points", key, "its objects have no labelled point: not labelled", task.task)
                continue
            if here.objects > 1:
                said = f"{here.objects} objects, {here.with_points} of them with points"
                if not keep_largest:
                    findings.add("skipped", "several_objects", key, f"{said}: not labelled ('several_objects: unlabelled')", task.task)
                    continue
                if here.with_points > 1:
                    findings.add("note", "several_objects", key, f"{said}: the points of the largest are used", task.task)
            rows = np.zeros((len(task.names), 3)) if here.rows is None else here.rows
            found.values[key] = PointSet(rows, picture.shares, picture.size, picture.turn, self.options.other_size == "scale")
        if self.options.unlisted == "empty":
            found.unlisted_in = frozenset(key.rpartition("/")[0] for key in pictures)
            found.nothing = PointSet(np.zeros((len(task.names), 3)))
        return found


def targets_of(task: PointTask) -> Targets:
    """The task without values."""
    return Targets(
        task.task,
        "keypoints",
        tuple(task.names),
        edges=tuple(task.edges),
        mirror_points=tuple(task.mirror),
        sigmas=tuple(task.sigmas),
        spoiled_by=() if task.mirror else ("flip",),
    )


def point_rows(values: Any, numbers: int) -> np.ndarray:
    """(K, 3): x, y, visibility from a flat list with 2 or 3 numbers for each point.

    With 2 numbers a point is visible, unless a number is negative or both are 0, which tools write for an absent point.

    Raises:
        ValueError: not such a list.
    """
    plain = isinstance(values, list) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not plain or not values or len(values) % numbers:
        raise ValueError(f"keypoints: expected {numbers} numbers for each point, found {str(values)[:60]}")
    given = np.array(values, np.float64).reshape(-1, numbers)
    if numbers == 2:
        absent = (given < 0).any(1) | (given == 0).all(1)
        given = np.column_stack([given, np.where(absent, 0.0, 2.0)])
    wrong = given[~np.isin(given[:, 2], (0, 1, 2)), 2]
    if len(wrong):
        raise ValueError(f"keypoints: expected a visibility of 0 (absent), 1 (hidden) or 2 (visible), found {wrong[0]:g}")
    return given


def is_mirror(mirror: Collection[Any], count: int) -> bool:
    """Whether each of ``count`` points is the mirror of its mirror."""
    numbers = list(mirror)
    if len(numbers) != count or not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < count for n in numbers):
        return False
    return all(numbers[other] == n for n, other in enumerate(numbers))


def _area(box: Sequence[float]) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return float(area) if np.isfinite(area) else 0.0


def _around(rows: np.ndarray) -> tuple[float, ...]:
    there = rows[rows[:, 2] > 0, :2]
    return (*there.min(0).tolist(), *there.max(0).tolist())
