"""The queue in a program of its own: its modules are reloaded, it closes, it imports the engine in the background."""

import threading
from pathlib import Path

import pytest

from mtl_core.runs import actions

WAIT = 30  # seconds; an event that has not come by then never will

RELOAD = """
import sys, importlib.util
def engine():
    spec = importlib.util.spec_from_file_location("fake_trainer", FAKE)
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    sys.modules.update(fake.modules())
def submit(name):
    from mtl_core.config import RunConfig
    from mtl_core.runs import jobs
    from mtl_core.runs.store import open_store
    plain = {"name": name, "data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}
    return open_store(), jobs.submit(open_store(), RunConfig.from_dict(plain)).id
import threading
engine()
old_store, first = submit("waits")
"""


@pytest.fixture
def fake_path():
    return f"FAKE = {str(Path(__file__).with_name('fake_trainer.py'))!r}\n"


def test_runs_go_on_when_our_modules_are_reloaded(store, python, fake_path):
    process = python(
        fake_path
        + RELOAD
        + """
for name in [name for name in sys.modules if name.split(".")[0] == "mtl_core"]:
    del sys.modules[name]
engine()
store, second = submit("fine")
assert type(store) is not type(old_store), "nothing was reloaded"
assert [thread.name for thread in threading.enumerate()].count("mtl-queue") == 1, "the worker was doubled"
print(first, second, flush=True)
sys.stdin.read()
"""
    )
    first, second = process.stdout.readline().split()
    assert process.stderr.readline() == "ready\n"  # the first run trains
    assert store.get(second).status == "queued"
    actions.stop(store, first)
    ended = threading.Event()
    deadline = threading.Timer(WAIT, process.kill)
    deadline.start()
    while not store.get(second).status.is_ended() and process.poll() is None:
        ended.wait(0.05)
    deadline.cancel()
    assert [store.get(run_id).status for run_id in (first, second)] == ["stopped", "finished"]


def test_a_program_that_closes_lets_its_run_save_and_calls_it_interrupted(store, python, fake_path):
    process = python(fake_path + RELOAD + "print(first, flush=True); sys.stdin.readline()\n")
    run_id = process.stdout.readline().strip()
    assert process.stderr.readline() == "ready\n"
    process.communicate("close\n", timeout=WAIT)
    assert process.returncode == 0
    assert [line.text for line in store.log(run_id)][-2:] == [
        "epoch 0: checkpoint saved",
        "interrupted after 1 step (0.5 epochs) in 0.5 s",
    ]
    assert store.get(run_id).status == "interrupted"


def test_warming_up_imports_the_engine_once(python):
    process = python(
        """
import sys, types
for name in ("torch", "torchvision", "mtl_core.training.trainer"):
    sys.modules[name] = types.ModuleType(name)
from mtl_core.runs import jobs
from mtl_core.runs.process_singletons import process_slot
print(jobs.warmed())
jobs.warm_up()
thread = process_slot("warm")["thread"]
jobs.warm_up()
thread.join()
print(jobs.warmed(), process_slot("warm")["thread"] is thread)
"""
    )
    assert process.communicate(timeout=WAIT)[0].split() == ["False", "True", "True"]
