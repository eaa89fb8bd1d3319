"""What a target says about places in its picture, and what becomes of it when the picture moves.

Every task has a geometry, one of the names in ``GEOMETRIES``; every move of the picture, an augmentation or a resizing, has a row in ``FOLLOWING``
that says which geometries follow it. What stands in no row is refused in words (``refusal``), never passed: a target that stays where it was while
its picture moves is a wrong label. A kind or an augmentation from outside is refused until it says what it does.

Numbers are moved here (``moved_numbers``), in numpy as in torch; maps, boxes and named points by ``mtl_core.data.moves.moved``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtl_core.data.dataset import Task
from mtl_core.errors import Problem
from mtl_core.tasks import kind_of

GEOMETRIES = {
    "whole": "of the picture as a whole: it stays the same wherever things are and however large they are",
    "count": "a number of things in the picture",
    "x": "distance of a point from the left border, in pixels",
    "y": "distance of a point from the upper border, in pixels",
    "share_x": "distance of a point from the left border, as a share of the width",
    "share_y": "distance of a point from the upper border, as a share of the height",
    "tilt": "angle of a line against the vertical, in degrees; + leans to the right",
    "length": "a length in pixels",
    "area": "an area in square pixels",
    "mask": "a class for each pixel",
    "depth": "a distance for each pixel",
    "inverse_depth": "one over a distance, for each pixel",
    "normals": "a direction for each pixel",
    "boxes": "boxes in pixels",
    "points": "named points, as shares of the width and the height",
}
MAPS = ("mask", "depth", "inverse_depth")
VECTORS = "normals"
ACROSS, DOWN = ("x", "share_x"), ("y", "share_y")
POINTS = ACROSS + DOWN
_EVERY = frozenset(GEOMETRIES)
_NUMBERS = frozenset({"whole", "count", *POINTS, "tilt", "length", "area"})

# Move -> geometries that follow it, or that it leaves as they are. Moves are the fields of AugmentationConfig, and the ways to resize.
FOLLOWING: dict[str, frozenset[str]] = {
    "flip": _EVERY,
    "shift": _EVERY,
    "crop": _EVERY - {"normals", "count"},
    "rotation": _EVERY - {"normals"},
    "scale": _EVERY - {"normals"},
    "brightness": _EVERY,
    "contrast": _EVERY,
    "saturation": _EVERY,
    "cutout": _EVERY - {"count"},
    "mixup": _NUMBERS,  # the losses of both targets are mixed, so no target is moved
    # The camera sees the same scene with other pixels: what is far stays far, and directions stay.
    "resize_stretch": _EVERY - {"length"},
    "resize_pad": _EVERY,
    "resize_crop": _EVERY - {"count"},
}
_STAYS_PUT = ("brightness", "contrast", "saturation", "mixup")  # no pixel changes its place
_WHY = {
    ("crop", "normals"): "how directions change in a picture that is turned or enlarged is not worked out",
    ("rotation", "normals"): "how directions change in a picture that is turned or enlarged is not worked out",
    ("scale", "normals"): "how directions change in a picture that is turned or enlarged is not worked out",
    ("crop", "count"): "what is cut off would still be counted",
    ("cutout", "count"): "what is blanked out would still be counted",
    ("resize_crop", "count"): "what is cut off would still be counted",
    ("resize_stretch", "length"): "a length that lies aslant changes by another factor than one across or down",
}


def geometry_of(task: Task) -> str:
    """Name in ``GEOMETRIES``; empty where nobody says."""
    return task.geometry or kind_of(task.kind).geometry


def may_count(task: Task) -> bool:
    """Whether the target may count things that are cut off or hidden: any number of classes of the whole picture, or a number."""
    kind = kind_of(task.kind)
    return kind.mixes or (geometry_of(task) == "whole" and kind.several)


def refusal(move: str, task: Task, follows: frozenset[str] | None = None) -> str:
    """Why the task's target can't follow a move; empty where it can.

    Args:
        move: a key of ``FOLLOWING``, or the setting of an augmentation from outside.
        follows: geometries that an augmentation from outside says it takes along.
    """
    geometry = geometry_of(task)
    if move == "mixup" and geometry not in FOLLOWING["mixup"] and not kind_of(task.kind).mixes:
        return f"two images laid over each other have no single {task.kind.replace('_', ' ')} target"
    if not geometry:
        return "" if move in _STAYS_PUT else _unsaid(task)
    if geometry not in FOLLOWING.get(move, follows or frozenset()):
        return _WHY.get((move, geometry), f"what this does to {geometry.replace('_', ' ')} targets is not worked out")
    if move == "rotation" and geometry in POINTS and not task.beside:
        return "a turn needs the point's other coordinate, and nothing says which target that is"
    return ""


def _unsaid(task: Task) -> str:
    if kind_of(task.kind).mixes:  # a number
        known = ", ".join(name for name in GEOMETRIES if name in _NUMBERS)
        return (
            f"nothing says what its number is in a picture that is changed. Say 'tasks.{task.name}.geometry' in the config: 'whole' where it does "
            f"not depend on where things are and how large, else one of {known}"
        )
    return f"nothing says what a target of kind '{task.kind}' is in a picture that is changed"


def resize_misfits(
    how: str, tasks: Sequence[Task], old: tuple[int, int], new: tuple[int, int], prepared: Mapping[str, Task] | None = None
) -> list[Problem]:
    """Tasks whose targets would be wrong after preprocessing to another size.

    Args:
        how: ``none``, ``stretch``, ``pad`` or ``crop``.
        old, new: (height, width).
        prepared: the data set's tasks by name, whose geometry the prepared targets follow; another one that the config states comes too late.
    """
    if how == "none" or old == new:
        return []
    move, found = f"resize_{how}", []
    same_shape = old[0] * new[1] == old[1] * new[0]
    for task in tasks:
        why = refusal(move, task)
        if same_shape and geometry_of(task) in ("count", "length"):
            why = ""  # nothing is cut off, and both sides change by one factor
        if not why and move in task.spoiled_by and not same_shape:
            why = "it changes what is true of the image, but not the target"
        known = (prepared or {}).get(task.name, task)
        if not why and not geometry_of(known) and geometry_of(task) not in ("whole", "count"):
            why = "the data set doesn't say what its number is, and what the config says does not reach the prepared data"
        if why:
            found.append(Problem("data.preprocessing.resize", f"{task.name} can't follow: {why}. Keep the size or leave out the task"))
    return found


def companions(tasks: Mapping[str, Task], targets: Sequence[str]) -> list[str]:
    """Further targets that are needed to move these: other coordinates of their points, and what stands in their place in a mirror."""
    of_target = {task.target: task for task in tasks.values()}
    needed = list(targets)
    for name in needed:  # grows while it is read
        task = of_target.get(name)
        needed += [other for other in (task.beside, task.mirror) if other and other not in needed] if task else []
    return needed[len(targets) :]


def moved_numbers(
    values: Mapping[str, Any], tasks: Mapping[str, Task], forward: Any, old: tuple[int, int], new: tuple[int, int], mirrored: Any = None
) -> dict[str, Any]:
    """The targets among ``values`` that are numbers of a place, a direction or a size, after a move.

    Args:
        values: target -> (n,) numbers (numpy or torch, float). Companions of a point are among them.
        tasks: target -> a task that reads it.
        forward: (n, 2, 3) of the same sort: x' = f[0, 0] x + f[0, 1] y + f[0, 2], y' likewise, in pixels; positions are continuous, pixel j covers
            j..j+1.
        old, new: (height, width) before and after.
        mirrored: bool (n,), pictures that ``forward`` mirrors; None for none.

    Returns:
        target -> (n,), only those that change. A point that is moved out of the picture keeps its place outside.
    """
    found = {}
    for name, task in tasks.items():
        geometry = geometry_of(task)
        if name not in values or geometry not in (*POINTS, "tilt", "length", "area"):
            continue
        here = values[name]
        size = abs(forward[:, 0, 0] * forward[:, 1, 1] - forward[:, 0, 1] * forward[:, 1, 0])
        if geometry == "area":
            found[name] = here * size
        elif geometry == "length":
            found[name] = here * size**0.5
        elif geometry == "tilt":
            found[name] = _tilted(here, forward)
        else:
            own, other = _point(values, tasks, name, task, old)
            if mirrored is not None and task.mirror:
                stands_there = _point(values, tasks, task.mirror, tasks[task.mirror], old)
                own, other = (
                    there * mirrored + own_or_other * (1 - 1 * mirrored) for there, own_or_other in zip(stands_there, (own, other), strict=True)
                )
            row = 0 if geometry in ACROSS else 1
            x, y = (own, other) if row == 0 else (other, own)
            place = forward[:, row, 0] * x + forward[:, row, 1] * y + forward[:, row, 2]
            found[name] = place / (new[1] if geometry == "share_x" else new[0]) if geometry.startswith("share") else place
    return {name: _like(value, values[name]) for name, value in found.items()}


def _like(value: Any, before: Any) -> Any:
    return value.astype(before.dtype) if hasattr(value, "astype") else value.to(before.dtype)


def _point(values: Mapping[str, Any], tasks: Mapping[str, Task], name: str, task: Task, old: tuple[int, int]) -> tuple[Any, Any]:
    """A coordinate and the other one, in pixels; 0 for an unknown other one, which only a turn asks for."""
    beside = task.beside if task.beside in values else ""
    own = values[name] * _pixels(geometry_of(task), old)
    other = values[beside] * _pixels(geometry_of(tasks[beside]), old) if beside else 0 * own
    return own, other


def _pixels(geometry: str, size: tuple[int, int]) -> int:
    return {"share_x": size[1], "share_y": size[0]}.get(geometry, 1)


def _tilted(angle: Any, forward: Any) -> Any:
    """The line that leans by ``angle`` (degrees) points to (sin, -cos), y being down; after the move it is measured again, in -90..90."""
    import math

    if hasattr(angle, "astype"):
        import numpy as library

        turn, arctan = angle.astype(float) * math.pi / 180, library.arctan2
    else:
        import torch as library

        turn, arctan = angle * (math.pi / 180), library.atan2
    x, y = library.sin(turn), -library.cos(turn)
    across = forward[:, 0, 0] * x + forward[:, 0, 1] * y
    down = forward[:, 1, 0] * x + forward[:, 1, 1] * y
    found = arctan(across, -down) * (180 / math.pi)
    return (found + 90) % 180 - 90
