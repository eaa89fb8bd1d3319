"""Every sharing scheme with the map tasks of digit scenes in one network: metrics, parameters, multiply-adds, and time of a step beside hard sharing.

    python -m benchmarks.sharing_schemes [--schemes ...] [--train 256] [--epochs 3] [--rounds 5]

Each scheme trains once with its default options, one seed, everything else the same; metrics are those of val after the last epoch. It shows that a
scheme trains with these tasks, not how good it is. Steps are timed afterwards, by processor time: a step of hard sharing just before and after each
step of the scheme, median of the ratios. Multiply-adds are those of a prediction, for one image, by ``torch.utils.flop_counter``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.run_info import parameter_counts
from mtl_core.training.setup import Setup
from mtl_core.training.trainer import train

TASKS = ("boxes", "segments", "depth")  # the tasks of digit scenes whose heads read maps
METRICS = {"boxes": "map", "segments": "miou", "depth": "rmse"}


def config_of(scheme: str, arguments: argparse.Namespace) -> RunConfig:
    """The same for every scheme but for its sharing."""
    sizes = {"train_size": arguments.train, "val_size": 64, "test_size": 16}
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "image_size": arguments.size, "max_digits": 2, **sizes},
            "tasks": {task: {} for task in TASKS},
            "backbone": {"name": "small_cnn", "width": 16},
            "sharing": {"name": scheme},
            "epochs": arguments.epochs,
            "batch_size": 16,
            "optimizer": {"name": "adamw", "lr": 3e-3},
            "device": "cpu",
            "precision": "fp32",
            "layout": "channels_last",
            "conflict_every": 0,
            "gradient_norms": False,
            "probe_samples": 1,
            "keep_checkpoints": 0,
        }
    )


def metrics_of(config: RunConfig, cache: Path) -> dict[str, float]:
    """Those of val after the last epoch."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for event in train(config, Path(folder), cache, Control()):
            if isinstance(event, EpochMetrics) and "selection/score" in event.scalars:
                found = {task: event.scalars[f"val/{task}/{name}"] for task, name in METRICS.items()}
    return found


def multiply_adds(setup: Setup) -> float:
    """Of a prediction, for one image."""
    image = next(iter(setup.run.train_batches.epoch(0))).images[:1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        setup.network.model.eval()(image)
    return counter.get_total_flops() / 2


def step_ratio(hard: Setup, other: Setup, rounds: int) -> float:
    """Processor time of a step, relative to hard sharing's; median over the rounds."""
    batch = next(iter(hard.run.train_batches.epoch(0)))
    for setup in (hard, other):
        setup.network.model.train()
        _step_seconds(setup, batch)
    ratios = []
    for _ in range(rounds):
        before, own, after = (_step_seconds(setup, batch) for setup in (hard, other, hard))
        ratios.append(2 * own / (before + after))
    return statistics.median(ratios)


def _step_seconds(setup: Setup, batch: Any) -> float:
    started = time.process_time()
    with setup.drawing():
        setup.update(batch, 1)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemes", nargs="+", default=list(SHARING_SCHEMES))
    parser.add_argument("--train", type=int, default=256)
    parser.add_argument("--size", type=int, default=48, help="height and width of the scenes")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| scheme | parameters | multiply-adds (M) | step / hard | {' | '.join(f'{task} {name}' for task, name in METRICS.items())} |")
    print("|---" * (4 + len(METRICS)) + "|")
    with tempfile.TemporaryDirectory() as cache:
        hard = build(resolve(config_of("hard", arguments)), Path(cache))
        for scheme in arguments.schemes:
            config = config_of(scheme, arguments)
            found, setup = metrics_of(config, Path(cache)), build(resolve(config), Path(cache))
            counts, adds = parameter_counts(setup.network.model), multiply_adds(setup)
            parameters = counts["shared"] + sum(counts["tasks"].values()) + counts.get("frozen", 0)
            numbers = " | ".join(f"{found[task]:.3f}" for task in METRICS)
            print(f"| {scheme} | {parameters:,} | {adds / 1e6:.1f} | {step_ratio(hard, setup, arguments.rounds):.2f} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
