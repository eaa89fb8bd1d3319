"""Real processes of a run on two devices: requests reach them, a killed one interrupts the run, and what they saved is resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from evidence import brief, rows_of

from mtl_core.config import RunConfig
from mtl_core.errors import (
    ConfigError,
    DeviceError,
    MemoryProblem,
    MissingSetError,
    NonFiniteLossError,
    NotEnoughMemoryError,
    Problem,
    RunTakenError,
)
from mtl_core.events import Control
from mtl_core.runs.executor import execute
from mtl_core.runs.failures import failure_of
from mtl_core.runs.resume_and_fork import resume
from mtl_core.training import trainer
from mtl_core.training.several_devices import rank_processes
from mtl_core.training.several_devices.rank_link import packed, unpacked

START = subprocess.Popen


class Person:
    """Asks for things while the run trains, and kills its second process in the third epoch."""

    def __init__(self, control: Control):
        self.control, self.processes, self.seen = control, [], []

    def start(self, *arguments, **named):
        self.processes.append(START(*arguments, **named))
        return self.processes[-1]

    def look(self, event) -> None:
        name, step = type(event).__name__, getattr(event, "step", 0)
        self.seen.append(name)
        if name == "StepScalars" and step == 2:
            self.control.change("optimizer.lr", 0.0005)
            self.control.pause()
        elif name == "Paused":
            self.control.proceed()
        elif name == "StepScalars" and event.epoch > 2:
            os.kill(self.processes[1].pid, signal.SIGKILL)


def test_a_killed_process_interrupts_the_run_and_one_process_resumes_it(store, shared_cache, monkeypatch):
    """Two real starts of PyTorch: 8 s of processor time."""
    store.cache = shared_cache
    control = Control()
    person = Person(control)
    monkeypatch.setattr(rank_processes.subprocess, "Popen", person.start)
    run = execute(store, store.create(brief(devices=2, epochs=4, data={"name": "digits"})).id, control, person.look)
    assert run.status == "interrupted", run.failure
    assert any("process 2 of 2 was ended by signal 9" in line.text for line in store.log(run.id))
    assert all(process.poll() is not None for process in person.processes)
    assert [name for name in person.seen if name in ("Paused", "Resumed", "SettingChanged")] == ["Paused", "Resumed", "SettingChanged"]
    assert (store.folder(run.id) / "checkpoints").is_dir()
    assert run.info["devices"] == 2
    assert run.info["device_name"].startswith("2 × CPU")

    monkeypatch.setattr(trainer, "device_count", lambda config: 1)
    run = execute(store, resume(store, run.id).id)
    assert run.status == "finished", run.failure
    changed = run.config
    assert [(change.step, change.key) for change in changed.changes] == [(2, "optimizer.lr")]
    alone = execute(store, store.create(changed.model_copy(update={"devices": 1})).id)
    ours, theirs = rows_of(store, run.id), rows_of(store, alone.id)
    assert ours.keys() == theirs.keys()
    assert ours == pytest.approx(theirs, rel=0.02, abs=0.02)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError([Problem("batch_size", "too large"), Problem("tasks", "none")]),
        DeviceError(Problem("device", "not here")),
        NonFiniteLossError("digit", 7, float("nan")),
        NotEnoughMemoryError(MemoryProblem("batch_size", "too large", "too little memory", 3)),
        MissingSetError("unknown", "cells"),
        RunTakenError("taken"),
        OSError(28, "No space left on device"),
        RuntimeError("CUDA out of memory"),
        ValueError("a fault"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_process_is_the_error_of_the_run(error):
    again = unpacked(json.loads(json.dumps(packed(error))))
    assert [failure_of(again)[fact] for fact in ("kind", "facts")] == [failure_of(error)[fact] for fact in ("kind", "facts")]
    assert str(error) in str(again)
    assert getattr(again, "problems", ()) == getattr(error, "problems", ())
    assert "Error" in failure_of(again)["trace"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"batch_size": 33}, "batch_size", "33 images cannot be divided equally among 2 devices; choose 32 or 34"),
        ({"augmentation": {"mixup": 0.2}}, "augmentation.mixup", "set devices to 1"),
        ({"update": {"name": "task_vectors"}}, "update.name", "one device only"),
        ({"tasks": {"digit": {}, "contrastive": {}}}, "tasks.contrastive", "compares all images of a batch"),
        ({"devices": 64, "batch_size": 64}, "devices", "cores; choose at most that many"),
    ],
)
def test_what_cannot_be_divided_is_refused_before_training(changes, field, words, tmp_path, shared_cache):
    config = RunConfig.from_dict({**brief().to_dict(), "devices": 2, "batch_size": 32, **changes})
    with pytest.raises(ConfigError) as refused:
        list(trainer.train(config, tmp_path, shared_cache, Control()))
    assert [problem.message for problem in refused.value.problems if problem.field == field and words in problem.message]
