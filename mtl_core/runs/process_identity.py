"""Identity of a process (host, process id, start time), and whether it is still alive."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

import psutil

_IN_A_NAME = re.compile(r"(?P<pid>\d+)-(?P<started>\d+\.\d+)-(?P<host>.+)")
START_TOLERANCE = 2.0  # seconds; a process's start time moves a little when the clock is set


@dataclass(frozen=True)
class Owner:
    """One process: host name, process id, and start time, because the system reuses process ids."""

    host: str
    pid: int
    started: float


def this_process() -> Owner:
    """The current process."""
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, _start_time(pid))


@lru_cache(maxsize=1)  # the files of /proc are read once; a process that was forked has another id
def _start_time(pid: int) -> float:
    return psutil.Process(pid).create_time()


def owner_in_name() -> str:
    """The current process as part of a file name, in the format that ``is_gone`` reads."""
    me = this_process()
    return f"{me.pid}-{me.started:.3f}-{quote(me.host, safe='')}"


def is_gone(name: str) -> bool:
    """True if ``name`` (see ``owner_in_name``) is a process of this host that has ended. False for other hosts, whose processes are not visible."""
    found = _IN_A_NAME.fullmatch(name)
    if not found or unquote(found["host"]) != socket.gethostname():
        return False
    return not process_lives(Owner(unquote(found["host"]), int(found["pid"]), float(found["started"])))


def process_lives(owner: Owner) -> bool:
    """True if ``owner``, on this host, is alive. A zombie (a dead child that was not waited for) counts as gone."""
    try:
        process = psutil.Process(owner.pid)
        return abs(process.create_time() - owner.started) < START_TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def is_alive(owner: Owner, silence: float, lease: float) -> bool:
    """Whether a run held by ``owner`` can still be training.

    On this host the process must exist. A process that exists without heartbeats hangs or was suspended; a person decides which (``Run.is_hung``).
    On another host, whose processes are not visible, the holder may be silent for as long as its lease (``sql.leases``). Hosts that share a SQLite
    file must therefore agree on the time; with PostgreSQL the server's clock counts.

    Args:
        silence: seconds since the last heartbeat.
        lease: seconds for which the holder may be silent.
    """
    if owner.host != socket.gethostname():
        return silence <= lease
    return process_lives(owner)
