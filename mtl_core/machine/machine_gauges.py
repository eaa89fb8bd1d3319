"""Gauges of this machine: processor, memory, the memory of one process, free disk, NVIDIA GPUs. Imports no torch."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mtl_core.machine.free_memory import free_bytes, total_bytes

SAMPLE_SECONDS = 2.0
KEPT = 150  # samples, for the small lines: five minutes
QUERY = ("nvidia-smi", "--query-gpu=name,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
QUERY_SECONDS = 10.0  # a driver that answers later is taken to be absent


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU. ``used`` is its share of busy time, 0..1, None if the driver does not say; memory in bytes."""

    name: str
    used: float | None
    memory_used: int
    memory_total: int


@dataclass(frozen=True)
class Gauges:
    """One sample.

    Attributes:
        time: seconds since 1970.
        cpu: busy share of all cores since the sample before, 0..1; None in the first sample.
        memory_used, memory_total: bytes, of the machine or of this process's control group if that has less.
        process_memory: resident bytes of the given process; None if it cannot be read.
        disk_free, disk_total: bytes of the disk that holds the given folder; None if it cannot be read.
        gpus: empty without an NVIDIA driver.
    """

    time: float
    cpu: float | None
    memory_used: int
    memory_total: int
    process_memory: int | None
    disk_free: int | None
    disk_total: int | None
    gpus: tuple[Gpu, ...] = ()


class MachineGauges:
    """Samples of this machine, at most one in ``SAMPLE_SECONDS``, whoever asks. Thread-safe.

    Args:
        disk: a folder on the disk whose free space is measured.
        clock: seconds that never go back.
    """

    def __init__(self, disk: Path, clock: Callable[[], float] = time.monotonic):
        self.disk, self.clock = disk, clock
        self.history: deque[Gauges] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._sampled: float | None = None
        self._busy: tuple[float, float] | None = None  # busy and all processor seconds at the last sample
        self._gpus: tuple[Gpu, ...] = ()
        self._gpu_query: threading.Thread | None = None

    def sample(self, pid: int | None) -> Gauges:
        """The present sample; the last one if it is younger than ``SAMPLE_SECONDS``.

        Args:
            pid: the process whose memory is measured; None for none.
        """
        with self._lock:
            now = self.clock()
            if self._sampled is None or now - self._sampled >= SAMPLE_SECONDS:
                self._sampled = now
                self.history.append(self._measured(pid))
            return self.history[-1]

    def _measured(self, pid: int | None) -> Gauges:
        total = total_bytes()
        disk = None
        with suppress(OSError):
            disk = shutil.disk_usage(self.disk)
        self._ask_gpus()
        return Gauges(
            time=time.time(),
            cpu=self._cpu(),
            memory_used=max(0, total - free_bytes()),
            memory_total=total,
            process_memory=None if pid is None else resident_bytes(pid),
            disk_free=disk.free if disk else None,
            disk_total=disk.total if disk else None,
            gpus=self._gpus,
        )

    def _cpu(self) -> float | None:
        times = psutil.cpu_times()
        everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # which Linux counts twice
        idle = times.idle + getattr(times, "iowait", 0.0)
        before, self._busy = self._busy, (everything - idle, everything)
        if before is None or everything <= before[1]:
            return None
        return min(1.0, max(0.0, (self._busy[0] - before[0]) / (everything - before[1])))

    def _ask_gpus(self) -> None:
        """Ask the driver in a thread of its own, because it may take a second; the answer is part of a later sample."""
        if shutil.which(QUERY[0]) is None or (self._gpu_query is not None and self._gpu_query.is_alive()):
            return
        self._gpu_query = threading.Thread(target=self._query_gpus, name="gpu-gauges", daemon=True)
        self._gpu_query.start()

    def _query_gpus(self) -> None:
        try:
            answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            answer = ""
        self._gpus = parsed_gpus(answer)


def parsed_gpus(text: str) -> tuple[Gpu, ...]:
    """The answer of nvidia-smi to ``QUERY``: name, percent, MiB, MiB in each line. Lines in another format are left out."""
    found = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        with suppress(ValueError):
            name, used, memory_used, memory_total = row
            share = float(used) / 100 if used.replace(".", "", 1).isdigit() else None  # "[N/A]" where the card cannot say it
            found.append(Gpu(name, share, round(float(memory_used) * 2**20), round(float(memory_total) * 2**20)))
    return tuple(found)


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process of this machine; None if it is gone or may not be read."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
