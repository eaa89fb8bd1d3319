"""The garbage collector is off while libraries are imported, and on again afterwards."""

import gc

import pytest

from mtl_core.runs.background import engine_import
from mtl_core.runs.background.garbage_collection import without_collections
from ui.shell import library_imports, page_imports


@pytest.fixture
def seen(monkeypatch):
    """Whether the collector was on, at each import; no import is done."""
    found = []

    def note(name):
        found.append(gc.isenabled())
        if name == "pandas":
            raise ImportError(name)

    for module in (engine_import, library_imports, page_imports):
        monkeypatch.setattr(module, "import_module", note)
    monkeypatch.setattr(engine_import, "freeze_after_imports", lambda: None)
    monkeypatch.setattr(page_imports, "modules_of_pages", lambda: ("a page that is not loaded",))
    return found


@pytest.mark.parametrize(
    "imports",
    [engine_import.import_engine, engine_import.import_torch, library_imports._import, page_imports.import_pages],
    ids=lambda each: each.__name__,
)
def test_imports_run_without_the_collector(imports, seen):
    assert gc.isenabled()
    imports()
    assert seen
    assert not any(seen)
    assert gc.isenabled()


def test_the_collector_is_on_after_an_import_that_fails(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(engine_import, "import_module", fail)
    with pytest.raises(ImportError):
        engine_import.import_torch()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_of_two_blocks_at_once_the_first_to_come_puts_the_collector_back():
    first, second = without_collections(), without_collections()
    with first:
        second.__enter__()
    assert gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
