"""The trial before a long run: its first batch through its network, and what that says, in the run's log. A short run has none.

``mtl preflight`` measures more, on request and in a process of its own. The trial takes as many passes as there are tasks, and a few more. It changes
nothing: the run trains as it would without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.data.batches import Batch
from mtl_core.durations import duration
from mtl_core.errors import not_finite
from mtl_core.events import Control, Message
from mtl_core.randomness import unnoticed
from mtl_core.sharing.model import trained
from mtl_core.training.before_training.expected_time import LONG, expected_seconds
from mtl_core.training.before_training.preflight import TaskFinding, evaluation_seconds, peak_bytes, task_findings
from mtl_core.training.execution import wait_for_device
from mtl_core.training.losses_in_parts import losses_of
from mtl_core.training.setup import Setup

TIMED = 2  # passes
FASTER = {"cuda": 30.0, "mps": 5.0}  # than the CPU, about, so that a run that is short on such a device is not delayed


def try_first_batch(setup: Setup, control: Control) -> Iterator[Message]:
    """The log's lines of a trial; none for a run that is expected to be short. A stop or pause ends it early."""
    run, model = setup.run, setup.network.model
    batch = next(iter(run.train_batches.epoch(0)))
    if not is_long(setup, batch):
        return
    yield Message("this run may take more than a few minutes, so its first batch is tried before it trains")
    if control.interrupted:
        return
    buffers = [buffer.clone() for buffer in model.buffers()]
    was_training, cut = model.training, model.split_features
    try:
        model.train()
        with unnoticed():
            tasks = task_findings(setup, batch)
            model.split_features = False
            seconds = None if control.interrupted else min(_step_seconds(setup, batch) for _ in range(TIMED))
        evaluation = 0.0 if seconds is None or control.interrupted else evaluation_seconds(setup)
    finally:
        model.split_features = cut
        model.train(was_training)
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    if seconds is not None:
        yield Message(_time_and_memory(setup, seconds, evaluation))
    yield Message(f"first batch: {'; '.join(_said(name, found, len(batch.index)) for name, found in tasks.items())}")
    for name, found in tasks.items():
        if not found.labelled:
            yield Message(f"no image of the first batch has a target for '{name}'", "warning")
        elif not math.isfinite(found.loss):
            yield Message(f"the loss of '{name}' on the first batch is {not_finite(found.loss)}", "warning")
    if any(found.suggested_weight is not None for found in tasks.values()):
        yield Message(
            "the loss weights named there would make the tasks' gradients on the shared parameters equally long in the first batch: a proposal; "
            "the run keeps its own"
        )


def is_long(setup: Setup, batch: Batch) -> bool:
    """Whether a run is expected to take longer than ``LONG``. The network is measured only where its size leaves that open."""
    run, model = setup.run, setup.network.model
    images, faster = len(run.data.train), FASTER.get(torch.device(run.execution.device).type, 1.0)
    views = len(batch.images) / max(1, len(batch.index))  # self-supervised tasks add images to a batch
    places = math.prod(batch.images.shape[-2:])
    most = views * places * sum(parameter.numel() for parameter in model.parameters())  # a parameter multiplies at most once at each place
    if expected_seconds(most, images, run.config) / faster <= LONG:
        return False
    was_training = model.training
    try:
        with torch.no_grad(), run.execution.autocast(), FlopCounterMode(display=False) as counter:
            model.eval()(batch.images[:1])
    finally:
        model.train(was_training)
    multiply_adds = views * counter.get_total_flops() / 2  # it counts a multiplication and an addition as two
    return expected_seconds(multiply_adds, images, run.config) / faster > LONG


def _step_seconds(setup: Setup, batch: Batch) -> float:
    """Seconds of a pass forward and backward, without the optimizer's part."""
    run, model = setup.run, setup.network.model
    started = time.perf_counter()
    losses, _ = losses_of(run, setup.network, batch)
    total = torch.stack(list(losses)).sum()
    if total.requires_grad:
        torch.autograd.grad(total, trained(model.parameters()), allow_unused=True)
    wait_for_device(run.execution.device)
    return time.perf_counter() - started


def _time_and_memory(setup: Setup, seconds: float, evaluation: float) -> str:
    config, steps = setup.run.config, setup.run.config.epochs * setup.run.steps_per_epoch
    expected = steps * seconds + config.epochs * evaluation
    memory = peak_bytes(setup.run.execution.device)
    held = f"; this process has held {memory / 1e6:,.0f} MB at most" if memory else ""
    return (
        f"expected: about {duration(expected)} for {steps:,} steps ({seconds:.3g} s forward and backward) and {config.epochs:,} evaluations, "
        f"as fast as this machine is now{held}"
    )


def _said(name: str, found: TaskFinding, count: int) -> str:
    norm = f", gradient norm {found.gradient_norm:.3g}" if math.isfinite(found.gradient_norm) else ""
    weight = "" if found.suggested_weight is None else f", loss weight {found.suggested_weight:.3g}"
    return f"{name}: {found.labelled} of {count} labelled, loss {found.loss:.3g}{norm}{weight}"
