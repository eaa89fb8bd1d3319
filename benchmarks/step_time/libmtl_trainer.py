"""Our trainer's step beside that of LibMTL's own trainer: the same network, batches, losses and optimizer, method by method.

    LIBMTL=<checkout> OMP_NUM_THREADS=1 python -m benchmarks.step_time.libmtl_trainer [--backbone resnet18 --steps 2] [--methods mgda cagrad]

``benchmarks/libmtl_checkout.py`` says what LibMTL needs. Each trainer has a process of its own, and the processes take turns of some steps. Three
tasks that read the whole image (several labels, a number, a class) on scenes of 32 x 32 pixels, batch 64, Adam. LibMTL reads our batches, so that
its time holds no loading of its own; its trainer computes the losses' values and a metric of each task at every step, ours the norms and, every 50
steps, the cosines of the tasks' gradients. Printed are medians over the rounds of the ratio of CPU time (user + system): ours in LibMTL's precision
(fp32, contiguous) and as ours comes (``auto``), to LibMTL's. The rows "beside itself" are the noise.
The process of ours sets the allocator up as our trainer does; LibMTL's has the C library's settings.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.libmtl_checkout import AT_FEATURES, METHODS, libmtl, options_of
from mtl_core.config import RunConfig
from mtl_core.events import Control
from mtl_core.training.build import Setup, build
from mtl_core.training.execution import tune_allocator
from mtl_core.training.live_changes import Changes
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import _train_epoch

BACKBONES = {  # "cnn": four convolutions, 260,000 parameters
    "cnn": {"name": "small_cnn", "width": 64, "stages": 2},
    "resnet18": {"name": "resnet18", "small_images": False},
}
TASKS = {"present": {}, "count": {}, "count_class": {}}
BATCH, RATE, DECAY = 64, 1e-3, 1e-5
WARM_UP = 2  # turns: DWA's weights change from the third epoch on, which is a turn here
SAME = {"precision": "fp32", "layout": "contiguous"}
AUTO = {"precision": "auto", "layout": "auto"}
WAYS = {"theirs": SAME, "tuned": SAME, "same": SAME, "auto": AUTO}  # "tuned": LibMTL's trainer with our settings of the allocator


def our_config(method: str, backbone: str, execution: dict[str, str]) -> RunConfig:
    at_features = {"gradients": "features"} if METHODS[method] in AT_FEATURES else {}
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "train_size": 100 * BATCH, "val_size": 64, "test_size": 64, "image_size": 32},
            "tasks": TASKS,
            "backbone": BACKBONES[backbone],
            "balancing": {"name": method, **at_features},
            "optimizer": {"name": "adam", "lr": RATE, "weight_decay": DECAY},
            "batch_size": BATCH,
            "epochs": 1000,
            "device": "cpu",
            **execution,
        }
    )


def our_turns(setup: Setup, steps: int) -> Iterator[None]:
    """Our trainer; stops after every ``steps`` steps."""
    changes, position = Changes(setup.run.config, setup.network, 0), setup.progress.position
    for epoch in itertools.count():
        position.move_to({"epoch": epoch, "step_in_epoch": 0, "step": epoch * setup.run.steps_per_epoch})
        done = position.step
        for _ in _train_epoch(setup, changes, Control()):
            if position.step - done >= steps:
                done = position.step
                yield


class OurBatches:
    """Our batches as LibMTL's data loader, whose epochs have ``steps`` batches."""

    def __init__(self, setup: Setup, steps: int):
        self.setup, self.steps = setup, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        for epoch in itertools.count():
            for batch in self.setup.run.train_batches.epoch(epoch):
                yield batch.images, {name: batch.targets[kind.task.target] for name, kind in self.setup.run.kinds.items()}


class Encoder(nn.Module):
    """Our backbone as LibMTL's encoder: its coarsest map, which is all that the heads of these tasks read."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(images)[-1]


class Decoder(nn.Module):
    """A head of ours as LibMTL's decoder."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head([features])


