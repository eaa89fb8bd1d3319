"""An engine without torch whose metrics follow from the config: as a script it runs the command line with it.

Accuracy of a task: 0.8, 0.049, 0.05 or 0.051 more (by seed) if it is trained with others, 0.001 for each seed.
Affinities, where they are measured: 0.01 times the place of the
task whose step is taken, the last one's negative. The environment variable DIES_AT names a file with the number of
runs to begin before the process kills itself in the middle of one.
"""

import os
import signal
import sys
import types
from pathlib import Path

from mtl_core.events import CheckpointSaved, EpochMetrics, RunEnded, RunStarted, StepScalars

METRICS = {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": True}}
MEASURED = ("bf16", "channels_last")  # what "auto" finds


def train(config, folder, cache, control):
    """Two epochs of one step."""
    precision, layout = config.precision, config.layout
    if "auto" in (precision, layout):
        precision, layout = control.settle(*MEASURED)
    tasks = {task: {"main_metric": "accuracy", "metrics": METRICS} for task in config.tasks}
    yield RunStarted(2, {"device": "cpu", "precision": precision, "layout": layout, "tasks": tasks, "steps_per_epoch": 1})
    for epoch in (1, 2):
        yield StepScalars(epoch, float(epoch), {f"train/{task}/loss": 1 / epoch for task in config.tasks} | _affinities(config))
        _die_if_due()
        value = 0.8 + (len(config.tasks) > 1) * (0.05 + 0.001 * (config.seed % 3 - 1)) + 0.001 * config.seed - 0.01 * (2 - epoch)
        measured = {f"val/{task}/accuracy": value for task in config.tasks}
        yield EpochMetrics(epoch, epoch, measured | {"selection/score": value})
        yield CheckpointSaved(epoch, epoch, f"checkpoints/epoch_{epoch:04d}", True)
    yield EpochMetrics(2, 2, {f"test/{task}/accuracy": 0.7 for task in config.tasks})
    yield RunEnded("finished", 2, 2.0, 8.0, 0.5)


def _affinities(config):
    tasks = list(config.tasks)
    if not config.affinity_every or len(tasks) < 2:
        return {}
    sizes = [0.01 * (place + 1) for place in range(len(tasks))]
    sizes[-1] *= -1
    return {f"affinity/{source}/{target}": size for source, size in zip(tasks, sizes, strict=True) for target in tasks}


def _die_if_due():
    place = os.environ.get("DIES_AT")
    if place:
        left = int(Path(place).read_text()) - 1
        Path(place).write_text(str(left))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def modules():
    """Names and modules that take the engine's place in sys.modules."""
    trainer, check = types.ModuleType("mtl_core.training.trainer"), types.ModuleType("mtl_core.training.check")
    trainer.train, check.problems = train, lambda config: []
    return {trainer.__name__: trainer, check.__name__: check}


if __name__ == "__main__":
    sys.modules.update(modules())
    from mtl_core.__main__ import main

    sys.exit(main(sys.argv[1:]))
