"""Import of the engine (PyTorch, torchvision and the trainer) by one thread at a time.

Modules of these libraries import each other in circles. If two threads import them at once, Python (3.11) may give one of them a module that is
half initialised. The import of that thread then fails, and its run with it (seen: ``torchvision.ops``). So a thread that needs the engine calls
``import_engine`` first.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from types import ModuleType

from mtl_core.runs.background.garbage_collection import freeze_after_imports, without_collections
from mtl_core.runs.background.program_end import is_closing
from mtl_core.runs.process_singletons import process_slot

TRAINER = "mtl_core.training.trainer"


def import_engine() -> ModuleType:
    """Import the engine and return the trainer's module. If another thread is importing it, this one waits.

    Raises:
        Exception: what the import raises, for example where PyTorch is not installed.
        SystemExit: the program ends, so that Python (which starts no threads then) cannot finish the import. A run is interrupted by it, not failed.
    """
    with _lock(), without_collections():
        try:
            if TRAINER not in sys.modules:
                import_module("torch")
                import_module("torchvision")
            return import_module(TRAINER)
        except Exception as error:
            if is_closing():
                raise SystemExit(1) from error
            raise


def import_torch() -> None:
    """Import PyTorch alone, the first and largest part of the engine, with its compiler. ``import_engine`` waits until it is done."""
    with _lock():
        with without_collections():
            import_module("torch")
            import_module("torch._dynamo")  # torchvision and every optimizer import it; it takes nearly as long as the rest of PyTorch
        freeze_after_imports()


def _lock() -> threading.RLock:
    return process_slot("locks").setdefault("engine", threading.RLock())
