"""A data source whose images are preprocessed: made from the source's own prepared arrays, and kept beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_core.config import PreprocessingConfig
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.identity import identity
from mtl_core.data.preprocessing.steps import preprocessing, shape_after
from mtl_core.data.source import DataSource, Progress

FORMAT = 1  # raise it when the same settings give other images
_REPORT_EVERY = 64  # images


class Preprocessed(DataSource):
    """Another source's data after preprocessing.

    Args:
        source: what the images come from.
        config: what is done to them.
    """

    Options = None  # type: ignore[assignment] - nobody chooses it by name

    def __init__(self, source: DataSource, config: PreprocessingConfig):
        super().__init__(source.options)
        self.source, self.config = source, config
        self.title, self.summary = source.title, source.summary  # type: ignore[misc]
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
        """A split of the source, image by image."""
        kinds = {task.target: task.kind for task in self.tasks()}
        images = np.empty((len(data), *self.image_shape()), np.uint8)
        targets: dict[str, np.ndarray] = {}
        for row, image in enumerate(data.images):
            images[row], moved = self._apply(image, {name: values[row] for name, values in data.targets.items()}, kinds)
            for name, values in moved.items():
                if name not in targets:
                    targets[name] = np.empty((len(data), *np.shape(values)), data.targets[name].dtype)
                targets[name][row] = values
            if row % _REPORT_EVERY == 0:
                progress(row / len(data), f"{row:,} of {len(data):,} images preprocessed")
        return MultiTaskDataset(images, targets or dict(data.targets), dict(data.labelled))
