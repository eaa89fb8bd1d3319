"""Merging of a task that two sources give, such as COCO's files for train and val. Classes are matched by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mtl_core.data.dataset import POINT_FIELDS
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Targets
from mtl_core.data.imports.formats.annotations.boxes import Boxes
from mtl_core.data.imports.formats.annotations.outlines import Shapes
from mtl_core.data.imports.formats.maps.mask_files import ClassMasks, MaskFile
from mtl_core.errors import DataError
from mtl_core.tasks import kind_of


def joined(first: Targets, second: Targets, findings: Findings) -> Targets:
    """``first`` with the targets of ``second`` added; class numbers become those of the union. ``first`` is changed in place.

    Raises:
        DataError: they are of different kinds.
    """
    if first.kind != second.kind:
        raise DataError(f"two sources give a task '{first.name}', one of kind {first.kind}, one of kind {second.kind}; give one another name")
    if bool(first.made_of_boxes) != bool(second.made_of_boxes):
        raise DataError(f"two sources give a task '{first.name}', one as made of boxes, one not; give one another name")
    classes = tuple(dict.fromkeys((*_classes(first), *_classes(second))))
    place = [classes.index(name) for name in _classes(second)]
    same = place == list(range(len(place)))
    for key, value in second.values.items():
        if key in first.values:
            findings.add("skipped", "duplicate", key, "a second source has a target for this image; the first is used", first.name)
        else:
            first.values[key] = value if same else _renumbered(value, first.kind, place)
    task = kind_of(first.kind).joined(first.task, second.task, place, len(classes))
    for name in (*POINT_FIELDS, "spoiled_by"):
        setattr(first, name, getattr(task, name))
    if first.made_of_boxes:
        first.box_classes = classes
    if first.classes or second.classes:
        first.classes = classes
    first.unlisted_in |= second.unlisted_in
    first.nothing = first.nothing if first.nothing is not None else second.nothing
    return first


def each_name_once(targets: Targets, findings: Findings) -> Targets:
    """``targets`` with classes of the same name merged, since nothing distinguishes two categories 'shirt'. Changed in place and reported."""
    names = _classes(targets)
    classes = tuple(dict.fromkeys(names))
    if len(classes) == len(names):
        return targets
    place = [classes.index(name) for name in names]
    twice = sorted({name for name in classes if names.count(name) > 1})
    targets.values = {key: _renumbered(value, targets.kind, place) for key, value in targets.values.items()}
    task = kind_of(targets.kind).joined(replace(targets.task, classes=(), **dict.fromkeys(POINT_FIELDS, ())), targets.task, place, len(classes))
    for name in (*POINT_FIELDS, "spoiled_by"):
        setattr(targets, name, getattr(task, name))
    targets.classes = classes if targets.classes else ()
    targets.box_classes = classes if targets.made_of_boxes else targets.box_classes
    sentence = (
        f"several classes are called {', '.join(map(repr, twice[:6]))}: those of one name are one class. Give them names of their own if they differ"
    )
    findings.add("repaired", "same_name", "", sentence, targets.name)
    return targets


def _classes(targets: Targets) -> tuple[str, ...]:
    return targets.box_classes if targets.made_of_boxes else targets.classes


def fill_unlisted(targets: Targets, keys: Iterable[str]) -> int:
    """Add images without objects for those that no file of targets lists, if the description says so. Returns their number."""
    filled = 0
    for key in keys if targets.unlisted_in else ():
        if key not in targets.values and key.rpartition("/")[0] in targets.unlisted_in:
            targets.values[key] = targets.nothing
            filled += 1
    return filled


def _renumbered(value: Any, kind: str, place: list[int]) -> Any:
    if isinstance(value, Boxes):
        rows = value.rows.copy()
        rows[:, 4] = [place[int(index)] for index in rows[:, 4]]
        return replace(value, rows=rows)
    if isinstance(value, MaskFile | ClassMasks):
        return value.renumbered(place)
    if isinstance(value, Shapes):
        return value.renumbered(dict(enumerate(place)))
    return kind_of(kind).renumbered(value, place)
