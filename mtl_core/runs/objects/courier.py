"""Courier: a thread of this process that sends what could not be sent, and fetches for runs that train here what other machines make of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtl_core.runs.objects.object_artifacts import ObjectArtifacts

ROUND_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class Courier:
    """The courier of one store. ``round`` does what is due."""

    def __init__(self, artifacts: ObjectArtifacts):
        self.artifacts = artifacts
        self._lock = threading.Lock()
        self._watched: list[str] = []
        self._thread: threading.Thread | None = None
        self._has_swept = False

    def start(self) -> None:
        """Start the thread; it ends with the process. A second call does nothing."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="mtl-courier", daemon=True)
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
        if not self._has_swept:
            self.artifacts.remove_deleted()
            self._has_swept = True
        for run_id in list(self._watched):
            self.artifacts.refresh(run_id)
        self.artifacts.send_waiting()

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.round()
            except Exception as error:  # the next round may work
                if threading.main_thread().is_alive():  # else the program ends, and no thread can be started
                    _logger.warning("%s", error)
            pause.wait(ROUND_SECONDS)
