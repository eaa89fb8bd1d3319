"""Marks beside the folders of runs and imported sets that this machine has not sent whole: ``.unsent-<owner>`` holds the token of the claim and the
names of objects that are being written. So what a killed process has left is sent later, and objects to which nothing points are removed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtl_core.atomic_files import write_text
from mtl_core.runs.run_reading import RUN_ID

_PREFIX = ".unsent-"


@dataclass
class UnsentMark:
    """The mark of one run.

    Attributes:
        token: of the claim with which its files were made; empty if no trainer of this machine made them.
        objects: names of the objects that are being written, and of those that they replace.
        told: the run's log says that files wait here.
    """

    runs: Path
    run_id: str
    token: str = ""
    objects: Sequence[str] = field(default_factory=list)
    told: bool = False

    @classmethod
    def of(cls, runs: Path, run_id: str) -> UnsentMark | None:
        """The mark of a run in the folder ``runs``; None without one. A damaged one says only that there is something."""
        path = runs / f"{_PREFIX}{run_id}"
        if not path.is_file():
            return None
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            names = [name for name in about["objects"] if isinstance(name, str) and name.startswith(f"{run_id}/")]
            return cls(runs, run_id, str(about["token"]), names, bool(about["told"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(runs, run_id)

    def write(self) -> None:
        """Write the mark. Raises OSError if the disk does not take it."""
        self.runs.mkdir(parents=True, exist_ok=True)
        about = {"token": self.token, "objects": list(self.objects), "told": self.told}
        write_text(self.runs / f"{_PREFIX}{self.run_id}", json.dumps(about))

    def drop(self) -> None:
        """Everything of the run was sent. The mark stays while it names objects that are to be removed."""
        if self.objects:
            return self.write()
        with contextlib.suppress(OSError):
            (self.runs / f"{_PREFIX}{self.run_id}").unlink(missing_ok=True)
        return None


def marked_runs(runs: Path) -> list[str]:
    """Ids of the runs with a mark in the folder ``runs``."""
    return marked(runs, lambda name: RUN_ID.fullmatch(name) is not None)


def marked(folder: Path, is_owner: Callable[[str], bool]) -> list[str]:
    """Owners of marks in a folder."""
    names = (path.name.removeprefix(_PREFIX) for path in sorted(folder.glob(f"{_PREFIX}*")))
    return [name for name in names if is_owner(name)]
