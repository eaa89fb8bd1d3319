"""The imported sets of a store, in `<MTL_HOME>/imports/<name>/`: `dataset.yaml`, `set.json`, `files.csv`, `report.csv`. Arrays are in the cache."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtl_core import settings
from mtl_core.data.dataset import Task
from mtl_core.data.imports.spec import SPEC_NAME, ImportSpec
from mtl_core.errors import DataError
from mtl_core.registry import unknown_name

FILES_NAME = "files.csv"  # split, row, file
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class ImportedSet:
    """The description of an imported data set, without its arrays.

    Attributes:
        name: as in a run's ``data: {name: imported, set: <name>}``. ``folder``: folder of its description.
        path: folder or zip of its files. ``tasks``, ``image_shape`` (C, H, W), ``split_sizes``: as training sees them.
        digest: hash of everything that the arrays depend on. ``created_at``: seconds since 1970. ``counts``: findings by outcome and kind.
        preparation: version of ``PREPARATION`` that made its arrays; 1 for sets that store none.
    """

    name: str
    folder: Path
    path: str
    tasks: tuple[Task, ...]
    image_shape: tuple[int, int, int]
    split_sizes: dict[str, int]
    digest: str
    created_at: float
    counts: dict[str, int]
    preparation: int = 1

    def spec(self) -> ImportSpec:
        """The description it was imported with."""
        return ImportSpec.from_file(self.folder / SPEC_NAME)

    def report_csv(self) -> str:
        """The findings of its import."""
        return (self.folder / "report.csv").read_text(encoding="utf-8")

    def files(self, split: str) -> list[str]:
        """The picture of each row of a split, below ``path``; empty for a set from a version that did not store the names."""
        try:
            with (self.folder / FILES_NAME).open(encoding="utf-8", newline="") as file:
                found = [row["file"] for row in csv.DictReader(file) if row["split"] == split]
        except (OSError, KeyError, UnicodeDecodeError):
            return []
        return found if len(found) == self.split_sizes[split] else []

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "folder": str(self.folder), "image_shape": list(self.image_shape)}


def home_folder(home: str | Path | None = None) -> Path:
    """The store's folder: ``home``, or MTL_HOME, or ./runs."""
    return settings.home(home)


def imported(home: str | Path | None = None) -> list[ImportedSet]:
    """Every imported set, sorted by name; damaged sets are left out."""
    found = []
    for folder in sorted((home_folder(home) / "imports").glob("*/set.json")):
        try:
            found.append(_read(folder.parent))
        except DataError:
            continue
    return found


def get_imported(name: str, home: str | Path | None = None) -> ImportedSet:
    """One imported set.

    Raises:
        DataError: no set has this name, or its description is damaged.
    """
    folder = home_folder(home) / "imports" / name
    if not _NAME.fullmatch(name) or not (folder / "set.json").is_file():
        raise DataError(unknown_name("imported data set", name, [known.name for known in imported(home)]))
    return _read(folder)


def name_problem(name: str, home: str | Path | None = None) -> str:
    """Why a name cannot be used for a new set; empty if it can."""
    if not _NAME.fullmatch(name):
        return f"'{name}' cannot be a data set's name: expected 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
    if (home_folder(home) / "imports" / name).exists():
        return f"there is a data set '{name}' already; take another name, or delete that one first"
    return ""


def _read(folder: Path) -> ImportedSet:
    try:
        meta = json.loads((folder / "set.json").read_text(encoding="utf-8"))
        tasks = tuple(Task(**{key: _tuples(value) for key, value in task.items()}) for task in meta["tasks"])
        facts = {key: meta[key] for key in ("path", "split_sizes", "digest", "created_at", "counts")}
        shape, preparation = tuple(meta["image_shape"]), int(meta.get("preparation", 1))
        return ImportedSet(folder.name, folder, tasks=tasks, image_shape=shape, preparation=preparation, **facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the imported data set '{folder.name}' is damaged ({error}). Delete '{folder}' and import it again.") from None


def _tuples(value: Any) -> Any:
    """Lists of JSON as the tuples that they were."""
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value
