"""FolderRecord: which files of a run's folder on this machine are those of the object store, in ``.objects.json`` of that folder.

A file that differs from its line was made or changed here since it was sent; one that is missing was deleted here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from mtl_core.atomic_files import write_text
from mtl_core.runs.objects.pointers import is_path

NAME = ".objects.json"
OWN = ("evaluations/job.json",)  # say something about a process of this machine
LOG = "log.txt"  # only who trains the run sends it; the database has every line
EXPORTS = "exports"
TRAINED = ("checkpoints/", "probes/")  # only who trains the run deletes there; elsewhere a missing file is only not in the cache
Stamp = tuple[int, int, int]  # size, time of the last change (ns), inode: a file that was replaced has another


@dataclass(frozen=True)
class Known:
    """What was sent or fetched, and the file's stamp then."""

    sha256: str
    stamp: Stamp


@dataclass
class FolderRecord:
    """The record of one folder: path -> what is known of the file."""

    folder: Path
    files: dict[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> FolderRecord:
        """Read the record. Without one, or with a damaged one, nothing is known, and files are compared by their content."""
        found = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            for path, (sha256, *stamp) in json.loads((folder / NAME).read_text(encoding="utf-8")).items():
                found[path] = Known(str(sha256), (int(stamp[0]), int(stamp[1]), int(stamp[2])))
        return cls(folder, found)

    def save(self) -> None:
        """Write the record, whole or not at all."""
        write_text(self.folder / NAME, json.dumps({path: [known.sha256, *known.stamp] for path, known in sorted(self.files.items())}))

    def note(self, path: str, sha256: str) -> None:
        """The file is now the object's."""
        if stamp := stamp_of(self.folder / path):
            self.files[path] = Known(sha256, stamp)

    def is_unchanged(self, path: str) -> bool:
        """Whether the file is there and was not changed since it was noted."""
        known = self.files.get(path)
        return known is not None and stamp_of(self.folder / path) == known.stamp


def stamp_of(path: Path) -> Stamp | None:
    """The file's stamp; None if it is missing or no plain file."""
    try:
        about = path.lstat()
    except OSError:
        return None
    return (about.st_size, about.st_mtime_ns, about.st_ino) if path.is_file() and not path.is_symlink() else None


def files_of(folder: Path) -> dict[str, Stamp]:
    """The files of a run's folder that belong into the object store. Hidden and unfinished ones, and links, do not."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in OWN or not is_path(name) or not (stamp := stamp_of(path)):
            continue
        if not (name.startswith(f"{EXPORTS}/") and not _is_finished_export(folder, name)):
            found[name] = stamp
    return found


def _is_finished_export(folder: Path, name: str) -> bool:
    """Whether the export's ``about.json``, which is written last, names the file's folder."""
    parts = name.split("/")
    if len(parts) == 3:
        return parts[2] == "about.json"
    try:
        about = json.loads((folder / parts[0] / parts[1] / "about.json").read_text(encoding="utf-8"))
        return len(parts) == 4 and parts[2:] == [about["folder"], about["file"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_read_on_demand(path: str) -> bool:
    """Whether only who asks for this file gets it: networks, states of training, predictions of whole splits, exports."""
    return path.endswith((".safetensors", ".pt", ".npy")) or (path.startswith(f"{EXPORTS}/") and not path.endswith("/about.json"))
