"""Who holds a run, and whether that process still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import psutil

SILENCE_ON_OTHER_HOST = 15.0  # seconds without a heartbeat (one is written every 2 s) after which a process elsewhere counts as gone
START_TOLERANCE = 2.0  # seconds; a process's start time moves a little when the clock is set


@dataclass(frozen=True)
class Owner:
    """One process: host name, process id, and its start time, because process ids are used again."""

    host: str
    pid: int
    started: float


def this_process() -> Owner:
    """The process we are in."""
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, psutil.Process(pid).create_time())


def process_lives(owner: Owner) -> bool:
    """True where ``owner``, on this host, runs. A killed child that nobody has waited for yet counts as gone."""
    try:
        process = psutil.Process(owner.pid)
        return abs(process.create_time() - owner.started) < START_TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def is_alive(owner: Owner, heartbeat_at: float, now: float) -> bool:
    """Whether a run held by ``owner`` can still be going on.

    On this host the process must exist: one that lives but is silent hangs or was suspended, and only a person can tell (``Run.is_hung``).
    On another host, whose processes we cannot see, its last heartbeat must be younger than ``SILENCE_ON_OTHER_HOST`` (so hosts that share a store
    must agree on the time).
    """
    if owner.host != socket.gethostname():
        return now - heartbeat_at <= SILENCE_ON_OTHER_HOST
    return process_lives(owner)
