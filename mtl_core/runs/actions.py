"""Actions of a person on a run: stop, pause, proceed, rename, annotate, reorder, archive, delete.

Each function checks the run's state and changes it in one transaction, so two people, two tabs, or a page and the command line can act at the
same time. Resume, train on and fork are in ``mtl_core.runs.resume_and_fork``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from mtl_core.errors import ConfigError, NotPossibleError, Problem, StoreError
from mtl_core.names import title_problem
from mtl_core.runs.failures import is_disk_full
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.sql.run_rows import QUEUE_ORDER, forget_run
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.runs.trash import move_to_trash, remove, remove_training_state, restore_from_trash

LONGEST_TITLE, LONGEST_NOTE, LONGEST_TAG = 120, 4000, 40  # characters

_runs, _controls = schema.runs, schema.controls


def stop(store: RunStore, run_id: str) -> Run:
    """Ask a run to save its state and end. A queued run is stopped at once; an ended run does not change."""
    run = store.get(run_id)
    with store.database.write() as connection:
        queued = update(_runs).where(_runs.c.id == run.id, _runs.c.status == RunStatus.QUEUED.value)
        out_of_queue = connection.execute(queued.values(status=RunStatus.STOPPED.value, finished_at=store_time())).rowcount == 1
        going = tuple(status for status in ACTIVE if status != RunStatus.STOPPING.value)
        _ask(connection, run.id, "stop", going, RunStatus.STOPPING)
    if out_of_queue:
        store.note(run.id, "info", "taken out of the queue")
    return store.get(run.id)


def pause(store: RunStore, run_id: str) -> Run:
    """Ask a running run to save its state and wait. It keeps its device; ``proceed`` continues it in place.

    Raises:
        NotPossibleError: the run is not running.
    """
    run = store.get(run_id)
    with store.database.write() as connection:
        asked = _ask(connection, run.id, "pause", (RunStatus.RUNNING.value,), RunStatus.PAUSING)
    run = store.get(run.id)
    if not asked and run.status not in (RunStatus.PAUSING, RunStatus.PAUSED):
        raise NotPossibleError(f"run {run.id} is {run.status}; only a running one can be paused")
    return run


def proceed(store: RunStore, run_id: str) -> Run:
    """Continue a paused run.

    Raises:
        NotPossibleError: the run is not paused.
    """
    run = store.get(run_id)
    with store.database.write() as connection:
        asked = _ask(connection, run.id, "proceed", (RunStatus.PAUSED.value, RunStatus.PAUSING.value), RunStatus.RUNNING)
    if not asked and store.get(run.id).status != RunStatus.RUNNING:
        raise NotPossibleError(f"run {run.id} is {store.get(run.id).status}; only a paused one can be let go on in place")
    return store.get(run.id)


def _ask(connection: Connection, run_id: str, kind: str, from_statuses: tuple[str, ...], to_status: RunStatus) -> bool:
    """Store a request to a run that is in one of ``from_statuses``; a second click stores no second request."""
    changed = update(_runs).where(_runs.c.id == run_id, _runs.c.status.in_(from_statuses)).values(status=to_status.value)
    if connection.execute(changed).rowcount == 0:
        return False
    connection.execute(insert(schema.controls).values(run_id=run_id, kind=kind, created_at=store_time()))
    return True


def change(store: RunStore, run_id: str, key: str, value: float, settle: float = 0.0) -> Run:
    """Change a loss weight (``tasks.<task>.loss_weight``) or the learning rate (``optimizer.lr``) of a run from its next step on.

    The change becomes part of the run's config, so that a resumed run, a clone and a fork replay it. This change replaces a pending change of the
    same key.

    Args:
        settle: seconds of debounce: a slider moved through ten values makes one change. Any other request ends the wait.

    Raises:
        NotPossibleError: no process trains the run.
        ConfigError: the key cannot be changed, or the value is out of range.
    """
    run = store.get(run_id)
    run.config.at_step(run.step).with_change(run.step, key, value)
    record = {"run_id": run.id, "kind": "change", "payload": json.dumps({"key": key, "value": value})}
    waiting = select(_controls).where(_controls.c.run_id == run.id, _controls.c.kind == "change", _controls.c.applied_at.is_(None))
    with store.database.write() as connection:
        status = connection.execute(select(_runs.c.status).where(_runs.c.id == run.id)).scalar()
        if status not in ACTIVE:
            raise NotPossibleError(f"run {run.id} is {status}; only a run that trains can be changed. Fork it instead")
        replaced = [row.number for row in connection.execute(waiting) if json.loads(row.payload)["key"] == key]
        connection.execute(delete(_controls).where(_controls.c.number.in_(replaced)))
        connection.execute(insert(_controls).values(**record, created_at=store_time() + settle))
    return store.get(run.id)


def asked_changes(store: RunStore, run_id: str) -> dict[str, float]:
    """Key -> value of the changes that anyone has asked of a run and that its config does not hold yet.

    ``mtl_core.runs.sql.event_writer`` deletes a change as it becomes part of the config, or is refused by the trainer.
    """
    asked = select(_controls.c.payload).where(_controls.c.run_id == run_id, _controls.c.kind == "change").order_by(_controls.c.number)
    with store.database.read() as connection:
        payloads = [json.loads(payload) for payload in connection.execute(asked).scalars()]
    return {payload["key"]: payload["value"] for payload in payloads}


def move(store: RunStore, run_id: str, to: int) -> Run:
    """Move a queued run to position ``to`` of the queue (1 is next); a position beyond the end means last.

    Raises:
        NotPossibleError: the run is not queued (any more).
    """
    run = store.get(run_id)
    with store.database.write() as connection:
        line = list(connection.execute(select(_runs.c.id).where(_runs.c.status == RunStatus.QUEUED.value).order_by(*QUEUE_ORDER)).scalars())
        if run.id not in line:
            raise NotPossibleError(f"run {run.id} is not in the queue (any more); it is {run.status}")
        line.remove(run.id)
        line.insert(max(to, 1) - 1, run.id)
        first = store_time() - len(line)  # ranks are times, so that a run queued later sorts behind these
        ranks = [{"run": each, "rank": first + place / 1000} for place, each in enumerate(line)]
        rank = update(_runs).where(_runs.c.id == bindparam("run")).values(queue_rank=bindparam("rank"))
        connection.execute(rank, ranks)  # at once: whoever writes meanwhile waits
    return store.get(run.id)


def rename(store: RunStore, run_id: str, title: str) -> Run:
    """Rename a run; an empty name restores the name made from its settings.

    Raises:
        ConfigError: the name is too long or has a line break.
    """
    return _describe(store, run_id, title=_line("name", title, LONGEST_TITLE) or None)


def set_note(store: RunStore, run_id: str, note: str) -> Run:
    """Replace a run's note. Raises ConfigError if it is too long."""
    if len(note) > LONGEST_NOTE:
        raise ConfigError(Problem("note", f"expected at most {LONGEST_NOTE} characters, found {len(note)}; shorten it"))
    if any("\ud800" <= character <= "\udfff" for character in note):
        raise ConfigError(Problem("note", "expected text in UTF-8, found bytes that are no characters; write it again"))
    return _describe(store, run_id, note=note.strip())


