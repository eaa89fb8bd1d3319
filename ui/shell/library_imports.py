"""Imports of the libraries that nearly every page needs, in the background while the server starts, so that the first page does not wait for them."""

from __future__ import annotations

import contextlib
import threading
from importlib import import_module

from mtl_core.runs.process_singletons import process_slot

LIBRARIES = ("sqlalchemy", "pandas", "scipy.special")  # about a second of a processor together


def import_libraries() -> threading.Thread:
    """Begin the imports."""
    thread = process_slot("library imports")["thread"] = threading.Thread(target=_import, name="mtl-libraries", daemon=True)
    thread.start()
    return thread


def wait_for_libraries() -> None:
    """Wait until the imports have ended, if they were begun."""
    if thread := process_slot("library imports").get("thread"):
        thread.join()


def _import() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(Exception):  # the page that needs it says what is wrong
            import_module(name)
