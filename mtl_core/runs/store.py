"""RunStore: the only channel between training and those who watch it.

One SQLite file and one folder per run, under one home::

    home/store.sqlite            runs, scalars, log, controls
    home/data/                   prepared data sets
    home/runs/<run id>/          config.yaml, log.txt, probes/, checkpoints/

Scalars come from the training thread through ``append``; requests to it go in through ``request_stop``. Any number of processes may have
the same home open.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, update

from mtl_core.config import RunConfig
from mtl_core.errors import RunNotFoundError, StoreError
from mtl_core.runs import schema
from mtl_core.runs.artifacts import write_text
from mtl_core.runs.database import Database, open_database
from mtl_core.runs.owner import Owner, this_process
from mtl_core.runs.recording import Pending, write_event, write_pending
from mtl_core.runs.rows import is_held, not_found, queue_of, run_of
from mtl_core.runs.run import LogLine, Run
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.runs.summary import summarise

if TYPE_CHECKING:
    import pandas

RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # UTC date and time of submission, then chance

_runs = schema.runs
_logger = logging.getLogger(__name__)


def open_store(home: Path | str | None = None) -> RunStore:
    """The run store in ``home``, else in the folder MTL_HOME names, else in ``./runs``; made if it is missing. Cheap when called again.

    Raises:
        StoreError: the folder cannot be made or written, or the database in it is damaged or newer than this program.
    """
    folder = Path(home or os.environ.get("MTL_HOME") or "runs").expanduser().absolute()
    _check_folder(folder)
    return RunStore(folder, open_database(folder / "store.sqlite"))


class RunStore:
    """Runs, their scalars, logs and folders. Get one from ``open_store``; safe to use from any thread.

    Attributes:
        home: the folder of everything.
        cache: where prepared data sets lie, for all runs.
    """

    def __init__(self, home: Path, database: Database):
        self.home = home
        self.cache = home / "data"
        self._database = database
        self._pending: dict[str, Pending] = {}
        self._pending_lock = threading.RLock()

    def folder(self, run_id: str) -> Path:
        """The run's artifact folder. Raises RunNotFoundError for what is no run id, so that no text from outside becomes a path."""
        if not RUN_ID.fullmatch(run_id):
            raise RunNotFoundError(f"'{run_id}' is no run id; one looks like 20261123-141502-3fa9")
        return self.home / "runs" / run_id

    # -- making and holding runs

    def create(self, config: RunConfig, device: str | None = None) -> Run:
        """Add a run with its folder and config.yaml. Queued; with ``device`` given it is at once held, running, by this process.

        Raises:
            StoreError: nothing could be written; then nothing is left behind.
        """
        run_id, folder = self._new_folder()
        values: dict[str, Any] = {
            "id": run_id,
            "status": RunStatus.QUEUED.value,
            "config": schema.to_json(config.to_dict()),
            "created_at": time.time(),
        }
        if device:
            values |= _held(device)
        line = "started" if device else "queued"
        try:
            write_text(folder / "config.yaml", config.to_yaml())
            with self._database.write() as connection:
                connection.execute(insert(_runs).values(**values))
                connection.execute(insert(schema.log).values(run_id=run_id, time=time.time(), level="info", text=line))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreError(f"cannot write the run's folder '{folder}': {error.strerror or error}") from error
            raise
        self._append_to_log_file(run_id, "info", line)
        return self.get(run_id)

    def claim(self, run_id: str, device: str, alone: bool = True) -> bool:
        """Take a queued run for this process; False when someone else has it, it was stopped, or its device is busy.

        Args:
            device: resolved, never ``auto``.
            alone: refuse while a live run on this host holds the device, or one whose device is not known yet.
        """
        me = this_process()
        with self._database.write() as connection:
            if alone and any(row.device in (device, None) for row in _held_on(connection, me.host)):
                return False
            queued = update(_runs).where(_runs.c.id == run_id, _runs.c.status == RunStatus.QUEUED.value)
            return connection.execute(queued.values(**_held(device))).rowcount == 1

    def heartbeat(self, run_id: str) -> bool:
        """Say that this process still trains the run, and commit scalars that waited too long. False when the run is no longer ours.

        A run that was given up for interrupted while we were silent (a suspended machine) is running again.
        """
        self._commit_if_due(run_id)
        ours = (_runs.c.id == run_id, *_owned_by(this_process()))
        with self._database.write() as connection:
            silent = _runs.c.heartbeat_at < time.time() - 10  # one that ended just now was not given up for silence
            wrongly = update(_runs).where(*ours, silent, _runs.c.status == RunStatus.INTERRUPTED.value)
            connection.execute(wrongly.values(status=RunStatus.RUNNING.value, finished_at=None))
            beat = update(_runs).where(*ours, _runs.c.status.in_(ACTIVE)).values(heartbeat_at=time.time())
            return connection.execute(beat).rowcount == 1

    def is_held_by(self, run_id: str, owner: Owner) -> bool:
        """True where ``owner`` has taken the run and it has not ended."""
        held = select(_runs.c.id).where(_runs.c.id == run_id, *_owned_by(owner), _runs.c.status.in_(ACTIVE))
        with self._database.read() as connection:
            return connection.execute(held).first() is not None

    def request_stop(self, run_id: str) -> Run:
        """Ask a run to save its state and end. A queued one is stopped at once; one that has ended stays as it is."""
        run = self.get(run_id)
        now = time.time()
        with self._database.write() as connection:
            this = _runs.c.id == run.id
            queued = update(_runs).where(this, _runs.c.status == RunStatus.QUEUED.value)
            never_ran = connection.execute(queued.values(status=RunStatus.STOPPED.value, finished_at=now)).rowcount == 1
            going = update(_runs).where(this, _runs.c.status.in_(ACTIVE), _runs.c.status != RunStatus.STOPPING.value)
            if connection.execute(going.values(status=RunStatus.STOPPING.value)).rowcount:
                connection.execute(insert(schema.controls).values(run_id=run.id, kind="stop", created_at=now))
        if never_ran:
            self.note(run.id, "info", "taken out of the queue")
        return self.get(run.id)

    def take_stop(self, run_id: str) -> bool:
        """True when a stop was asked for and not yet handed out; marks it as applied. For whoever trains the run."""
        controls = schema.controls
        waiting = (controls.c.run_id == run_id, controls.c.kind == "stop", controls.c.applied_at.is_(None))
        with self._database.read() as connection:
            if connection.execute(select(controls.c.number).where(*waiting).limit(1)).first() is None:
                return False
        with self._database.write() as connection:
            return connection.execute(update(controls).where(*waiting).values(applied_at=time.time())).rowcount > 0

    def end(self, run_id: str, status: RunStatus, failure: dict[str, Any] | None = None) -> None:
        """Write how a run ended where no RunEnded says it: failed, interrupted, or stopped before it began."""
        self._commit(run_id)
        values = {"status": status.value, "finished_at": time.time(), "failure": schema.to_json(failure) if failure else None}
        with self._database.write() as connection:
            connection.execute(update(_runs).where(_runs.c.id == run_id).values(**values))
        if failure:
            self._append_to_log_file(run_id, "error", failure["trace"])  # the whole of it only here: no traceback on screen

    # -- writing what happens

    def append(self, run_id: str, event: Any) -> None:
        """Record one event of ``mtl_core.events``.

        Step scalars are committed about once a second; everything else at once, with all that waited, before this returns: a trainer
        that publishes a checkpoint afterwards can rely on the metrics being safe.
        """
        kind = type(event).__name__
        with self._pending_lock:
            pending = self._pending_of(run_id)
            pending.pace(event.step if kind == "StepScalars" else None)
            if kind in ("StepScalars", "EpochMetrics"):
                pending.take(run_id, event)
            if kind == "StepScalars":
                with contextlib.suppress(StoreError):  # a busy store must not end a run: the rows are kept; what must be safe is committed below
                    self._commit_if_due(run_id)
                return
            line = self._commit(run_id, event)
            if kind == "RunEnded":
                self._pending.pop(run_id, None)
        if line:
            self._append_to_log_file(run_id, *line)

    def note(self, run_id: str, level: str, text: str) -> None:
        """Add a line to the run's log. ``level`` is info, warning or error."""
        with self._database.write() as connection:
            connection.execute(insert(schema.log).values(run_id=run_id, time=time.time(), level=level, text=text))
        self._append_to_log_file(run_id, level, text)

    # -- reading

    def get(self, run_id: str) -> Run:
        """The run with this id, or the only one whose id begins with it.

        Raises:
            RunNotFoundError: none or several match.
            StoreError: its config was written by another version and cannot be read.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(_runs).where(_runs.c.id.startswith(run_id, autoescape=True)).order_by(_runs.c.number)).all()
            exact = [row for row in rows if row.id == run_id] or rows
            if not run_id or len(exact) != 1:
                raise RunNotFoundError(not_found(connection, run_id, [row.id for row in rows] if run_id else []))
            queue = queue_of(connection)
        return self._run(exact[0], queue)

    def runs(self) -> list[Run]:
        """Every run, newest first. One whose config this version cannot read is left out, with a warning in the program's log."""
        return self._select()

    def active(self) -> list[Run]:
        """Runs that a live process holds, newest first."""
        return [run for run in self._select(_runs.c.status.in_(ACTIVE)) if run.status.is_active()]

    def queued(self) -> list[Run]:
        """Waiting runs, the next one first."""
        return self._select(_runs.c.status == RunStatus.QUEUED.value)[::-1]

    def scalars(self, run_id: str, after: int = 0) -> pandas.DataFrame:
        """Rows written after row ``after``, in that order: columns row, step, epoch, key, value, wall_time (seconds since the run's start).

        A value that was written again (a resumed run repeats steps) comes again with a higher row: the later one holds.
        """
        import pandas

        table = schema.scalars
        columns = (table.c.row, table.c.step, table.c.epoch, table.c.key, table.c.value, table.c.wall_time)
        with self._database.read() as connection:
            rows = connection.execute(select(*columns).where(table.c.run_id == run_id, table.c.row > after).order_by(table.c.row)).all()
        frame = pandas.DataFrame([tuple(row) for row in rows], columns=[column.name for column in columns])  # pandas is slow with Rows
        return frame.astype({"row": "int64", "step": "int64", "epoch": "float64", "value": "float64", "wall_time": "float64"})

    def summary(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Best and last of every scalar key; see ``mtl_core.runs.summary``."""
        with self._database.read() as connection:
            info = connection.execute(select(_runs.c.info).where(_runs.c.id == run_id)).scalar()
            return summarise(connection, run_id, json.loads(info or "{}"))

    def log(self, run_id: str) -> list[LogLine]:
        """The run's log, oldest first."""
        log = schema.log
        with self._database.read() as connection:
            rows = connection.execute(select(log.c.time, log.c.level, log.c.text).where(log.c.run_id == run_id).order_by(log.c.number))
            return [LogLine(*row) for row in rows]

    # -- inside

    def _new_folder(self) -> tuple[str, Path]:
        while True:
            run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
            folder = self.folder(run_id)
            try:
                folder.mkdir(parents=True)
                return run_id, folder
            except FileExistsError:
                continue
            except OSError as error:
                raise StoreError(f"cannot make the run's folder '{folder}': {error.strerror or error}") from error

    def _pending_of(self, run_id: str) -> Pending:
        if run_id not in self._pending:
            with self._database.read() as connection:
                started = connection.execute(select(_runs.c.started_at).where(_runs.c.id == run_id)).scalar()
            self._pending[run_id] = Pending(started_at=started or time.time())
        return self._pending[run_id]

    def _commit_if_due(self, run_id: str) -> None:
        with self._pending_lock:
            pending = self._pending.get(run_id)
            if pending is not None and pending.is_due():
                self._commit(run_id)

    def _commit(self, run_id: str, event: Any = None) -> tuple[str, str] | None:
        """Write what waits and ``event`` in one transaction; the line it adds to the log."""
        with self._pending_lock:
            pending = self._pending_of(run_id)
            pending.committed = time.monotonic()
            with self._database.write() as connection:
                write_pending(connection, run_id, pending)
                line = write_event(connection, run_id, event) if event is not None else None
                if line:
                    connection.execute(insert(schema.log).values(run_id=run_id, time=time.time(), level=line[0], text=line[1]))
            pending.rows.clear()
        return line

    def _append_to_log_file(self, run_id: str, level: str, text: str) -> None:
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level:7} {text}\n"
        with contextlib.suppress(OSError), open(self.folder(run_id) / "log.txt", "a", encoding="utf-8") as file:
            file.write(line)  # a copy for people; the database has the same line, and complains when the disk is full

    def _select(self, *conditions: Any) -> list[Run]:
        with self._database.read() as connection:
            rows = connection.execute(select(_runs).where(*conditions).order_by(_runs.c.number.desc())).all()
            queue = queue_of(connection)
        found = []
        for row in rows:
            try:
                found.append(self._run(row, queue))
            except StoreError as error:
                _logger.warning("%s", error)
        return found

    def _run(self, row: Row, queue: list[str]) -> Run:
        status, finished_at = RunStatus(row.status), row.finished_at
        if status.is_active() and not is_held(row):
            status, finished_at = self._interrupted(row)
        return run_of(row, status, finished_at, queue)

    def _interrupted(self, row: Row) -> tuple[RunStatus, float]:
        """Write that the run's process is gone, unless the run has moved on since ``row`` was read."""
        seen = (_runs.c.id == row.id, _runs.c.status == row.status, _runs.c.heartbeat_at == row.heartbeat_at)
        try:
            with self._database.write() as connection:
                given_up = update(_runs).where(*seen).values(status=RunStatus.INTERRUPTED.value, finished_at=row.heartbeat_at)
                changed = connection.execute(given_up).rowcount == 1
            if changed:
                self.note(row.id, "error", f"interrupted at epoch {row.epoch:.4g}: the process that trained it is gone")
            else:  # it ended, or was given up by another reader, between our read and now
                with self._database.read() as connection:
                    row = connection.execute(select(_runs).where(_runs.c.id == row.id)).one()
                return RunStatus(row.status), row.finished_at
        except StoreError as error:  # a full disk must not hide the truth
            _logger.warning("%s", error)
        return RunStatus.INTERRUPTED, row.heartbeat_at


def _check_folder(folder: Path) -> None:
    advice = "Set MTL_HOME to a folder that you may write."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"the run store needs a folder, but '{folder}' is, or lies below, a file. {advice}") from None
    except OSError as error:
        raise StoreError(f"the run store's folder '{folder}' cannot be written: {error.strerror or error}. {advice}") from None


def _held(device: str) -> dict[str, Any]:
    """Columns of a run that this process has just taken."""
    me, now = this_process(), time.time()
    owner = {"owner_host": me.host, "owner_pid": me.pid, "owner_started": me.started}
    return {"status": RunStatus.RUNNING.value, "device": device, "started_at": now, "heartbeat_at": now, **owner}


def _owned_by(owner: Owner) -> tuple[Any, ...]:
    return _runs.c.owner_host == owner.host, _runs.c.owner_pid == owner.pid, func.abs(_runs.c.owner_started - owner.started) < 2.0


def _held_on(connection: Connection, host: str) -> list[Row]:
    """Runs that live processes of ``host`` hold."""
    active = select(_runs).where(_runs.c.status.in_(ACTIVE), _runs.c.owner_host == host)
    return [row for row in connection.execute(active) if is_held(row)]
