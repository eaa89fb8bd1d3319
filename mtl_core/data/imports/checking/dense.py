"""DenseCheck: compares masks and depth maps with the size of their picture, and reports what does not fit or is unusual."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_core.data.imports.checking.frames import in_proportion
from mtl_core.data.imports.formats.maps.depth_maps import DepthFile
from mtl_core.data.imports.formats.maps.mask_files import ClassMasks, MaskFile
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.data.imports.tree import UnreadableError

Checked = tuple[Any, list[tuple[str, str, str]], str]  # the target or None, (outcome, kind, sentence) each, a digest
_BETWEEN = 0.002  # largest share of a picture for a colour between the listed ones, with the option 'nearest'


@dataclass
class _Unlisted:
    """A number without a class, counted over all masks of a task."""

    masks: int = 0
    pixels: int = 0
    file: str = ""


@dataclass
class DenseCheck:
    """Checks targets one by one; several threads may call it.

    Attributes:
        ranges: task of depth -> (lowest, highest) value in its unit.
    """

    spec: ImportSpec
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    _unlisted: dict[str, dict[str, _Unlisted]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mask(self, task: str, value: Any, size: tuple[int, int]) -> Checked:
        """A segmentation target of a picture of ``size`` (width, height)."""
        try:
            return self._classes(value, size) if isinstance(value, ClassMasks) else self._numbers(task, value, size)
        except UnreadableError as error:
            text = str(error)
            return None, [("skipped", "mask", text if text.startswith("'") else f"'{value.file}': {text}")], ""

    def depth(self, task: str, value: DepthFile, size: tuple[int, int]) -> Checked:
        """A depth target of a picture of ``size`` (width, height)."""
        try:
            values = value.values()
        except UnreadableError as error:
            return None, [("skipped", "depth", f"'{value.file}': {error}")], ""
        refused, said = _of_other_size(value.file, values.shape[::-1], size, value.scale_size)
        if refused:
            return None, refused, ""
        known = values[np.isfinite(values)]
        if not known.size:
            return None, [("skipped", "no_measurement", f"'{value.file}' has no measurement at all")], ""
        if known.size < values.size:
            said.append(("note", "no_measurement", f"{1 - known.size / values.size:.1%} of the pixels have no measurement and count for nothing"))
        with self._lock:
            low, high = self.ranges.get(task, (np.inf, -np.inf))
            self.ranges[task] = (min(low, float(known.min())), max(high, float(known.max())))
        return value.at(size), said, hashlib.sha256(values.tobytes() + repr(values.shape).encode()).hexdigest()

    def problems(self) -> Iterable[str]:
        """Problems with numbers that have no class, for masks with the option ``unlisted: ask``."""
        for task, found in self._unlisted.items():
            if self._source(task)[1].get("unlisted") == "ask":
                listed = ", ".join(
                    f"{name} ({one.pixels:,} pixels in {one.masks:,} masks, such as '{one.file}')" for name, one in list(found.items())[:5]
                )
                yield (
                    f"Task '{task}': {len(found)} numbers or colours in the masks have no class: {listed}. "
                    "Name them under 'values' or 'colours', list them under 'ignore', or set 'unlisted: ignore'."
                )

    def questions(self) -> tuple[Question, ...]:
        """The same problems as questions: each reading is an option of the masks' source."""
        asked = []
        for task, found in self._unlisted.items():
            number, options = self._source(task)
            if options.get("unlisted") != "ask":
                continue
            names = list(found)[:100]
            if options.get("colours"):
                named = {"colours": {**options["colours"], **{name: f"colour {name}" for name in names}}}
                out = {"colours": {**options["colours"], **dict.fromkeys(names, "")}}
            else:
                named = {"values": {**options.get("values", {}), **{int(name): f"class {name}" for name in names}}}
                out = {"ignore": [*options.get("ignore", [255]), *map(int, names)]}
            evidence = ", ".join(f"{name}: {one.pixels:,} pixels in {one.masks:,} masks" for name, one in list(found.items())[:6])
            readings = (Reading("classes", "classes of their own", named), Reading("ignored", "don't count these pixels", out))
            text = f"What are {', '.join(names[:6])} in the masks of '{task}'?"
            asked.append(Question(f"unlisted_{task}", text, readings, "", evidence, (), number))
        return tuple(asked)

    def _source(self, task: str) -> tuple[int | None, dict[str, Any]]:
        """(index, options) of the source of masks that gives a task."""
        for number, source in enumerate(self.spec.sources):
            if source.format == "masks" and source.options.get("task", "segments") == task:
                return number, source.options
        return None, {}

    def _numbers(self, task: str, value: MaskFile, size: tuple[int, int]) -> Checked:
        numbers = value.numbers()
        refused, said = _of_other_size(value.file, numbers.shape[::-1], size, value.scale)
        if refused:
            return None, refused, ""
        unlisted = value.unlisted(numbers)
        if value.nearest:
            unlisted = {number: count for number, count in unlisted.items() if count > _BETWEEN * numbers.size}
        if unlisted:
            listed = ", ".join(f"{value.words(number)} ({count:,} pixels)" for number, count in list(unlisted.items())[:6])
            said.append(("note", "unlisted_value", f"'{value.file}': pixels without a class don't count: {listed}"))
            self._take(task, value, unlisted)
        return value.at(size), said, hashlib.sha256(numbers.tobytes() + repr((value.table, numbers.shape)).encode()).hexdigest()

    def _take(self, task: str, value: MaskFile, unlisted: dict[int, int]) -> None:
        with self._lock:
            known = self._unlisted.setdefault(task, {})
            for number, count in unlisted.items():
                if len(known) < 300 or value.words(number) in known:
                    one = known.setdefault(value.words(number), _Unlisted(file=value.file))
                    one.masks, one.pixels, one.file = one.masks + 1, one.pixels + count, min(one.file, value.file)

    def _classes(self, value: ClassMasks, size: tuple[int, int]) -> Checked:
        """Check one mask per class. If one of a picture's masks is unreadable, the picture is unlabelled."""
        marked = value.marked()
        refused, said = _of_other_size(value.file, marked[0][1].shape[::-1], size, value.parts[0][1].scale)
        if refused:
            return None, refused, ""
        several = sum((marks.astype(np.int32) for _, marks in marked), np.zeros(marked[0][1].shape, np.int32)) > 1
        if several.any() and len({index for index, _ in marked}) > 1:
            said.append(("note", "overlap", f"{int(several.sum()):,} pixels have several classes; the one of the smaller area counts"))
        total = hashlib.sha256(repr((marked[0][1].shape, [index for index, _ in marked])).encode())
        for _, marks in marked:
            total.update(np.packbits(marks).tobytes())
        return value.at(size), said, total.hexdigest()


def _of_other_size(file: str, mine: tuple[int, int], size: tuple[int, int], scale: bool) -> tuple[list, list]:
    """(refusal, findings) of a map of size ``mine`` for a picture of ``size``, both (width, height)."""
    if mine == size:
        return [], []
    sentence = f"'{file}' has {mine[0]} x {mine[1]} pixels, the image {size[0]} x {size[1]}"
    if not scale:
        if mine == size[::-1]:
            swapped = f"{sentence}. Its sides are swapped: it may have the orientation of the stored file, before EXIF rotates it"
            return [("skipped", "size_differs", swapped)], []
        return [("skipped", "size_differs", sentence)], []
    if not in_proportion(mine, size):
        return [("skipped", "size_differs", f"{sentence}; their proportions differ, so it is not scaled")], []
    return [], [("repaired", "scaled", f"{sentence}; scaled to it, the nearest pixel each")]
