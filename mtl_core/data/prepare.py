"""Preparation of a source as memory-mapped arrays: ``<cache>/<name>-<hash>/{train,val,test}/*.npy`` and ``meta.json``.

The hash covers everything that the arrays depend on, so another option gives another folder. A folder is written under a temporary name
and renamed when it is complete. Two processes may prepare the same data at once; the second to finish discards its own copy.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil

from mtl_core.atomic_files import sync_folder, write_synced
from mtl_core.data.data_source import DataSource, Layout, Progress, Rows
from mtl_core.data.dataset import MultiTaskDataset, PreparedData
from mtl_core.data.preparation_process import is_worthwhile, prepare_elsewhere
from mtl_core.data.prepared_identity import FORMAT, data_hash, identity
from mtl_core.data.preprocessing.preprocessed import Preprocessed
from mtl_core.data.statistics import measure
from mtl_core.errors import DISK_FULL, DataError, StoreError

SPLITS = ("train", "val", "test")
_TEMPORARY = ".preparing-"
_locks: dict[str, threading.RLock] = {}
_ABANDONED_SECONDS = 24 * 3600.0  # age at which another machine's temporary folder is removed; its processes can't be seen


def prepare(source: DataSource, cache: Path, progress: Progress | None = None) -> PreparedData:
    """The source's data. They are read from ``cache`` if they are prepared; a damaged folder is prepared again.

    Args:
        cache: folder for prepared data; created if missing.
        progress: called with the share done in 0..1 and the current work.

    Raises:
        DataError: the source can't be built, or the disk is full.
        StoreError: the cache can't be written.
    """
    cache = Path(cache)
    progress = progress or (lambda share, what: None)
    ready = _open_prepared(cache / _folder_name(source), source)
    if ready is None:
        with _alone(cache / _folder_name(source), progress):
            ready = _open_prepared(cache / _folder_name(source), source) or _prepare_anew(source, cache, progress)
    progress(1.0, "data ready")
    return ready


def _prepare_anew(source: DataSource, cache: Path, progress: Progress) -> PreparedData:
    if is_worthwhile(source):
        try:
            prepare_elsewhere(source, cache, progress)
        finally:
            _sweep(cache)  # what the process has left there if it was ended
        if ready := _open_prepared(cache / _folder_name(source), source):
            return ready
    return prepare_here(source, cache, progress)


@contextlib.contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """A lock per folder for the threads of this process. Without it, a page that shows a sample and a run that starts prepare the same data twice."""
    lock = _locks.setdefault(str(folder), threading.RLock())
    while not lock.acquire(timeout=0.2):
        progress(0.0, "waiting: the same data are being prepared already")
    try:
        yield
    finally:
        lock.release()


def prepare_here(source: DataSource, cache: Path, progress: Progress) -> PreparedData:
    """The source's data, fetched or built by this process. Raises as ``prepare``."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        temporary = cache / _temporary_name()
        temporary.mkdir()
    except OSError as error:
        raise _writing_failed(cache, error) from None
    try:
        if not source.fetch_prepared(temporary, progress):
            _build(source, temporary, progress)
        # The name is taken after building, because a source that downloads its files knows their identity only now.
        return _publish(temporary, cache / _folder_name(source), source)
    except OSError as error:
        raise _writing_failed(cache, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _build(source: DataSource, folder: Path, progress: Progress) -> None:
    unprocessed = prepare(source.source, folder.parent, progress) if isinstance(source, Preprocessed) else None
    sizes = source.split_sizes()
    total, done = max(1, sum(sizes.values())), 0
    for split in SPLITS:
        begin, share = done / total, sizes[split] / total

        def report(part: float, what: str, split: str = split, begin: float = begin, share: float = share) -> None:
            progress(0.98 * (begin + part * share), f"{split}: {what}")

        _write_split(source, split, report, folder / split, unprocessed)
        if split == "train":
            statistics = measure(_open_split(folder / split, sorted({task.target for task in source.tasks()})), source.tasks())
        done += sizes[split]
    meta = {
        "format": FORMAT,
        "source": identity(source),
        "tasks": [asdict(task) for task in source.tasks()],
        "statistics": statistics,
        "bytes": {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*.npy"))},
    }
    write_synced(folder / "meta.json", json.dumps(meta, indent=1, allow_nan=False).encode())
    for path in (*(folder / split for split in SPLITS), folder):
        sync_folder(path)


def _write_split(source: DataSource, split: str, report: Progress, folder: Path, unprocessed: PreparedData | None) -> None:
    folder.mkdir()
    if isinstance(source, Preprocessed) and unprocessed is not None:
        portions = source.portions_of(unprocessed.split(split), report)
    else:
        portions = source.portions(split, report)
    if portions is not None:
        layout, rows = portions
        _write_rows(layout, rows, folder)
        return
    try:
        data = source.build(split, report)
    except OSError as error:  # a read error must not look like a failure to write the cache
        raise DataError(f"the {split} part of '{source.title}' can't be read: {error}. Check the files it is made of.") from None
    arrays = {"images": data.images}
    arrays |= {f"target.{name}": values for name, values in data.targets.items()}
    arrays |= {f"labelled.{name}": data.labelled[name] for name in data.targets}
    for name, values in arrays.items():
        _write_array(folder / f"{name}.npy", np.ascontiguousarray(values))


def _write_array(path: Path, values: np.ndarray) -> None:
    """Like np.save, but through ``file.write``: np.save's error on a full disk doesn't say that the disk is full."""
    if values.dtype.hasobject:
        raise DataError(f"'{path.stem}' holds Python objects; expected numbers as the table in mtl_core/data/dataset.py says")
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(values))
        file.write(values.data)
        file.flush()
        os.fsync(file.fileno())


def _write_rows(layout: Layout, rows: Rows, folder: Path) -> None:
    """Write the array files portion by portion; memory holds one portion at a time."""
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in layout}
        for name, (shape, dtype) in layout.items():
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[name], header)
        written = dict.fromkeys(layout, 0)
        for portion in rows:
            for name, (shape, dtype) in layout.items():
                values = np.ascontiguousarray(portion[name], dtype)
                if values.shape[1:] != shape[1:]:
                    raise DataError(f"'{name}': expected rows of {shape[1:]}, found {values.shape[1:]}")
                files[name].write(values.data)
                written[name] += len(values)
        if any(written[name] != shape[0] for name, (shape, _) in layout.items()):
            raise DataError(f"expected {layout['images'][0][0]:,} rows, found {written['images']:,}")
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())


