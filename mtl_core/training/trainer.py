"""The training loop: a generator of events. The functions stand in the order of a run.

The same config on the same machine gives the same numbers. If the run's folder holds a checkpoint, training resumes from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from enum import Enum, auto
from pathlib import Path

from mtl_core.config import RunConfig
from mtl_core.data.augmentation import fitting
from mtl_core.data.data_source import Progress as Told
from mtl_core.data.prepared_identity import data_hash
from mtl_core.errors import StoreError
from mtl_core.events import SKIPPED, CheckpointSaved, Control, EpochMetrics, Event, Message, Paused, Resumed, RunEnded, RunStarted, StepScalars
from mtl_core.part_titles import data_title
from mtl_core.ranks import ALONE, Ranks
from mtl_core.sharing.frozen_parts import freeze
from mtl_core.training import checkpoints
from mtl_core.training.before_training import memory
from mtl_core.training.before_training.trial import try_first_batch
from mtl_core.training.build import TRAIN_PART, build, measured_rows, rows_of
from mtl_core.training.checkpoint_files import reached
from mtl_core.training.constant_answer import constant_answer
from mtl_core.training.evaluation import evaluate, selection_score, tasks_at_their_best
from mtl_core.training.execution import tune_allocator
from mtl_core.training.live_changes import Changes
from mtl_core.training.parts import Parts, resolve
from mtl_core.training.probe_set import ProbeSet
from mtl_core.training.run_info import run_info
from mtl_core.training.setup import Position, Run, Setup
from mtl_core.training.several_devices.device_count import device_count
from mtl_core.training.several_devices.rank_processes import train_in_ranks
from mtl_core.training.step import OverflowedStep, SkippedStep
from mtl_core.training.tensors.starting_weights import starting_weights
from mtl_core.training.unclaimed_boxes import unclaimed_boxes

CURVE_POINTS = 50  # points of the curves per epoch, about; each is a mean over the steps between


class Outcome(Enum):
    """How a part of a run ended: done, or interrupted by a requested pause or stop."""

    DONE = auto()
    PAUSED = auto()
    STOPPED = auto()


def train(config: RunConfig, folder: Path | str, cache: Path | str, control: Control) -> Iterator[Event]:
    """Train as ``config`` says and yield the run's events. A run on several devices trains in a process for each of them.

    The consumer should commit each event before it requests the next. Metrics are yielded before the checkpoint of the same
    epoch is published, so a crash between the two repeats an epoch and loses none.

    Args:
        folder: the run's folder, for probes and checkpoints; it is made if it is not there.
        cache: folder for prepared data, shared by all runs.
        control: polled before every step and batch for stops, pauses and changes.

    Raises:
        ConfigError, DataError: before ``RunStarted``; the run cannot start.
        StoreError: the folder cannot be made.
        TrainingError: the run started and failed.
    """
    folder, cache = Path(folder), Path(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the run's folder '{folder}' cannot be made: {error.strerror}. Give the path of a folder that may be written.") from error
    count = device_count(config)
    return train_as(ALONE, config, folder, cache, control) if count == 1 else train_in_ranks(count, config, folder, cache, control)


def train_as(ranks: Ranks, config: RunConfig, folder: Path, cache: Path, control: Control) -> Iterator[Event]:
    """``train`` in this process, as one of the run's ranks. Only the events of the first rank count; the others write no files.

    The ranks do the same up to the end of the last epoch. Then the first goes on alone.
    """
    started = time.perf_counter()
    tune_allocator()
    yield Message(f"preparing the data set '{data_title(config.data)}'")
    parts = resolve(checkpoints.as_begun(folder, config), control.device)
    if ranks.is_first:
        _check_memory(parts)
    told = _unless_stopped(control)
    try:
        with ranks.first_before_others():
            weights = starting_weights(parts, folder, cache, told)
        setup = build(parts, cache, progress=told, settle=control.settle, weights=weights, ranks=ranks)
    except _PreparationStoppedError:
        step, epoch = reached(folder)
        yield RunEnded("stopped", step, epoch, 0.0, time.perf_counter() - started)
        return
    if ranks.is_first:
        control.check_held()
    run, network, position = setup.run, setup.network, setup.progress.position
    probes, measure = ProbeSet(run, network.model, folder), _measurement(setup, control)
    with ranks.first_before_others():  # it puts damaged checkpoints aside
        remarks = checkpoints.restore(folder, setup)
    changes = Changes(run.config, network, position.step)
    remarks += [*_remarks_on_augmentation(run), *unclaimed_boxes(run, network.model), *(weights.remarks if weights else ())]
    yield from (Message(remark, "warning") for remark in remarks)
    if position.step == 0 and ranks.size == 1:
        yield from try_first_batch(setup, control)
    if ranks.is_first:
        info = run_info(setup) | {"data_hash": data_hash(parts.source)}
        yield RunStarted(run.config.epochs * run.steps_per_epoch, info, position.step, setup.epochs_done)
        if position.step == 0:
            yield probes.save(0)

    while position.epoch < run.config.epochs:
        outcome = yield from _timed(_train_epoch(setup, changes, control), position)
        ranks.check_equal(network.model)
        measured = ranks.from_first(measure) if outcome is Outcome.DONE else None
        if measured is not None:
            yield from _end_epoch(setup, measured, probes, folder, control)
        elif (yield from _pause(setup, control, folder)) is Outcome.STOPPED:
            break

    ranks.part()
    if ranks.is_first and not control.abandoned:
        status = yield from _finish(setup, folder, control)
        steps_per_second = position.step / position.training_seconds if position.training_seconds else 0.0
        yield RunEnded(status, position.step, setup.epochs_done, steps_per_second, time.perf_counter() - started)


def _check_memory(parts: Parts) -> None:
    """Check the memory again at the start, because other programs may have taken memory since the run was queued."""
    if not parts.source.problems():  # if there are problems, building reports them
        memory.check(parts)


def _remarks_on_augmentation(run: Run) -> list[str]:
    return fitting.remarks(run.config.augmentation, [kind.task for kind in run.kinds.values()], run.data.statistics["image_shape"][0])


class _PreparationStoppedError(Exception):
    """A stop was requested during the preparation of the data."""


def _unless_stopped(control: Control) -> Told:
    def progress(share: float, what: str) -> None:
        if control.interrupted and control.stop_requested:
            raise _PreparationStoppedError

    return progress


def _train_epoch(setup: Setup, changes: Changes, control: Control) -> Generator[Event, None, Outcome]:
    """Train on the rest of one pass over the training split."""
    run, network, window, position = setup.run, setup.network, setup.progress.window, setup.progress.position
    if freeze(network.model, run.config, position.epoch + 1):
        setup.update.trained_anew()
    network.model.train()
    steps = run.steps_per_epoch
    every = max(1, steps // CURVE_POINTS)
    for batch in run.train_batches.epoch(position.epoch, start=position.step_in_epoch):
        control.agree()
        if control.interrupted:
            return Outcome.STOPPED if control.stop_requested else Outcome.PAUSED
        yield from changes.due(control, position.step, setup.epochs_done)
        position.step += 1
        position.step_in_epoch += 1
        network.model.at_step(position.step, run.config.epochs * steps)
        try:
            with setup.drawing():
                result = setup.update(batch, position.step)
            window.add(result)
        except OverflowedStep as overflowed:  # usual in fp16, above all in the first steps, so it is no alert
            yield Message(str(overflowed))
        except SkippedStep as skipped:
            yield Message(str(skipped), "warning", SKIPPED)
        if position.step_in_epoch % every == 0 or position.step_in_epoch == steps:
            scalars = {**window.close(position.step), "optimizer/lr": network.rate.at(position.step)}
            yield StepScalars(position.step, setup.epochs_done, scalars)
    return Outcome.DONE


def _timed(events: Generator[Event, None, Outcome], position: Position) -> Generator[Event, None, Outcome]:
    """Pass the events on and add up training time: the time until each next event, without the consumer's own."""
    while True:
        started = time.perf_counter()
        try:
            event = next(events)
        except StopIteration as end:
            return end.value
        finally:
            position.training_seconds += time.perf_counter() - started
        yield event


