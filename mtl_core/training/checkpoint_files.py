"""The files of a run's checkpoints: which there are, which can be trusted. Imports no torch, so that pages and the store can ask.

``checkpoints/index.json`` names the best, the last and the one before it, and those that are kept to fork from. Each checkpoint is a folder
with ``model.safetensors``, ``state.pt`` and ``meta.json`` (position, how it was computed, SHA-256 of the other two files). A checkpoint is a new
folder that is renamed into its place, and the index is replaced as a whole: a crash leaves the old ones or the new one.

A damaged checkpoint is never deleted: its folder gets ``.damaged`` behind its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import atomic_folder, write_synced, write_text
from mtl_core.errors import ConfigError, NotPossibleError, Problem, TrainingError

FORMAT = 2  # 1 had no checksums
INDEX = "index.json"
FILES = ("model.safetensors", "state.pt")

_NAME = re.compile(r"epoch_(\d{4,})_step_(\d{8,})")


class DamagedCheckpointError(TrainingError):
    """A checkpoint's files are not what was written."""


@dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint that is there.

    Attributes:
        epoch, step: whole epochs and optimizer steps done.
        whole_epoch: it was saved after an epoch's evaluation, not in the middle of an epoch.
        is_best, is_last: what the index calls it.
    """

    name: str
    epoch: int
    step: int
    whole_epoch: bool
    is_best: bool
    is_last: bool


def name_of(epoch: int, step: int) -> str:
    """A checkpoint's folder name; names sort by time."""
    return f"epoch_{epoch:04d}_step_{step:08d}"


def read_index(folder: Path) -> dict[str, Any]:
    """``{"best": name, "last": name, "previous": name, "kept": [names]}``; empty where nothing was published.

    An index that cannot be read is made anew from the checkpoints that lie there.
    """
    path = folder / "checkpoints" / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if not _is_index(index):
            raise ValueError("it names no last checkpoint")
    except FileNotFoundError:
        return _index_of_folder(path.parent) if path.parent.is_dir() else {}
    except (OSError, ValueError):
        return _index_of_folder(path.parent)
    return {"kept": [], **index}


def _is_index(value: Any) -> bool:
    if not isinstance(value, dict) or "last" not in value or not isinstance(value.get("kept", []), list):
        return False
    names = (*value.get("kept", []), *(value[key] for key in ("best", "last", "previous") if key in value))
    return all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)  # a path would lead out of the run's folder


