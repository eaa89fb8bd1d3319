"""Thresholds that people set on a run's values: one small file each in the run's folder, so that two viewers never overwrite each other's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import write_text
from mtl_core.errors import NotPossibleError, StoreError

FOLDER = "thresholds"
MOST = 20  # per run
LONGEST_KEY = 255  # as in the table of scalars


@dataclass(frozen=True)
class Threshold:
    """A bound on one scalar of a run.

    Attributes:
        key: scalar key, such as ``val/digit/accuracy``.
        above: True for an alert when the value is above ``bound``, False when it is below.
        bound: finite.
        reached: ``value``, ``step`` and ``epoch`` at which it was reached; None before.
    """

    key: str
    above: bool
    bound: float
    reached: dict[str, float] | None = None

    @property
    def name(self) -> str:
        """Name of its file, the same for the same key, side and bound."""
        return hashlib.sha256(f"{self.key}|{self.above}|{self.bound!r}".encode()).hexdigest()[:16]

    def is_reached_by(self, value: float) -> bool:
        """Whether a value lies beyond the bound. A value that is not finite never does."""
        return math.isfinite(value) and (value > self.bound if self.above else value < self.bound)


def thresholds(folder: Path) -> list[Threshold]:
    """All thresholds of the run with this folder, the oldest first. Files that cannot be read are left out."""
    found = []
    with contextlib.suppress(OSError):
        for path in (folder / FOLDER).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append((path.stat().st_ctime_ns, _parsed(json.loads(path.read_text(encoding="utf-8")))))
    return [threshold for _, threshold in sorted(found, key=lambda pair: (pair[0], pair[1].name))]


def add_threshold(folder: Path, key: str, above: bool, bound: float) -> Threshold:
    """Set a threshold; one that exists is set anew.

    Raises:
        NotPossibleError: the bound is not a finite number, the key is too long, or the run has ``MOST`` of them.
        StoreError: the folder cannot be written.
    """
    if not math.isfinite(bound):
        raise NotPossibleError(f"a threshold is a finite number; found {bound}")
    if not key or len(key) > LONGEST_KEY:
        raise NotPossibleError(f"a threshold belongs to a recorded value, such as val/digit/accuracy; found '{key[:60]}'")
    threshold = Threshold(key, bool(above), float(bound))
    if len([other for other in thresholds(folder) if other.name != threshold.name]) >= MOST:
        raise NotPossibleError(f"a run has at most {MOST} thresholds; remove one first")
    _write(folder, threshold)
    return threshold


def remove_threshold(folder: Path, name: str) -> None:
    """Remove the threshold of this name, if it exists.

    Raises:
        StoreError: the file cannot be removed.
    """
    for threshold in thresholds(folder):  # so that no text from outside becomes a path
        if threshold.name == name:
            try:
                (folder / FOLDER / f"{name}.json").unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"cannot remove the threshold in '{folder}': {error.strerror or error}") from error


def mark_reached(folder: Path, threshold: Threshold, value: float, step: int, epoch: float) -> None:
    """Record that a threshold was reached, so that a resumed run does not report it again. One that was removed meanwhile stays removed."""
    if (folder / FOLDER / f"{threshold.name}.json").exists():
        _write(folder, replace(threshold, reached={"value": value, "step": step, "epoch": epoch}))


def _write(folder: Path, threshold: Threshold) -> None:
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        about = {"key": threshold.key, "above": threshold.above, "bound": threshold.bound, "reached": threshold.reached}
        write_text(folder / FOLDER / f"{threshold.name}.json", json.dumps(about))
    except OSError as error:
        raise StoreError(f"cannot write the threshold in '{folder}': {error.strerror or error}") from error


def _parsed(about: Any) -> Threshold:
    if not isinstance(about, dict):
        raise TypeError("expected an object")
    reached = about.get("reached")
    if reached is not None:
        reached = {name: float(reached[name]) for name in ("value", "step", "epoch")}
    return Threshold(str(about["key"]), bool(about["above"]), float(about["bound"]), reached)
