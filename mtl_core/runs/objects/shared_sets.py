"""SharedSets: the imported data sets that all machines of an object store have.

The description of a set and its prepared arrays are objects with pointers, as a run's files are. The row that makes the set visible is written in
one transaction with all its pointers, after the objects: a set is there whole or not at all. A set never changes, so a machine fetches it once. A run
trains on the version that was there when it was queued (``mtl_core.data.imports.pinned_set``).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from mtl_core.data.data_source import Progress
from mtl_core.data.imports.import_library import ImportedSet, read_set, sets_here, share
from mtl_core.data.imports.imported_source import Imported, ImportedOptions, cache_name
from mtl_core.data.prepare import prepare
from mtl_core.errors import DISK_FULL, DataError, StoreError
from mtl_core.names import SET_NAME
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.fetched_sets import FetchedSets, Locked
from mtl_core.runs.objects.folder_record import NAME as RECORD
from mtl_core.runs.objects.folder_record import FolderRecord
from mtl_core.runs.objects.folder_sending import FolderSending
from mtl_core.runs.objects.pointers import (
    SharedSet,
    forget_set,
    owners_of_set,
    pointers_of,
    set_of_owner,
    sets_without_row,
    shared_sets,
    write_pointers,
    write_set,
)
from mtl_core.runs.objects.set_transfer import Transfer, send_folder, sent_words, sizes_of
from mtl_core.runs.objects.unsent_marks import UnsentMark, marked

if TYPE_CHECKING:
    from mtl_core.runs.run_reading import RunReading


class SharedSets(FetchedSets):
    """The sets of one store. Arguments and attributes as for ``FetchedSets``."""

    def __init__(
        self,
        store: RunReading,
        bucket: Bucket,
        locked: Locked,
        is_away: Callable[[], bool],
        note_failure: Callable[[Exception], None],
        note_success: Callable[[], None],
    ):
        super().__init__(store, bucket, locked, is_away, note_failure, note_success)
        self._unsent: dict[str, str] = {}
        self._unremoved: dict[str, str] = {}  # owner of a mark, or empty for deleted sets -> why objects could not be removed
        share(store.home, self)

    @property
    def problems(self) -> dict[str, str]:
        """Set -> why it could not be sent or fetched the last time, and what ``_unremoved`` has. The key is empty for what concerns all."""
        return self._unremoved | super().problems | self._unsent

    def to_be_sent(self, name: str) -> None:
        with contextlib.suppress(OSError):  # a full disk: the set is sent by a click, by 'mtl data send', or with the first run on it
            self._mark(read_set(self.folder / name))

    def added(self, name: str, progress: Progress) -> None:
        self.to_be_sent(name)
        try:
            self.send(name, progress)
        except (StoreError, DataError) as error:  # the mark stays, and ``send_waiting`` tries again
            self._note(error, self._unsent, name)

    def removed(self, name: str) -> None:
        found = read_set(self.folder / name)
        if moving := self.moving.get(name):  # for a large set this takes long, and a person waits
            raise StoreError(f"the data set '{name}' is on its way: {moving[1]}. Delete it when that is done")
        with self._locked(found.folder, True):
            shared = self._shared(name)
            if shared is not None and shared.digest == found.digest:
                with self.store.database.write() as connection:
                    forget_set(connection, shared.id)
        self.remove_deleted([] if shared is None else [shared.id])
        self._clear_marks([_id_of(found)])

    def require(self, name: str) -> None:
        """Have a set of this machine sent, before a run on it is queued. Without such a set nothing happens: training says that it is missing.

        Raises:
            UnreachableObjectsError: the object store cannot be reached.
            DataError, StoreError: the set cannot be sent, is being sent just now, or another machine's has this name.
        """
        if SET_NAME.fullmatch(name) and (self.folder / name / "set.json").is_file() and not self.send(name, waits=False):
            how_far = self.moving.get(name, (0.0, "another program of this machine does that"))[1]
            raise StoreError(f"the data set '{name}' is being sent: {how_far}. Queue the run again when that is done")

    def send(self, name: str, progress: Progress = lambda share, what: None, waits: bool = True) -> bool:
        """Send a set whole, if it is not there yet. Errors as for ``require``.

        Args:
            waits: for another program, or thread, of this machine that sends it; else nothing happens then, and the result is False.
        """
        found = read_set(self.folder / name)
        with self._locked(found.folder, waits) as is_ours:
            if not is_ours:
                return False
            if self._is_sent(found):
                self._note_sent(found)
            else:
                try:
                    with self._moving(name, progress) as tell:
                        self._send(found, tell)
                except OSError as error:
                    why = error.strerror or error
                    if error.errno in DISK_FULL:
                        raise StoreError(f"the data set '{name}' cannot be sent: {why}. Free some space in '{self.folder}'") from error
                    file = error.filename or self.folder
                    raise StoreError(f"the data set '{name}' cannot be sent: {why}. Check '{file}'") from error
                self._note_success()
            return True

    def _send(self, found: ImportedSet, tell: Progress) -> None:
        arrays = self.store.home / "data" / cache_name(found.digest)
        if not (arrays / "meta.json").is_file():
            prepare(Imported(ImportedOptions(set=found.name)), arrays.parent, tell)
        folders = dict(zip(owners_of_set(_id_of(found)), (found.folder, arrays), strict=True))
        transfer = Transfer(sizes_of(folders), tell, sent_words).begin()
        to_send = (self.store.database, self.bucket, self.folder)
        made = {owner: send_folder(*to_send, owner, folder, transfer) for owner, folder in folders.items()}
        with self._locked(self.folder, True):
            with self.store.database.write() as connection:
                if not self._is_sent(found, shared_sets(connection)):
                    write_set(connection, found.name, SharedSet(_id_of(found), found.digest))
                    for owner, pointers in made.items():
                        write_pointers(connection, owner, pointers)
            self._note_sent(found)

    def send_waiting(self, is_asked: bool = False, progress: Progress = lambda share, what: None) -> list[tuple[str, str]]:
        """Send the sets that wait on this machine, and remove what an attempt that was cut has left of others, and what could not be removed before.

        Args:
            is_asked: by a person; tries even if the object store was away a moment ago.

        Returns:
            (set, problem) of each set that waited. The problem is empty if it was sent.
        """
        found: list[tuple[str, str]] = []
        waiting = marked(self.folder, lambda owner: set_of_owner(owner) is not None)
        if not waiting:
            self._unsent = {}
        self._unremoved = {owner: problem for owner, problem in self._unremoved.items() if not owner or owner in waiting}
        if "" in self._unremoved and (is_asked or not self._is_away()):
            self.remove_deleted()
        if not waiting or (self._is_away() and not is_asked):
            return found
        ids = {_id_of(one): one.name for one in sets_here(self.store.home)}
        for set_id in sorted({set_of_owner(owner) or "" for owner in waiting}):
            if set_id not in ids:
                self._clear_marks([set_id])
                continue
            problem = ""
            try:
                if not self.send(ids[set_id], progress, waits=is_asked):
                    continue
            except (StoreError, DataError) as error:
                problem = str(error)
                self._note(error, self._unsent, ids[set_id])
            found.append((ids[set_id], problem))
        return found

    def mark_all(self) -> None:
        """Have ``send_waiting`` send every set of this machine that is not there: also what was imported before there was an object store."""
        for one in sets_here(self.store.home):
            if not (one.folder / RECORD).exists():
                self._mark(one)

    def remove_deleted(self, ids: list[str] | None = None) -> None:
        """Remove the objects of sets that were deleted. If the object store is away, this is done another time.

        Args:
            ids: of the sets; None for all that were deleted.
        """
        of_all = ids is None
        try:
            if ids is None:
                with self.store.database.read() as connection:
                    ids = sets_without_row(connection)
            for set_id in ids:
                with self.store.database.read() as connection:
                    if set_id not in sets_without_row(connection):
                        continue
                    pointers = {owner: pointers_of(connection, owner) for owner in owners_of_set(set_id)}
                self.bucket.remove(pointer.name for each in pointers.values() for pointer in each.values())
                with self.store.database.write() as connection:
                    for owner, each in pointers.items():
                        write_pointers(connection, owner, {}, list(each))
        except StoreError as error:
            self._note(error, self._unremoved)
        else:
            if of_all:
                self._unremoved.pop("", None)

    def _is_sent(self, found: ImportedSet, shared: dict[str, SharedSet] | None = None) -> bool:
        """Whether the object store has the data of this set. Raises StoreError if it has others under this name."""
        there = self._shared(found.name) if shared is None else shared.get(found.name)
        if there is not None and there.digest != found.digest:
            raise StoreError(
                f"another machine has sent other data as the data set '{found.name}', so this machine's stays here alone. Delete it here, and import "
                "its files under another name"
            )
        return there is not None

    def _note_sent(self, found: ImportedSet) -> None:
        self._unsent.pop(found.name, None)
        if not (found.folder / RECORD).exists():
            FolderRecord(found.folder).save()
        self._clear_marks([_id_of(found)])

    def _mark(self, found: ImportedSet) -> None:
        owner = owners_of_set(_id_of(found))[0]
        if UnsentMark.of(self.folder, owner) is None:
            UnsentMark(self.folder, owner).write()

    def _clear_marks(self, ids: list[str]) -> None:
        """Remove the marks of sets, and the objects that an attempt that was cut has left. What cannot be removed now stays marked."""
        for owner in (owner for set_id in ids for owner in owners_of_set(set_id)):
            self._unremoved.pop(owner, None)
            mark = UnsentMark.of(self.folder, owner)
            if mark is None:
                continue
            try:
                FolderSending(self.store.database, self.bucket, FolderRecord(self.folder), mark, is_trainer=True).remove_leftovers()
            except StoreError as error:
                self._note(error, self._unremoved, owner)
            mark.drop()


def _id_of(found: ImportedSet) -> str:
    """The id of one import: that of its name and description, which holds the digest of the data and the time."""
    content = (found.folder / "set.json").read_bytes()
    return hashlib.sha256(found.name.encode() + b"\n" + content).hexdigest()[:32]
