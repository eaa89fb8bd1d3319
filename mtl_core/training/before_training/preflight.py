"""Preflight: real batches through the real step before a run, and what they say: time, memory, losses, gradient norms, labels.

Nothing of it is kept, except prepared data, fetched starting weights and the measured precision and layout, which the run needs anyway.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from mtl_core.config import RunConfig
from mtl_core.data.batches import Batch
from mtl_core.errors import ConfigError, Problem, not_finite
from mtl_core.events import Control
from mtl_core.machine.device_names import kind_of
from mtl_core.randomness import unnoticed
from mtl_core.sharing.frozen_parts import freeze
from mtl_core.sharing.model import trained
from mtl_core.training.before_training import memory
from mtl_core.training.build import TRAIN_PART, build, rows_of
from mtl_core.training.evaluation import evaluate
from mtl_core.training.execution import device_name, wait_for_device
from mtl_core.training.losses_in_parts import losses_of
from mtl_core.training.parts import resolve
from mtl_core.training.run_info import parameter_counts
from mtl_core.training.setup import Setup
from mtl_core.training.several_devices.device_count import device_count
from mtl_core.training.step import OverflowedStep, SkippedStep
from mtl_core.training.tensors.starting_weights import Told, starting_weights

TIMED = 3  # steps, after one to warm up
EVALUATED = 32  # images on which an evaluation is timed


@dataclass(frozen=True)
class TaskFinding:
    """What a batch says about a task.

    Attributes:
        labelled: images of the batch with a target.
        loss: of the batch, without its loss weight; NaN where no image has a target.
        gradient_norm: of this loss on the trained parameters that several tasks share; NaN where it reaches none.
        suggested_weight: loss weight that equalises the norms, of mean 1 over the tasks; None where there is no norm to equalise.
    """

    labelled: int
    loss: float
    gradient_norm: float
    suggested_weight: float | None = None


@dataclass(frozen=True)
class Preflight:
    """The report. Seconds are wall-clock time on this machine as it is now; ``eta_seconds`` is an estimate from them."""

    device: str
    precision: str
    layout: str
    batch_size: int
    steps: int
    seconds_per_step: float
    seconds_per_evaluation: float
    eta_seconds: float
    peak_bytes: int
    estimated_bytes: int
    parameters: dict[str, Any]
    tasks: dict[str, TaskFinding]
    problems: list[str] = field(default_factory=list)
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; None for what is not finite."""
        values = asdict(self)
        for task in values["tasks"].values():
            task.update({key: None for key, value in task.items() if isinstance(value, float) and not math.isfinite(value)})
        return values


def preflight(config: RunConfig, cache: Path, runs: Path | None = None, progress: Told = lambda share, what: None) -> Preflight:
    """Measure a config. Takes the time of a few steps, after the preparation of the data.

    Args:
        cache: folder of prepared data. runs: folder of the store's runs, in which starting weights from another run are looked up.

    Raises:
        ConfigError: the config cannot be trained, or a step does not fit in memory. DataError: the data cannot be prepared.
    """
    parts = resolve(config)
    memory.check(parts)
    estimated = memory.estimate(parts).total(config.batch_size)
    with tempfile.TemporaryDirectory() as empty:
        folder = (runs or Path(empty)) / ".preflight"
        weights = starting_weights(parts, folder, cache, progress)
    try:
        with unnoticed():
            setup = build(parts, cache, progress=progress, weights=weights)
            return _measured(setup, estimated)
    except (MemoryError, torch.OutOfMemoryError) as error:
        message = f"a step does not fit in memory ({str(error).splitlines()[0] if str(error) else 'out of memory'}); "
        raise ConfigError(
            Problem("batch_size", f"{message}lower batch_size, take smaller images (data.preprocessing.resize) or a smaller backbone")
        ) from None


