"""Python's garbage collector beside imports: it looks through all objects again and again, and large libraries make hundreds of thousands."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mtl_core.runs.process_singletons import process_slot


@contextmanager
def without_collections() -> Iterator[None]:
    """Leave the collector off during imports, which make no garbage worth a look: it takes a fifth to a quarter of the import of PyTorch.

    Several threads may be in such a block at once. The collector is on again as soon as the thread that entered first has left.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def freeze_after_imports() -> None:
    """Freeze all live objects for the garbage collector, if more than 50 modules were imported since the last freeze.

    Streamlit runs a full collection after every page run; over torch's objects it holds the interpreter so long that training starves.
    """
    state = process_slot("training")
    if len(sys.modules) > state.get("frozen_modules", 0) + 50:
        if "frozen_modules" not in state:
            atexit.register(_unfreeze_at_exit)
        state["frozen_modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()


def _unfreeze_at_exit() -> None:
    """Unfreeze before the interpreter ends, because extensions may report frozen objects as leaks. Skipped where a run was cut short: a collection
    over PyTorch's objects takes seconds, and a server has five seconds to end."""
    if not (process_slot("training").get("cut_short") or process_slot("executing") or process_slot("worker processes")):
        gc.unfreeze()
