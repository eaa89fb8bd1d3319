"""The command line with an engine without torch, in this process or in one of its own."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.config import RunConfig
from mtl_core.runs.store import open_store

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "runs" / "fake_trainer.py"


def named(name="", **settings):
    """A config whose name tells the fake engine what to do."""
    plain = {"name": name, "data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "epochs": 2, "device": "cpu"}
    return RunConfig.from_dict(plain | settings)


@pytest.fixture
def config():
    return named


@pytest.fixture
def store(home):
    return open_store(home)


@pytest.fixture
def engine(monkeypatch):
    """The engine without torch, in the place of the real one."""
    spec = importlib.util.spec_from_file_location("fake_trainer", FAKE)
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def started(home, monkeypatch):
    """Start the command line with the fake engine as a process; ended by its own test, or killed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    processes = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, str(FAKE), *arguments], cwd=ROOT, stdout=-1, stderr=-1, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
