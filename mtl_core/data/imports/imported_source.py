"""Imported data as a source. Arrays are made a few images at a time, so that a set larger than memory can be prepared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Layout, Progress, Rows, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.imports.checking.frames import Placement, place_image, placement
from mtl_core.data.imports.checking.scan import PREPARATION, Examined, examine, preparation_of
from mtl_core.data.imports.formats import Targets
from mtl_core.data.imports.import_library import ImportedSet, get_imported, shared_library
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.data.parallel_map import in_threads, one_by_one
from mtl_core.errors import DataError, StoreError
from mtl_core.tasks import kind_of, layout_of

_ROWS = 128  # images written at once
_MEAN_BARS = 3  # first version of PREPARATION whose bars have the picture's mean colour; they were black before


class NoOptions(SourceOptions):
    """No options: the description holds everything."""


class PreparedSource(DataSource):
    """The result of ``examine`` as a source. Its cache name depends on its content, not on the set's name."""

    title = "Imported pictures"
    summary = ""
    Options = NoOptions
    options: NoOptions

    def __init__(self, examined: Examined):
        super().__init__(NoOptions())
        self.examined = examined

    def tasks(self) -> tuple[Task, ...]:
        return self.examined.tasks

    def image_shape(self) -> tuple[int, int, int]:
        return self.examined.report.image_shape

    def split_sizes(self) -> dict[str, int]:
        return self.examined.report.split_sizes

    def cache_key(self) -> dict[str, Any]:
        return {"digest": self.examined.report.digest}

    def cache_name(self) -> str:
        return cache_name(self.examined.report.digest)

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        layout, chunks = self.portions(split, progress)
        parts = list(chunks)
        arrays = {name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(*entry) for name, entry in layout.items()}
        targets = {task.target: arrays[f"target.{task.target}"] for task in self.tasks()}
        return MultiTaskDataset(arrays["images"], targets, {name: arrays[f"labelled.{name}"] for name in targets})

    def portions(self, split: str, progress: Progress) -> tuple[Layout, Rows]:
        keys = [key for key in self.examined.facts if self.examined.split[key] == split]
        channels, height, width = self.image_shape()
        layout: Layout = {"images": ((len(keys), channels, height, width), np.dtype(np.uint8))}
        for target in self.examined.targets:
            empty = layout_of(target.kind, target.task, (height, width)).row(_length(target))
            layout[f"target.{target.name}"] = ((len(keys), *empty.shape), empty.dtype)
            layout[f"labelled.{target.name}"] = ((len(keys),), np.dtype(bool))
        return layout, self._chunks(keys, progress)

    def _chunks(self, keys: list[str], progress: Progress) -> Iterator[dict[str, np.ndarray]]:
        total = max(1, len(keys))
        made: list[dict[str, Any]] = []
        each = one_by_one if self.examined.reader.at_hand(keys) else in_threads
        for _, row in each(keys, self._whole_row, lambda done: progress(done / total, f"{done:,} of {len(keys):,} images")):
            made.append(row)
            if len(made) == _ROWS:
                yield {name: np.stack([one[name] for one in made]) for name in made[0]}
                made = []
        if made:
            yield {name: np.stack([one[name] for one in made]) for name in made[0]}

    def _whole_row(self, key: str) -> dict[str, Any]:
        try:
            return self._row(key)
        except UnreadableError as error:
            raise DataError(f"'{key}' could be read when it was checked, and now it can't: {error}. Check it again.") from None

    def _row(self, key: str) -> dict[str, Any]:
        examined, (channels, height, width) = self.examined, self.image_shape()
        fact = examined.facts[key]
        place = placement(examined.spec.images.resize, fact.size, (width, height))
        content = examined.reader.content(key)
        image = examined.reader.picture(key, content, None).image  # no draft: a JPEG decoded at half its size has other pixels than in prediction
        image = place_image(image, fact.size, place).convert("L" if channels == 1 else "RGB")
        row: dict[str, Any] = {"images": np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)}
        for target in examined.targets:
            row[f"labelled.{target.name}"] = np.bool_(key in target.values)
            row[f"target.{target.name}"] = _value(target, key, place)
        return row


