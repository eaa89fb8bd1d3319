"""Free memory of the machine and its control groups, and the count of processes killed for lack of memory. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
SYSTEM_COUNTS = Path("/proc/vmstat")
_FILES = {  # version -> file of the limit, file of the use, and the reclaimable entries of memory.stat
    2: ("memory.max", "memory.current", ("inactive_file", "active_file")),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
}
IDLE_BYTES = 1 << 30  # memory of this program and its workers while no run trains: torch, the pages, prepared data


def free_bytes() -> int:
    """Bytes available on this machine, or in a control group (version 1 or 2) of this process if that is less. Swap does not count."""
    return max(0, min([psutil.virtual_memory().available, *_left_in_cgroups()]))


def total_bytes() -> int:
    """Bytes of memory of this machine, or the limit of a control group of this process if that is less."""
    limits = (_number(folder / _FILES[version][0]) for folder, version in _cgroups())
    return min([psutil.virtual_memory().total, *(limit for limit in limits if limit is not None)])


def returning_bytes() -> int:
    """Bytes that this program's runs will free when they end: resident bytes of it and its workers above ``IDLE_BYTES``."""
    held = 0
    with suppress(psutil.Error):
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            with suppress(psutil.Error):
                held += process.memory_info().rss
    return max(0, held - IDLE_BYTES)


def kills() -> int | None:
    """Number of processes that the system has killed for lack of memory, in this control group or else on the machine; None if there is no count."""
    for folder, version in _cgroups():
        if version == 2 and (count := _counts(folder / "memory.events").get("oom_kill")) is not None:
            return count
        if version == 1 and (count := _counts(folder / "memory.oom_control").get("oom_kill")) is not None:
            return count
    return _counts(SYSTEM_COUNTS).get("oom_kill")


def why_killed(kills_before: int | None) -> str:
    """Sentences on the likely sender of a SIGKILL.

    Args:
        kills_before: ``kills()`` at the start of the process.
    """
    count = kills()
    if count is None or kills_before is None:
        return " The system may have run out of memory; this machine does not count such kills."
    if count == kills_before:
        return " The system counted no process that it ended for lack of memory, so the process may have been ended by hand."
    return " The system ran out of memory and ended a process. Resume the run with more memory free, or clone it with a lower batch_size."


def _left_in_cgroups() -> Iterator[int]:
    for folder, version in _cgroups():
        limit_file, use_file, reclaimable = _FILES[version]
        limit, used = _number(folder / limit_file), _number(folder / use_file)
        if limit is not None and used is not None:
            stat = _counts(folder / "memory.stat")
            yield limit - used + sum(stat.get(name, 0) for name in reclaimable)


def _cgroups() -> Iterator[tuple[Path, int]]:
    """Folders of the control groups of this process, innermost first, with their version. In a container the path may not exist; its own group is
    then the root."""
    with suppress(OSError):
        for line in OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" or "memory" in controllers.split(","):
                version = 1 if controllers else 2
                root = CGROUPS / "memory" if controllers else CGROUPS
                parts = [part for part in path.split("/") if part and part != ".."]
                for depth in range(len(parts), -1, -1):
                    yield root.joinpath(*parts[:depth]), version


def _number(path: Path) -> int | None:
    """The number in a file; None if the file does not exist or has ``max``."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _counts(path: Path) -> dict[str, int]:
    """Read a file with a name and a number on each line."""
    try:
        pairs = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    except OSError:
        return {}
