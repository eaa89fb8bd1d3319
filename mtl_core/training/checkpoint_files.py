"""The files of a run's checkpoints: index, checksums, copies for forks. Imports no torch, because pages and the store read it.

``checkpoints/index.json`` names the best checkpoint, the best of each task, the last, the one before it, and those kept for forks. Each checkpoint
is a folder with ``model.safetensors``, ``state.pt`` and ``meta.json`` (position, how it was computed, SHA-256 of the other two files). A checkpoint
is written to a temporary folder and renamed, and the index is replaced atomically: after a crash the old state or the new one is there.

A damaged checkpoint is never deleted: its folder is renamed to end in ``.damaged``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_core.atomic_files import atomic_folder, write_synced, write_text
from mtl_core.errors import ConfigError, NotPossibleError, Problem, TrainingError

FORMAT = 2  # format 1 had no checksums
INDEX = "index.json"
BEST_OF = "best:"  # before a task's name, where a checkpoint is asked for
FILES = ("model.safetensors", "state.pt")

_NAME = re.compile(r"epoch_(\d{4,})_step_(\d{8,})")


class DamagedCheckpointError(TrainingError):
    """A checkpoint's files are missing, unreadable or do not match their checksums."""


@dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint on disk.

    Attributes:
        epoch, step: whole epochs and optimizer steps done.
        whole_epoch: the checkpoint was saved after an epoch's evaluation, not in the middle of an epoch.
        is_best, is_last: the index names it as best or last.
        best_of: the tasks whose best epoch on val it is.
    """

    name: str
    epoch: int
    step: int
    whole_epoch: bool
    is_best: bool
    is_last: bool
    best_of: tuple[str, ...] = ()


def name_of(epoch: int, step: int) -> str:
    """A checkpoint's folder name; names sort by time."""
    return f"epoch_{epoch:04d}_step_{step:08d}"


