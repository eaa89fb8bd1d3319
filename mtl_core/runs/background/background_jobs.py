"""Work that takes longer than a page should wait: in a thread of this process, with progress, cancellable, and its error in words."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from mtl_core.data.data_source import Progress
from mtl_core.runs.background.engine_import import import_engine
from mtl_core.runs.process_singletons import process_slot

_logger = logging.getLogger(__name__)
Cancelled = Callable[[], bool]
Work = Callable[[Progress, Cancelled], Any]


class _CancelledError(Exception):
    """Raised out of a progress report, so that work that only reports can be ended too."""


class BackgroundJobs:
    """The jobs of one kind in this process, each under a key of its own. They outlive a reload of our modules: a job's state is a plain dict, with

    ``share`` (0..1) and ``text`` of what is being done; ``done``; ``result``, what the work returned; ``error``, a sentence, empty for none;
    ``cancel`` (asked to end) and ``cancelled`` (it did); ``thread``.

    Args:
        kind: name of the threads, and of the jobs' place in the process.
        most_kept: jobs that have ended, kept for as long as nobody asks for newer ones.
        in_turn: one at a time; the others wait.
        needs_engine: the work uses PyTorch in this process, so the engine is imported before it begins (``engine_import``).
    """

    def __init__(self, kind: str, most_kept: int = 12, in_turn: bool = False, needs_engine: bool = False):
        self.kind, self.most_kept, self.in_turn, self.needs_engine = kind, most_kept, in_turn, needs_engine

    def start(self, key: str, work: Work, text: str = "", label: str = "") -> dict[str, Any]:
        """Begin ``work`` under this key, unless the key's job is under way. Returns the job's state.

        Args:
            work: called with ``progress(share, text)`` and ``cancelled()``; what either raises ends it.
            text: said until the work reports. label: ends the thread's name.
        """
        with self._lock(""):
            state = self._states().get(key)
            return state if state is not None and not state["done"] else self._begin(key, work, text, label)

    def replace(self, key: str, work: Work, text: str = "", label: str = "") -> dict[str, Any]:
        """The same, in the place of what is under way there; that is cancelled."""
        with self._lock(""):
            self.drop(key)
            return self._begin(key, work, text, label)

    def state_of(self, key: str) -> dict[str, Any] | None:
        """What is known of a job; None where none was begun, or it was forgotten."""
        return self._states().get(key)

    def all(self) -> dict[str, dict[str, Any]]:
        """Key -> state of every job that is known."""
        return dict(self._states())

    def cancel(self, key: str) -> None:
        """Ask a job to end. It does at its next report."""
        if state := self.state_of(key):
            state["cancel"] = True

    def drop(self, key: str) -> None:
        """Forget a job; cancel it where it is under way."""
        self.cancel(key)
        self._states().pop(key, None)

    def _begin(self, key: str, work: Work, text: str, label: str) -> dict[str, Any]:
        states = self._states()
        ended = [other for other, state in states.items() if state["done"] and other != key]
        for old in ended[: max(0, len(ended) + 1 - self.most_kept)]:
            states.pop(old, None)
        state = {"share": 0.0, "text": text, "done": False, "error": "", "result": None, "cancel": False, "cancelled": False}
        name = f"{self.kind}-{label}" if label else self.kind
        state["thread"] = threading.Thread(target=self._do, args=(state, work), name=name, daemon=True)
        states.pop(key, None)
        states[key] = state
        state["thread"].start()
        return state

    def _do(self, state: dict[str, Any], work: Work) -> None:
        def progress(share: float, text: str) -> None:
            if state["cancel"]:
                raise _CancelledError
            state["share"], state["text"] = min(max(share, 0.0), 1.0), text

        try:
            if self.needs_engine:
                import_engine()
            with self._lock("turn") if self.in_turn else contextlib.nullcontext():
                state["result"] = work(progress, lambda: state["cancel"])
        except Exception as error:  # whatever it is, the page that waits shows it as a sentence
            state["cancelled"] = bool(state["cancel"])
            if not state["cancelled"]:
                state["error"] = _in_words(error)
        finally:
            state["done"] = True

    def _states(self) -> dict[str, dict[str, Any]]:
        return process_slot(f"jobs: {self.kind}")

    def _lock(self, what: str) -> threading.Lock:
        return process_slot("locks").setdefault(f"jobs: {self.kind} {what}", threading.Lock())


def _in_words(error: Exception) -> str:
    if any(parent.__name__ == "MTLError" for parent in type(error).__mro__):  # by name: after a source file is saved, the class may exist twice
        return str(error)
    _logger.error("a background job failed", exc_info=error)
    return f"it could not be done ({type(error).__name__}: {error}); the server's log has the details"
