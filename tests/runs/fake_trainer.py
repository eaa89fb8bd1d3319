"""An engine without torch: what it does is chosen by the run's name. As a script it runs the command line with it::

python fake_trainer.py train CONFIG.yaml --json
"""

import math
import sys
import threading
import types

from mtl_core.errors import DataError, NonFiniteLossError, Problem
from mtl_core.events import CheckpointSaved, EpochMetrics, Message, Paused, Resumed, RunEnded, RunStarted, StepScalars

METRICS = {
    "loss": {"title": "Loss", "unit": "", "higher_is_better": False},
    "accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": True},
}
INFO = {"device": "cpu", "device_name": "a test", "tasks": {"digit": {"main_metric": "accuracy", "metrics": METRICS}}, "share": math.nan}


def train(config, folder, cache, control):
    """Four steps in two epochs; the names 'waits', 'deaf', 'prepares', 'bad data', 'nan', 'memory', 'fault' and 'silent' do something else."""
    yield Message("preparing")
    if config.name == "bad data":
        raise DataError("images.gz ends too early; fetch it again")
    if config.name == "prepares":
        print("ready", file=sys.stderr, flush=True)
        threading.Event().wait()
    yield RunStarted(4, INFO)
    if config.name == "waits":
        print("ready", file=sys.stderr, flush=True)
        yield from _until_stopped(control)
        return
    if config.name == "deaf":
        print("ready", file=sys.stderr, flush=True)
        threading.Event().wait()
    for epoch in (1, 2):
        for step in (2 * epoch - 1, 2 * epoch):
            yield StepScalars(step, step / 2, {"train/digit/loss": 1 / step, "optimizer/loss": 1 / step, "loss_weight/digit": 1.0})
        _fail(config.name)
        yield EpochMetrics(2 * epoch, epoch, {"val/digit/loss": 0.5 * epoch, "val/digit/accuracy": 0.4 * epoch, "selection/score": 0.4 * epoch})
        yield CheckpointSaved(2 * epoch, epoch, f"checkpoints/epoch_{epoch:04d}", True)
    yield EpochMetrics(4, 2, {"test/digit/accuracy": 0.75, "test/digit/loss": math.nan})
    if config.name != "silent":
        yield RunEnded("finished", 4, 2.0, 8.0, 0.5)


def _until_stopped(control):
    yield StepScalars(1, 0.5, {"train/digit/loss": 1.0})
    while not control.stop_requested:
        threading.Event().wait(0.01)  # a step
        if control.pause_requested:
            yield Paused(1, 0.5)
            while control.pause_requested and not control.stop_requested:
                threading.Event().wait(0.01)
            if not control.stop_requested:
                yield Resumed(1, 0.5)
    yield CheckpointSaved(1, 0, "checkpoints/epoch_0000", False)
    yield RunEnded("stopped", 1, 0.5, 8.0, 0.5)


def _fail(name):
    if name == "nan":
        raise NonFiniteLossError("digit", 2, math.nan)
    if name == "memory":
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    if name == "fault":
        raise KeyError("surprise")


def problems(config):
    """Stands for mtl_core.training.check.problems."""
    return [Problem("tasks.digits", "unknown task 'digits'; did you mean 'digit'?")] if "digits" in config.tasks else []


def modules():
    """Names and modules that take the engine's place in sys.modules."""
    trainer, check = types.ModuleType("mtl_core.training.trainer"), types.ModuleType("mtl_core.training.check")
    trainer.train, check.problems = train, problems
    return {trainer.__name__: trainer, check.__name__: check}


if __name__ == "__main__":
    sys.modules.update(modules())
    from mtl_core.__main__ import main

    sys.exit(main(sys.argv[1:]))