def _measurement(setup: Setup, control: Control) -> Callable[[], dict[str, float] | None]:
    """A function that measures every task on val and on a fixed part of the training images. It returns None if interrupted."""
    run, model = setup.run, setup.network.model
    val_batches = run.evaluation_batches(run.data.val)
    train_part = run.evaluation_batches(rows_of(run.data.train, measured_rows(run.data.train, run.kinds, TRAIN_PART)))

    def measure() -> dict[str, float] | None:
        val = None if control.interrupted else evaluate(run, model, val_batches, control)
        train_metrics = None if val is None else evaluate(run, model, train_part, control)
        if val is None or train_metrics is None:
            return None
        return _epoch_scalars(val, train_metrics, selection_score(run.config, run.kinds, val))

    return measure


def _end_epoch(setup: Setup, measured: dict[str, float], probes: ProbeSet, folder: Path, control: Control) -> Iterator[Event]:
    """End an epoch after its evaluation: yield its events, then save the checkpoint."""
    position, score = setup.progress.position, measured["selection/score"]
    is_best = score > position.best_score
    best_of = [] if position.best_of is None else tasks_at_their_best(setup.run.kinds, measured, position.best_of)
    with setup.drawing():
        setup.network.balancer.end_epoch()
    position.epoch, position.step_in_epoch, position.best_score = position.epoch + 1, 0, max(score, position.best_score)
    if not setup.run.ranks.is_first:
        return
    yield EpochMetrics(position.step, position.epoch, {**measured, **probes.learnt()}, _constants(setup))
    yield probes.save(position.epoch)
    path = checkpoints.publish(folder, setup, is_best, best_of if setup.run.config.keep_best_of_tasks else (), control.check_held)
    yield CheckpointSaved(position.step, position.epoch, path, is_best)


