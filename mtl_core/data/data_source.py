"""DataSource: parent of the sources of images and targets. One source is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from mtl_core.data.dataset import MultiTaskDataset, Task

Progress = Callable[[float, str], None]  # share done in 0..1, current work
Layout = dict[str, tuple[tuple[int, ...], np.dtype]]  # array file -> shape and type of the whole
Rows = Iterator[dict[str, np.ndarray]]  # array file -> the next rows, equally many for each file


class SourceOptions(BaseModel):
    """Parent of every source's options. Each field's description, range and unit become the form on screen.

    A field that names a file or folder has ``json_schema_extra={"path": True}``: the screen restricts its paths.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DataSource(ABC):
    """A data set before it is prepared.

    ``title`` and ``summary`` are shown on screen; ``Options`` holds the user's choices. Every method except ``build`` is cheap and reads no
    images, so that the form can call it at each change.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[SourceOptions]]
    is_composed: ClassVar[bool] = False  # Python computes the images, so a process of its own prepares many of them (``preparation_process.py``)
    resized: str = "none"  # how pictures of other sizes were resized: stretch, pad or crop; none if all have this size

    bars: str = "mean"  # colour of the bars beside a padded picture: the picture's mean, or black

    levels: list[float] | None = None  # values of 16-bit and float pictures mapped to black and white; None: 0 and 65535

    def __init__(self, options: SourceOptions):
        self.options = options

    @abstractmethod
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that this source has targets for."""

    def offered_tasks(self) -> tuple[Task, ...]:
        """The tasks to choose from; those that another one supersedes are left out."""
        return tuple(task for task in self.tasks() if not task.superseded)

    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    @abstractmethod
    def split_sizes(self) -> dict[str, int]:
        """Number of images in train, val and test."""

    def problems(self) -> list[tuple[str, str]]:
        """Why this source can't be built: (option name, sentence with what to do) each. Empty if it can be."""
        return []

    def to_fetch(self) -> tuple[Path, int] | None:
        """(folder, megabytes) that a run would download; None if it needs no download or can't download. Checks file names only."""
        return None

    def cache_key(self) -> dict[str, Any]:
        """Everything that the prepared files depend on, JSON-able. A source that reads files adds the identity of their content."""
        return self.options.model_dump(mode="json")

    @abstractmethod
    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        """Make one split (``train``, ``val`` or ``test``) in memory.

        Raises:
        DataError: a file is missing or has unexpected content.
        """

    def cache_name(self) -> str:
        """Folder name of the prepared data; empty for a name made from ``cache_key``."""
        return ""

    def fetch_prepared(self, folder: Path, progress: Progress) -> bool:
        """Fill an empty folder with the prepared data that another machine has made. False if there are none; then they are made here.

        Raises:
            StoreError: they are there and cannot be fetched.
        """
        return False

    def portions(self, split: str, progress: Progress) -> tuple[Layout, Rows] | None:
        """The split a few rows at a time, for sets that may not fit into memory; None if ``build`` returns the whole split.

        The arrays are named ``images``, ``target.<name>`` and ``labelled.<name>``.
        """
        return None
