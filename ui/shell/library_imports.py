"""Imports of the libraries that nearly every page needs, in the background while the server starts, so that the first page does not wait for them."""

from __future__ import annotations

import contextlib
import threading
from importlib import import_module

LIBRARIES = ("sqlalchemy", "pandas", "scipy.special")  # about a second of a processor together


def import_libraries() -> threading.Thread:
    """Begin the imports. A page that needs one meanwhile waits for it, as for an import of its own."""
    thread = threading.Thread(target=_import, name="mtl-libraries", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(Exception):  # the page that needs it says what is wrong
            import_module(name)
