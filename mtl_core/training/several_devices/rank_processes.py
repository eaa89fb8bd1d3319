"""The processes of a run on several devices: their start, their supervision, and their events as those of one run.

The process that holds the run trains nothing itself. It starts the ranks, passes requests on to the first, and yields the first's events. When a rank
ends before its time, it ends the others: nothing waits for a process that is gone.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtl_core import settings
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, LostRankError
from mtl_core.events import Control, Event, RunEnded
from mtl_core.machine.processor_cores import cores
from mtl_core.training.execution import resolve_device
from mtl_core.training.several_devices.device_count import device_problems
from mtl_core.training.several_devices.rank_link import Told, event_of, receive, send, unpacked

POLL_SECONDS = 0.05  # between two looks for requests
PATIENCE_SECONDS = 5.0  # for the error of another rank, after one has lost its connection

Line = tuple[int, Told | None]  # rank, and what it told; None when it has ended


def train_in_ranks(count: int, config: RunConfig, folder: Path, cache: Path, control: Control) -> Iterator[Event]:
    """Train a run in ``count`` processes and yield its events; see ``mtl_core.training.trainer.train``.

    Raises:
        ConfigError: the run cannot be divided among so many devices.
        LostRankError: a process ended before its time.
        Exception: what ended a rank.
    """
    if problems := device_problems(config, resolve_device(config.device)):
        raise ConfigError(problems)
    with tempfile.TemporaryDirectory(prefix="mtl-ranks-") as place, _RankProcesses(count) as ranks:
        order = {"config": config.to_dict(), "folder": str(folder), "cache": str(cache), "size": count, "meeting": str(Path(place) / "meeting")}
        for rank in range(count):
            ranks.tell(rank, **order, rank=rank)
        yield from _events_of(ranks, control)


def _events_of(ranks: _RankProcesses, control: Control) -> Iterator[Event]:
    asked: Told = {}
    while True:
        asked = _pass_on(ranks, control, asked)
        line = ranks.next_line(POLL_SECONDS)
        if line is None:
            continue
        rank, told = line
        if told is None:
            if control.abandoned:
                return
            ranks.check_end(rank)
        elif "idle" in told:
            control.asked_at = max(control.asked_at, time.monotonic() - told["idle"])
        elif "question" in told:
            answer = control.check_held() if told["question"] == "check_held" else control.settle(*told["arguments"])
            ranks.tell(rank, answer=answer)
        elif "error" in told:
            raise ranks.cause_of(told)
        else:
            event = event_of(told)
            yield event
            if isinstance(event, RunEnded):
                return
            asked = _pass_on(ranks, control, asked)  # what was requested at this event comes before the next step
            ranks.tell(rank, answer=None)


def _pass_on(ranks: _RankProcesses, control: Control, asked: Told) -> Told:
    """Tell the first rank what has been requested since ``asked``."""
    changes = control.take_changes()
    now = {"stop": control.stop_requested, "pause": control.pause_requested, "abandoned": control.abandoned, "proceeds": control.proceeds}
    if changes or (now != asked and (asked or any(now.values()))):
        ranks.tell(0, **now, changes=changes)
    return now


class _RankProcesses:
    """The processes, and a queue of the lines that they write. Leaving the context ends what is left of them."""

    def __init__(self, count: int):
        self.lines: queue.Queue[Line] = queue.Queue()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.count = count

    def __enter__(self) -> _RankProcesses:
        try:
            for rank in range(self.count):
                self._start(rank)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _start(self, rank: int) -> None:
        # In its own session: Ctrl-C in the terminal reaches it as a request of its parent only.
        command = [sys.executable, "-m", "mtl_core.training.several_devices.rank_main"]
        threads = str(max(1, (settings.threads() or cores()) // self.count))
        environment = {**settings.process_environment(settings.home()), "MTL_THREADS": threads}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.processes.append(process)
        threading.Thread(target=self._read, args=(rank, process), name=f"rank-{rank}", daemon=True).start()

    def _read(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while (told := receive(process.stdout)) is not None:
                self.lines.put((rank, told))
        self.lines.put((rank, None))

    def tell(self, to: int, /, **told: Any) -> None:
        """Send a line to a rank."""
        stream = self.processes[to].stdin
        assert stream is not None
        send(stream, **told)

    def next_line(self, seconds: float) -> Line | None:
        """The next line of any rank; None if there is none in this time."""
        with contextlib.suppress(queue.Empty):
            return self.lines.get(timeout=seconds)
        return None

    def check_end(self, rank: int) -> None:
        """Raise LostRankError if a rank has ended before its time: the first always, another with any exit code but 0."""
        code = self.processes[rank].wait()
        if rank == 0 or code:
            raise LostRankError(self._lost(rank, code))

    def cause_of(self, told: Told) -> Exception:
        """The error to report for the error of one rank. An error that only says that another rank is gone waits for that one's own."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while told["error"]["name"] == LostRankError.__name__ and time.monotonic() < deadline:
            rank, other = self.next_line(POLL_SECONDS) or (0, {})
            if other is None and (code := self.processes[rank].wait()):
                return LostRankError(self._lost(rank, code))
            if other and "error" in other:
                told = other
        return unpacked(told["error"])

    def _lost(self, rank: int, code: int) -> str:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"process {rank + 1} of {self.count} {how}; the run can be resumed from its last checkpoint"
