"""Every sharing scheme with the map tasks of digit scenes in one network: metrics, parameters, multiply-adds, and time of a step beside hard sharing.

    python -m benchmarks.published.sharing_schemes RESULTS [--schemes ...] [--seeds 0 1 2] [--train 512] [--epochs 6] [--rounds 5] [--minutes 30]

Each run is appended to the file RESULTS (a JSON object a line) when it ends, and one that is there already is not made again. Each scheme trains with
its default options, everything else the same; metrics are those of val after the last epoch. The row "untrained" is hard sharing with a learning rate
of 1e-12, so only the means of batch normalisation move. The table shows that a scheme trains with these tasks, not how good it is. Steps are timed
after the first seed, by processor time: a step of hard sharing just before and after each step of the scheme, median of the ratios; the seconds are
that ratio times the median of hard sharing. Multiply-adds are those of a prediction, for one image, by ``torch.utils.flop_counter``. With
``LIBMTL=<checkout>[:<folder of its packages>]`` those of LibMTL's classes that take any encoder are measured, too
(``benchmarks.published.libmtl_networks``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.published.libmtl_networks import NAMES
from benchmarks.published.multi_mnist import read
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
UNTRAINED = "untrained"
LIBMTL = {f"LibMTL {name}": f"libmtl_{name.lower()}" for name in NAMES}  # row of the table -> name of the scheme while this program runs


def config_of(scheme: str, seed: int, arguments: argparse.Namespace) -> RunConfig:
    """The same for every scheme but for its sharing."""
    sizes = {"train_size": arguments.train, "val_size": 64, "test_size": 16}
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "image_size": arguments.size, "max_digits": 2, **sizes},
            "tasks": {task: {} for task in TASKS},
            "backbone": {"name": "small_cnn", "width": 16},
            "sharing": {"name": "hard" if scheme == UNTRAINED else LIBMTL.get(scheme, scheme)},
            "epochs": 1 if scheme == UNTRAINED else arguments.epochs,
            "batch_size": 16,
            "seed": seed,
            "optimizer": {"name": "adamw", "lr": 1e-12 if scheme == UNTRAINED else 3e-3},
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


def step_ratio(hard: Setup, other: Setup, rounds: int) -> tuple[float, float]:
    """Processor time of a step, relative to hard sharing's (median over the rounds), and hard sharing's in seconds."""
    batch = next(iter(hard.run.train_batches.epoch(0)))
    for setup in (hard, other):
        setup.network.model.train()
        _step_seconds(setup, batch)
    ratios, seconds = [], []
    for _ in range(rounds):
        before, own, after = (_step_seconds(setup, batch) for setup in (hard, other, hard))
        ratios.append(2 * own / (before + after))
        seconds += [before, after]
    return statistics.median(ratios), statistics.median(seconds)


def _step_seconds(setup: Setup, batch: Any) -> float:
    started = time.process_time()
    with setup.drawing():
        setup.update(batch, 1)
    return time.process_time() - started


def measure(scheme: str, seed: int, arguments: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """One scheme with one seed. Costs are measured with the first seed."""
    config = config_of(scheme, seed, arguments)
    found = {"scheme": scheme, "seed": seed, **settings_of(arguments), **metrics_of(config, cache)}
    if seed == arguments.seeds[0] and scheme != UNTRAINED:
        hard, setup = (build(resolve(each), cache) for each in (config_of("hard", seed, arguments), config))
        counts = parameter_counts(setup.network.model)
        parameters = counts["shared"] + sum(counts["tasks"].values()) + counts.get("frozen", 0)
        ratio, seconds = step_ratio(hard, setup, arguments.rounds)
        found |= {"parameters": parameters, "adds": multiply_adds(setup), "ratio": ratio, "hard_seconds": seconds}
    return found


def settings_of(arguments: argparse.Namespace) -> dict[str, int]:
    """What runs must have in common to stand in one table."""
    return {"train": arguments.train, "size": arguments.size, "epochs": arguments.epochs}


def table(found: list[dict[str, Any]]) -> str:
    """Markdown: a row for each scheme, means with the lowest and the highest over the seeds."""
    hard_seconds = statistics.median([run["hard_seconds"] for run in found if "ratio" in run] or [float("nan")])
    heads = ["scheme", "seeds", "parameters", "multiply-adds (M)", "step / hard", "s a step", *(f"{task} {name}" for task, name in METRICS.items())]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for scheme in dict.fromkeys(run["scheme"] for run in found):
        runs = [run for run in found if run["scheme"] == scheme]
        cost = next((run for run in runs if "ratio" in run), None)
        cells = [scheme, str(len(runs)), *[""] * 4]
        if cost is not None:
            cells[2:] = [f"{cost['parameters']:,}", f"{cost['adds'] / 1e6:.1f}", f"{cost['ratio']:.2f}", f"{cost['ratio'] * hard_seconds:.3f}"]
        cells += [mean_and_range([run[task] for run in runs]) for task in TASKS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def mean_and_range(values: list[float]) -> str:
    """Such as ``0.401 (0.392 to 0.413)``."""
    mean = f"{statistics.mean(values):.3f}"
    return f"{mean} ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else mean


def main() -> None:
    """Make the runs that are missing, as far as the time allows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--schemes", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=512)
    parser.add_argument("--size", type=int, default=32, help="height and width of the scenes")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e6, help="no run is begun after that")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ends, schemes = time.monotonic() + 60 * arguments.minutes, [UNTRAINED, *SHARING_SCHEMES]
    if "LIBMTL" in os.environ:
        os.environ["LIBMTL_SIZE"] = str(arguments.size)
        SHARING_SCHEMES._table.update({LIBMTL[f"LibMTL {name}"]: f"benchmarks.published.libmtl_networks:{own}" for name, own in NAMES.items()})
        schemes += LIBMTL
    asked = settings_of(arguments).items()
    done = {(run["scheme"], run["seed"]) for run in read(arguments.results) if asked <= run.items()}
    with tempfile.TemporaryDirectory() as cache:
        for seed in arguments.seeds:
            for scheme in arguments.schemes or schemes:
                if (scheme, seed) in done or time.monotonic() > ends:
                    continue
                run = measure(scheme, seed, arguments, Path(cache))
                with arguments.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run) + "\n")
                print(run, flush=True)
    print(table([run for run in read(arguments.results) if asked <= run.items()]))


if __name__ == "__main__":
    main()