def their_turns(setup: Setup, method: str, steps: int, turns: int, end_turn: Callable[[], None]) -> None:
    """Train with LibMTL's trainer; ``end_turn`` is called after every ``steps`` steps, which are its epochs."""
    library = libmtl()

    class Trainer(library.Trainer):
        """LibMTL's trainer on the CPU (its own names ``cuda:0``), without the test after each epoch."""

        def _prepare_model(self, *arguments: Any) -> None:
            self.device = torch.device("cpu")
            super()._prepare_model(*arguments)

        def test(self, *_: Any, **__: Any) -> None:
            end_turn()

    class Loss(library.loss.AbsLoss):
        def __init__(self, kind: Any):
            super().__init__()
            self.compute_loss = kind.loss

    class Metric(library.metrics.AbsMetric):
        """The loss again: LibMTL's own metrics are for classes and for single numbers."""

        def __init__(self, kind: Any):
            super().__init__()
            self.kind = kind

        def update_fun(self, pred: Tensor, gt: Tensor) -> None:
            self.record.append(self.kind.loss(pred, gt).item())

        def score_fun(self) -> list[float]:
            return [sum(self.record) / len(self.record)]

    metrics = {name: library.metrics.AccMetric() if name == "count_class" else Metric(kind) for name, kind in setup.run.kinds.items()}
    tasks = {
        name: {"metrics": ["metric"], "metrics_fn": metrics[name], "loss_fn": Loss(kind), "weight": [1]} for name, kind in setup.run.kinds.items()
    }
    model = copy.deepcopy(setup.network.model)
    trainer = Trainer(
        task_dict=tasks,
        weighting=METHODS[method],
        architecture="HPS",
        encoder_class=lambda: Encoder(model.backbone),
        decoders=nn.ModuleDict({name: Decoder(head) for name, head in model.heads.items()}),
        rep_grad=METHODS[method] in AT_FEATURES,
        multi_input=False,
        optim_param={"optim": "adam", "lr": RATE, "weight_decay": DECAY},
        scheduler_param=None,
        weight_args=options_of(METHODS[method]),
        arch_args={},
    )
    batches = OurBatches(setup, steps)
    trainer.train(batches, batches, turns)


def work(pipe: Connection, way: str, method: str, arguments: argparse.Namespace, cache: Path) -> None:
    """A process of one trainer: for each message, a turn, whose CPU seconds are the answer. The last answer is None."""
    turns = WARM_UP + arguments.rounds
    if way != "theirs":
        tune_allocator()
    setup = build(resolve(our_config(method, arguments.backbone, WAYS[way])), cache)
    if way in ("same", "auto"):
        pipe.send(f"{setup.run.execution.precision}, {setup.run.execution.layout}")
        going = our_turns(setup, arguments.steps)
        for _ in range(turns):
            pipe.recv()
            began = time.process_time()
            next(going)
            pipe.send(time.process_time() - began)
        return
    began = [0.0]
    left = [turns]

    def end_turn() -> None:
        pipe.send(time.process_time() - began[0])
        left[0] -= 1
        if left[0]:
            pipe.recv()
        began[0] = time.process_time()

    pipe.send("fp32, contiguous")
    pipe.recv()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        began[0] = time.process_time()
        their_turns(setup, method, arguments.steps, turns, end_turn)


def measure(method: str, ways: dict[str, str], arguments: argparse.Namespace, cache: Path) -> tuple[dict[str, list[float]], dict[str, str]]:
    """CPU seconds of each turn after the warm-up, and the execution, of each way; ``ways``: name -> key of WAYS."""
    context = multiprocessing.get_context("fork")
    pipes, processes, said = {}, [], {}
    for name, way in ways.items():
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(theirs, way, method, arguments, cache), daemon=True))
        processes[-1].start()
        theirs.close()
        said[name] = pipes[name].recv()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + arguments.rounds):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            pipes[name].send("go")
            seconds[name].append(pipes[name].recv())
    for process in processes:
        process.join()
    return {name: each[WARM_UP:] for name, each in seconds.items()}, said


def ratio(seconds: dict[str, list[float]], one: str, other: str) -> str:
    return f"{statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True)):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=list(BACKBONES), default="cnn")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, choices=(2, 4, 10, 20, 50), default=10, help="of one way in one round: whole points of our curves")
    parser.add_argument("--cache", type=Path, help="folder for prepared data, kept for the next time")
    arguments = parser.parse_args()
    libmtl()  # imported before the processes part
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        print(f"{arguments.backbone}, {torch.get_num_threads()} thread(s), torch {torch.__version__}, load {os.getloadavg()[0]:.1f}", flush=True)
        print("| method | LibMTL's, ms a step | ours, same precision | ours as it comes | how it comes |\n|---|---|---|---|---|")
        for method in arguments.methods:
            own = ["same", "auto"]
            try:
                seconds, said = measure(method, {"theirs": "theirs", **{way: way for way in own}}, arguments, cache)
            except EOFError:  # a process has ended, and printed why
                print(f"| {method} / {METHODS[method]} | did not run | | | |", flush=True)
                continue
            milliseconds = 1000 * statistics.median(seconds["theirs"]) / arguments.steps
            cells = [f"{milliseconds:.1f}", *(ratio(seconds, way, "theirs") for way in own), said["auto"]]
            print(f"| {method} / {METHODS[method]} | {' | '.join(cells)} |", flush=True)
        for one, other, title in (
            ("theirs", "theirs", "LibMTL's trainer beside itself"),
            ("same", "same", "ours beside itself"),
            ("tuned", "theirs", "LibMTL's trainer with our allocator settings, to LibMTL's as it comes"),
        ):
            seconds, _ = measure(arguments.methods[0], {"one": one, "other": other}, arguments, cache)
            print(f"{arguments.methods[0]}: {title}: {ratio(seconds, 'one', 'other')}", flush=True)
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
