"""ObjectArtifacts: artifacts in an object store. ``MTL_HOME/runs`` on each machine is the cache, and each program reads and writes only there.

What a machine makes is sent at fixed moments (``keep``), and what others make is fetched when it is asked for (``refresh``, ``bring``).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from mtl_core.config import RunConfig
from mtl_core.errors import RunNotFoundError, RunTakenError, StoreError, is_error
from mtl_core.runs.objects.background_sync import BackgroundSync
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.folder_fetch import FolderFetch
from mtl_core.runs.objects.folder_record import NAME as RECORD
from mtl_core.runs.objects.folder_record import FolderRecord, is_read_on_demand
from mtl_core.runs.objects.folder_sending import FolderSending
from mtl_core.runs.objects.local_artifacts import Link, LocalArtifacts
from mtl_core.runs.objects.pointers import pointers_of, prepare_tables, runs_without_row, write_pointers
from mtl_core.runs.objects.shared_sets import SharedSets
from mtl_core.runs.objects.unsent_marks import UnsentMark, marked_runs
from mtl_core.runs.process_identity import this_process
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_rows import is_in_store
from mtl_core.training.checkpoint_files import FILES, newest_first, read_index

if TYPE_CHECKING:
    from mtl_core.runs.run_reading import RunReading

AWAY_SECONDS = 30.0  # after a failure, training does not try again for so long: an attempt at a place that is away takes seconds
FRESH_SECONDS = 1.0  # between two looks of a page at a run's pointers
LOCK = ".objects.lock"

_logger = logging.getLogger(__name__)
_opened: dict[tuple[str, str], ObjectArtifacts] = {}


def open_artifacts(store: RunReading, url: str) -> ObjectArtifacts:
    """The artifacts of a store under ``url``, MTL_ARTIFACTS_URL; one object for all who open the store in this process."""
    key = (str(store.home), url)
    known = _opened.get(key)
    if known is not None and not known.store.database.is_replaced():
        return known
    made = _opened[key] = ObjectArtifacts(store, Bucket(url))
    return made


class ObjectArtifacts(LocalArtifacts):
    """The artifacts of one store's runs in a bucket.

    Args:
        store: its folder is the cache, and its database has the pointers.
    """

    def __init__(self, store: RunReading, bucket: Bucket):
        self.store, self.bucket = store, bucket
        self.runs = store.home / "runs"
        self.problem = ""
        self._away_until = 0.0
        self._looked: dict[str, float] = {}
        self.sets = sets = SharedSets(store, bucket, self._locked, self._is_away, self._note_failure, self._note_success)
        self.background_sync = BackgroundSync([self.remove_deleted, sets.remove_deleted], self.refresh, [self.send_waiting, sets.send_waiting])
        if not store.database.read_only:
            prepare_tables(store.database)

    def refresh(self, run_id: str) -> None:
        if time.monotonic() < self._looked.get(run_id, 0.0) + FRESH_SECONDS or self._is_away():
            return
        self._looked[run_id] = time.monotonic()
        try:
            self._fetch(run_id, waits=False)
        except StoreError as error:
            self._note_failure(error)

    def sent(self, run_id: str) -> list[str]:
        with self.store.database.read() as connection:
            return sorted(pointers_of(connection, run_id))

    def bring(self, run_id: str, wanted: Callable[[str], bool]) -> None:
        self._fetch(run_id, wanted, again=wanted)

    @contextmanager
    def training(self, run_id: str, token: str, config: RunConfig) -> Iterator[None]:
        self._mark(run_id, token).write()
        self._bring_for_training(run_id, config)
        self.sets.bring(config, self.store.home / "data", lambda text: self._say(run_id, text))
        with self.background_sync.watching(run_id):
            yield

    def start(self) -> None:
        self.background_sync.start()

    def _say(self, run_id: str, text: str) -> None:
        with contextlib.suppress(StoreError):  # the store may be busy, and this is only for people
            self.store.note(run_id, "info", text)

    def _bring_for_training(self, run_id: str, config: RunConfig) -> None:
        self._fetch(run_id, again=lambda path: bool(_checkpoint_of(path)) and not is_read_on_demand(path))
        folder = self.store.place(run_id)
        index = read_index(folder)
        needed = {*newest_first(folder)[:2], *(index[key] for key in ("last", "best") if key in index)}
        self._fetch(run_id, lambda path: _checkpoint_of(path) in needed, lambda path: _checkpoint_of(path) in needed, verified=True)
        if other := config.backbone.weights_run.strip():
            self._bring_best(other)

    def _bring_best(self, run_id: str) -> None:
        """Fetch the best network of a run. Where there is none, training says so."""
        with contextlib.suppress(RunNotFoundError):
            self._fetch(run_id)
            best = read_index(self.store.place(run_id)).get("best")
            self.bring(run_id, lambda path: path == f"checkpoints/{best}/{FILES[0]}")

    def keep(self, run_id: str, token: str = "", at_end: bool = False) -> None:
        mark = self._mark(run_id, token)
        try:
            mark.write()
            if self._is_away() and not at_end:
                self._tell(mark)
                return
            try:
                self.send(mark)
            except RunTakenError:
                if token:
                    raise
                self._fetch(run_id)  # the run went on elsewhere; what was made of it here since is still to be sent
                mark.token = ""
                self.send(mark)
            if at_end or not token:
                mark.drop()
        except (StoreError, OSError) as error:
            if is_error(error, RunTakenError):
                if not at_end:
                    raise
                mark.drop()
                _logger.warning("%s", error)
                return
            self._note_failure(error)
            self._tell(mark)

    def send(self, mark: UnsentMark) -> int:
        """Send the folder of a run with its mark, and return how many files that were.

        Raises:
            RunTakenError: the run was deleted, or another process has claimed it.
            StoreError: the object store or the database cannot be used.
        """
        run_id, folder = mark.run_id, self.store.place(mark.run_id)
        if not folder.is_dir():
            return 0

        def check(connection: Connection) -> None:
            row = connection.execute(select(schema.runs.c.owner_token).where(schema.runs.c.id == run_id)).first()
            if row is None:
                raise RunTakenError(f"run {run_id} was deleted")
            if mark.token and row.owner_token not in (mark.token, None):
                raise RunTakenError(f"run {run_id} is no longer held here")

        with self._locked(folder):
            record = FolderRecord.of(folder)
            sending = FolderSending(self.store.database, self.bucket, record, mark, is_trainer=bool(mark.token))
            try:
                count = sending.send(check)
            except RunTakenError:
                sending.remove_leftovers()
                raise
        self._note_success()
        if mark.told:
            mark.told = False
            self.store.note(run_id, "info", f"what waited on {_host()} is in the object store now: {count} files")
        mark.write()
        return count

    def upload(self, run_id: str) -> Link:
        record, mark = FolderRecord(self.store.place(run_id)), self._mark(run_id, "")
        sending = FolderSending(self.store.database, self.bucket, record, mark, is_trainer=True)
        made = sending.upload({}) or {}

        def link(connection: Connection) -> None:
            before = pointers_of(connection, run_id)  # of a run of this id that was deleted while the object store was away
            mark.objects = [*mark.objects, *(pointer.name for pointer in before.values())]
            mark.write()
            write_pointers(connection, run_id, {path: pointer for path, (pointer, _) in made.items()}, list(before))
            sending.note(made, [])

        return link

    def remove(self, run_id: str) -> None:
        mark = UnsentMark.of(self.runs, run_id)
        try:
            with self.store.database.read() as connection:
                pointers = pointers_of(connection, run_id)
            self.bucket.remove([*(pointer.name for pointer in pointers.values()), *(mark.objects if mark else ())])
            with self.store.database.write() as connection:
                if not is_in_store(connection, run_id):
                    write_pointers(connection, run_id, {}, list(pointers))
            if mark:
                mark.objects = []
                mark.drop()
        except StoreError as error:  # the pointers stay, and ``remove_deleted`` tries again
            self._note_failure(error)

    def remove_deleted(self) -> None:
        """Remove what deleted runs have left: objects, because the object store was away, and folders on this machine, if others deleted the runs."""
        with self.store.database.read() as connection:
            left = runs_without_row(connection)
            here = {path.parent.name for path in self.runs.glob(f"????????-??????-????/{RECORD}")}
            gone = [run_id for run_id in sorted(here) if not is_in_store(connection, run_id)]
        for run_id in left:
            if not self._is_being_made(run_id):
                self.remove(run_id)
        for run_id in gone:
            if not self._is_being_made(run_id) and UnsentMark.of(self.runs, run_id) is None:
                shutil.rmtree(self.runs / run_id, ignore_errors=True)

    def mark_all(self) -> None:
        """Have every run of this machine looked through by ``send_waiting``: also what was made before there was an object store."""
        for path in self.runs.glob("????????-??????-????"):
            if path.is_dir() and UnsentMark.of(self.runs, path.name) is None:
                UnsentMark(self.runs, path.name).write()

    def send_waiting(self, is_asked: bool = False) -> list[tuple[str, str]]:
        """Send what waits on this machine: of runs that nobody trains now.

        Args:
            is_asked: by a person; tries even if the object store was away a moment ago.

        Returns:
            (run, problem) of each run that had something waiting. The problem is empty if it was sent.
        """
        found: list[tuple[str, str]] = []
        for run_id in marked_runs(self.runs):
            if self._is_away() and not is_asked:
                break
            run, mark = self.store.find(run_id), UnsentMark.of(self.runs, run_id)
            if mark is None or (run is not None and run.status.is_active()) or self._is_being_made(run_id):
                continue
            problem = ""
            if run is None:
                self.remove(run_id)
                continue
            try:
                self.send(mark)
                mark.drop()
            except StoreError as error:
                problem = str(error)
                if is_error(error, RunTakenError):
                    mark.drop()
                    self.store.note(
                        run_id, "warning", f"the run went on elsewhere before what {_host()} had of it was sent. That stays in its folder there"
                    )
                else:
                    self._note_failure(error)
            found.append((run_id, problem))
        return found

    def require_data(self, config: RunConfig) -> None:
        if config.imported_set:
            self.sets.require(config.imported_set)

    def freed(self, run_id: str, folder: Path) -> int:
        with self.store.database.read() as connection:
            return sum(pointer.size for pointer in pointers_of(connection, run_id).values()) or super().freed(run_id, folder)

    def _fetch(
        self,
        run_id: str,
        wanted: Callable[[str], bool] = lambda path: False,
        again: Callable[[str], bool] | None = None,
        verified: bool = False,
        waits: bool = True,
    ) -> None:
        """Bring the run's folder here up to date: what every reader needs, and what is wanted."""
        folder = self.store.place(run_id)
        with self.store.database.read() as connection:
            if not pointers_of(connection, run_id) and not (folder / RECORD).exists():
                return
        folder.mkdir(parents=True, exist_ok=True)
        with self._locked(folder, waits) as is_ours:
            if not is_ours:  # this machine sends it, or fetches it for somebody else
                return
            with self.store.database.read() as connection:
                pointers = pointers_of(connection, run_id)
            fetch = FolderFetch(self.bucket, FolderRecord.of(folder), pointers, is_damage_kept=verified)
            fetch.fetch(lambda path: wanted(path) or not is_read_on_demand(path), again, verified)
        if fetch.put_aside:
            kept = ", ".join(fetch.put_aside)
            self.store.note(run_id, "warning", f"the run went on elsewhere; checkpoints that only {_host()} has are kept there as {kept}")

    @contextmanager
    def _locked(self, folder: Path, waits: bool = True) -> Iterator[bool]:
        """One round at a time over a run's folder, among all processes of this machine. Yields False if another is at it and this is not to wait."""
        from filelock import FileLock, Timeout

        try:
            lock = FileLock(folder / LOCK, timeout=-1 if waits else 0)
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _mark(self, run_id: str, token: str) -> UnsentMark:
        mark = UnsentMark.of(self.runs, run_id) or UnsentMark(self.runs, run_id)
        mark.token = token or mark.token
        return mark

    def _is_being_made(self, run_id: str) -> bool:
        return any(self.runs.glob(f".making-{run_id}-*"))

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _note_success(self) -> None:
        self.problem, self._away_until = "", 0.0

    def _note_failure(self, error: Exception) -> None:
        self.problem, self._away_until = str(error), time.monotonic() + AWAY_SECONDS
        _logger.warning("%s", error)

    def _tell(self, mark: UnsentMark) -> None:
        """Say once in the run's log that something waits on this machine."""
        if mark.told:
            return
        mark.told = True
        with contextlib.suppress(StoreError, OSError):
            mark.write()
            text = f"what this run makes is kept on {_host()} and sent later, because {self.problem or 'the object store was away'}"
            self.store.note(mark.run_id, "warning", text)


def _checkpoint_of(path: str) -> str:
    """The checkpoint that a file belongs to, or the index of them; empty for other files."""
    parts = path.split("/")
    return parts[1] if parts[0] == "checkpoints" and len(parts) > 1 else ""


def _host() -> str:
    return this_process().host