def set_tags(store: RunStore, run_id: str, tags: Iterable[str]) -> Run:
    """Replace a run's tags; duplicates are dropped. Raises ConfigError if a tag is too long or has a comma."""
    found = list(dict.fromkeys(filter(None, (_line("tags", tag, LONGEST_TAG) for tag in tags))))
    if any("," in tag for tag in found):
        raise ConfigError(Problem("tags", "a tag cannot have a comma in it; give several tags one by one"))
    return _describe(store, run_id, tags=json.dumps(found, ensure_ascii=False))


def pin(store: RunStore, run_id: str, pinned: bool = True) -> Run:
    """Pin a run to the top of every list, or unpin it."""
    return _describe(store, run_id, pinned=int(pinned))


def archive(store: RunStore, run_id: str, archived: bool = True) -> Run:
    """Hide a run from the lists without deleting anything, or show it again.

    Raises:
        NotPossibleError: the run has not ended.
    """
    run = store.get(run_id)
    if archived and not run.status.is_ended():
        raise NotPossibleError(f"run {run.id} is {run.status}; stop it before it is archived")
    return _describe(store, run_id, archived=int(archived))


def _describe(store: RunStore, run_id: str, **values: Any) -> Run:
    run = store.get(run_id)
    with store.database.write() as connection:
        connection.execute(update(_runs).where(_runs.c.id == run.id).values(**values))
        write_facts(connection, run.id)
    return store.get(run.id)


def _line(field: str, text: str, longest: int) -> str:
    text = text.strip()
    if problem := title_problem(text, longest):
        raise ConfigError(Problem(field, problem))
    return text


def delete_run(store: RunStore, run_id: str) -> None:
    """Delete a run and its folder permanently. Its forks stay complete.

    To delete rows takes some room. Where the disk has none, the run's training state, its largest files, goes first.

    Raises:
        NotPossibleError: a process holds the run.
        StoreError: the folder cannot be removed; the run is not deleted then.
    """
    run = store.get(run_id)  # ``get`` marks a run whose process is gone as interrupted, so it can be deleted
    try:
        thrown = _move_out(store, run)
    except StoreError as error:
        if not is_disk_full(error):
            raise
        thrown = _move_out(store, run, makes_room=True)
    remove(thrown)
    store.artifacts.remove(run.id)


def _move_out(store: RunStore, run: Run, makes_room: bool = False) -> Path:
    """Delete the run's rows, and move its folder into the trash: both or neither. ``makes_room``: its training state is removed before."""
    thrown = None
    try:
        with store.database.write() as connection:
            status = connection.execute(select(_runs.c.status).where(_runs.c.id == run.id)).scalar()
            if status in ACTIVE:
                raise NotPossibleError(f"run {run.id} ({run.name}) is {status}; stop it before it is deleted")
            if makes_room:
                remove_training_state(store.place(run.id))
            forget_run(connection, run.id)
            thrown = move_to_trash(store.place(run.id))  # last, so that its failure rolls back the rest
    except BaseException:
        if thrown:
            restore_from_trash(thrown)
        raise
    return thrown
