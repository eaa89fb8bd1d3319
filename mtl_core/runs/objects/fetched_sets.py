"""FetchedSets: the imported data sets of other machines, as far as this machine has fetched them. ``SharedSets`` sends this machine's, too."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_core.config import RunConfig
from mtl_core.data import open_unprocessed
from mtl_core.data.data_source import Progress
from mtl_core.data.imports.import_library import ImportedSet, read_set, sets_here
from mtl_core.data.imports.imported_source import cache_name
from mtl_core.data.imports.importing import remove_set
from mtl_core.data.prepare import prepare
from mtl_core.errors import DataError, StoreError, UnreachableObjectsError, is_error
from mtl_core.runs.objects.bucket import Bucket, LostObjectError
from mtl_core.runs.objects.folder_record import NAME as RECORD
from mtl_core.runs.objects.local_folders import refuse_missing_folders
from mtl_core.runs.objects.pointers import SharedSet, owners_of_set, pointers_of, shared_sets
from mtl_core.runs.objects.set_transfer import LONG, at_tenths, fetch_folder, megabytes

if TYPE_CHECKING:
    from mtl_core.runs.run_reading import RunReading

FRESH_SECONDS = 1.0  # between two looks of a page at the sets of other machines
_FETCHING = ".fetching-"
_logger = logging.getLogger(__name__)
Locked = Callable[[Path, bool], AbstractContextManager[bool]]  # a folder's lock, and whether to wait for it


class FetchedSets:
    """What a machine fetches of the data sets of others; ``SharedSets`` adds sending.

    Args:
        locked: one round at a time over a folder, among all processes of this machine.
        is_away: whether the object store could not be reached a moment ago.
        note_failure, note_success: say on the pages that it cannot be reached, and that it can be again.

    Attributes:
        moving: set -> how far its sending or its fetching in this process is: the share, and a text.
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
        self._is_away, self._note_failure, self._note_success = is_away, note_failure, note_success
        self.moving: dict[str, tuple[float, str]] = {}
        self._unfetched: dict[str, str] = {}
        self.folder = store.home / "imports"
        self._looked = -FRESH_SECONDS

    @property
    def problems(self) -> dict[str, str]:
        """Set -> why it could not be fetched the last time; the key is empty for what concerns all."""
        return self._unfetched

    def is_sent(self, name: str) -> bool:
        """Whether the object store has the set that is here."""
        return (self.folder / name / RECORD).exists()

    def refresh(self) -> None:
        if time.monotonic() < self._looked + FRESH_SECONDS or self._is_away() or self.store.database.read_only:
            return
        self._looked = time.monotonic()
        try:
            self._bring_descriptions(waits=False)
        except StoreError as error:
            self._note(error, self._unfetched)

    def fetch_prepared(self, name: str, folder: Path, progress: Progress) -> bool:
        shared = self._shared(name)
        if shared is None or shared.digest != read_set(self.folder / name).digest:
            return False
        with self._moving(name, progress) as tell:
            self._fetch(owners_of_set(shared.id)[1], folder, tell)
        (folder / RECORD).unlink()
        return True

    def size(self, name: str) -> int:
        """Bytes that a machine without the set fetches before it trains on it; 0 if the object store has no such set."""
        shared = self._shared(name)
        with self.store.database.read() as connection:
            return sum(pointer.size for pointer in pointers_of(connection, owners_of_set(shared.id)[1]).values()) if shared else 0

    def bring(self, config: RunConfig, cache: Path, say: Callable[[str], None] = lambda text: None) -> None:
        """Have the data that a run reads on this machine, before it trains.

        Args:
            say: called with what is being fetched, and at every tenth of a long transfer.

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
        if (
            (folder / "set.json").is_file()
            and not (cache / cache_name(read_set(folder).digest) / "meta.json").is_file()
            and (size := self.size(name))
        ):
            say(f"fetching the data set '{name}' from the object store: {megabytes(size)} MB")
            prepare(open_unprocessed(config.data), cache, at_tenths(say, is_long=size >= LONG))
            say(f"the data set '{name}' is on this machine now")
        return None

    def _bring_descriptions(self, waits: bool, needed: str = "") -> None:
        """Fetch the descriptions of new sets, and remove the sets that others have deleted.

        Args:
            needed: a set whose description has to be here; an error with another one is only noted.
        """
        if not any(self._differences()):
            self._unfetched = {}
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
            problems: dict[str, str] = {}
            for name, shared in new.items():
                try:
                    self._fetch_description(name, shared)
                except StoreError as error:
                    if name == needed:
                        raise
                    self._note(error, problems, name)
            self._unfetched = problems

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

    def _fetch(self, owner: str, folder: Path, tell: Progress = lambda share, what: None) -> None:
        """Fill an empty folder with an owner's files."""
        with self.store.database.read() as connection:
            pointers = pointers_of(connection, owner)
        if not pointers:
            raise LostObjectError("the data set was deleted from the object store while it was fetched")
        fetch_folder(self.bucket, folder, pointers, tell)

    @contextmanager
    def _moving(self, name: str, progress: Progress) -> Iterator[Progress]:
        """Within the block, ``moving`` says what is told, too."""

        def tell(share: float, what: str) -> None:
            self.moving[name] = (share, what)
            progress(share, what)

        try:
            yield tell
        finally:
            self.moving.pop(name, None)

    def _note(self, error: Exception, problems: dict[str, str], name: str = "") -> None:
        problems.pop(name, None)
        problems[name] = str(error)
        if is_error(error, UnreachableObjectsError):
            self._note_failure(error)
        else:
            _logger.warning("%s", error)

    def _shared(self, name: str) -> SharedSet | None:
        with self.store.database.read() as connection:
            return shared_sets(connection).get(name)
