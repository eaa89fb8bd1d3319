"""Imports of all that pages import, by one thread at a time.

Streamlit runs each viewer's page in a thread of its own. Packages of ours and of others import their modules in circles (``mtl_core.data.imports``,
SQLAlchemy), and if two threads import them at once, Python may give one of them a module that is half initialised. So one thread imports the modules
of all pages while the server starts, and page views wait for it. It takes a tenth of a second longer than the first page alone.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
from functools import cache
from importlib import import_module
from pathlib import Path

from mtl_core.runs.background.garbage_collection import without_collections
from mtl_core.runs.process_singletons import process_slot
from ui.shell.library_imports import begin, wait_for_libraries

FRAME = "ui.shell.app_frame"
PAGES = Path(__file__).parents[2] / "pages"


def import_pages_next() -> threading.Thread:
    """Begin the imports in the background. They wait for those of the libraries."""
    return begin("pages", import_pages)


def import_pages() -> None:
    """Import the frame and what the page files import, unless they are loaded. After Streamlit has dropped our modules, they are imported again."""
    if all(name in sys.modules for name in modules_of_pages()) and not _lock().locked():
        return
    wait_for_libraries()
    with _lock(), without_collections():
        for name in modules_of_pages():
            with contextlib.suppress(Exception):  # the page that needs it says what is wrong
                import_module(name)


@cache
def modules_of_pages() -> tuple[str, ...]:
    """Names of the frame and of the modules that some page file imports at its top, sorted."""
    found = {FRAME}
    for page in PAGES.glob("*.py"):
        for node in ast.parse(page.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= _modules_of(node.module, [alias.name for alias in node.names])
    return tuple(sorted(found))


def _modules_of(module: str, names: list[str]) -> set[str]:
    """A module, and those of the names imported from it that are modules of this project themselves."""
    folder = PAGES.parent.joinpath(*module.split("."))
    return {module, *(f"{module}.{name}" for name in names if (folder / f"{name}.py").exists() or (folder / name).is_dir())}


def _lock() -> threading.Lock:
    return process_slot("locks").setdefault("page imports", threading.Lock())
