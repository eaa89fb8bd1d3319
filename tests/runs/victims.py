"""Processes that train and are made to die: one process imports torch once, then forks a victim for each line it reads.

A line is JSON: ``home``, ``run``, ``executor``, ``fault``, ``url`` (of the store's database, else empty) and ``host`` (the name of the machine that
the victim takes itself to be on, else empty). The answer is the victim's process id. A victim of the executor ``thread`` works on the queue in a
background thread, as a server does, until nothing is left to do; one of ``process`` does what ``python -m mtl_core work RUN`` does. All compute in
one thread.

A fault replaces a function in the victim: ``call`` names it (``module:name``), ``number`` says at which call it strikes, and ``how``: ``before`` and
``after`` kill the process with SIGKILL there, ``half`` does so when half of the file is written, ``full`` lets this and every later call find the
disk full until the file ``space`` lies in the home, ``wait`` has this one call wait until the file ``go`` lies there. Without ``call``, ``limit``
has the system refuse to let any file grow beyond ``number`` bytes.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds; a bound for slow machines, not a claim


class Victims:
    """Starts victims and waits for their ends."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self._parent = subprocess.Popen(
            [sys.executable, __file__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, home: Path, run: str, executor: str = "thread", fault: dict[str, Any] | None = None, url: str = "", host: str = "") -> int:
        """Fork a victim that trains a queued run; its process id."""
        order = {"home": str(home), "run": run, "executor": executor, "fault": fault, "url": url, "host": host}
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def train(self, *arguments: Any, **named: Any) -> None:
        """Start a victim and wait for its end."""
        assert ended(self.start(*arguments, **named), PATIENCE), "the victim did not end"

    def close(self) -> None:
        """End it, and the victims that are left."""
        self._parent.stdin.close()
        self._parent.wait(PATIENCE)
        self._parent.stdout.close()


def ended(pid: int, seconds: float) -> bool:
    """Whether a process ends within this time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        with selectors.DefaultSelector() as waiting:  # select() itself takes no descriptor above 1023
            waiting.register(handle, selectors.EVENT_READ)
            return bool(waiting.select(seconds))
    finally:
        os.close(handle)


# -- in the process that forks


# What a run imports, also while it trains: imported once, not by each victim anew.
IMPORTS = (
    *("torch", "mtl_core.tasks.metrics.metric_library", "torchjd", "mtl_core.training.trainer", "mtl_core.runs.jobs", "mtl_core.__main__"),
    *("mtl_core.tasks.classification", "mtl_core.tasks.regression", "mtl_core.training.constant_answer"),
)


def _serve() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a victim's garbage collector need not go through it, and copies no page of it
    started = []  # nobody waits for them, so that no other process gets the number of a dead one while we may still kill by it
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_victim(json.loads(line))
        started.append(pid)
        print(pid, flush=True)
    for pid in started:
        if not ended(pid, 0):
            os.kill(pid, signal.SIGKILL)
    os._exit(0)  # PyTorch would take seconds to put itself away


def _become_victim(order: dict[str, Any]) -> None:
    code = 70
    try:
        home = Path(order["home"])
        log = os.open(home / "victims.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for standard in (0, 1, 2):
            os.dup2(log if standard else os.open(os.devnull, os.O_RDONLY), standard)
        os.environ["MTL_HOME"] = str(home)
        os.environ["MTL_STORE_URL"] = order["url"]
        if order["host"]:
            socket.gethostname = lambda: order["host"]
        if order["fault"]:
            _put_in(order["fault"], home)
        code = _work_on_the_queue(home) if order["executor"] == "thread" else _work(order["run"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _work_on_the_queue(home: Path) -> int:
    from mtl_core.runs import jobs
    from mtl_core.runs.store import open_store

    store = open_store(home)
    jobs.start_worker(store)
    while not all(run.status.is_ended() for run in store.runs()):
        threading.Event().wait(0.02)
    return 0


def _work(run_id: str) -> int:
    from mtl_core.__main__ import main

    return main(["work", run_id])


def _put_in(fault: dict[str, Any], home: Path) -> None:
    if fault["how"] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["number"], resource.RLIM_INFINITY))
        return
    module, _, path = fault["call"].partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, _Faulty(getattr(owner, name), fault, home).in_place())


class _Faulty:
    """A function that strikes at one of its calls."""

    def __init__(self, original: Callable[..., Any], fault: dict[str, Any], home: Path):
        self.original, self.how, self.left = original, fault["how"], fault["number"]
        self.space, self.go = home / "space", home / "go"

    def in_place(self) -> Callable[..., Any]:
        """As a plain function, so that it can be a method too."""
        return lambda *arguments, **named: self.call(*arguments, **named)

    def call(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.how == "full":
            if self.left < 0 and not self.space.exists():
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.original(*arguments, **named)
        if self.how == "wait":
            while self.left == 0 and not self.go.exists():
                threading.Event().wait(0.02)
            return self.original(*arguments, **named)
        if self.left == 0 and self.how == "before":
            _die()
        result = self.original(*arguments, **named)
        if self.left == 0:
            if self.how == "half":
                _halve(arguments[0])
            _die()
        return result


def _halve(file: Any) -> None:
    if hasattr(file, "fileno"):
        file.flush()
        os.ftruncate(file.fileno(), file.tell() // 2)
    else:
        os.truncate(file, os.path.getsize(file) // 2)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


if __name__ == "__main__":
    _serve()
