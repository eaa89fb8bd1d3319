"""The real server without a browser: a session is opened as a page would do it, and the store says what happens."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 120  # seconds; a bound for slow machines, not a claim
_WHERE = Path(__file__).parents[1] / "browser" / "conftest.py"


def _server_class() -> type:
    spec = importlib.util.spec_from_file_location("browser_conftest", _WHERE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server


Server = _server_class()


class Dashboard(Server):
    """A server that has been visited, so that it takes queued runs."""

    def __init__(self, home: Path, executor: str):
        super().__init__(home, home.parent / "server.log", MTL_EXECUTOR=executor, OMP_NUM_THREADS="1")
        self._visit = connect(self.url.replace("http", "ws") + "/_stcore/stream", subprotocols=["streamlit"], max_size=None, legacy=True)
        message = BackMsg()
        message.rerun_script.page_name = "compare"  # the Train page would compose thousands of scenes for its sample
        self._visit.send(message.SerializeToString())
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                self._visit.recv()
        except (ConnectionClosed, OSError):
            return

    def end(self, *signals: signal.Signals, pause: float = 0.0) -> tuple[float, list[int]]:
        """Send signals; seconds until the process has ended (at most PATIENCE), and which of its processes are left."""
        family = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        started = time.perf_counter()
        for number in signals:
            if self.process.poll() is None:
                os.kill(self.process.pid, number)
            threading.Event().wait(pause)
        self.process.wait(PATIENCE)
        return time.perf_counter() - started, [pid for pid in family if _lives(pid)]

    def close(self) -> None:
        super().close()
        self._visit.close()


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(what: Callable[[], object], patience: float = PATIENCE, about: Callable[[], str] = str) -> None:
    """Return once ``what()`` is true. ``about()`` is printed where it does not come true."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, f"it did not happen. {about()}"
        threading.Event().wait(0.02)
