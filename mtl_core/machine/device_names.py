"""Names of devices, and which of them a run takes. Imports no torch: the queue reads it."""

from __future__ import annotations

import re
from typing import Literal

MOST_GPUS = 64  # of a machine: more than any has


def device_named(name: str) -> str:
    """One name for each device: ``cuda:0`` is ``cuda``, the first GPU."""
    return "cuda" if re.fullmatch(r"cuda:0+", name) else name


def kind_of(name: str) -> str:
    """``cpu``, ``cuda`` or ``mps``, without the number of a GPU."""
    return name.partition(":")[0]


def devices_taken(name: str, count: int | Literal["all"] = 1) -> frozenset[str]:
    """The devices that a run takes: its own, and with a ``count`` above 1 the first GPUs of the machine. Processes on a CPU share the CPU."""
    if name != "cuda" or count == 1:
        return frozenset({name})
    return frozenset({name, *(f"cuda:{number}" for number in range(1, MOST_GPUS if count == "all" else count))})
