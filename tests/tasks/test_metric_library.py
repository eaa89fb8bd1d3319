"""torchmetrics is imported in one place, which leaves out what it imports for sound."""

import sys
from types import ModuleType

import pytest

from mtl_core.tasks.metrics import metric_library
from tests.test_imports import MODULES, _nodes


def _imported(node) -> list[str]:
    return [node.module or ""] if hasattr(node, "module") else [alias.name for alias in node.names]


def test_it_is_imported_nowhere_else():
    importers = {
        name for name, path in MODULES.items() for node in _nodes(path) for each in _imported(node) if f"{each}.".startswith("torchmetrics.")
    }
    assert importers == {metric_library.__name__}


@pytest.mark.parametrize("is_there", [False, True])
def test_the_real_module_comes_afterwards(monkeypatch, is_there):
    real = ModuleType("scipy.signal")
    monkeypatch.delitem(sys.modules, "scipy.signal", raising=False)
    if is_there:
        monkeypatch.setitem(sys.modules, "scipy.signal", real)
    with metric_library._without_sound():
        import scipy.signal  # as torchmetrics does

        found = sys.modules["scipy.signal"]
        assert (found is real) == is_there
        assert hasattr(found, "hamming") != is_there  # so that torchmetrics asks for nothing else
    assert sys.modules.get("scipy.signal") is (real if is_there else None)
    assert not hasattr(vars(scipy).get("signal"), "hamming")


def test_it_goes_back_after_an_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.signal", raising=False)
    with pytest.raises(ImportError), metric_library._without_sound():
        raise ImportError("no torchmetrics")
    assert "scipy.signal" not in sys.modules
