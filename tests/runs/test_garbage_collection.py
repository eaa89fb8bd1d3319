"""The garbage collector is off while libraries are imported, and on again afterwards."""

import threading
from importlib import import_module

import pytest

from mtl_core.runs.background import engine_import, garbage_collection
from mtl_core.runs.background.garbage_collection import without_collections
from ui.shell import library_imports, page_imports

IMPORTS = [engine_import.import_engine, engine_import.import_torch, library_imports._import, page_imports.import_pages]


class Collector:
    """A stand-in for the collector of this process, which threads that other tests left may switch, too."""

    def __init__(self):
        self.on, self._thread = True, threading.current_thread()

    def isenabled(self):
        return self.on and threading.current_thread() is self._thread

    def enable(self):
        self._switch(True)

    def disable(self):
        self._switch(False)

    def _switch(self, on):
        if threading.current_thread() is self._thread:
            self.on = on


@pytest.fixture
def collector(monkeypatch):
    found = Collector()
    monkeypatch.setattr(garbage_collection, "gc", found)
    return found


@pytest.fixture
def seen(monkeypatch, collector):
    """Whether the collector was on, at each import; no import is done."""
    found, here = [], threading.current_thread()

    def note(name):
        if threading.current_thread() is not here:
            return import_module(name)
        found.append(collector.on)
        if name == "pandas":
            raise ImportError(name)

    for module in (engine_import, library_imports, page_imports):
        monkeypatch.setattr(module, "import_module", note)
    monkeypatch.setattr(engine_import, "freeze_after_imports", lambda: None)
    monkeypatch.setattr(page_imports, "modules_of_pages", lambda: ("a page that is not loaded",))
    return found


@pytest.mark.parametrize("imports", IMPORTS, ids=lambda each: each.__name__)
def test_imports_run_without_the_collector(imports, seen, collector):
    imports()
    assert seen
    assert not any(seen)
    assert collector.on


def test_the_collector_is_on_after_an_import_that_fails(collector, monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(engine_import, "import_module", fail)
    with pytest.raises(ImportError):
        engine_import.import_torch()
    assert collector.on


def test_a_collector_that_was_off_stays_off(collector):
    collector.on = False
    with without_collections():
        pass
    assert not collector.on


def test_of_two_blocks_at_once_the_first_to_come_puts_the_collector_back(collector):
    first, second = without_collections(), without_collections()
    with first:
        second.__enter__()
    assert collector.on
    second.__exit__(None, None, None)
    assert collector.on