def _length(target: Targets) -> int:
    """Length of the longest list in an image."""
    known = target.__dict__.get("_longest")
    if known is None:
        lists = layout_of(target.kind, target.task, (1, 1)).is_list
        known = target.__dict__["_longest"] = max((len(value) for value in target.values.values()), default=0) if lists else 1
    return known


def _value(target: Targets, key: str, place: Placement) -> np.ndarray:
    kind = kind_of(target.kind)
    row = layout_of(target.kind, target.task, (place.height, place.width)).row(_length(target))
    value = target.values.get(key)
    return row if value is None else kind.imported_row(row, value, place)


def _check_way(known: ImportedSet, now: int) -> None:
    """Raise DataError if a set was prepared by an earlier version of PREPARATION than ``now``."""
    if known.preparation < now:
        raise DataError(
            f"the prepared images of '{known.name}' are lost, and an earlier version made them in another "
            f"way (version {known.preparation}, now {now}). Import '{known.path}' again under another name."
        )


def cache_name(digest: str) -> str:
    """Folder name of the prepared data with this digest."""
    return f"imported-{digest[:16]}"


class ImportedOptions(SourceOptions):
    """Options of ``imported``."""

    set: str = Field("", max_length=64, description="Name of the imported data set; 'data list' and the Data page list the names.")


class Imported(DataSource):
    """A user's imported data set: ``data: {name: imported, set: cells}``."""

    title = "Imported pictures"
    summary = "Your own pictures, imported on the Data page or with 'data import'."
    Options = ImportedOptions
    options: ImportedOptions

    def __init__(self, options: SourceOptions):
        super().__init__(options)
        self._source: PreparedSource | None = None

    @property
    def resized(self) -> str:  # type: ignore[override]
        """As its description says."""
        return "none" if self.problems() else get_imported(self.options.set).spec().images.resize

    @property
    def bars(self) -> str:  # type: ignore[override]
        """Colour of the bars in the set's version of ``PREPARATION``."""
        return "mean" if self.problems() or get_imported(self.options.set).preparation >= _MEAN_BARS else "black"

    @property
    def levels(self) -> list[float] | None:  # type: ignore[override]
        """As its description says."""
        known = None if self.problems() else get_imported(self.options.set).spec().images.levels
        return None if known is None else list(known)

    def tasks(self) -> tuple[Task, ...]:
        return get_imported(self.options.set).tasks if not self.problems() else ()

    def image_shape(self) -> tuple[int, int, int]:
        return get_imported(self.options.set).image_shape if not self.problems() else (3, 64, 64)

    def split_sizes(self) -> dict[str, int]:
        return get_imported(self.options.set).split_sizes if not self.problems() else {"train": 0, "val": 0, "test": 0}

    def problems(self) -> list[tuple[str, str]]:
        try:
            get_imported(self.options.set)
        except DataError as error:
            hint = "" if self.options.set else "choose one: "
            return [("set", f"{hint}{error}. Import pictures on the Data page or with 'data import PATH --name NAME'")]
        return []

    def cache_key(self) -> dict[str, Any]:
        return {"digest": get_imported(self.options.set).digest}

    def cache_name(self) -> str:
        return cache_name(get_imported(self.options.set).digest)

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        return self._again(progress).build(split, progress)

    def portions(self, split: str, progress: Progress) -> tuple[Layout, Rows]:
        return self._again(progress).portions(split, progress)

    def fetch_prepared(self, folder: Path, progress: Progress) -> bool:
        shared = shared_library()
        if shared is None:
            return False
        try:
            return shared.fetch_prepared(self.options.set, folder, progress)
        except StoreError:
            if not Path(get_imported(self.options.set).path).exists():
                raise
            shutil.rmtree(folder)
            folder.mkdir()
            return False  # made of the user's files again, which are on this machine

    def _again(self, progress: Progress) -> PreparedSource:
        """The source made from the user's files again, if the cache was lost. The files must be unchanged."""
        if self._source is None:
            known = get_imported(self.options.set)
            _check_way(known, PREPARATION)
            examined = examine(known.path, known.spec(), lambda share, what: progress(0.0, what))
            _check_way(known, preparation_of(examined.facts))
            if examined.report.digest != known.digest:
                raise DataError(
                    f"the files of the imported data set '{known.name}' in '{known.path}' have changed since it was imported. "
                    "Restore them, or import them again under another name."
                )
            self._source = PreparedSource(examined)
        return self._source
