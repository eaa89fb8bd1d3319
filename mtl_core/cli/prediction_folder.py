"""Output folder of ``predict``: plans all file names before writing, replaces no file of the user, and continues an unfinished attempt.

During prediction the folder has a file ``.predicting.jsonl``. Its first line names the network and the files that it writes, and each finished
picture adds a line. It is removed at the end. A repeated command thereby knows its own files and the finished pictures.
"""

from __future__ import annotations

import contextlib
import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtl_core.errors import NotPossibleError
from mtl_core.runs.process_identity import Owner, process_lives, this_process

PROGRESS = ".predicting.jsonl"
LONGEST_NAME = 255  # bytes of a file name, on all common file systems


@dataclass(frozen=True)
class Job:
    """A picture and its output files by role: ``values`` (JSON), ``picture`` (PNG), and the task's name for each mask or depth map."""

    image: Path
    files: dict[str, str]


@dataclass
class PredictionFolder:
    """The output folder of one ``predict``; ``prepare`` makes it.

    Attributes:
        jobs: all pictures, in order.
        done: a picture's absolute path -> its values, written by an earlier attempt.
    """

    out: Path
    jobs: list[Job]
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, job: Job, role: str, content: bytes) -> None:
        """Write one of a picture's files atomically. A link in its place is replaced, never followed."""
        path = self.out / job.files[role]
        temporary = _temporary(path, os.getpid())
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def finish(self, job: Job) -> None:
        """Record that all files of a picture are written."""
        written = {name: _stamp(self.out / name) for name in job.files.values()}
        line = {"image": str(job.image.absolute()), "source": _stamp(job.image), "files": written}
        with (self.out / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Remove the progress file: a repeated command owns no files here any more."""
        with contextlib.suppress(OSError):
            (self.out / PROGRESS).unlink()


def prepare(images: Sequence[Path], out: Path, network: dict[str, Any], tasks: Iterable[str], force: bool) -> PredictionFolder:
    """Choose all file names, check for conflicts with existing files, and create the folder.

    Args:
        network: identity of the network, JSON-able; an unfinished ``predict`` of the same network is continued.
        tasks: the tasks that write a file of their own.
        force: replace existing files, but never one of ``images``.

    Raises:
        NotPossibleError: ``out`` is a folder of the pictures, or an existing file is in the way; nothing was written.
        OSError: the folder cannot be created.
    """
    _refuse_folder_of(images, out)
    attempt = None if force else _unfinished_attempt(out, network)
    jobs = _plan_names(images, list(tasks), attempt.names if attempt else {})
    folder = PredictionFolder(out, jobs, _finished_pictures(out, attempt) if attempt else {})
    _check(folder, images, force, attempt.files if attempt else set())
    out.mkdir(parents=True, exist_ok=True)
    if attempt:
        for name in attempt.files:
            _temporary(out / name, attempt.pid).unlink(missing_ok=True)
    _write_plan(folder, network)
    return folder


def _plan_names(images: Sequence[Path], tasks: list[str], known: dict[str, dict[str, str]]) -> list[Job]:
    """File names for each picture, from its own name. A number makes them unique, also on file systems that ignore capitals.

    Args:
        known: names of an earlier attempt, by a picture's absolute path.
    """
    taken = {_key(name) for files in known.values() for name in files.values()}
    jobs = []
    for image in images:
        files = known.get(str(image.absolute()))
        if files is None or files.keys() != {"values", "picture", *tasks}:
            files, number = _files_of(image, tasks, 1), 1
            while any(_key(name) in taken for name in files.values()):
                number += 1
                files = _files_of(image, tasks, number)
            taken |= {_key(name) for name in files.values()}
        jobs.append(Job(image, files))
    return jobs


def _files_of(image: Path, tasks: list[str], number: int) -> dict[str, str]:
    endings = {"values": ".json", "picture": ".png", **{task: f"-{task}.png" for task in tasks}}
    suffix = f"-{number}" if number > 1 else ""
    room = LONGEST_NAME - len(os.fsencode(suffix + max(endings.values(), key=len))) - len(".1234567890.tmp")
    stem = image.stem or "image"
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return {role: f"{stem}{suffix}{ending}" for role, ending in endings.items()}


def _key(name: str) -> str:
    """A key that is equal for names of the same file on a file system that ignores capitals or normalises Unicode."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _temporary(path: Path, pid: int) -> Path:
    return path.with_name(f".{path.name}.{pid}.tmp")


def _refuse_folder_of(images: Sequence[Path], out: Path) -> None:
    """Raise NotPossibleError if ``out`` is a folder of the pictures. Uses ``samefile``, because links, mounts and capitals disguise equal folders."""
    if not out.exists():
        return
    if not out.is_dir():
        raise NotPossibleError(f"'{out}' is a file; expected a folder to write into. Choose another one with --out")
    checked: set[Path] = set()
    for image in images:
        for parent in {image.absolute().parent, image.resolve().parent} - checked:
            checked.add(parent)
            if parent.is_dir() and os.path.samefile(parent, out):
                raise NotPossibleError(
                    f"'{out}' is the folder of the picture '{image}'; the output needs a folder without the pictures. Choose another one with --out"
                )


def _check(folder: PredictionFolder, images: Sequence[Path], force: bool, own: set[str]) -> None:
    inputs = {_identity(image) for image in images if image.exists()}
    for job in folder.jobs:
        if str(job.image.absolute()) in folder.done:
            continue
        for name in job.files.values():
            path = folder.out / name
            if not os.path.lexists(path):
                continue
            if path.exists() and _identity(path) in inputs:
                raise NotPossibleError(f"'{path}' is one of the pictures to predict and is never replaced. Choose another folder with --out")
            if path.is_dir() and not path.is_symlink():
                raise NotPossibleError(f"'{path}' is a folder where a file is to be written. Choose another folder with --out")
            if not force and name not in own:
                raise NotPossibleError(f"'{path}' exists already, and nothing was written. Choose another folder with --out, or add --force")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@dataclass
class _Attempt:
    """The record of an unfinished attempt."""

    pid: int
    names: dict[str, dict[str, str]]  # by a picture's absolute path
    files: set[str]  # its own files: planned names, without finished files that were changed since
    finished: list[dict[str, Any]]


def _unfinished_attempt(out: Path, network: dict[str, Any]) -> _Attempt | None:
    """An unfinished attempt of the same network; None if there is none. Raises NotPossibleError if its process may still be running."""
    try:
        head, *rest = (out / PROGRESS).read_text(encoding="utf-8").splitlines()
        plan = json.loads(head)
        owner = Owner(str(plan["host"]), int(plan["pid"]), float(plan["started"]))
        names = {str(image): {str(role): str(name) for role, name in files.items()} for image, files in plan["names"].items()}
        same = plan["network"] == json.loads(json.dumps(network))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    me = this_process()
    if owner.host != me.host or (owner.pid != me.pid and process_lives(owner)):
        raise NotPossibleError(
            f"another 'predict' (process {owner.pid} on {owner.host}) writes into '{out}', or ended there unfinished. "
            "Wait for it, choose another folder, or add --force"
        )
    if not same:
        return None
    finished = []
    for line in rest:
        with contextlib.suppress(ValueError):  # the last line may be half written
            finished.append(json.loads(line))
    whole = [entry for entry in finished if _is_entry(entry)]
    # Anyone may have changed the progress file, so only plain names count, which lie in the folder itself.
    files = {name for own in names.values() for name in own.values() if Path(name).name == name}
    changed = {name for entry in whole for name, stamp in entry["files"].items() if os.path.lexists(out / name) and _stamp(out / name) != stamp}
    return _Attempt(owner.pid, {image: own for image, own in names.items() if set(own.values()) <= files}, files - changed, whole)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("files"), dict) and isinstance(entry.get("image"), str)


