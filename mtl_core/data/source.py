"""DataSource: where images and targets come from. One source is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from mtl_core.data.dataset import MultiTaskDataset, Task

Progress = Callable[[float, str], None]  # share done in 0..1, what is being done
Layout = dict[str, tuple[tuple[int, ...], np.dtype]]  # array file -> shape and type of the whole
Rows = Iterator[dict[str, np.ndarray]]  # array file -> the next rows, the same number for each


class SourceOptions(BaseModel):
    """Parent of every source's options. Each field's description, range and unit become the form on screen.

    A field that names a file or folder says so with ``json_schema_extra={"path": True}``: the screen limits where it may lead.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DataSource(ABC):
    """A data set before it is prepared.

    ``title`` and ``summary`` are for people; ``Options`` holds what a user may choose. Everything but ``build`` is cheap: it reads
    no images, so that the form can call it at each change.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[SourceOptions]]
    resized: str = "none"  # how pictures of other sizes were brought to this one: stretch, pad or crop; none where they all have it

    bars: str = "mean"  # colour of what a padded picture does not reach: that of the picture, or black

    levels: list[float] | None = None  # numbers of 16-bit and float pictures that became black and white; None: 0 and 65535

    def __init__(self, options: SourceOptions):
        self.options = options

    @abstractmethod
    def tasks(self) -> tuple[Task, ...]:
        """The tasks this source can give targets for."""

    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    @abstractmethod
    def split_sizes(self) -> dict[str, int]:
        """Number of images in train, val and test."""

    def problems(self) -> list[tuple[str, str]]:
        """What keeps this source from being built: (option name, sentence that says what to do). Empty when all is well."""
        return []

    def cache_key(self) -> dict[str, Any]:
        """What the prepared files depend on; JSON-able. A source that reads files adds what identifies their content."""
        return self.options.model_dump(mode="json")

    @abstractmethod
    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        """Make one split (``train``, ``val`` or ``test``) in memory.

        Raises:
            DataError: a file is missing or not what it should be.
        """

    def cache_name(self) -> str:
        """Folder of the prepared data; empty for one made from what ``cache_key`` says."""
        return ""

    def portions(self, split: str, progress: Progress) -> tuple[Layout, Rows] | None:
        """The split a few rows at a time, for sets that may not fit into memory; None where ``build`` gives it whole.

        The arrays are called ``images``, ``target.<name>`` and ``labelled.<name>``.
        """
        return None