def read_index(folder: Path) -> dict[str, Any]:
    """``{"best": name, "last": name, "previous": name, "kept": [names], "best_of": {task: name}}``; empty if there is no checkpoint.

    An unreadable index is rebuilt from the checkpoints in the folder.
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
    best_of = value.get("best_of", {})
    if not isinstance(best_of, dict):
        return False
    names = (*value.get("kept", []), *best_of.values(), *(value[key] for key in ("best", "last", "previous") if key in value))
    return all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)  # a path could leave the run's folder


def _index_of_folder(parent: Path) -> dict[str, Any]:
    names = sorted(path.name for path in parent.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
    if not names:
        return {}
    metas = {name: _meta_or_empty(parent / name) for name in names}
    best = [name for name in names if metas[name].get("best")]
    best_of = {task: name for name in names for task in metas[name].get("best_of", [])}
    index = {"best": (best or names)[-1], "last": names[-1], "kept": names}
    return {**index, **({"previous": names[-2]} if len(names) > 1 else {}), **({"best_of": best_of} if best_of else {})}


def named(index: dict[str, Any]) -> set[str]:
    """All checkpoints that an index names."""
    return {index[key] for key in ("best", "last", "previous") if key in index} | {*index.get("kept", []), *index.get("best_of", {}).values()}


def newest_first(folder: Path) -> list[str]:
    """Names of the checkpoints that a run can resume from, newest first."""
    index = read_index(folder)
    return sorted(named(index), key=_place, reverse=True)


def _place(name: str) -> tuple[int, int]:
    match = _NAME.fullmatch(name)
    return (int(match[2]), int(match[1])) if match else (-1, -1)


def kept_checkpoints(folder: Path) -> list[KeptCheckpoint]:
    """The checkpoints that a run can resume or fork from, oldest first. Does not check the files."""
    index = read_index(folder)
    found = []
    for name in sorted(named(index), key=_place):
        match, meta = _NAME.fullmatch(name), _meta_or_empty(folder / "checkpoints" / name)
        if match and meta:
            whole = meta.get("position", {}).get("step_in_epoch", 0) == 0
            best_of = tuple(task for task, its in index.get("best_of", {}).items() if its == name)
            found.append(KeptCheckpoint(name, int(match[1]), int(match[2]), whole, name == index.get("best"), name == index.get("last"), best_of))
    return found


def find_checkpoint(folder: Path, wanted: str | int, *, whole: bool = False) -> KeptCheckpoint:
    """The checkpoint of a run's folder that ``best`` (on val), ``best:TASK`` (of one task), ``last`` or an epoch's number names.

    Args:
        whole: consider only checkpoints after whole epochs, from which a fork can start; ``last`` is the newest of these.

    Raises:
        ConfigError: ``wanted`` is none of these.
        NotPossibleError: there is no such checkpoint; the message lists those that exist.
    """
    asked = str(wanted).strip()
    task = asked.removeprefix(BEST_OF) if asked.startswith(BEST_OF) else ""
    if not task and asked not in ("best", "last") and not (asked.isdecimal() and len(asked) < 10):
        raise ConfigError(Problem("checkpoint", f"expected 'best', 'best:TASK', 'last' or the number of an epoch, found {str(wanted)!r:.60}"))
    kept = kept_checkpoints(folder)
    epochs = [each for each in kept if each.whole_epoch]
    if task:
        found = [each for each in kept if task in each.best_of]
    elif asked.isdecimal():
        found = [each for each in epochs if each.epoch == int(asked)]
    elif asked == "last" and whole:
        found = epochs
    else:
        found = [each for each in (epochs if whole else kept) if (each.is_best if asked == "best" else each.is_last)]
    if found:
        return found[-1]
    if not kept:
        raise NotPossibleError(f"run {folder.name} has no checkpoint: one is saved after each epoch")
    if task:
        raise NotPossibleError(_without_best_of(folder, task, sorted({name for each in kept for name in each.best_of})))
    there = ", ".join(map(str, sorted({each.epoch for each in epochs}))) or "none"
    what = f"state of epoch {asked}" if asked.isdecimal() else f"{asked} state of a whole epoch" if whole else f"{asked} state"
    raise NotPossibleError(f"run {folder.name} has no {what}. Kept epochs: {there} (see keep_checkpoints), besides 'best' and 'last'")


def _without_best_of(folder: Path, task: str, tasks: list[str]) -> str:
    if tasks:
        return f"run {folder.name} has no best state of '{task:.60}'; it has one of {', '.join(tasks)}"
    return f"run {folder.name} keeps no best state of single tasks: keep_best_of_tasks is off, or an earlier version began it"


def reached(folder: Path) -> tuple[int, float]:
    """Step and epoch (with the fraction of an unfinished one) of the last checkpoint; zeros if there is none."""
    last = next(iter(newest_first(folder)), "")
    if not last:
        return 0, 0.0
    step, epoch = _place(last)
    meta = _meta_or_empty(folder / "checkpoints" / last)
    within = int(meta.get("position", {}).get("step_in_epoch", 0))
    # Checkpoints of earlier versions do not hold the length of an epoch: it is computed from the finished epochs.
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
        _ = meta["position"]["epoch"], meta["execution"]["precision"]  # a damaged file lacks them
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedCheckpointError(f"'{path}' cannot be read ({error})") from None
    if written > FORMAT:
        raise TrainingError(
            f"the checkpoint '{path.parent}' was written by a newer version of the program (format {written}, this one reads up to {FORMAT}). "
            "Update the program. Nothing was changed."
        )
    return meta


def check_files(folder: Path, name: str, files: Sequence[str] = FILES) -> None:
    """Compare a checkpoint's files with their checksums in ``meta.json``.

    Args:
        files: those that are read; a run from an archive has only the first of ``FILES``.

    Raises:
        DamagedCheckpointError: a file is missing, cut off or changed.
    """
    sums = read_meta(folder, name).get("sha256", {})
    for file in files:
        path = folder / "checkpoints" / name / file
        try:
            found = sha256(path)
        except OSError as error:
            raise DamagedCheckpointError(f"'{path}' cannot be read ({error.strerror or error})") from None
        if file in sums and found != sums[file]:
            raise DamagedCheckpointError(f"'{path}' is not what was written (its {path.stat().st_size:,} bytes have another SHA-256)")


def has_training_state(folder: Path) -> bool:
    """False if the run has checkpoints and none of them has its training state, as a run from an archive."""
    found = list((folder / "checkpoints").glob("*/meta.json"))
    return not found or any((meta.parent / FILES[1]).exists() for meta in found)


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put_aside(folder: Path, name: str) -> None:
    """Rename a damaged checkpoint so that nothing reads or deletes it."""
    source = folder / "checkpoints" / name
    target, number = source.with_name(f"{name}.damaged"), 1
    while target.exists():
        number += 1
        target = source.with_name(f"{name}.damaged{number}")
    with contextlib.suppress(FileNotFoundError):
        os.replace(source, target)


def update_index(folder: Path, name: str, *, best: bool, keep: bool, best_of: Collection[str] = (), limit: tuple[int, int] | None = None) -> None:
    """Make ``name`` the last checkpoint, and delete the checkpoints that the index no longer names.

    Args:
        best_of: tasks of which it is the best checkpoint.
        keep: keep ``name`` for forks.
        limit: the run's epochs and the largest number of kept checkpoints; surplus ones of a run that was shorter are deleted. None for no limit.
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
    its_best = {task: its for task, its in index.get("best_of", {}).items() if its in there} | dict.fromkeys(best_of, name)
    if its_best:
        index["best_of"] = its_best
    # A rebuilt index names every checkpoint in the folder, this one included; ``keep`` decides on this one.
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
    """At most ``most`` kept checkpoints, besides the one that a fork started from. Drops first the oldest that a run of ``epochs`` would not keep."""
    stay = {name for name in kept if is_origin(_meta_or_empty(parent / name))}
    free = sorted(kept - stay, key=_place)
    while len(free) > most:
        free.remove(next((name for name in free if not is_kept(_place(name)[1], epochs, most)), free[0]))
    return stay | set(free)


