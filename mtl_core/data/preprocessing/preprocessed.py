"""Preprocessed: a data source made from another source's prepared arrays and stored beside them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from mtl_core.config_sections import PreprocessingConfig
from mtl_core.data.data_source import DataSource, Layout, Progress, Rows
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.parallel_map import in_threads
from mtl_core.data.prepared_identity import identity
from mtl_core.data.preprocessing.steps import preprocessing, shape_after

FORMAT = 2  # raise it when the same settings give other images
_ROWS = 128  # images written at once


class Preprocessed(DataSource):
    """Another source's data after preprocessing.

    Args:
        source: the source of the images.
        config: the preprocessing.
    """

    Options = None  # type: ignore[assignment] - no config names this source

    def __init__(self, source: DataSource, config: PreprocessingConfig):
        super().__init__(source.options)
        self.source, self.config = source, config
        self.title, self.summary = source.title, source.summary  # type: ignore[misc]
        self.resized = config.resize if source.resized == "none" else source.resized
        self._apply = preprocessing(config)

    def tasks(self) -> tuple[Task, ...]:
        return self.source.tasks()

    def image_shape(self) -> tuple[int, int, int]:
        return shape_after(self.source.image_shape(), self.config)

    def split_sizes(self) -> dict[str, int]:
        return self.source.split_sizes()

    def problems(self) -> list[tuple[str, str]]:
        return self.source.problems()

    def cache_key(self) -> dict[str, Any]:
        steps = self.config.model_dump(mode="json", exclude={"standardise"})
        if self.config.resize == "none":
            steps = {key: value for key, value in steps.items() if key not in ("height", "width")}
        return {"source": identity(self.source), "steps": steps, "preprocessing": FORMAT}

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        return self.preprocessed(self.source.build(split, progress), progress)

    def preprocessed(self, data: MultiTaskDataset, progress: Progress) -> MultiTaskDataset:
        """A split of the source, preprocessed in memory."""
        layout, portions = self.portions_of(data, progress)
        arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in layout.items()}
        begin = 0
        for portion in portions:
            end = begin + len(portion["images"])
            for name, values in portion.items():
                arrays[name][begin:end] = values
            begin = end
        return MultiTaskDataset(arrays["images"], {name: arrays[f"target.{name}"] for name in data.targets}, dict(data.labelled))

    def portions_of(self, data: MultiTaskDataset, progress: Progress) -> tuple[Layout, Rows]:
        """A split of the source (usually memory-mapped), preprocessed a few rows at a time."""
        tasks = {task.target: task for task in self.tasks()}
        blank = {name: np.zeros(values.shape[1:], values.dtype) for name, values in data.targets.items()}
        _, moved = self._apply(np.zeros(data.images.shape[1:], np.uint8), blank, tasks)  # gives the shapes, also of an empty split
        layout: Layout = {"images": ((len(data), *self.image_shape()), np.dtype(np.uint8))}
        for name, values in data.targets.items():
            layout[f"target.{name}"] = ((len(data), *np.shape(moved[name])), values.dtype)
            layout[f"labelled.{name}"] = ((len(data),), np.dtype(bool))
        return layout, self._rows(data, tasks, progress)

    def _rows(self, data: MultiTaskDataset, tasks: dict[str, Task], progress: Progress) -> Rows:
        def work(row: int) -> dict[str, Any]:
            image, moved = self._apply(np.array(data.images[row]), {name: values[row] for name, values in data.targets.items()}, tasks)
            flags = {f"labelled.{name}": flags[row] for name, flags in data.labelled.items()}
            return {"images": image} | {f"target.{name}": values for name, values in moved.items()} | flags

        def tell(done: int) -> None:
            progress(done / len(data), f"{done:,} of {len(data):,} images preprocessed")

        made = (row for _, row in in_threads(range(len(data)), work, tell))
        while some := list(islice(made, _ROWS)):
            yield {name: np.stack([row[name] for row in some]) for name in some[0]}
