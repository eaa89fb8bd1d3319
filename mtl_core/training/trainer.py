"""The training loop: a generator of events. It reads top to bottom as what happens in a run.

The same config on the same machine gives the same numbers. A folder that already holds a checkpoint is gone on with where it stands.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision

from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.augmentation import fitting
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.data.source import Progress
from mtl_core.events import CheckpointSaved, Control, EpochMetrics, Event, Message, Paused, Resumed, RunEnded, RunStarted, StepScalars
from mtl_core.sharing.model import trained
from mtl_core.training import checkpoints, memory
from mtl_core.training.build import TRAIN_PART, Setup, build, measured_rows, rows_of
from mtl_core.training.changes import Changes
from mtl_core.training.checkpoint_files import reached
from mtl_core.training.constant_answer import constant_answer
from mtl_core.training.evaluation import evaluate, selection_score
from mtl_core.training.execution import device_name, resolve_device, tune_allocator
from mtl_core.training.probe_set import ProbeSet
from mtl_core.training.step import JointStep, SkippedStep
from mtl_core.training.unclaimed_boxes import unclaimed_boxes
from mtl_core.training.updates import build_update

CURVE_POINTS = 50  # step scalars are means over so many steps that an epoch has about this many


@dataclass
class Position:
    """Where a run stands; all of it is in the checkpoint."""

    epoch: int = 0  # whole epochs, evaluation included
    step_in_epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    training_seconds: float = 0.0  # in training steps only


def train(config: RunConfig, folder: Path, cache: Path, control: Control) -> Iterator[Event]:
    """Train as ``config`` says, yielding what happens.

    The consumer should have committed each event before it asks for the next: metrics are yielded before the checkpoint of the same
    epoch is published, so a crash between the two repeats an epoch rather than losing one.

    Args:
        folder: the run's folder, for probes and checkpoints.
        cache: folder for prepared data, shared by all runs.
        control: asked before every step and batch.

    Raises:
        ConfigError, DataError: before ``RunStarted``; the run cannot start.
        TrainingError: it started and could not go on.
    """
    started = time.perf_counter()
    tune_allocator()
    yield Message(f"preparing the data set '{config.data.name}'")
    config = checkpoints.as_begun(folder, config)
    _check_memory(config)
    try:
        setup = build(config, cache, progress=_unless_stopped(control), settle=control.settle)
    except _PreparationStoppedError:
        step, epoch = reached(folder)
        yield RunEnded("stopped", step, epoch, 0.0, time.perf_counter() - started)
        return
    control.check_held()
    probes = ProbeSet(setup, folder)
    step, measure = build_update(setup), _measurement(setup, control)
    restored, remarks = checkpoints.restore(folder, setup)
    position = Position(**(restored or {}))
    changes = Changes(setup, position.step)
    yield from (Message(remark, "warning") for remark in [*remarks, *_remarks_on_augmentation(setup), *unclaimed_boxes(setup)])
    yield RunStarted(config.epochs * setup.steps_per_epoch, run_info(setup), position.step, _epochs_done(setup, position))
    if position.step == 0:
        yield probes.save(0)

    while position.epoch < config.epochs:
        yield from _train_epoch(setup, step, changes, position, control)
        whole = position.step_in_epoch == setup.steps_per_epoch  # a pause that was taken back at once has left steps undone all the same
        measured = measure() if whole and not control.interrupted else None
        if measured is None and control.stop_requested:
            break
        if measured is None:
            yield from _pause(setup, position, folder, control)
            continue  # with the rest of this epoch, or its evaluation anew
        score, is_best = measured["selection/score"], measured["selection/score"] > position.best_score
        with setup.drawing():
            setup.balancer.end_epoch()
        position.epoch, position.step_in_epoch, position.best_score = position.epoch + 1, 0, max(score, position.best_score)
        yield EpochMetrics(position.step, position.epoch, measured)
        yield probes.save(position.epoch)
        path = checkpoints.publish(folder, setup, asdict(position), is_best, control.check_held)
        yield CheckpointSaved(position.step, position.epoch, path, is_best)

    if not control.abandoned:
        yield from _finish(setup, position, folder, control, started)


def _check_memory(config: RunConfig) -> None:
    """Again at the beginning: since the run was queued, others may have taken memory."""
    source = open_source(config.data)
    if not source.problems():  # else building it says more
        memory.check(config, source, resolve_device(config.device))


def _remarks_on_augmentation(setup: Setup) -> list[str]:
    tasks = [kind.task for kind in setup.kinds.values()]
    return fitting.remarks(setup.config.augmentation, tasks, setup.data.statistics["image_shape"][0])


class _PreparationStoppedError(Exception):
    """A stop was asked for while the data were being prepared."""


def _unless_stopped(control: Control) -> Progress:
    def progress(share: float, what: str) -> None:
        if control.interrupted and control.stop_requested:
            raise _PreparationStoppedError

    return progress


def _train_epoch(setup: Setup, step: JointStep, changes: Changes, position: Position, control: Control) -> Iterator[Event]:
    """The rest of one pass over the training split."""
    setup.model.train()
    window = setup.window
    every = max(1, setup.steps_per_epoch // CURVE_POINTS)
    resumed_at = time.perf_counter()
    for batch in setup.train_batches.epoch(position.epoch, start=position.step_in_epoch):
        if control.interrupted:
            break
        yield from changes.due(control, position.step, _epochs_done(setup, position))
        lr = setup.scheduler.get_last_lr()[0]
        position.step += 1
        position.step_in_epoch += 1
        try:
            with setup.drawing():
                result = step(batch, position.step)
            window.add(*result)
            window.note(step.noted())
        except SkippedStep as skipped:
            yield Message(str(skipped), "warning")
        if position.step_in_epoch % every == 0 or position.step_in_epoch == setup.steps_per_epoch:
            scalars = {**window.close(position.step), "optimizer/lr": lr}
            yield StepScalars(position.step, _epochs_done(setup, position), scalars)
    position.training_seconds += time.perf_counter() - resumed_at


def _measurement(setup: Setup, control: Control) -> Callable[[], dict[str, float] | None]:
    """What measures every task on val and on a fixed part of the training images; gives None when it was interrupted."""
    val_batches = setup.evaluation_batches(setup.data.val)
    train_part = setup.evaluation_batches(rows_of(setup.data.train, measured_rows(setup.data.train, setup.kinds, TRAIN_PART)))

    def measure() -> dict[str, float] | None:
        val = evaluate(setup, val_batches, control)
        train_metrics = None if val is None else evaluate(setup, train_part, control)
        return None if val is None or train_metrics is None else _epoch_scalars(val, train_metrics, selection_score(setup, val))

    return measure


def _pause(setup: Setup, position: Position, folder: Path, control: Control) -> Iterator[Event]:
    """Save the state, then wait: whatever happens meanwhile, nothing is lost."""
    proceeds = control.proceeds
    yield _saved(setup, position, folder, control)
    yield Paused(position.step, _epochs_done(setup, position))
    control.wait_while_paused(proceeds)
    if not control.stop_requested:
        yield Resumed(position.step, _epochs_done(setup, position))


def _finish(setup: Setup, position: Position, folder: Path, control: Control, started: float) -> Iterator[Event]:
    """Keep the state of a stopped run; measure a finished one on test, once, with the checkpoint that val chose."""
    status = "finished"
    if position.epoch < setup.config.epochs:
        yield _saved(setup, position, folder, control)
        status = "stopped"
    else:
        best, remarks = checkpoints.load_best(folder, setup)
        yield from (Message(remark, "warning") for remark in remarks)
        while (test := evaluate(setup, setup.evaluation_batches(setup.data.test), control)) is None and not control.stop_requested:
            proceeds = control.proceeds
            yield Paused(position.step, _epochs_done(setup, position))  # the state is saved already
            control.wait_while_paused(proceeds)
            if not control.stop_requested:
                yield Resumed(position.step, _epochs_done(setup, position))
        if test is not None:
            measured = best or asdict(position)
            yield EpochMetrics(measured["step"], measured["epoch"], {f"test/{key}": value for key, value in test.items()})
        status = "finished" if test is not None else "stopped"
    steps_per_second = position.step / position.training_seconds if position.training_seconds else 0.0
    yield RunEnded(status, position.step, _epochs_done(setup, position), steps_per_second, time.perf_counter() - started)


def _saved(setup: Setup, position: Position, folder: Path, control: Control) -> CheckpointSaved:
    setup.window.check(position.step)  # numbers that have gone wrong are not worth keeping over the last good checkpoint
    path = checkpoints.publish(folder, setup, asdict(position), best=False, check_held=control.check_held)
    return CheckpointSaved(position.step, position.epoch, path, best=False)


def _epochs_done(setup: Setup, position: Position) -> float:
    return position.epoch + position.step_in_epoch / setup.steps_per_epoch


def _epoch_scalars(val: dict[str, float], train_part: dict[str, float], score: float) -> dict[str, float]:
    scalars = {f"val/{key}": value for key, value in val.items()}
    scalars |= {f"train/{key}": value for key, value in train_part.items() if not key.endswith("/loss")}
    return {**scalars, "selection/score": score}


def run_info(setup: Setup) -> dict[str, Any]:
    """JSON-able facts about a run that the screen shows: device, sizes, and what each task's metrics mean."""
    model = setup.model
    return {
        "device": setup.execution.device,
        "device_name": device_name(setup.execution.device),
        "precision": setup.execution.precision,
        "layout": setup.execution.layout,
        "parameters": parameter_counts(model),
        "tasks_share": model.tasks_share(),
        "heads": getattr(setup.update, "heads", setup.balancer.heads),
        "images": {name: len(setup.data.split(name)) for name in ("train", "val", "test")},
        "image_shape": list(setup.data.statistics["image_shape"]),
        "steps_per_epoch": setup.steps_per_epoch,
        "tasks": {name: _task_info(kind, setup.data.val) for name, kind in setup.kinds.items()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__},
    }


def parameter_counts(model: Any) -> dict[str, Any]:
    """Numbers that are trained in the shared part and in each task's own; where some of the network is frozen, how many that are."""
    frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    return {
        "shared": sum(parameter.numel() for parameter in trained(model.shared_parameters())),
        "tasks": {task: sum(parameter.numel() for parameter in trained(model.task_parameters(task))) for task in model.tasks},
        **({"frozen": frozen} if frozen else {}),
    }


def _task_info(kind: Any, val: MultiTaskDataset) -> dict[str, Any]:
    task = kind.task
    metrics = {
        m.name: {"title": m.title, "unit": task.unit if m.unit == "unit" else m.unit, "higher_is_better": m.higher_is_better} for m in kind.metrics
    }
    loss = {"loss": {"title": "Loss", "unit": "", "higher_is_better": False}}
    return {
        **asdict(task),
        "classes": list(task.classes),
        "main_metric": kind.metrics[0].name,
        "metrics": metrics | loss,
        "constant": constant_answer(kind, val),
    }
