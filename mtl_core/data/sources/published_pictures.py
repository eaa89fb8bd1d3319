"""PictureSet: parent of published sets with pictures of many sizes, which are resized to one size together with boxes and masks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse
from pydantic import Field

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.data.sources.published_set import StoredOptions, StoredSet, picture
from mtl_core.errors import DataError
from mtl_core.tasks import layout_of

Box = tuple[float, float, float, float, str]  # x1, y1, x2, y2 in pixels of the picture, name


class PictureOptions(StoredOptions):
    """Options of every set of pictures."""

    image_size: int = Field(64, ge=16, le=512, description="Height and width that pictures are stretched to; boxes and masks follow.")


class PictureSet(StoredSet):
    """Parent of the sets that list pictures per published part and read each picture with its targets."""

    Options = PictureOptions
    resized = "stretch"
    options: PictureOptions
    published: ClassVar[dict[str, int]]

    @abstractmethod
    def entries(self, part: str) -> Sequence[Any]:
        """One entry for each picture of ``train`` or ``test``, read from the lists alone; empty if the lists are missing."""

    @abstractmethod
    def picture_path(self, entry: Any) -> Path:
        """Path of a picture."""

    @abstractmethod
    def targets_of(self, entry: Any, scale: tuple[float, float]) -> dict[str, Any]:
        """Target name -> its row, or None if the picture has no such target; boxes as (B, 5). ``scale``: factors of x and y."""

    def image_shape(self) -> tuple[int, int, int]:
        return (3, self.options.image_size, self.options.image_size)

    def count(self, part: str) -> int:
        return len(self.entries(part)) or self.published[part]

    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        entries = self.entries(part)
        images = np.empty((len(rows), *self.image_shape()), np.uint8)
        collected: dict[str, list[Any]] = {task.target: [] for task in self.tasks()}
        for place, row in enumerate(rows):
            images[place], scale = picture(self.picture_path(entries[row]), self.options.image_size)
            for target, values in self.targets_of(entries[row], scale).items():
                collected[target].append(values)
            progress(0.98 * (place + 1) / len(rows), f"{place + 1:,} of {len(rows):,} pictures")
        layouts = {task.target: layout_of(task.kind, task, self.image_shape()[1:]) for task in self.tasks()}
        labelled = {target: np.array([values is not None for values in rows_of], dtype=bool) for target, rows_of in collected.items()}
        return MultiTaskDataset(images, {target: layouts[target].stacked(values) for target, values in collected.items()}, labelled)


def scaled_boxes(boxes: Sequence[Box], classes: Sequence[str], scale: tuple[float, float], size: int) -> np.ndarray:
    """float32 (B, 5) in the prepared size, clipped to its borders; boxes without area are left out."""
    rows = []
    for x1, y1, x2, y2, name in boxes:
        x1, x2 = (min(max(x * scale[0], 0), size) for x in (x1, x2))
        y1, y2 = (min(max(y * scale[1], 0), size) for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            rows.append((x1, y1, x2, y2, classes.index(name)))
    return np.array(rows, np.float32).reshape(-1, 5)


def voc_boxes(path: Path, with_difficult: bool = True) -> list[Box]:
    """The boxes of an annotation in Pascal VOC's XML. Its pixels count from 1 with both ends inclusive; ours count from 0 with x2, y2 exclusive.

    Raises:
        DataError: the file is missing or damaged, or no such annotation.
    """
    try:
        root = parse(path).getroot()
        assert root is not None  # what was parsed has one
        objects = root.iter("object")
        found = []
        for each in objects:
            if not with_difficult and each.findtext("difficult", "0").strip() == "1":
                continue
            x1, y1, x2, y2 = (float(each.findtext(f"bndbox/{side}", "nan")) for side in ("xmin", "ymin", "xmax", "ymax"))
            if not np.isfinite([x1, y1, x2, y2]).all():
                raise ValueError("a box lacks a side")
            found.append((x1 - 1, y1 - 1, x2, y2, each.findtext("name", "").strip()))
        return found
    except (OSError, ParseError, ValueError, DefusedXmlException) as error:
        raise DataError(f"the annotation '{path}' can't be read: {error}. Copy it again.") from None


def lines(path: Path) -> list[str]:
    """Non-empty lines of a list file; none if the file is missing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list '{path}' can't be read: {error}. Copy it again.") from None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
