"""One task from two sources, such as COCO's files for train and val: classes by name, targets side by side."""

from __future__ import annotations

from typing import Any

from mtl_core.data.imports.formats import Targets
from mtl_core.data.imports.formats.boxes import Boxes
from mtl_core.data.imports.formats.mask_files import ClassMasks, MaskFile
from mtl_core.data.imports.formats.outlines import Shapes
from mtl_core.data.imports.report import Findings
from mtl_core.errors import DataError


def joined(first: Targets, second: Targets, findings: Findings) -> Targets:
    """``first`` with the targets of ``second``, whose class numbers become those of the union. ``first`` is changed.

    Raises:
        DataError: they are of different kinds.
    """
    if first.kind != second.kind:
        raise DataError(f"two sources give a task '{first.name}', one of kind {first.kind}, one of kind {second.kind}; give one another name")
    classes = tuple(dict.fromkeys((*first.classes, *second.classes)))
    place = [classes.index(name) for name in second.classes]
    same = place == list(range(len(place)))
    for key, value in second.values.items():
        if key in first.values:
            findings.add("skipped", "duplicate", key, "a second source has a target for this image; the first is used", first.name)
        else:
            first.values[key] = value if same else _renumbered(value, first.kind, place)
    first.classes = classes
    return first


def each_name_once(targets: Targets, findings: Findings) -> Targets:
    """``targets`` with the classes of one name made one class: nothing tells two categories called 'shirt' apart. It is changed, and said."""
    classes = tuple(dict.fromkeys(targets.classes))
    if len(classes) == len(targets.classes):
        return targets
    place = [classes.index(name) for name in targets.classes]
    twice = sorted({name for name in classes if targets.classes.count(name) > 1})
    targets.values = {key: _renumbered(value, targets.kind, place) for key, value in targets.values.items()}
    targets.classes = classes
    sentence = (
        f"several classes are called {', '.join(map(repr, twice[:6]))}: those of one name are one class. Give them names of their own if they differ"
    )
    findings.add("repaired", "same_name", "", sentence, targets.name)
    return targets


def _renumbered(value: Any, kind: str, place: list[int]) -> Any:
    if kind == "classification":
        return place[value]
    if kind == "multi_label":
        return tuple(sorted({place[index] for index in value}))
    if isinstance(value, Boxes):
        rows = value.rows.copy()
        rows[:, 4] = [place[int(index)] for index in rows[:, 4]]
        return Boxes(rows, value.shares, value.size)
    if isinstance(value, MaskFile | ClassMasks):
        return value.renumbered(place)
    if isinstance(value, Shapes):
        return value.renumbered(dict(enumerate(place)))
    return value
