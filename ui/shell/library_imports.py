"""Imports in the background while the server starts: of the libraries that nearly every page needs and then of the pages, so that the first page does
not wait for them, and of PyTorch, so that it is there sooner after the first click.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module

from mtl_core.runs.background.engine_import import import_torch
from mtl_core.runs.background.garbage_collection import without_collections
from mtl_core.runs.background.program_end import is_closing
from mtl_core.runs.process_singletons import process_slot

_logger = logging.getLogger(__name__)
LIBRARIES = ("sqlalchemy", "pandas", "scipy.special")  # about a second of a processor together


def import_libraries() -> threading.Thread:
    """Begin the imports of the libraries."""
    return begin("libraries", _import)


def import_torch_next() -> threading.Thread:
    """Begin the import of PyTorch, for the time after the libraries. Pages do not wait for it; it has no module in common with theirs."""
    return begin("torch", _import_torch)


def wait_for_libraries() -> None:
    """Wait until the imports of the libraries have ended, if they were begun."""
    if thread := process_slot("library imports").get("libraries"):
        thread.join()


def begin(name: str, imports: Callable[[], None]) -> threading.Thread:
    """Begin imports in a thread of their own."""
    thread = process_slot("library imports")[name] = threading.Thread(target=imports, name=f"mtl-{name}", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    with without_collections():
        for name in LIBRARIES:
            try:
                import_module(name)
            except Exception:  # the page that needs it imports it again, which may raise another error
                _logger.exception("the import of %s failed", name)


def _import_torch() -> None:
    wait_for_libraries()
    try:
        import_torch()
    except Exception:  # the engine imports it again; after an import that failed half way, that raises another error
        if not is_closing():
            _logger.exception("the import of PyTorch failed")
