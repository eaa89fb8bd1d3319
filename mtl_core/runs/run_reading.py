"""RunReading: what the store says about its runs. A run whose process is gone is marked by the sweeper, at the latest when somebody reads it."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from bisect import bisect_left
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, insert, select

from mtl_core.errors import RunNotFoundError, StoreError
from mtl_core.language import HalfUp
from mtl_core.runs.alerts.run_alerts import ALERT
from mtl_core.runs.objects.local_artifacts import LocalArtifacts
from mtl_core.runs.process_identity import Owner
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.run_record import Alert, LogLine, Run
from mtl_core.runs.sql import run_listing, schema, sweeper
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.result_rows import summaries
from mtl_core.runs.sql.run_listing import ListedFacts, RunQuery
from mtl_core.runs.sql.run_rows import can_be_read, is_held, not_found, queue_of, run_of
from mtl_core.runs.sql.scalar_points import frame_of
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.terminal_text import visible

if TYPE_CHECKING:
    import pandas

NEWEST = 100  # runs whose configs are read to find those of another version that writes beside this one
RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # UTC date and time of submission, then random digits

_runs = schema.runs
_logger = logging.getLogger(__name__)


def unread_words(ids: Sequence[str]) -> str:
    """A sentence about the runs that no list shows because this version cannot read their configs; empty for none."""
    if not ids:
        return ""
    runs = "1 run is" if len(ids) == 1 else f"{len(ids):,} runs are"
    listed = f"{', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"
    return f"{runs} not listed, because another version of the program wrote {'it' if len(ids) == 1 else 'them'}: {listed}. Open the store with it."


def _gone_words(epoch: float) -> str:
    epoch = HalfUp(epoch)
    return f"interrupted at epoch {epoch:.4g}: the process that trained it is gone"


class RunReading:
    """The reading half of ``RunStore``, and the log.

    Attributes:
        home: the store's folder.
        artifacts: sends the files of runs to an object store and fetches them from it, where MTL_ARTIFACTS_URL is set.
    """

    def __init__(self, home: Path, database: Database):
        self.home = home
        self.database = database
        self.artifacts = LocalArtifacts()

    def folder(self, run_id: str) -> Path:
        """The run's artifact folder, with what other machines have made of the run. Errors as for ``place``."""
        place = self.place(run_id)
        self.artifacts.refresh(run_id)
        return place

    def place(self, run_id: str) -> Path:
        """The run's artifact folder as it is on this machine.

        Raises:
            RunNotFoundError: ``run_id`` is anything but a run id, so that no text from outside becomes a path.
        """
        if not RUN_ID.fullmatch(run_id):
            raise RunNotFoundError(f"'{run_id}' is not a run id; a run id looks like 20261123-141502-3fa9")
        return self.home / "runs" / run_id

    def get(self, run_id: str) -> Run:
        """The run with this id, or the only one whose id begins with it.

        Raises:
            RunNotFoundError: no run matches, or several do.
            StoreError: the config was written by another version and cannot be read.
        """
        run_id = run_id.encode("utf-8", "replace").decode()  # bytes of a command line that are no text fit no id
        with self.database.read() as connection:
            rows = connection.execute(select(_runs).where(_runs.c.id.startswith(run_id, autoescape=True)).order_by(_runs.c.number)).all()
            exact = [row for row in rows if row.id == run_id] or rows
            if not run_id or len(exact) != 1:
                raise RunNotFoundError(not_found(connection, run_id, [row.id for row in rows] if run_id else []))
            queue = queue_of(connection)
        return self._run(exact[0], queue)

    def find(self, run_id: str) -> Run | None:
        """The run with exactly this id; None if it does not exist, or its config cannot be read (a warning is logged)."""
        return next(iter(self._select(_runs.c.id == run_id)), None)

    def several(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, newest first; ids without a run are left out."""
        return self._select(_runs.c.id.in_(run_ids))

    def runs(self) -> list[Run]:
        """Every run, newest first. A run whose config this version cannot read is skipped, with a warning in the program's log: ``unread`` names it.

        With ten thousand runs this takes seconds: pages ask for a part of them, by ``listed``, or for ``facts``.
        """
        return self._select()

    def unread(self) -> list[str]:
        """Ids of the runs whose configs this version cannot read, newest first: another version of the program wrote them.

        The narrow table tells it of all runs; the newest are read, because another version may write beside this one.
        """
        facts = schema.run_facts
        with self.database.read() as connection:
            known = select(_runs.c.number, _runs.c.id).join(facts, facts.c.run == _runs.c.number).where(facts.c.is_readable == 0)
            found = {row.number: row.id for row in connection.execute(known)}
            newest = select(_runs.c.number, _runs.c.id, _runs.c.config).order_by(_runs.c.number.desc()).limit(NEWEST)
            found |= {row.number: row.id for row in connection.execute(newest) if not can_be_read(row.config, row.id)}
        return [found[number] for number in sorted(found, reverse=True)]

    def listed(self, query: RunQuery, offset: int = 0, limit: int | None = None) -> list[Run]:
        """The runs that a query asks for, in its order, from ``offset`` on."""
        self.active()  # runs whose process is gone are found by their state, too
        with self.database.read() as connection:
            ids = run_listing.ids_of(connection, query, offset, limit)
        found = {run.id: run for run in self.several(ids)}
        return [found[run_id] for run_id in ids if run_id in found]

    def count(self, query: RunQuery | None = None) -> int:
        """How many runs match; without a query, how many there are, archived ones and ones that cannot be read too."""
        with self.database.read() as connection:
            if query is None:
                return connection.execute(select(func.count()).select_from(_runs)).scalar_one()
            return run_listing.count_of(connection, query)

    def facts(self) -> list[ListedFacts]:
        """What lists and links need to know about every run, newest first. It reads narrow rows and no config."""
        with self.database.read() as connection:
            return run_listing.facts_of(connection)

    def choices(self) -> tuple[list[str], list[str]]:
        """The states and the data sets that occur among the runs."""
        with self.database.read() as connection:
            return run_listing.choices_of(connection)

    def newest(self) -> str | None:
        """Id of the newest run, one that is not archived if there is any; None without runs."""
        with self.database.read() as connection:
            return connection.execute(select(_runs.c.id).order_by(_runs.c.archived, _runs.c.number.desc()).limit(1)).scalar()

    def ids_beginning_with(self, text: str) -> list[str]:
        """Ids of the runs whose id begins with this text, newest first."""
        with self.database.read() as connection:
            wanted = select(_runs.c.id).where(_runs.c.id.startswith(text, autoescape=True)).order_by(_runs.c.number.desc())
            return [run_id for run_id in connection.execute(wanted).scalars() if run_id.startswith(text)]  # LIKE does not tell a from A

    def places(self, run_ids: Collection[str]) -> dict[str, int]:
        """How many older runs there are before each of these runs. A run's colour follows from it."""
        with self.database.read() as connection:
            numbers = list(connection.execute(select(_runs.c.number).order_by(_runs.c.number)).scalars())
            wanted = connection.execute(select(_runs.c.id, _runs.c.number).where(_runs.c.id.in_(run_ids)))
            return {row.id: bisect_left(numbers, row.number) for row in wanted}

    def last_ended(self) -> Run | None:
        """The run that ended last and is not archived."""
        with self.database.read() as connection:
            found = run_listing.last_ended(connection)
        return self.find(found) if found else None

    def of_fingerprints(self, fingerprints: Collection[str]) -> list[Run]:
        """The runs whose config has one of these fingerprints, newest first."""
        facts = schema.run_facts
        return self._select(_runs.c.number.in_(select(facts.c.run).where(facts.c.fingerprint.in_(fingerprints))))

    def on_data(self, data: str, *conditions: Any) -> list[Run]:
        """The runs on a data set, newest first. ``conditions``: on columns of ``schema.runs``."""
        facts = schema.run_facts
        return self._select(_runs.c.number.in_(select(facts.c.run).where(facts.c.data == data)), *conditions)

    def children(self, run_id: str) -> list[Run]:
        """Runs forked from this one, newest first."""
        return self._select(_runs.c.parent_id == run_id)

    def active(self) -> list[Run]:
        """Runs that a live process holds, newest first."""
        return [run for run in self._select(_runs.c.status.in_(ACTIVE)) if run.status.is_active()]

    def queued(self) -> list[Run]:
        """Queued runs, the next one first."""
        return sorted(self._select(_runs.c.status == RunStatus.QUEUED.value), key=lambda run: run.queue_position or 0)

    def scalars(self, run_id: str, after: int = 0) -> pandas.DataFrame:
        """Rows written after row ``after``, in order: columns row, step, epoch, key, value, wall_time (seconds since the run's start).

        A replaced value (a resumed run repeats steps) appears again with a higher row; the later row is valid.
        """
        with self.database.read() as connection:
            return frame_of(connection, run_id, after)

    def summary(self, run_id: str) -> dict[str, dict[str, Any]]:
        """``{key: {"best", "last", "chosen", "best_epoch", "higher_is_better", "title", "unit"}}`` of every scalar, sorted by key.

        NaN and infinite values are never best; a last value that is not finite is None. ``chosen``: with the checkpoint that is the best on val over
        all tasks; None for keys of other splits than val and test. If no direction is known, ``best``, ``best_epoch`` and ``higher_is_better``
        are None.
        """
        return self.summaries([run_id])[run_id]

    def summaries(self, run_ids: Sequence[str], keys: Collection[str] | None = None) -> dict[str, dict[str, dict[str, Any]]]:
        """``summary`` of several runs, by id; only of these keys, if given."""
        with self.database.read() as connection:
            return summaries(connection, run_ids, keys)

    def log(self, run_id: str) -> list[LogLine]:
        """The run's log, oldest first."""
        log = schema.log
        with self.database.read() as connection:
            rows = connection.execute(select(log.c.time, log.c.level, log.c.text).where(log.c.run_id == run_id).order_by(log.c.number))
            return [LogLine(*row) for row in rows]

    def last_line(self) -> int:
        """Number of the newest line in any run's log; 0 without one."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.max(schema.log.c.number))).scalar() or 0)

    def alerts(self, after: int = 0, run_id: str = "") -> list[Alert]:
        """Alerts with a higher number than ``after``, oldest first; of one run, or of all."""
        log = schema.log
        wanted = [log.c.level == ALERT, log.c.number > after, *([log.c.run_id == run_id] if run_id else [])]
        with self.database.read() as connection:
            rows = connection.execute(select(log.c.number, log.c.run_id, log.c.time, log.c.text).where(*wanted).order_by(log.c.number))
            return [Alert(*row) for row in rows]

    def owner(self, run_id: str) -> Owner | None:
        """The process that holds the run, or held it last; None if it was never claimed."""
        columns = (_runs.c.owner_host, _runs.c.owner_pid, _runs.c.owner_started)
        with self.database.read() as connection:
            row = connection.execute(select(*columns).where(_runs.c.id == run_id)).first()
        return Owner(*row) if row is not None and row[1] is not None else None

    def note(self, run_id: str, level: str, text: str) -> None:
        """Add a line to the run's log. ``level`` is info, warning, error or ``ALERT``."""
        with self.database.write() as connection:
            connection.execute(insert(schema.log).values(run_id=run_id, time=store_time(), level=level, text=text))
        self._append_to_log_file(run_id, level, text)

    def sweep(self) -> None:
        """Mark the runs whose processes are gone, unless another process does that at this moment.

        Raises:
            StoreError: the store cannot be written.
        """
        for run_id, line in sweeper.sweep(self.database, _gone_words):
            self._append_to_log_file(run_id, "error", line)

    def sweep_if_due(self) -> None:
        """``sweep`` if no process has done so for some seconds. Who works on the queue calls this between runs."""
        if sweeper.is_due(self.database):
            self.sweep()

    def _append_to_log_file(self, run_id: str, level: str, text: str) -> None:
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level:7} {visible(text)}\n"
        with contextlib.suppress(OSError), open(self.place(run_id) / "log.txt", "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line)  # a copy for people; the database has the same line and raises if the disk is full

    def _select(self, *conditions: Any) -> list[Run]:
        with self.database.read() as connection:
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
        status, finished_at, failure = RunStatus(row.status), row.finished_at, None
        if status.is_active():
            unwritten = process_slot("unwritten_ends").get(row.owner_token or "")
            if unwritten:  # the run has ended in this process, but its end could not be recorded yet
                status, finished_at, failure = RunStatus(unwritten["status"]), unwritten["finished_at"], unwritten["failure"]
            elif not is_held(row):
                status, finished_at = self._mark_interrupted(row)
        return run_of(row, status, finished_at, queue, failure)

    def _run_of_request(self, request_id: str) -> Run | None:
        with self.database.read() as connection:
            found = connection.execute(select(_runs.c.id).where(_runs.c.request_id == request_id)).scalar()
        return self.get(found) if found else None

    def _mark_interrupted(self, row: Row) -> tuple[RunStatus, float]:
        """Record that the run's process is gone, unless the run has changed since ``row`` was read. Returns its status and end."""
        if self.database.read_only:
            return RunStatus.INTERRUPTED, row.heartbeat_at
        try:
            now = self._row(row.id)
            if RunStatus(now.status).is_active() and not is_held(now):
                self.sweep()
                now = self._row(row.id)
            if not RunStatus(now.status).is_active() or is_held(now):  # it was marked, or since our read it has ended or given a sign of life
                return RunStatus(now.status), now.finished_at
        except StoreError as error:  # the status is right even if a full disk prevents recording it
            _logger.warning("%s", error)
        return RunStatus.INTERRUPTED, row.heartbeat_at

    def _row(self, run_id: str) -> Row:
        with self.database.read() as connection:
            return connection.execute(select(_runs).where(_runs.c.id == run_id)).one()
