"""Who holds a run, and whether that process still lives."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, unquote

import psutil

SILENCE_ON_OTHER_HOST = 15.0  # seconds without a heartbeat (one is written every 2 s) after which a process elsewhere counts as gone
_IN_A_NAME = re.compile(r"(?P<pid>\d+)-(?P<started>\d+\.\d+)-(?P<host>.+)")
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


def owner_in_name() -> str:
    """This process as a part of a file's name, which ``is_gone`` reads."""
    me = this_process()
    return f"{me.pid}-{me.started:.3f}-{quote(me.host, safe='')}"


def is_gone(name: str) -> bool:
    """True where ``name`` (see ``owner_in_name``) is a process of this host that runs no more. Those of other hosts cannot be seen from here."""
    found = _IN_A_NAME.fullmatch(name)
    if not found or unquote(found["host"]) != socket.gethostname():
        return False
    return not process_lives(Owner(unquote(found["host"]), int(found["pid"]), float(found["started"])))


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
