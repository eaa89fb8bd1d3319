"""FolderSending: stores what this machine has made of a run. Every object is written whole before the first pointer, and all pointers change in one
transaction."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection

from mtl_core.errors import StoreError, UnreachableObjectsError
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.folder_fetch import LINES, FolderFetch
from mtl_core.runs.objects.folder_record import LOG, TRAINED, FolderRecord, Known, Stamp, files_of, stamp_of
from mtl_core.runs.objects.pointers import Pointer, pointers_of, write_pointers
from mtl_core.runs.objects.unsent_marks import UnsentMark
from mtl_core.runs.sql.database import Database
from mtl_core.training.checkpoint_files import INDEX, sha256

AT_ONCE = 4  # objects that are written side by side
IN_MEMORY = 2**20  # bytes; a file up to this size is read once, so that it cannot change between its checksum and its sending
MOST_ROUNDS = 5
_INDEX = f"checkpoints/{INDEX}"


class FolderSending:
    """One round over a run's folder, under the folder's lock.

    Args:
        database: the store's.
        mark: the run's. It names the objects while they are written.
        is_trainer: this machine trains the run, or trained it last. Then its ``log.txt`` counts, and its files replace those that others have
            changed. Else what others have changed stays.
        moved: called with a path and the bytes of it that were sent so far.
    """

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        record: FolderRecord,
        mark: UnsentMark,
        is_trainer: bool,
        moved: Callable[[str, int], None] = lambda path, count: None,
    ):
        self.database, self.bucket, self.record, self.mark, self.is_trainer, self.moved = database, bucket, record, mark, is_trainer, moved
        self.run_id, self.folder = mark.run_id, record.folder

    def send(self, check: Callable[[Connection], None]) -> int:
        """Send what has changed, and return how many files that were.

        Args:
            check: called before anything is sent, and in the transaction that writes the pointers; raises if this machine may not write them.

        Raises:
            StoreError: the object store or the database cannot be used. What others see has not changed.
        """
        for _ in range(MOST_ROUNDS):
            with self.database.read() as connection:
                check(connection)
                before = pointers_of(connection, self.run_id)
            self._take_lines(before)
            made = self.upload(before)
            if made is None:
                continue
            if not made and not self._deleted_here(before):
                self.record.save()
                return 0
            self.mark.objects = [*self.mark.objects, *(pointer.name for path, pointer in before.items() if path in made)]
            self.mark.objects += [before[path].name for path in self._deleted_here(before)]
            self.mark.write()
            with self.database.write() as connection:
                check(connection)
                now = pointers_of(connection, self.run_id)
                if any(now.get(path) != before.get(path) for path in made if path.endswith(LINES)):
                    continue  # another machine has added lines meanwhile
                gone = self._deleted_here(now)
                write_pointers(connection, self.run_id, {path: pointer for path, (pointer, _) in made.items()}, gone)
            self.note(made, gone)
            with contextlib.suppress(UnreachableObjectsError):  # the mark keeps their names
                self.remove_leftovers()
            return len(made)
        raise StoreError(f"the files of run {self.run_id} change faster than they can be sent. They are sent with the next ones")

    def upload(self, pointers: Mapping[str, Pointer]) -> dict[str, tuple[Pointer, Stamp]] | None:
        """Write the files that differ from those that ``pointers`` lead to as objects.

        Returns:
            Path -> pointer and the file's stamp; None if the checkpoints changed meanwhile, so that the files do not belong together.
        """
        self.remove_leftovers()
        index = stamp_of(self.folder / _INDEX)
        there = files_of(self.folder)
        changed = [path for path in there if self._is_changed(path, pointers)]
        names = {path: f"{self.run_id}/{path}/{secrets.token_hex(8)}" for path in changed}
        if not changed:
            return {}
        self.mark.objects = list(names.values())
        self.mark.write()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send") as pool:
            sent = list(pool.map(lambda path: self._write(path, names[path]), changed))
        if stamp_of(self.folder / _INDEX) != index:
            return None
        return {path: found for path, found in zip(changed, sent, strict=True) if found}

    def note(self, made: dict[str, tuple[Pointer, Stamp]], gone: list[str]) -> None:
        """Write down that these files are those of the object store."""
        for path, (pointer, stamp) in made.items():
            self.record.files[path] = Known(pointer.sha256, stamp)
        for path in gone:
            self.record.files.pop(path, None)
        self.record.save()

    def _is_changed(self, path: str, pointers: Mapping[str, Pointer]) -> bool:
        if self.record.is_unchanged(path) or (path == LOG and not self.is_trainer):
            return False
        known, there = self.record.files.get(path), pointers.get(path)
        if there and not self.is_trainer and not path.endswith(LINES) and (known is None or known.sha256 != there.sha256):
            return False
        try:
            content = sha256(self.folder / path)
        except OSError:  # it has gone just now
            return False
        if content not in (known and known.sha256, there and there.sha256):
            return True
        self.record.note(path, content)  # written anew with the same content, or sent by a process that was killed then
        return False

    def _write(self, path: str, name: str) -> tuple[Pointer, Stamp] | None:
        """None if the file has gone or changed meanwhile: it is sent another time."""
        file, before = self.folder / path, stamp_of(self.folder / path)
        try:
            content = file.read_bytes() if before and before[0] <= IN_MEMORY else None
            checksum = sha256(file) if content is None else hashlib.sha256(content).hexdigest()
            self.bucket.write(name, file if content is None else content, lambda count: self.moved(path, count))
        except FileNotFoundError:
            return None
        if before is None or (content is None and stamp_of(file) != before):
            return None
        size = before[0] if content is None else len(content)
        self.moved(path, size)
        return Pointer(name, checksum, size), before

    def _deleted_here(self, pointers: dict[str, Pointer]) -> list[str]:
        """Paths of the files that were here and are not, and of files that were not fetched and whose folder was here and is not."""
        known = self.record.files
        same = [path for path in known if path in pointers and pointers[path].sha256 == known[path].sha256]
        missing = {path for path in same if stamp_of(self.folder / path) is None}
        folders = {path.rpartition("/")[0] for path in missing}
        gone = {folder for folder in folders if folder and not (self.folder / folder).exists()}
        found = [path for path in pointers if path in missing or path.rpartition("/")[0] in gone]
        return [path for path in found if self.is_trainer or not path.startswith(TRAINED)]

    def _take_lines(self, pointers: dict[str, Pointer]) -> None:
        """Add the lines of other machines to the logs that both have written."""
        known = self.record.files
        logs = [path for path in pointers if path.endswith(LINES) and not self.record.is_unchanged(path) and stamp_of(self.folder / path)]
        if others := [path for path in logs if path not in known or known[path].sha256 != pointers[path].sha256]:
            FolderFetch(self.bucket, self.record, pointers).take(others)

    def remove_leftovers(self) -> None:
        """Remove the objects that the mark names and nothing points to: of an attempt that was cut, or replaced by this one."""
        if not self.mark.objects:
            return
        with self.database.read() as connection:
            used = {pointer.name for pointer in pointers_of(connection, self.run_id).values()}
        self.bucket.remove([name for name in self.mark.objects if name not in used])
        self.mark.objects = []
