"""SharedSets: the imported data sets that all machines of an object store have.

The description of a set and its prepared arrays are objects with pointers, as a run's files are. The row that makes the set visible is written in
one transaction with all its pointers, after the objects: a set is there whole or not at all. A set never changes, so a machine fetches it once. A run
trains on the version that was there when it was queued (``mtl_core.data.imports.pinned_set``).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_core.config import RunConfig
from mtl_core.data import open_unprocessed
from mtl_core.data.imports.import_library import ImportedSet, read_set, sets_here, share
from mtl_core.data.imports.imported_source import Imported, ImportedOptions, cache_name
from mtl_core.data.imports.importing import remove_set
from mtl_core.data.prepare import prepare
from mtl_core.errors import DataError, StoreError, UnreachableObjectsError, is_error
from mtl_core.names import SET_NAME
from mtl_core.runs.objects.bucket import Bucket, LostObjectError
from mtl_core.runs.objects.folder_fetch import FolderFetch
from mtl_core.runs.objects.folder_record import NAME as RECORD
from mtl_core.runs.objects.folder_record import FolderRecord
from mtl_core.runs.objects.folder_sending import FolderSending
from mtl_core.runs.objects.local_folders import refuse_missing_folders
from mtl_core.runs.objects.pointers import (
    Pointer,
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
from mtl_core.runs.objects.unsent_marks import UnsentMark, marked

if TYPE_CHECKING:
    from mtl_core.runs.run_reading import RunReading

FRESH_SECONDS = 1.0  # between two looks of a page at the sets of other machines
_FETCHING = ".fetching-"
_logger = logging.getLogger(__name__)
Locked = Callable[[Path, bool], AbstractContextManager[bool]]  # a folder's lock, and whether to wait for it


class SharedSets:
    """The sets of one store.

    Args:
        locked: one round at a time over a folder, among all processes of this machine.
        is_away: whether the object store could not be reached a moment ago.
        note_failure, note_success: say on the pages that it cannot be reached, and that it can be again.

    Attributes:
        problem: why a set could not be sent or fetched the last time; empty if it could.
    """

    def __init__(
        self,
        store: RunReading,
        bucket: Bucket,
        locked: Locked,
        is_away: Callable[[], bool],
        note_failure: Callable[[Exception], None],
        note_success: Callable[[], None],
    ):
        self.store, self.bucket, self._locked = store, bucket, locked
        self._is_away, self._note_failure, self._note_success, self.problem = is_away, note_failure, note_success, ""
        self.folder = store.home / "imports"
        self._looked = -FRESH_SECONDS
        share(store.home, self)

    def refresh(self) -> None:
        if time.monotonic() < self._looked + FRESH_SECONDS or self._is_away() or self.store.database.read_only:
            return
        self._looked = time.monotonic()
        try:
            self._bring_descriptions(waits=False)
        except StoreError as error:
            self._note(error)

    def added(self, name: str) -> None:
        try:
            self._mark(read_set(self.folder / name))
            self.send(name)
        except (StoreError, DataError) as error:  # the mark stays, and ``send_waiting`` tries again
            self._note(error)

    def removed(self, name: str) -> None:
        found = read_set(self.folder / name)
        with self._locked(found.folder, True):
            shared = self._shared(name)
            if shared is not None and shared.digest == found.digest:
                with self.store.database.write() as connection:
                    forget_set(connection, shared.id)
        self.remove_deleted([] if shared is None else [shared.id])
        self._clear_marks([_id_of(found)])

    def fetch_prepared(self, name: str, folder: Path) -> bool:
        shared = self._shared(name)
        if shared is None or shared.digest != read_set(self.folder / name).digest:
            return False
        self._fetch(owners_of_set(shared.id)[1], folder)
        (folder / RECORD).unlink()
        return True

    def bring(self, config: RunConfig, cache: Path) -> None:
        """Have the data that a run reads on this machine, before it trains.

        Raises:
            UnreachableObjectsError: the object store cannot be reached, and the set is not here.
            DataError: the data are a folder of another machine.
            StoreError: an object is damaged, or a file cannot be written.
        """
        name = config.imported_set
        if not name:
            return refuse_missing_folders(config)
        folder = self.folder / name
        try:
            self._bring_descriptions(waits=True, needed=name)
        except StoreError:
            if not (folder / "set.json").is_file():
                raise
        if (folder / "set.json").is_file() and not (cache / cache_name(read_set(folder).digest) / "meta.json").is_file() and self._shared(name):
            prepare(open_unprocessed(config.data), cache)
        return None

    def require(self, name: str) -> None:
        """Have a set of this machine sent, before a run on it is queued. Without such a set nothing happens: training says that it is missing.

        Raises:
            UnreachableObjectsError: the object store cannot be reached.
            DataError, StoreError: the set cannot be sent, or another machine's has this name.
        """
        if SET_NAME.fullmatch(name) and (self.folder / name / "set.json").is_file():
            self.send(name)

    def send(self, name: str) -> None:
        """Send a set whole, if it is not there yet. Errors as for ``require``."""
        found = read_set(self.folder / name)
        with self._locked(found.folder, True):
            if self._is_sent(found):
                return self._note_sent(found)
            arrays = self.store.home / "data" / cache_name(found.digest)
            if not (arrays / "meta.json").is_file():
                prepare(Imported(ImportedOptions(set=name)), arrays.parent)
            folders = dict(zip(owners_of_set(_id_of(found)), (found.folder, arrays), strict=True))
            made = {owner: self._upload(owner, folder) for owner, folder in folders.items()}
            with self._locked(self.folder, True):
                with self.store.database.write() as connection:
                    if not self._is_sent(found, shared_sets(connection)):
                        write_set(connection, name, SharedSet(_id_of(found), found.digest))
                        for owner, pointers in made.items():
                            write_pointers(connection, owner, pointers)
                self._note_sent(found)
            self._note_success()
            return None

    def send_waiting(self, is_asked: bool = False) -> list[tuple[str, str]]:
        """Send the sets that wait on this machine, and remove what an attempt that was cut has left of others.

        Args:
            is_asked: by a person; tries even if the object store was away a moment ago.

        Returns:
            (set, problem) of each set that waited. The problem is empty if it was sent.
        """
        found: list[tuple[str, str]] = []
        waiting = marked(self.folder, lambda owner: set_of_owner(owner) is not None)
        if not waiting or (self._is_away() and not is_asked):
            return found
        ids = {_id_of(one): one.name for one in sets_here(self.store.home)}
        for set_id in sorted({set_of_owner(owner) or "" for owner in waiting}):
            if set_id not in ids:
                self._clear_marks([set_id])
                continue
            problem = ""
            try:
                self.send(ids[set_id])
            except (StoreError, DataError) as error:
                problem = str(error)
                self._note(error)
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
            self._note(error)

    def _bring_descriptions(self, waits: bool, needed: str = "") -> None:
        """Fetch the descriptions of new sets, and remove the sets that others have deleted.

        Args:
            needed: a set whose description has to be here; an error with another one is only noted.
        """
        if not any(self._differences()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(self.folder, waits) as is_ours:
            if not is_ours:  # another process of this machine is at it
                return
            for left in self.folder.glob(f"{_FETCHING}*"):
                shutil.rmtree(left, ignore_errors=True)
            gone, new = self._differences()
            for one in gone:
                remove_set(one, self.store.home)
            for name, shared in new.items():
                try:
                    self._fetch_description(name, shared)
                except StoreError as error:
                    if name == needed:
                        raise
                    self._note(error)

    def _differences(self) -> tuple[list[ImportedSet], dict[str, SharedSet]]:
        """Sets here that others have deleted or replaced, and sets that are not here. A set here that was never sent stays."""
        with self.store.database.read() as connection:
            shared = shared_sets(connection)
        here = {one.name: one for one in sets_here(self.store.home)}
        current = {name for name, one in here.items() if name in shared and shared[name].digest == one.digest}
        gone = [one for name, one in here.items() if name not in current and (one.folder / RECORD).exists()]
        kept = here.keys() - {one.name for one in gone}
        return gone, {name: each for name, each in shared.items() if name not in kept}

    def _fetch_description(self, name: str, shared: SharedSet) -> None:
        place, temporary = self.folder / name, self.folder / f"{_FETCHING}{shared.id}"
        try:
            temporary.mkdir()
            self._fetch(owners_of_set(shared.id)[0], temporary)
            if read_set(temporary).digest != shared.digest:
                raise StoreError(f"the description of the data set '{name}' in the object store is of other data than the store's database says")
            if place.exists():  # a damaged one
                place.rename(self.folder / f"{_FETCHING}{shared.id}-replaced")
            temporary.rename(place)
        except DataError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            raise StoreError(f"the data set '{name}' cannot be kept in '{self.folder}': {error.strerror or error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _fetch(self, owner: str, folder: Path) -> None:
        """Fill an empty folder with an owner's files, each compared with its SHA-256."""
        with self.store.database.read() as connection:
            pointers = pointers_of(connection, owner)
        if not pointers:
            raise LostObjectError("the data set was deleted from the object store while it was fetched")
        FolderFetch(self.bucket, FolderRecord(folder), pointers).fetch(lambda path: True)

    def _upload(self, owner: str, folder: Path) -> dict[str, Pointer]:
        mark = UnsentMark.of(self.folder, owner) or UnsentMark(self.folder, owner)
        made = FolderSending(self.store.database, self.bucket, FolderRecord(folder), mark, is_trainer=True).upload({}) or {}
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
        if there != made.keys():
            raise StoreError(f"'{sorted(there ^ made.keys())[0]}' in '{folder}' changed while it was sent, or cannot be an object's name")
        return {path: pointer for path, (pointer, _) in made.items()}

    def _note(self, error: Exception) -> None:
        self.problem = str(error)
        if is_error(error, UnreachableObjectsError):
            self._note_failure(error)
        else:
            _logger.warning("%s", error)

    def _shared(self, name: str) -> SharedSet | None:
        with self.store.database.read() as connection:
            return shared_sets(connection).get(name)

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
        self.problem = ""
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
            mark = UnsentMark.of(self.folder, owner)
            if mark is None:
                continue
            try:
                FolderSending(self.store.database, self.bucket, FolderRecord(self.folder), mark, is_trainer=True).remove_leftovers()
            except StoreError as error:
                self._note(error)
            mark.drop()


def _id_of(found: ImportedSet) -> str:
    """The id of one import: that of its name and description, which holds the digest of the data and the time."""
    content = (found.folder / "set.json").read_bytes()
    return hashlib.sha256(found.name.encode() + b"\n" + content).hexdigest()[:32]