def _finished_pictures(out: Path, attempt: _Attempt) -> dict[str, dict[str, Any]]:
    """Values of the finished pictures by absolute path, if neither the picture nor its output has changed since."""
    done = {}
    for entry in attempt.finished:
        files = attempt.names.get(entry["image"])
        if files is None or set(files.values()) != set(entry["files"]) or _stamp(Path(entry["image"])) != entry.get("source"):
            continue
        if all(_stamp(out / name) == stamp for name, stamp in entry["files"].items()):
            with contextlib.suppress(OSError, ValueError):
                done[entry["image"]] = json.loads((out / files["values"]).read_text(encoding="utf-8"))
    return done


def _write_plan(folder: PredictionFolder, network: dict[str, Any]) -> None:
    me = this_process()
    head = {"host": me.host, "pid": me.pid, "started": me.started, "network": network}
    head["names"] = {str(job.image.absolute()): job.files for job in folder.jobs}
    path, temporary = folder.out / PROGRESS, folder.out / f"{PROGRESS}.{me.pid}.tmp"
    temporary.write_text(json.dumps(head) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    for job in folder.jobs:
        if str(job.image.absolute()) in folder.done:
            folder.finish(job)


def _stamp(path: Path) -> list[int] | None:
    """Size and modification time (ns) of a file; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
