"""A store, a config of three tasks, and an engine without torch."""

import importlib.util
import sys
from pathlib import Path

import pytest

from mtl_core.config import RunConfig
from mtl_core.runs.store import open_store
from mtl_core.studies import study_actions as studies

ENGINE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def store(home):
    return open_store(home)


@pytest.fixture
def base():
    tasks = {"digit": {}, "slant": {}, "ink": {}}
    plain = {"name": "base", "data": {"name": "digits"}, "tasks": tasks, "backbone": {"name": "mlp"}, "epochs": 2, "device": "cpu"}
    return RunConfig.from_dict(plain)


@pytest.fixture
def engine(monkeypatch):
    """The engine of ``fake_engine.py`` in the place of the real one."""
    spec = importlib.util.spec_from_file_location("fake_engine", ENGINE)
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake


@pytest.fixture
def made(store, base):
    return studies.create(store, studies.draft("share", base, {}, range(3), "A question"))