def _measured(setup: Setup, estimated: float) -> Preflight:
    run, config = setup.run, setup.run.config
    freeze(setup.network.model, config, epoch=1)
    setup.network.model.train()
    batches = [batch for batch, _ in zip(run.train_batches.epoch(0), range(1 + TIMED), strict=False)]
    with setup.drawing():
        tasks = task_findings(setup, batches[0])
    losses = {name: found.loss for name, found in tasks.items() if found.labelled}
    problems = [f"the loss of '{name}' is {not_finite(loss)}" for name, loss in losses.items() if not math.isfinite(loss)]
    problems += [f"no image of the first batch has a target for '{name}'" for name, found in tasks.items() if not found.labelled]
    seconds = []
    for number, batch in enumerate(batches * (1 if len(batches) > 1 else 2), start=1):
        started = time.perf_counter()
        try:
            with setup.drawing():
                setup.update(batch, number)
        except OverflowedStep:  # usual in the first steps in fp16: the loss scale is still too large
            pass
        except SkippedStep as skipped:
            problems.append(str(skipped))
        wait_for_device(run.execution.device)
        seconds.append(time.perf_counter() - started)
    wrong = [name for name, parameter in setup.network.model.named_parameters() if not bool(torch.isfinite(parameter).all())]
    problems += [f"after {len(seconds)} steps the network holds values that are not finite, in '{wrong[0]}'"] if wrong else []
    step, epoch, count = min(seconds[1:]), evaluation_seconds(setup), device_count(config)
    steps = config.epochs * run.steps_per_epoch
    return Preflight(
        device=device_name(run.execution.device) + (f" (one of {count} devices, with whole batches)" if count > 1 else ""),
        precision=run.execution.precision,
        layout=run.execution.layout,
        batch_size=config.batch_size,
        steps=steps,
        seconds_per_step=step,
        seconds_per_evaluation=epoch,
        eta_seconds=steps * step + config.epochs * epoch,
        peak_bytes=peak_bytes(run.execution.device),
        estimated_bytes=int(estimated),
        parameters=parameter_counts(setup.network.model),
        tasks=tasks,
        problems=problems,
        reason=REASON if any(found.suggested_weight is not None for found in tasks.values()) else "",
    )


REASON = (
    "These loss weights make the tasks' gradients on the shared parameters equally long in the first batch, so that no task leads at the start. They "
    "are a proposal from one batch: good fixed weights are often near them (AutoScale, arXiv 2508.13979), and the norms change while a run trains."
)


def task_findings(setup: Setup, batch: Batch) -> dict[str, TaskFinding]:
    """Loss and gradient norm of each task on a batch, in the network's state at the start."""
    run, model = setup.run, setup.network.model
    cut, model.split_features = model.split_features, False
    try:
        losses, present = losses_of(run, setup.network, batch)
    finally:
        model.split_features = cut
    shared = trained(model.shared_parameters()) if len(model.tasks) > 1 else []
    found = {}
    for (name, kind), loss, is_present in zip(run.kinds.items(), losses, present.tolist(), strict=True):
        norm = math.nan
        if is_present and shared and loss.requires_grad:
            gradients = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
            reached = [torch.linalg.vector_norm(gradient.float()) for gradient in gradients if gradient is not None]
            norm = float(torch.linalg.vector_norm(torch.stack(reached))) if reached else math.nan
        labelled = len(batch.images) if kind.is_self_supervised else int(batch.labelled[kind.task.target].sum())
        found[name] = TaskFinding(labelled, float(loss.detach()) if is_present else math.nan, norm)
    return with_suggestions(found)


def with_suggestions(found: dict[str, TaskFinding]) -> dict[str, TaskFinding]:
    """The findings with loss weights c / norm, where c makes their mean 1. Tasks without a positive norm have none."""
    norms = {name: task.gradient_norm for name, task in found.items() if math.isfinite(task.gradient_norm) and task.gradient_norm > 0}
    if len(norms) < 2:
        return found
    factor = len(norms) / sum(1 / norm for norm in norms.values())
    return {
        name: TaskFinding(task.labelled, task.loss, task.gradient_norm, factor / norms[name]) if name in norms else task
        for name, task in found.items()
    }


def evaluation_seconds(setup: Setup) -> float:
    """Seconds of the evaluation after an epoch, from the second one of a few images of val: the first one also loads what measuring needs."""
    run, val = setup.run, setup.run.data.val
    count = min(EVALUATED, len(val))
    if not count:
        return 0.0
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        evaluate(run, setup.network.model, run.evaluation_batches(rows_of(val, range(count))), Control())
        seconds = time.perf_counter() - started
    return seconds / count * (len(val) + min(TRAIN_PART, len(run.data.train)))


def peak_bytes(device: str) -> int:
    """The most memory that this process has held: on the GPU, else in all; 0 where the system does not say."""
    if kind_of(device) == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return 0
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held
