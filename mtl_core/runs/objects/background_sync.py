"""BackgroundSync: a thread that sends what could not be sent, and fetches for runs that train here what other machines make of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

ROUND_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class BackgroundSync:
    """The background synchronisation of one store. ``round`` does what is due.

    Args:
        clear: remove what deleted runs and data sets have left.
        refresh: fetches what others have made of a run.
        send: send what waits on this machine.
    """

    def __init__(self, clear: Sequence[Callable[[], object]], refresh: Callable[[str], object], send: Sequence[Callable[[], object]]):
        self._clear, self._refresh, self._send = clear, refresh, send
        self._lock = threading.Lock()
        self._watched: list[str] = []
        self._thread: threading.Thread | None = None
        self._is_cleared = False

    def start(self) -> None:
        """Start the thread; it ends with the process. A second call does nothing."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="mtl-background-sync", daemon=True)
                self._thread.start()

    @contextmanager
    def watching(self, run_id: str) -> Iterator[None]:
        """While the block trains a run here, fetch what people set elsewhere, such as thresholds of alerts."""
        self.start()
        self._watched.append(run_id)
        try:
            yield
        finally:
            self._watched.remove(run_id)

    def round(self) -> None:
        """Send and fetch once."""
        if not self._is_cleared:
            for clear in self._clear:
                clear()
            self._is_cleared = True
        for run_id in list(self._watched):
            self._refresh(run_id)
        for send in self._send:
            send()

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.round()
            except Exception as error:  # the next round may work
                if threading.main_thread().is_alive():  # else the program ends, and no thread can be started
                    _logger.warning("%s", error)
            pause.wait(ROUND_SECONDS)
