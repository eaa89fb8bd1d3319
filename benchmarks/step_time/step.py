"""What the trainer costs beside a bare hand-written loop, and the data path beside a torch DataLoader.

    python -m benchmarks.step_time.step [--preset digit-scenes] [--pairs 7] [--steps-only] [--cache FOLDER]

Both take turns in one process, some steps at a time (those between two points of the curves), with the same network, data, optimizer, precision and
memory layout, so that what else the machine does falls on both. Printed are ratios of CPU time (user + system, all threads) and of wall time of whole
epochs: the median over pairs.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mtl_core.events import Control, Event
from mtl_core.presets import get_preset
from mtl_core.training.build import Setup, build
from mtl_core.training.execution import tune_allocator
from mtl_core.training.live_changes import Changes
from mtl_core.training.optimizers import build_optimizer, schedule_of
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import CURVE_POINTS, _train_epoch

OVER = object()  # no way gives it


class Images(Dataset):
    """The training split image by image, as a DataLoader wants it."""

    def __init__(self, setup: Setup):
        self.split = setup.run.data.train
        self.targets = sorted({kind.task.target for kind in setup.run.kinds.values()})
        self.mean = torch.tensor(setup.run.data.statistics["mean"]).view(-1, 1, 1)
        self.std = torch.tensor(setup.run.data.statistics["std"]).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, row: int):
        image = (torch.from_numpy(np.array(self.split.images[row])).float() / 255 - self.mean) / self.std
        return image, {name: torch.as_tensor(np.array(self.split.targets[name][row])) for name in self.targets}


def bare_epoch(
    setup: Setup, model, optimizer, scheduler, batches: Iterable[tuple[torch.Tensor, dict[str, torch.Tensor]]], turn: int
) -> Iterator[None]:
    """What one would write by hand for these tasks; stops after every ``turn`` steps."""
    model.train()
    for number, (images, targets) in enumerate(batches, start=1):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(setup.run.execution.device, torch.bfloat16, enabled=setup.run.execution.precision == "bf16"):
            outputs = model(images)
        loss = sum(kind.loss(outputs[name], targets[kind.task.target]) for name, kind in setup.run.kinds.items())
        loss.backward()
        optimizer.step()
        scheduler.step()
        if number % turn == 0:
            yield


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def in_turn(ways: dict[str, Iterator[Any]]) -> dict[str, tuple[float, float]]:
    """Run each way to its end, one stretch of each after another. CPU and wall seconds of each."""
    spent, over, number = dict.fromkeys(ways, (0.0, 0.0)), [], 0
    while ways:
        for name in list(ways) if number % 2 else list(ways)[::-1]:
            cpu, wall = timed(lambda way=ways[name]: over.append(next(way, OVER) is OVER))
            spent[name] = (spent[name][0] + cpu, spent[name][1] + wall)
            if over.pop():
                del ways[name]
        number += 1
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="digit-scenes")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps-only", action="store_true", help="without the loops that read from a DataLoader")
    parser.add_argument("--cache", type=Path, help="folder for prepared data, kept for the next time")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    tune_allocator()
    config = get_preset(arguments.preset).config.with_overrides(arguments.set)
    with tempfile.TemporaryDirectory() as temporary:
        setup = build(resolve(config), arguments.cache or Path(temporary))
        compare(setup, arguments.pairs, arguments.steps_only)


def compare(setup: Setup, pairs: int, steps_only: bool = False) -> None:
    config, batches = setup.run.config, setup.run.train_batches
    model = copy.deepcopy(setup.network.model)
    model.watch_features = None  # the bare loop measures no norms
    optimizer = build_optimizer(config.optimizer, model, torch.nn.Module())
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule_of(config.schedule, 10**6))
    loader = DataLoader(Images(setup), config.batch_size, shuffle=True, drop_last=True)
    changes = Changes(setup.run.config, setup.network, 0)

    turn = max(1, setup.run.steps_per_epoch // CURVE_POINTS)

    def ours(epoch: int) -> Iterator[Event]:
        setup.progress.position.move_to({"epoch": epoch, "step_in_epoch": 0, "step": epoch * setup.run.steps_per_epoch})
        return _train_epoch(setup, changes, Control())

    def bare(epoch: int) -> Iterator[None]:
        return bare_epoch(setup, model, optimizer, scheduler, ((batch.images, batch.targets) for batch in batches.epoch(epoch)), turn)

    def with_loader(epoch: int) -> Iterator[None]:
        return bare_epoch(setup, model, optimizer, scheduler, _in_layout(loader, setup), turn)

    ways: dict[str, Callable[[int], Iterator[Any]]] = {"ours": ours, "bare": bare}
    if not steps_only:
        ways |= {"loader": with_loader, "our data only": batches.epoch, "loader only": lambda _: iter(loader)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for epoch in range(pairs + 1):
        spent = in_turn({name: way(epoch) for name, way in ways.items()})
        for name, seconds in spent.items() if epoch else ():  # the first epoch warms up
            times[name].append(seconds)
    report(setup, times)


def _in_layout(loader: DataLoader, setup: Setup) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    for images, targets in loader:
        yield images.contiguous(memory_format=setup.run.execution.memory_format), targets


def report(setup: Setup, times: dict[str, list[tuple[float, float]]]) -> None:
    steps = len(setup.run.train_batches)
    how = f"{setup.run.execution.precision}, {setup.run.execution.layout}, batch {setup.run.config.batch_size}, {torch.get_num_threads()} threads"
    print(f"{setup.run.config.title()}: {how}")
    milliseconds = statistics.median(wall for _, wall in times["ours"]) / steps * 1000
    print(f"our step: {milliseconds:.2f} ms of wall time")
    rows = [
        ("step: ours / bare loop", "ours", "bare"),
        ("epoch: ours / DataLoader loop", "ours", "loader"),
        ("data path: ours / DataLoader", "our data only", "loader only"),
    ]
    for title, first, second in rows:
        if second not in times:
            continue
        cpu, wall = ([a[kind] / b[kind] for a, b in zip(times[first], times[second], strict=True)] for kind in (0, 1))
        each = " ".join(f"{ratio:.3f}" for ratio in cpu)
        print(f"{title:32s} CPU {statistics.median(cpu):.3f}   wall {statistics.median(wall):.3f}   CPU of each pair {each}")


if __name__ == "__main__":
    main()
