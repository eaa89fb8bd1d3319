"""RunStore: the only channel between training and the screen or the command line.

One SQLite file and one folder per run, under one home::

    home/store.sqlite            runs, scalars, results, log, controls
    home/data/                   prepared data sets
    home/runs/<run id>/          config.yaml, log.txt, probes/, checkpoints/

With MTL_ARTIFACTS_URL the folders are in an object store, and those in the home are a cache (``mtl_core.runs.objects``).
The training thread writes through ``append``. Requests to a run go through ``mtl_core.runs.actions``, claims through
``mtl_core.runs.claims``. Any number of processes may open the same home.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.errors import RunTakenError, StoreError
from mtl_core.runs.objects.pointers import refuse_without_address
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.run_reading import RunReading
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.database import Database, check_folder, open_database
from mtl_core.runs.sql.event_writer import Pending, write_event, write_pending, write_progress_time
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.sql.result_rows import stored_summary
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.sql.run_rows import end_of_queue, lock_run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.trash import sweep
from mtl_core.runs.unfinished import make_marked_folder, remove_mark, sweep_unfinished
from mtl_core.settings import artifacts_url, store_url
from mtl_core.settings import home as home_folder

DATABASE = "store.sqlite"

_runs = schema.runs
_logger = logging.getLogger(__name__)


def open_store(home: Path | str | None = None) -> RunStore:
    """The run store in ``home``, else in the folder that MTL_HOME names, else in ``./runs``; created if it is missing. Repeated calls are cheap.

    A read-only store opens too: reading works, writing raises StoreError.

    Raises:
        StoreError: the folder cannot be created, or its database is damaged or newer than this program.
    """
    folder = home_folder(home)
    if url := store_url():
        writable = check_folder(folder, "")  # with no file in it that could be read
        database = open_postgres(url, folder)
    else:
        writable = check_folder(folder, DATABASE)
        database = open_database(folder / DATABASE, writable)
    store, swept = RunStore(folder, database), process_slot("swept stores")
    if url := artifacts_url():
        from mtl_core.runs.objects.object_artifacts import open_artifacts

        store.artifacts = open_artifacts(store, url)
    elif str(folder) not in swept:
        refuse_without_address(store.database)
    if writable and str(folder) not in swept:
        swept[str(folder)] = True
        sweep(folder, store.database)
        sweep_unfinished(folder, store.database)
    return store


class RunStore(RunReading):
    """Runs, their scalars, logs and folders. ``open_store`` makes one. Thread-safe.

    Attributes:
        home: the store's folder.
        cache: folder of the prepared data sets of all runs.
    """

    def __init__(self, home: Path, database: Database):
        super().__init__(home, database)
        self.cache = home / "data"
        self._pending: dict[tuple[str, str | None], Pending] = {}  # by run and token, so that a new attempt does not write rows of an old one
        self._pending_lock = threading.RLock()

    def create(
        self,
        config: RunConfig,
        *,
        run_id: str | None = None,
        request_id: str | None = None,
        columns: Mapping[str, Any] | None = None,
        line: str = "queued",
        fill: Callable[[Path], None] | None = None,
        link: Callable[[Connection, str], None] | None = None,
    ) -> Run:
        """Add a run with its folder and config.yaml. It is queued, unless ``columns`` say otherwise.

        Args:
            run_id: the id of a run that comes from another store; None for a new id.
            request_id: id of the request; a second call with the same id returns the run of the first.
            columns: further columns of its row, see ``schema.runs``.
            line: first line of its log.
            fill: writes files into its folder before any reader can see the run.
            link: writes further rows about it, given the run's id, in the transaction that makes it.

        Raises:
            ConfigError: the config could not be read back, because a change to it was not checked.
            StoreError: the run cannot be written; no part of it stays.
        """
        RunConfig.from_stored(config.to_dict())
        request_id = schema.request_key(request_id)
        if request_id and (made := self._run_of_request(request_id)):
            return made
        self.database.check_writable()
        folder, mark = self._new_folder(run_id)
        run_id = folder.name
        now = (columns or {}).get("started_at") or store_time()
        values: dict[str, Any] = {
            "id": run_id,
            "status": RunStatus.QUEUED.value,
            "config": schema.to_json(config.to_dict()),
            "created_at": now,
            "request_id": request_id,
            **(columns or {}),
        }
        try:
            write_text(folder / "config.yaml", config.to_yaml())
            if not RunStatus(values["status"]).is_ended():
                self._keep_data(config, folder)
            if fill:
                fill(folder)
            show = self.artifacts.upload(run_id)
            with self.database.write() as connection:
                connection.execute(insert(_runs).values(queue_rank=end_of_queue(connection), **values))
                write_facts(connection, run_id)
                connection.execute(insert(schema.log).values(run_id=run_id, time=store_time(), level="info", text=line))
                if link:
                    link(connection, run_id)
                show(connection)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            remove_mark(mark, folder)
            if request_id and (made := self._run_of_request(request_id)):  # another session made it at the same moment
                return made
            if isinstance(error, OSError):
                raise StoreError(f"cannot write the run's folder '{folder}': {error.strerror or error}") from error
            raise
        remove_mark(mark)
        self._append_to_log_file(run_id, "info", line)
        self.artifacts.keep(run_id)
        return self.get(run_id)

    def _keep_data(self, config: RunConfig, folder: Path) -> None:
        """Record the version of the run's imported set. Training refuses any other version."""
        if name := config.imported_set:
            from mtl_core.data.imports.pinned_set import pin_set  # with the libraries that read pictures

            self.artifacts.require_data(config)
            pin_set(folder, name, self.home)

    def settings(self) -> dict[str, str]:
        """Settings of the whole store, such as ``executor``."""
        with self.database.read() as connection:
            return {row.key: row.value for row in connection.execute(select(schema.meta)) if row.key != "schema_version"}

    def set(self, key: str, value: str) -> None:
        """Change a setting of the whole store."""
        with self.database.write() as connection:
            connection.execute(delete(schema.meta).where(schema.meta.c.key == key))
            connection.execute(insert(schema.meta).values(key=key, value=value))

    def end(self, run_id: str, status: RunStatus, failure: dict[str, Any] | None = None, token: str | None = None, line: str | None = None) -> None:
        """Record the end of a run without a RunEnded event: failed, interrupted, or stopped before it began. All in one transaction.

        Args:
            token: token of the claim. None if no trainer holds the run.
            line: line for the run's log.

        Raises:
            RunTakenError: the run was claimed again or deleted; nothing is written.
        """

        def write(connection: Connection) -> tuple[str, str] | None:
            values = {"status": status.value, "finished_at": store_time(), "failure": schema.to_json(failure) if failure else None}
            connection.execute(update(_runs).where(_runs.c.id == run_id).values(**values))
            return ("error", line) if line else None

        said = self._commit(run_id, token, write)
        self._pending.pop((run_id, token), None)
        if said:
            self._append_to_log_file(run_id, *said)
        if failure:
            self._append_to_log_file(run_id, "error", failure["trace"])  # the full trace is only in log.txt: no traceback on screen

    def append(self, run_id: str, event: Any, token: str | None = None) -> None:
        """Record one event of ``mtl_core.events``.

        Step scalars are committed about once a second, the first two at once. Every other event is committed, with all buffered rows, before this
        returns: a trainer that publishes a checkpoint afterwards can rely on the metrics being stored.

        Args:
            token: token of the claim. None when no trainer holds the run (imports, tests).

        Raises:
            RunTakenError: the run was claimed again.
        """
        kind = type(event).__name__
        with self._pending_lock:
            pending = self._pending_of(run_id, token)
            pending.pace(event.step if kind == "StepScalars" else None)
            if kind in ("StepScalars", "EpochMetrics"):
                pending.take(event)
            if kind == "StepScalars":
                self.commit_if_due(run_id, token, write_progress_time)
                return
            line = self._commit(run_id, token, lambda connection: _write_event_and_time(connection, run_id, event, pending))
            if kind == "RunEnded":
                self._pending.pop((run_id, token), None)
        if line:
            self._append_to_log_file(run_id, *line)

    def commit_if_due(self, run_id: str, token: str | None, write: Callable[[Connection, str], None] | None = None) -> None:
        """Write step scalars that have waited for a second. If the store is busy or full they stay buffered, because this must not end a run.

        Args:
            write: writes more in the same transaction.
        """
        with self._pending_lock:
            pending = self._pending.get((run_id, token))
            if pending is None or not pending.is_due():
                return
            try:
                self._commit(run_id, token, None if write is None else lambda connection: write(connection, run_id))
            except RunTakenError:
                raise
            except StoreError as error:
                _logger.warning("%s", error)

    def _new_folder(self, run_id: str | None = None) -> tuple[Path, Path]:
        while True:
            folder = self.place(run_id or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}")
            try:
                return folder, make_marked_folder(folder)
            except FileExistsError:
                if run_id:
                    raise StoreError(f"the folder '{folder}' exists already") from None
            except OSError as error:
                raise StoreError(f"cannot make the run's folder '{folder}': {error.strerror or error}") from error

    def _pending_of(self, run_id: str, token: str | None) -> Pending:
        if (run_id, token) not in self._pending:
            with self.database.read() as connection:
                columns = (_runs.c.number, _runs.c.started_at, _runs.c.seconds_before, _runs.c.info)
                row = connection.execute(select(*columns).where(_runs.c.id == run_id)).first()
                if row is None:
                    raise RunTakenError(f"run {run_id} was deleted")
                summary = stored_summary(connection, row.number)  # a resumed run goes on with what it has reached
            started_at = (row.started_at or store_time()) - row.seconds_before
            summary.taken()
            self._pending[run_id, token] = Pending(row.number, started_at, summary, json.loads(row.info or "{}"))
        return self._pending[run_id, token]

    def _commit(self, run_id: str, token: str | None, write: Callable[[Connection], tuple[str, str] | None] | None = None) -> tuple[str, str] | None:
        """Write the buffered rows and run ``write`` in one transaction. Returns the log line (level, text) from ``write``.

        Raises:
            RunTakenError: the run was claimed again since the claim with ``token``, or deleted; nothing is written.
        """
        with self._pending_lock:
            pending = self._pending_of(run_id, token)
            pending.committed, pending.is_first = time.monotonic(), False
            changed = set(pending.summary.changed)
            with _kept(pending, changed), self.database.write_beside() as connection:
                if lock_run(connection, run_id) != token and token is not None:
                    raise RunTakenError(f"run {run_id} is no longer held here")
                write_pending(connection, run_id, pending)
                line = write(connection) if write is not None else None
                if line:
                    connection.execute(insert(schema.log).values(run_id=run_id, time=store_time(), level=line[0], text=line[1]))
            pending.points.clear()
        return line


@contextmanager
def _kept(pending: Pending, changed: set[str]) -> Iterator[None]:
    """A transaction that fails has written no results: their keys are written with the next."""
    try:
        yield
    except BaseException:
        pending.summary.changed |= changed
        raise


def _write_event_and_time(connection: Connection, run_id: str, event: Any, pending: Pending) -> tuple[str, str] | None:
    """Write an event and the time of progress."""
    write_progress_time(connection, run_id)
    return write_event(connection, run_id, event, pending)
