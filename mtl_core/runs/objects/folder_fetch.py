"""FolderFetch: brings a run's folder on this machine to what the object store has.

What was changed here and not there stays. Where both changed, the object store's version counts, because a run that another machine has claimed went
on there; checkpoints that only this machine has are kept under a name that ends in ``.unsent``. Logs of one line per entry get the lines of both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mtl_core.atomic_files import atomic_write, temporary_beside
from mtl_core.errors import StoreError
from mtl_core.runs.objects.bucket import Bucket, LostObjectError
from mtl_core.runs.objects.folder_record import FolderRecord, Known, stamp_of
from mtl_core.runs.objects.pointers import Pointer
from mtl_core.training.checkpoint_files import INDEX, named, read_index, sha256

AT_ONCE = 8  # objects that are fetched side by side
LINES = ".jsonl"
CHANGED = (0, 0, 0)  # the stamp of no file: what is here differs from the object, and is to be sent
_CHECKPOINTS = "checkpoints"


class FolderFetch:
    """One round over a run's folder, under the folder's lock.

    Args:
        pointers: what the object store has.
        is_damage_kept: a checkpoint's file that is not what was sent is put in place all the same, so that training finds it, names it damaged and
            goes on from the one before.
        moved: called with a path and the bytes of it that were fetched so far.
    """

    def __init__(
        self,
        bucket: Bucket,
        record: FolderRecord,
        pointers: Mapping[str, Pointer],
        is_damage_kept: bool = False,
        moved: Callable[[str, int], None] = lambda path, count: None,
    ):
        self.bucket, self.record, self.pointers, self.is_damage_kept, self.moved = bucket, record, pointers, is_damage_kept, moved
        self.folder = record.folder
        self.put_aside: list[str] = []

    def fetch(self, wanted: Callable[[str], bool], again: Callable[[str], bool] | None = None, verified: bool = False) -> None:
        """Fetch the wanted files that are new or changed there, and forget those that are gone there.

        Args:
            again: these files are fetched, too, if they were here and are missing. Else a missing file counts as deleted here.
            verified: files of ``again`` that are here are compared with their checksums, and fetched again if they are damaged.

        Raises:
            StoreError: a file cannot be fetched or written. What was fetched before stays.
        """
        due = sorted((path for path in self.pointers if self._is_due(path, wanted, again or _none, verified)), key=_order)
        gone = [path for path in self.record.files if path not in self.pointers]
        if self._is_superseded(due):
            self._put_checkpoints_aside()
        if due:
            self.take(due)
        if gone:
            self._forget(gone)
            self.record.save()

    def take(self, paths: list[str]) -> None:
        """Fetch these files, whatever is here. Raises StoreError; what was fetched before stays."""
        try:
            self._take_all(paths)
        finally:
            self.record.save()

    def _take_all(self, paths: list[str]) -> None:
        """Files that name others come last, so that a reader finds what they name."""
        data = [path for path in paths if not path.endswith(".json")]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
            for path, known in zip(data, pool.map(self._take, data), strict=True):
                self._note(path, known)
        for path in paths[len(data) :]:
            self._note(path, self._take(path))

    def _note(self, path: str, known: Known | None) -> None:
        if known is not None:
            self.record.files[path] = known

    def _forget(self, gone: list[str]) -> None:
        for path in gone:
            if self.record.is_unchanged(path):
                (self.folder / path).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    (self.folder / path).parent.rmdir()
            del self.record.files[path]

    def _is_due(self, path: str, wanted: Callable[[str], bool], again: Callable[[str], bool], verified: bool) -> bool:
        known, is_here = self.record.files.get(path), stamp_of(self.folder / path) is not None
        if known is None or known.sha256 != self.pointers[path].sha256:
            return is_here or wanted(path)
        if not again(path):
            return False
        return not is_here or (verified and self.record.is_unchanged(path) and sha256(self.folder / path) != known.sha256)

    def _is_superseded(self, due: Iterable[str]) -> bool:
        """Whether the run has gone on elsewhere while this machine had checkpoints that it could not send."""
        index = f"{_CHECKPOINTS}/{INDEX}"
        path = self.folder / index
        return index in due and path.is_file() and not self.record.is_unchanged(index) and sha256(path) != self.pointers[index].sha256

    def _put_checkpoints_aside(self) -> None:
        parent = self.folder / _CHECKPOINTS
        for name in sorted(named(read_index(self.folder))):
            is_ours = not any(path.startswith(f"{_CHECKPOINTS}/{name}/") for path in (*self.pointers, *self.record.files))
            if is_ours and (parent / name).is_dir() and not (parent / f"{name}.unsent").exists():
                os.replace(parent / name, parent / f"{name}.unsent")
                self.put_aside.append(f"{name}.unsent")

    def _take(self, path: str) -> Known | None:
        """Have the file here. Returns what is to be known of it; None if it is not what was sent."""
        pointer, target = self.pointers[path], self._target(path)
        if stamp_of(target) is not None and sha256(target) == pointer.sha256:
            return _known(target, pointer)
        temporary = temporary_beside(target)
        try:
            is_whole = self._download(pointer, temporary, path)
            if path.endswith(LINES) and target.is_file():
                self._join_lines(target, temporary)
                return Known(pointer.sha256, CHANGED)
            _sync(temporary)
            os.replace(temporary, target)
            return _known(target, pointer) if is_whole else None
        except OSError as error:
            raise StoreError(f"'{target}' cannot be written: {error.strerror or error}. Free some space, or check who may write there") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _download(self, pointer: Pointer, temporary: Path, path: str) -> bool:
        """Whether the content is what was sent."""
        for _ in range(2):  # a transfer may have been cut
            self.bucket.read(pointer.name, temporary, lambda count: self.moved(path, count))
            if temporary.stat().st_size == pointer.size and sha256(temporary) == pointer.sha256:
                self.moved(path, pointer.size)
                return True
        if self.is_damage_kept and path.startswith(f"{_CHECKPOINTS}/"):
            return False
        raise LostObjectError(
            f"the object '{self.bucket.shown}/{pointer.name}' is not what was sent (another SHA-256). It was changed or damaged in the object "
            "store. Nothing was taken from it"
        )

    def _target(self, path: str) -> Path:
        """The file's place. Its folder is made; a link in it must not lead out of the run's folder."""
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"'{target.parent}' cannot be made: {error.strerror or error}") from error
        if not target.parent.resolve().is_relative_to(self.folder.resolve()):
            raise StoreError(f"'{target}' leads out of the run's folder by a link. Remove the link; nothing was written through it")
        return target

    def _join_lines(self, target: Path, other: Path) -> None:
        """The lines there, then those that only this machine has. They differ from the object then, so they are sent next."""
        theirs = other.read_bytes().splitlines(keepends=True)
        ours = [line for line in target.read_bytes().splitlines(keepends=True) if line not in theirs]
        with atomic_write(target) as file:
            file.writelines([*theirs, *ours])


def _none(path: str) -> bool:
    return False


def _known(target: Path, pointer: Pointer) -> Known | None:
    stamp = stamp_of(target)
    return Known(pointer.sha256, stamp) if stamp else None


def _order(path: str) -> tuple[bool, bool, str]:
    """Files first, then the JSON that names them, then the index of checkpoints."""
    return path.endswith(f"/{INDEX}"), path.endswith(".json"), path


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