def _pause(setup: Setup, control: Control, folder: Path | None = None) -> Generator[Event, None, Outcome]:
    """Wait after an interruption. Returns STOPPED after a stop request, PAUSED if the run continues and repeats the interrupted part.

    Args:
        folder: folder in which the state is saved before the wait, so that a crash loses nothing; None if it is saved already.
    """
    control.agree()
    if control.stop_requested:
        return Outcome.STOPPED
    position, proceeds = setup.progress.position, control.proceeds
    if folder is not None and setup.run.ranks.is_first:
        yield _saved(setup, folder, control)
    yield Paused(position.step, setup.epochs_done)
    control.wait_while_paused(proceeds)
    if control.stop_requested:
        return Outcome.STOPPED
    yield Resumed(position.step, setup.epochs_done)
    return Outcome.PAUSED


def _finish(setup: Setup, folder: Path, control: Control) -> Generator[Event, None, str]:
    """Save the state of a stopped run; measure a finished run on test, once, with the checkpoint chosen on val. Returns the run's status."""
    run, model = setup.run, setup.network.model
    if setup.progress.position.epoch < run.config.epochs:
        yield _saved(setup, folder, control)
        return "stopped"
    if setup.progress.position.best_score < 0:
        yield Message("no epoch reached every floor (selection_floor), so the best checkpoint is the one that misses them least", "warning")
    measured, remarks = checkpoints.load_best(folder, setup)
    yield from (Message(remark, "warning") for remark in remarks)
    while (test := evaluate(run, model, run.evaluation_batches(run.data.test), control)) is None:
        if (yield from _pause(setup, control)) is Outcome.STOPPED:
            return "stopped"
    yield EpochMetrics(measured["step"], measured["epoch"], {f"test/{key}": value for key, value in test.items()}, _constants(setup))
    return "finished"


def _constants(setup: Setup) -> dict[str, float | None]:
    """What a constant answer reaches in each task, once in an attempt. It takes a second or two, which would lie before the first step otherwise."""
    constants = setup.progress.constants
    if constants:
        return {}
    constants.update((name, constant_answer(kind, setup.run.data.val)) for name, kind in setup.run.kinds.items())
    return dict(constants)


def _saved(setup: Setup, folder: Path, control: Control) -> CheckpointSaved:
    position = setup.progress.position
    setup.progress.window.check(position.step)  # values that are not finite must not replace the last good checkpoint
    path = checkpoints.publish(folder, setup, best=False, check_held=control.check_held)
    return CheckpointSaved(position.step, position.epoch, path, best=False)


def _epoch_scalars(val: dict[str, float], train_part: dict[str, float], score: float) -> dict[str, float]:
    scalars = {f"val/{key}": value for key, value in val.items()}
    scalars |= {f"train/{key}": value for key, value in train_part.items() if not key.endswith("/loss")}
    return {**scalars, "selection/score": score}
