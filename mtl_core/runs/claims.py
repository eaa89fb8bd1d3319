"""Claims on runs: claim, heartbeat, delivery of requests, release of a hung run.

One thread of one process claims a run, in one transaction. Each claim gets a new token. A write with an older token raises ``RunTakenError``, so a
trainer that was declared dead and wakes up again cannot corrupt the data of its successor. Of two processes that want a device alone at the same
moment, the database's index of held devices lets one have it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from mtl_core.errors import NotPossibleError, RunTakenError
from mtl_core.language import HalfUp
from mtl_core.machine.device_names import devices_taken
from mtl_core.runs.process_identity import this_process
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.leases import first_lease, write_sign_of_life
from mtl_core.runs.sql.run_rows import is_held, lock_run
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.runs.store import RunStore

_runs = schema.runs
_controls = schema.controls
LONGEST_WAIT = 10.0  # seconds; a change with a longer wait was stored before the clock was set back


@dataclass(frozen=True)
class ControlRecord:
    """One request to a training run: ``kind`` is stop, pause, proceed or change; ``payload`` is the key and value of a change."""

    kind: str
    payload: dict[str, Any]


def held_by_us(device: str) -> dict[str, Any]:
    """Column values of a claim by this thread, with a new token."""
    me, now = this_process(), store_time()
    owner = {"owner_host": me.host, "owner_pid": me.pid, "owner_started": me.started, "owner_token": secrets.token_hex(8)}
    times = {"started_at": now, "heartbeat_at": now, "progress_at": now}
    return {"status": RunStatus.RUNNING.value, "device": device, "slot": None, **times, **owner}


def claim(store: RunStore, run_id: str, device: str, alone: bool = True) -> str:
    """Claim a queued run. Returns the token to write with; empty if another process has the run, it was stopped, or its device is busy.

    Args:
        device: resolved, never ``auto``.
        alone: refuse while a live run on this host holds one of the run's devices, or a live run's device is not known yet.
    """
    queued = (_runs.c.id == run_id, _runs.c.status == RunStatus.QUEUED.value)
    with store.database.read() as connection:
        taken = _taken(connection, run_id, device)
    # The index holds one device of a run. So a run of several is claimed while no other process claims one.
    writing = store.database.write_beside if len(taken) == 1 else store.database.write
    with writing() as connection:
        # Nobody waits for a run that another process claims at this moment: the next one in the queue may be free.
        if connection.execute(select(_runs.c.id).where(*queued).with_for_update(skip_locked=True, key_share=True)).first() is None:
            return ""
        values = held_by_us(device)
        host = values["owner_host"]
        if alone and _is_busy(connection, taken, host):
            return ""
        if alone:
            values["slot"] = f"{host} {device}"
            _free_slot(connection, values["slot"])
        values["lease_seconds"] = first_lease(connection, run_id, host)
        try:
            with connection.begin_nested():
                connection.execute(update(_runs).where(*queued).values(**values, finished_at=None, training_started_at=None, failure=None))
        except IntegrityError:  # another process of this machine has just got the device
            return ""
        forget_requests(connection, run_id)
    return values["owner_token"]


def claim_first(store: RunStore, run_id: str, devices: Iterable[str]) -> str:
    """Claim a queued run for the first of these devices that is free. Returns the token, which is empty where ``claim`` gives none for any."""
    return next((token for device in devices if (token := claim(store, run_id, device))), "")


def _free_slot(connection: Connection, slot: str) -> None:
    """Take a device from a run whose process is gone and that nobody has marked as interrupted yet."""
    held = select(_runs).where(_runs.c.slot == slot, _runs.c.status.in_(ACTIVE)).with_for_update(key_share=True)
    for row in connection.execute(held).all():
        if not is_held(row):
            connection.execute(update(_runs).where(_runs.c.id == row.id).values(slot=None))


def is_busy(store: RunStore, devices: Collection[str]) -> bool:
    """Whether a live run on this host holds one of these devices, or its device is not known yet. Other hosts have their own devices."""
    with store.database.read() as connection:
        return _is_busy(connection, devices, this_process().host)


def _is_busy(connection: Connection, devices: Collection[str], host: str) -> bool:
    return any(row.device is None or not devices_taken(row.device, _count(row.config)).isdisjoint(devices) for row in _held_on(connection, host))


def _taken(connection: Connection, run_id: str, device: str) -> frozenset[str]:
    """The devices that a run takes if it trains on ``device``."""
    config = connection.execute(select(_runs.c.config).where(_runs.c.id == run_id)).scalar()
    return devices_taken(device, _count(config)) if config else frozenset({device})


def _count(config: str) -> Any:
    """``devices`` of a stored config, which may be of another version."""
    return json.loads(config).get("devices", 1)


def forget_requests(connection: Connection, run_id: str) -> None:
    """Mark all pending requests to a run as applied, and delete its changes: they were meant for an earlier attempt."""
    connection.execute(delete(_controls).where(_controls.c.run_id == run_id, _controls.c.kind == "change"))
    connection.execute(update(_controls).where(_controls.c.run_id == run_id, _controls.c.applied_at.is_(None)).values(applied_at=store_time()))


def heartbeat(store: RunStore, run_id: str, token: str, progress_at: float | None = None) -> bool:
    """Write the run's heartbeat and commit scalars that are due. Returns False if the token no longer holds the run.

    If another host marked the run as interrupted while this machine was suspended, the run becomes running again, unless it was claimed meanwhile.

    Args:
        progress_at: time of the trainer's last step or batch, in seconds since 1970; default now.
    """
    store.commit_if_due(run_id, token)
    ours = (_runs.c.id == run_id, _runs.c.owner_token == token)
    with store.database.write_beside() as connection:
        row = connection.execute(select(_runs.c.status, _runs.c.heartbeat_at).where(*ours).with_for_update(key_share=True)).first()
        if row is None:
            return False
        now = store_time()
        values: dict[str, Any] = {"progress_at": progress_at or now}
        # A run with a recent heartbeat was not interrupted for silence. Its device may have another run by now: it has no slot any more.
        if row.status == RunStatus.INTERRUPTED.value and row.heartbeat_at < now - 10:
            values |= {"status": RunStatus.RUNNING.value, "finished_at": None, "slot": None}
        elif row.status not in ACTIVE:
            return False
        write_sign_of_life(connection, run_id, **values)
        return True


def is_held_with(store: RunStore, run_id: str, token: str) -> bool:
    """True if this process claimed the run with ``token`` and the run has not ended."""
    me = this_process()
    here = (_runs.c.owner_host == me.host, _runs.c.owner_pid == me.pid, func.abs(_runs.c.owner_started - me.started) < 2.0)
    held = select(_runs.c.id).where(_runs.c.id == run_id, _runs.c.owner_token == token, *here, _runs.c.status.in_(ACTIVE))
    with store.database.read() as connection:
        return connection.execute(held).first() is not None


def is_asked(store: RunStore, run_id: str) -> bool:
    """True while a request to the run is due."""
    with store.database.read() as connection:
        return bool(_due(connection, run_id))


def _due(connection: Connection, run_id: str) -> list[Row]:
    """Requests that are due, oldest first. A change is due after its debounce (``actions.change``) or with any other request."""
    waiting = (_controls.c.run_id == run_id, _controls.c.applied_at.is_(None))
    rows = list(connection.execute(select(_controls).where(*waiting).order_by(_controls.c.number)))
    now = store_time()
    settled = [row for row in rows if row.kind != "change" or not now < row.created_at <= now + LONGEST_WAIT]
    return rows if any(row.kind != "change" for row in settled) else settled


def check_held(store: RunStore, run_id: str, token: str) -> None:
    """Raise RunTakenError if the claim with ``token`` has ended: the run was claimed again or released."""
    with store.database.read() as connection:
        if _token_of(connection, run_id) != token:
            raise RunTakenError(f"run {run_id} is no longer held here")


def _token_of(connection: Connection, run_id: str) -> str | None:
    return connection.execute(select(_runs.c.owner_token).where(_runs.c.id == run_id)).scalar()


def take_controls(store: RunStore, run_id: str, token: str | None = None) -> list[ControlRecord]:
    """Return the due requests, oldest first, and mark them as applied. The trainer of the run calls this.

    Args:
        token: token of the claim. With an outdated token the result is empty, so the requests stay for the present trainer.
    """
    if not is_asked(store, run_id):  # so that polling four times a second does not write
        return []
    with store.database.write_beside() as connection:
        if lock_run(connection, run_id) != token and token is not None:
            return []
        rows = _due(connection, run_id)
        numbers = [row.number for row in rows]
        connection.execute(update(_controls).where(_controls.c.number.in_(numbers)).values(applied_at=store_time()))
    return [ControlRecord(row.kind, json.loads(row.payload or "{}")) for row in rows]


def requests_of_attempt(store: RunStore, run_id: str) -> list[str]:
    """Kinds of the requests (stop, pause, proceed) that were made since the run was claimed, oldest first."""
    since = select(func.coalesce(_runs.c.started_at, 0.0)).where(_runs.c.id == run_id).scalar_subquery()
    asked = select(_controls.c.kind).where(_controls.c.run_id == run_id, _controls.c.kind != "change", _controls.c.created_at >= since)
    with store.database.read() as connection:
        return list(connection.execute(asked.order_by(_controls.c.number)).scalars())


def give_up(store: RunStore, run_id: str) -> Run:
    """Mark a hung run as interrupted and end its claim: its trainer, if it still exists, can write nothing more.

    Raises:
        NotPossibleError: the trainer made progress recently, or no process holds the run.
    """
    run = store.get(run_id)
    if not run.status.is_active():
        raise NotPossibleError(f"run {run.id} is {run.status}, so no process trains it; only a hung run can be given up")
    if not run.is_hung:
        raise NotPossibleError(f"run {run.id} made progress {run.silent_seconds:.0f} s ago, so it is not hung; stop it instead")
    with store.database.write() as connection:
        seen = update(_runs).where(_runs.c.id == run.id, _runs.c.owner_token == run.holder, _runs.c.status.in_(ACTIVE))
        values = {"status": RunStatus.INTERRUPTED.value, "finished_at": run.progress_at or store_time(), "owner_token": ""}
        given_up = connection.execute(seen.values(**values)).rowcount == 1
    epoch = HalfUp(run.epoch)
    if given_up:  # False if another process did it, or the run ended, at the same moment
        store.note(run.id, "error", f"interrupted at epoch {epoch:.4g}: given up by hand after {run.silent_seconds:.0f} s without progress")
    return store.get(run.id)


def _held_on(connection: Connection, host: str) -> list[Row]:
    """Runs that live processes of ``host`` hold."""
    active = select(_runs).where(_runs.c.status.in_(ACTIVE), _runs.c.owner_host == host)
    return [row for row in connection.execute(active) if is_held(row)]