def _index_of_folder(parent: Path) -> dict[str, Any]:
    names = sorted(path.name for path in parent.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
    if not names:
        return {}
    best = [name for name in names if _meta_or_empty(parent / name).get("best")]
    return {"best": (best or names)[-1], "last": names[-1], "kept": names, **({"previous": names[-2]} if len(names) > 1 else {})}


def named(index: dict[str, Any]) -> set[str]:
    """All checkpoints that an index names."""
    return {index[key] for key in ("best", "last", "previous") if key in index} | set(index.get("kept", []))


def newest_first(folder: Path) -> list[str]:
    """Checkpoints to go on from: the last, then ever older ones."""
    index = read_index(folder)
    return sorted(named(index), key=_place, reverse=True)


def _place(name: str) -> tuple[int, int]:
    match = _NAME.fullmatch(name)
    return (int(match[2]), int(match[1])) if match else (-1, -1)


def kept_checkpoints(folder: Path) -> list[KeptCheckpoint]:
    """What there is to go on or to fork from, oldest first. Says nothing on whether the files are whole."""
    index = read_index(folder)
    found = []
    for name in sorted(named(index), key=_place):
        match, meta = _NAME.fullmatch(name), _meta_or_empty(folder / "checkpoints" / name)
        if match and meta:
            whole = meta.get("position", {}).get("step_in_epoch", 0) == 0
            found.append(KeptCheckpoint(name, int(match[1]), int(match[2]), whole, name == index.get("best"), name == index.get("last")))
    return found


def find_checkpoint(folder: Path, wanted: str | int, *, whole: bool = False) -> KeptCheckpoint:
    """The checkpoint of a run's folder that ``best`` (on val), ``last``, or an epoch's number means.

    Args:
        whole: only states after whole epochs count, which a fork can begin from; ``last`` is the last one of these.

    Raises:
        ConfigError: ``wanted`` is none of the three.
        NotPossibleError: there is no such checkpoint; says which there are.
    """
    asked = str(wanted).strip()
    if asked not in ("best", "last") and not (asked.isdecimal() and len(asked) < 10):
        raise ConfigError(Problem("checkpoint", f"expected 'best', 'last' or the number of an epoch, found {str(wanted)!r:.60}"))
    kept = kept_checkpoints(folder)
    epochs = [each for each in kept if each.whole_epoch]
    if asked.isdecimal():
        found = [each for each in epochs if each.epoch == int(asked)]
    elif asked == "last" and whole:
        found = epochs
    else:
        found = [each for each in (epochs if whole else kept) if (each.is_best if asked == "best" else each.is_last)]
    if found:
        return found[-1]
    if not kept:
        raise NotPossibleError(f"run {folder.name} has no checkpoint yet: one is saved after each epoch")
    there = ", ".join(map(str, sorted({each.epoch for each in epochs}))) or "none"
    what = f"state of epoch {asked}" if asked.isdecimal() else f"{asked} state of a whole epoch" if whole else f"{asked} state"
    raise NotPossibleError(f"run {folder.name} has no {what}. Kept epochs: {there} (see keep_checkpoints), besides 'best' and 'last'")


def reached(folder: Path) -> tuple[int, float]:
    """Step of the last checkpoint, and epochs with the fraction of the one it stands in; zeros where there is none."""
    last = next(iter(newest_first(folder)), "")
    if not last:
        return 0, 0.0
    step, epoch = _place(last)
    meta = _meta_or_empty(folder / "checkpoints" / last)
    within = int(meta.get("position", {}).get("step_in_epoch", 0))
    # Checkpoints of earlier versions do not say how long an epoch is: it follows from those that are done.
    per_epoch = meta.get("steps_per_epoch") or ((step - within) / epoch if epoch else 0)
    return step, epoch + (within / per_epoch if per_epoch else 0.0)


def read_meta(folder: Path, name: str) -> dict[str, Any]:
    """A checkpoint's ``meta.json``.

    Raises:
        DamagedCheckpointError: it is missing or cannot be read.
        TrainingError: it was written by a newer version.
    """
    path = folder / "checkpoints" / name / "meta.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        written = int(meta.get("format", 1))
        meta["position"]["epoch"], meta["execution"]["precision"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedCheckpointError(f"'{path}' cannot be read ({error})") from None
    if written > FORMAT:
        raise TrainingError(
            f"the checkpoint '{path.parent}' was written by a newer version of the program (format {written}, this one reads up to {FORMAT}). "
            "Update the program. Nothing was changed."
        )
    return meta


def check_files(folder: Path, name: str) -> None:
    """Compare a checkpoint's files with the sums written beside them.

    Raises:
        DamagedCheckpointError: a file is missing, cut off or changed.
    """
    sums = read_meta(folder, name).get("sha256", {})
    for file in FILES:
        path = folder / "checkpoints" / name / file
        try:
            found = sha256(path)
        except OSError as error:
            raise DamagedCheckpointError(f"'{path}' cannot be read ({error.strerror or error})") from None
        if file in sums and found != sums[file]:
            raise DamagedCheckpointError(f"'{path}' is not what was written ({path.stat().st_size:,} bytes, and another SHA-256)")


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_aside(folder: Path, name: str) -> None:
    """Keep a damaged checkpoint under a name that nothing reads or deletes."""
    source = folder / "checkpoints" / name
    target, number = source.with_name(f"{name}.damaged"), 1
    while target.exists():
        number += 1
        target = source.with_name(f"{name}.damaged{number}")
    with contextlib.suppress(FileNotFoundError):
        os.replace(source, target)


def update_index(folder: Path, name: str, *, best: bool, keep: bool, limit: tuple[int, int] | None = None) -> None:
    """Make ``name`` the last checkpoint, and drop the ones that nothing names any more.

    Args:
        keep: it is one of those that are kept to fork from.
        limit: the run's epochs, and how many are kept at most: what was kept for a shorter run makes room. None for no limit.
    """
    parent = folder / "checkpoints"
    index = read_index(folder)
    there = {path.name for path in parent.iterdir()}
    before = index.get("last")
    if before != name and before in there:
        index["previous"] = before
    index["last"] = name
    if best or index.get("best") not in there:
        index["best"] = name
    # A missing index was made of what lies there, this one included: the first checkpoint is kept only if it is to be.
    made_anew = not (parent / INDEX).exists()
    kept = {kept for kept in index.get("kept", []) if kept in there and not (made_anew and kept == name)}
    kept |= {name} if keep else set()
    index["kept"] = sorted(kept if limit is None else _within(kept, parent, *limit))
    write_text(parent / INDEX, json.dumps(index))
    for path in parent.iterdir():
        if path.is_dir() and path.name not in named(index) and (_NAME.fullmatch(path.name) or path.name.endswith(".tmp")):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{INDEX}."):  # of a process that was killed while it wrote
            path.unlink(missing_ok=True)


def _within(kept: set[str], parent: Path, epochs: int, most: int) -> set[str]:
    """At most ``most`` of the kept ones, beside the one that a fork began from: the oldest that a run of so many epochs would not keep go first."""
    stay = {name for name in kept if _is_origin(parent / name)}
    free = sorted(kept - stay, key=_place)
    while len(free) > most:
        free.remove(next((name for name in free if not is_kept(_place(name)[1], epochs, most)), free[0]))
    return stay | set(free)


def _is_origin(path: Path) -> bool:
    """Whether this run began from it: ``copy_for_fork`` unsets the best score of its parent's state."""
    position = _meta_or_empty(path).get("position", {})
    return position.get("best_score") == -1.0 and position.get("epoch", 0) > 0 and position.get("step_in_epoch") == 0


def is_kept(epoch: int, epochs: int, keep: int) -> bool:
    """Whether the checkpoint after ``epoch`` of ``epochs`` is kept to fork from, so that at most ``keep`` are: every 1st, 2nd, 5th, 10th, ..."""
    return keep > 0 and epoch > 0 and epoch % _stride(epochs, keep) == 0


def _stride(epochs: int, keep: int) -> int:
    magnitude = 1
    while True:
        for step in (1, 2, 5):
            if epochs // (step * magnitude) <= keep:
                return step * magnitude
        magnitude *= 10


def copy_for_fork(source: Path, name: str, target: Path) -> None:
    """Give another run's folder a checkpoint to begin from. The files are shared on disk where the file system can.

    Raises:
        DamagedCheckpointError: the checkpoint is not whole.
        OSError: the copy cannot be written.
    """
    check_files(source, name)
    meta = read_meta(source, name)
    meta["position"]["best_score"] = -1.0  # the best of the new run is chosen among its own epochs
    meta["best"] = False
    parent = target / "checkpoints"
    with atomic_folder(parent / name) as temporary:
        for file in FILES:
            link_or_copy(source / "checkpoints" / name / file, temporary / file)
        write_synced(temporary / "meta.json", json.dumps(meta).encode())
    update_index(target, name, best=True, keep=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file that is never changed in place; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _meta_or_empty(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}
