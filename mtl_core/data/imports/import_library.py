"""The imported sets of a store, in `<MTL_HOME>/imports/<name>/`: `dataset.yaml`, `set.json`, `files.csv`, `report.csv`. Arrays are in the cache."""

from __future__ import annotations

import contextlib
import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from mtl_core import settings
from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import Task
from mtl_core.data.imports.spec import SPEC_NAME, ImportSpec
from mtl_core.errors import DataError, MissingSetError
from mtl_core.names import LONGEST_SET_NAME, SET_NAME
from mtl_core.registry import unknown_name

FILES_NAME = "files.csv"  # split, row, file


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


class SharedLibrary(Protocol):
    """The imported sets of several machines that have no shared folder. ``mtl_core.runs.objects.shared_sets`` is one.

    Attributes:
        moving: set -> how far its sending or its fetching in this process is: the share, and a text.
    """

    moving: dict[str, tuple[float, str]]

    @property
    def problems(self) -> dict[str, str]:
        """Set -> why it could not be sent or fetched the last time; the key is empty for what concerns all."""
        ...

    def size(self, name: str) -> int:
        """Bytes that a machine without the set's arrays fetches before it trains; 0 if no machine has sent them."""
        ...

    def is_sent(self, name: str) -> bool:
        """Whether all machines have the set that is here."""
        ...

    def refresh(self) -> None:
        """Bring the descriptions on this machine to what all have. If the others cannot be reached, what is here stays as it is."""

    def added(self, name: str, progress: Progress) -> None:
        """Send a set that was imported here. If that is not possible now, it is sent later."""

    def to_be_sent(self, name: str) -> None:
        """Have a set that was imported here sent later."""

    def send(self, name: str, progress: Progress) -> bool:
        """Send a set whole, if it is not there yet. Raises StoreError or DataError: it cannot be sent now."""
        ...

    def removed(self, name: str) -> None:
        """Remove a set for all machines. Raises StoreError; nothing has changed then."""

    def fetch_prepared(self, name: str, folder: Path, progress: Progress) -> bool:
        """Fill an empty folder with the arrays of a set. False if no machine has sent them. Raises StoreError."""
        ...


_shared: dict[str, SharedLibrary] = {}


def share(home: Path, library: SharedLibrary) -> None:
    """From now on, in this process, the sets of the store in ``home`` are those of ``library``."""
    _shared[str(home)] = library


def shared_library(home: str | Path | None = None) -> SharedLibrary | None:
    """What was given to ``share`` for a store; None if its sets are only in its own folder."""
    return _shared.get(str(home_folder(home)))


def home_folder(home: str | Path | None = None) -> Path:
    """The store's folder: ``home``, or MTL_HOME, or ./runs."""
    return settings.home(home)


def imported(home: str | Path | None = None) -> list[ImportedSet]:
    """Every imported set, sorted by name; damaged sets are left out."""
    if shared := shared_library(home):
        shared.refresh()
    return sets_here(home_folder(home))


def sets_here(home: Path) -> list[ImportedSet]:
    """The imported sets whose descriptions are on this machine, sorted by name; damaged sets are left out."""
    found = []
    for path in sorted((home / "imports").glob("*/set.json")):
        if not SET_NAME.fullmatch(path.parent.name):
            continue  # left of an import that was killed
        with contextlib.suppress(DataError):
            found.append(read_set(path.parent))
    return found


def get_imported(name: str, home: str | Path | None = None) -> ImportedSet:
    """One imported set.

    Raises:
        DataError: no set has this name, or its description is damaged.
    """
    if shared := shared_library(home):
        shared.refresh()
    folder = home_folder(home) / "imports" / name
    if not SET_NAME.fullmatch(name) or not (folder / "set.json").is_file():
        raise MissingSetError(unknown_name("imported data set", name, [known.name for known in imported(home)]), name)
    return read_set(folder)


def name_problem(name: str, home: str | Path | None = None) -> str:
    """Why a name cannot be used for a new set; empty if it can."""
    if len(name) > LONGEST_SET_NAME:
        return f"expected a data set's name of at most {LONGEST_SET_NAME} characters, found {len(name)}; shorten it"
    if not SET_NAME.fullmatch(name):
        return f"'{name}' cannot be a data set's name: expected 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
    if shared := shared_library(home):
        shared.refresh()
    if (home_folder(home) / "imports" / name).exists():
        return f"there is a data set '{name}' already; take another name, or delete that one first"
    return ""


def read_set(folder: Path) -> ImportedSet:
    """The set whose description is in a folder. Raises DataError if it is damaged."""
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
