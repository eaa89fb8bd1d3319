"""What a store's folder takes up on the disk, by part."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StoreSizes:
    """Bytes of the files below a store's folder.

    Attributes:
        runs: checkpoints, predictions and logs. ``data``: prepared images, which are made again when they are missing.
        imports: imported sets and uploads. ``rest``: the database, and what other programs put there.
    """

    runs: int
    data: int
    imports: int
    rest: int

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return self.runs + self.data + self.imports + self.rest


def store_sizes(home: Path) -> StoreSizes:
    """Measure a store's folder. Links are not followed, and what vanishes meanwhile is not counted."""
    whole = {path.name: _bytes_of(path) for path in home.iterdir()} if home.is_dir() else {}
    runs, data, imports = whole.get("runs", 0), whole.get("data", 0), whole.get("imports", 0) + whole.get("uploads", 0)
    return StoreSizes(runs, data, imports, sum(whole.values()) - runs - data - imports)


def _bytes_of(path: Path) -> int:
    size = 0
    with suppress(OSError):
        about = path.lstat()
        size = about.st_size if stat.S_ISREG(about.st_mode) else 0
    if path.is_symlink():
        return size
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size