def remove_prepared(folder: Path) -> None:
    """Remove one prepared folder atomically. A process that reads it keeps its open files."""
    _remove_damaged(folder)


def _publish(temporary: Path, place: Path, source: DataSource) -> PreparedData:
    for _ in range(3):
        try:
            temporary.rename(place)  # fails where a non-empty folder is in the way
            sync_folder(place.parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        ready = _open_prepared(place, source)
        if ready is not None:
            return ready  # this process's copy, or that of a process that was faster
        _remove_damaged(place)
    raise DataError(f"the prepared data in '{place}' can't be read back. Delete that folder, check the disk, and start again.")


def _remove_damaged(place: Path) -> None:
    aside = place.parent / _temporary_name()
    try:
        place.rename(aside)  # atomic, so that no other process opens a half-removed folder
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def _open_prepared(folder: Path, source: DataSource) -> PreparedData | None:
    """The prepared folder's data; None if it is missing or incomplete."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if any((folder / name).stat().st_size != size for name, size in meta["bytes"].items()):
            return None
        tasks = {task.name: task for task in source.tasks()}
        names = sorted({task.target for task in tasks.values()})
        splits = {split: _open_split(folder / split, names) for split in SPLITS}
        return PreparedData(**splits, tasks=tasks, statistics=meta["statistics"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _open_split(folder: Path, targets: list[str]) -> MultiTaskDataset:
    def read(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    return MultiTaskDataset(
        read("images"),
        {name: read(f"target.{name}") for name in targets},
        {name: np.array(read(f"labelled.{name}")) for name in targets},
    )


def _folder_name(source: DataSource) -> str:
    if source.cache_name():
        return source.cache_name()
    return f"{type(source).__name__.lower()}-{data_hash(source)[:16]}"


def _temporary_name() -> str:
    """A name with machine, process and the process's start time (process numbers are reused)."""
    return f"{_TEMPORARY}{_machine()}-{os.getpid()}-{int(psutil.Process().create_time())}-{uuid.uuid4().hex[:8]}"


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _sweep(cache: Path) -> None:
    """Remove temporary folders whose process has ended."""
    for folder in cache.glob(f"{_TEMPORARY}*"):
        if not _maker_is_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _maker_is_alive(folder: Path) -> bool:
    try:
        machine, process, began, _ = folder.name.removeprefix(_TEMPORARY).split("-")
        if machine != _machine():
            return time.time() - folder.stat().st_mtime < _ABANDONED_SECONDS
        return abs(psutil.Process(int(process)).create_time() - int(began)) < 2
    except (ValueError, OSError, psutil.Error):
        return False


def _writing_failed(cache: Path, error: OSError) -> DataError | StoreError:
    if error.errno in DISK_FULL:
        return DataError(
            f"the disk is full: preparing the data in '{cache}' failed ({error.strerror}). Free some space or set MTL_HOME to another disk."
        )
    return StoreError(f"the folder for prepared data '{cache}' can't be written: {error}. Make it writable or set MTL_HOME to another folder.")