def is_origin(meta: dict[str, Any]) -> bool:
    """Whether the run is a fork that started from the checkpoint with this ``meta``: ``copy_for_fork`` unsets its best score."""
    position = meta.get("position", {})
    return position.get("best_score") == -1.0 and position.get("epoch", 0) > 0 and position.get("step_in_epoch") == 0


def is_kept(epoch: int, epochs: int, keep: int) -> bool:
    """Whether the checkpoint after ``epoch`` of ``epochs`` is kept for forks: every 1st, 2nd, 5th, 10th, ..., at most ``keep`` in all."""
    return keep > 0 and epoch > 0 and epoch % _stride(epochs, keep) == 0


def _stride(epochs: int, keep: int) -> int:
    magnitude = 1
    while True:
        for step in (1, 2, 5):
            if epochs // (step * magnitude) <= keep:
                return step * magnitude
        magnitude *= 10


def copy_for_fork(source: Path, name: str, target: Path) -> None:
    """Copy a checkpoint into the folder of a fork. Hard links share the files where the file system supports them.

    Raises:
        DamagedCheckpointError: the checkpoint is not whole.
        OSError: the copy cannot be written.
    """
    check_files(source, name)
    meta = read_meta(source, name)
    meta["position"]["best_score"] = -1.0  # the fork chooses its best checkpoint among its own epochs
    meta["position"].pop("best_of", None)
    meta["best"], meta["best_of"] = False, []
    parent = target / "checkpoints"
    with atomic_folder(parent / name) as temporary:
        for file in FILES:
            link_or_copy(source / "checkpoints" / name / file, temporary / file)
        write_synced(temporary / "meta.json", json.dumps(meta).encode())
    update_index(target, name, best=True, keep=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file that is never changed in place; copy it where the file system has no hard links."""
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
