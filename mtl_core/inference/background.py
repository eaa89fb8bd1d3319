"""Background threads with progress for work that a page waits for, such as predicting a split."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from mtl_core.data.source import Progress
from mtl_core.errors import MTLError
from mtl_core.runs.process import process_slot

_logger = logging.getLogger(__name__)


def start(key: str, work: Callable[[Progress], None]) -> dict[str, Any]:
    """Start ``work`` unless it is running; finished work starts again. Returns its state: ``share``, ``text``, ``done``, ``error``."""
    with process_slot("locks").setdefault("predicting", threading.Lock()):
        pieces = process_slot("predicting")
        state = pieces.get(key)
        if state is None or state["done"]:
            state = pieces[key] = {"share": 0.0, "text": "loading the network", "done": False, "error": ""}
            threading.Thread(target=_run, args=(work, state), name=f"predict-{key[-40:]}", daemon=True).start()
    return state


def state_of(key: str) -> dict[str, Any] | None:
    """The state of a piece of work; None if this process never started it."""
    return process_slot("predicting").get(key)


def _run(work: Callable[[Progress], None], state: dict[str, Any]) -> None:
    def progress(share: float, what: str) -> None:
        state.update(share=min(max(share, 0.0), 1.0), text=what)

    try:
        work(progress)
    except MTLError as error:
        state["error"] = str(error)
    except Exception as error:  # only the waiting page would see it, so it is logged too
        _logger.exception("background work failed")
        state["error"] = f"the prediction failed ({type(error).__name__}: {error}); the server's log has the details"
    finally:
        state["done"] = True
