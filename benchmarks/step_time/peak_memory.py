"""Peak memory of a training step with ten tasks on a ResNet-18, under fixed weights, with the conflict probe, and under balancing methods.

    python -m benchmarks.step_time.peak_memory [--methods mgda pcgrad] [--tasks 10] [--batch 8]

Each way is measured in a process of its own: the most memory that it holds in two steps (``VmHWM``, reset before them), less what it held after its
imports. So the numbers contain network, gradients, optimizer state and activations, as far as the allocator has not given memory back. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import torch

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.sharing.hard import HardSharing
from mtl_core.sharing.model import SharingOptions
from mtl_core.training.build import build, build_balancer
from mtl_core.training.conflict_probe import ConflictProbe
from mtl_core.training.execution import tune_allocator
from mtl_core.training.losses import separate_losses
from mtl_core.training.optimizers import LearningRate, build_optimizer
from mtl_core.training.parts import balancing_part, resolve
from mtl_core.training.setup import Network

STEPS = 2
PROBE = "fixed with the conflict probe"


def main() -> None:
    """Measure and print the table, or one way of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=list(BALANCERS), default=["mgda", "cagrad", "pcgrad", "graddrop", "moco"])
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--batch", type=int, default=8, help="images per step")
    parser.add_argument("--one", help="measure this way in this process, and print it as JSON")
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.tasks, asked.batch, asked.cache)))
        return
    ways = ["fixed", PROBE, *(way for name in asked.methods for way in _ways(name))]
    print(f"{asked.tasks} tasks, batch {asked.batch}\n")
    print("| way | MB beside the program | of plain | whole process, MB | of plain |\n|---|---|---|---|---|")
    plain: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache:
        for way in ways:
            seen = _in_a_process(way, asked, Path(cache))
            plain = plain or seen
            own, whole = (seen[name] / plain[name] for name in ("own", "whole"))
            print(f"| {way} | {seen['own'] / 1e6:.0f} | {own:.2f} | {seen['whole'] / 1e6:.0f} | {whole:.2f} |", flush=True)


def _ways(name: str) -> list[str]:
    field = BALANCERS.load(name).Options.model_fields.get("gradients")
    return [name, *(f"{name} {place}" for place in get_args(field.annotation) if place != "parameters")] if field else [name]


def _in_a_process(way: str, asked: argparse.Namespace, cache: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.step_time.peak_memory", "--one", way, "--cache", str(cache)]
    command += ["--tasks", str(asked.tasks), "--batch", str(asked.batch)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(way: str, tasks: int, batch_size: int, cache: Path) -> dict[str, float]:
    """Bytes: ``own`` is the most that the steps hold beside the program, ``whole`` with it."""
    tune_allocator()
    name, _, place = ("fixed", "", "") if way == PROBE else way.partition(" ")
    options = {"gradients": place} if place else {}
    config = _config(name, options, batch_size)
    program = _kilobytes("VmRSS")
    setup = build(resolve(config), cache)
    kinds = list(setup.run.kinds.values())
    named = {f"task {number}": kinds[number % len(kinds)] for number in range(tasks)}
    model = HardSharing(lambda: setup.network.model.backbone, named, SharingOptions()).train()
    balancer = build_balancer(balancing_part(config), tasks)
    model.split_features = balancer.at_features
    optimizer = build_optimizer(config.optimizer, model, balancer)
    network = Network(model, balancer, optimizer, LearningRate(lambda _: 1.0, config.optimizer.lr), torch.ones(tasks), [1.0] * tasks)
    probe = ConflictProbe(config.model_copy(update={"conflict_every": int(way == PROBE)}), network)
    batches = setup.run.train_batches.epoch(0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    for number in range(1, STEPS + 1):
        batch = next(batches)
        optimizer.zero_grad(set_to_none=True)
        losses, present = separate_losses(named, model(batch.images), batch, setup.run.complete)
        probe.before_update(losses, present, number)
        balancer.backward(losses, present, model)
        optimizer.step()
    whole = _kilobytes("VmHWM")
    return {"own": 1024 * (whole - program), "whole": 1024 * whole}


def _config(method: str, options: dict[str, str], batch_size: int) -> RunConfig:
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "train_size": 64, "val_size": 16, "test_size": 16},
            "tasks": {"present": {}, "count": {}, "count_class": {}},
            "backbone": {"name": "resnet18"},
            "balancing": {"name": method, **options},
            "batch_size": batch_size,
            "precision": "fp32",
            "layout": "contiguous",
            "device": "cpu",
            "conflict_every": 0,
        }
    )


def _kilobytes(name: str) -> int:
    """A value of this process's status."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
