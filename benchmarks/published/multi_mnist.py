"""Balancing methods on MultiMNIST, beside the numbers of Sener and Koltun 2018: the table in benchmarks/README.md.

    python -m benchmarks.published.multi_mnist RESULTS [--root MNIST] [--seeds 0 1 2] [--epochs 5] [--methods ...] [--minutes 5] [--processes 2]

Each run is appended to the file RESULTS (a JSON object a line) when it ends, and one that is there already is not made again: call it as often as
it takes, each time for some minutes. Then, or with ``--minutes 0``, the table of what is in the file is printed. All methods have the same network,
optimizer, steps and, seed by seed, the same initial weights and order of images. Val chooses the epoch; test is measured once, at the end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

TASKS = ("left", "right")
METHODS = {  # as the table calls it -> name in our table of balancing methods, at its default options
    "single task": "single",
    "equal": "fixed",
    "uncertainty": "uncertainty",
    "GradNorm": "gradnorm",
    "PCGrad": "pcgrad",
    "MGDA": "mgda",
    "CAGrad": "cagrad",
    "Nash-MTL": "nash_mtl",
    "IMTL-G": "imtl_g",
    "UPGrad": "upgrad",
}
PAPER = {"single task": (97.23, 95.90), "equal": (96.46, 94.99), "uncertainty": (96.47, 95.29), "GradNorm": (96.27, 94.84), "MGDA": (97.26, 95.90)}


def config_of(method: str, tasks: tuple[str, ...], seed: int, epochs: int, root: str, **others: Any) -> RunConfig:
    """The same for every method but for its balancing. ``others``: entries of the config that differ."""
    return RunConfig.from_dict(
        {
            "data": {"name": "multi_mnist", "root": root, "download": False},
            "tasks": {task: {} for task in tasks},
            "backbone": {"name": "lenet"},
            "balancing": {"name": "fixed" if method == "single" else method},
            "optimizer": {"name": "adam", "lr": 0.002, "weight_decay": 0.0},
            "epochs": epochs,
            "batch_size": 256,
            "seed": seed,
            "device": "cpu",
            "precision": "fp32",
            "layout": "contiguous",
            "conflict_every": 0,
            "gradient_norms": False,
            "probe_samples": 1,
            "keep_checkpoints": 0,
            **others,
        }
    )


def test_accuracies(config: RunConfig, cache: Path) -> dict[str, float]:
    """Task -> accuracy on test in %, with the checkpoint that val chose."""
    test: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for event in train(config, Path(folder), cache, Control()):
            if isinstance(event, EpochMetrics):
                test = {key: value for key, value in event.scalars.items() if key.startswith("test/")}
    return {task: 100 * test[f"test/{task}/accuracy"] for task in config.tasks}


def measure(run: dict[str, Any], root: str, cache: Path, ends: float) -> dict[str, Any] | None:
    """One method with one seed; None where it would not be through in time."""
    torch.set_num_threads(1)
    started = time.time()
    if started > ends:
        return None
    accuracies: dict[str, float] = {}
    for tasks in [(task,) for task in TASKS] if run["method"] == "single" else [TASKS]:
        accuracies |= test_accuracies(config_of(run["method"], tasks, run["seed"], run["epochs"], root), cache)
    return {**run, **accuracies, "seconds": round(time.time() - started, 1)}


def read(results: Path) -> list[dict[str, Any]]:
    """The runs in the file; a last line that was cut off counts for nothing."""
    found = []
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            print(f"left out, not a whole line: {line[:60]}")
    return found


def mean_and_half_width(values: np.ndarray) -> str:
    """Mean and 95 % interval of Student's t over seeds."""
    if len(values) < 2:
        return f"{values.mean():.2f}"
    return f"{values.mean():.2f} ± {stats.sem(values) * stats.t.ppf(0.975, len(values) - 1):.2f}"


def table(found: list[dict[str, Any]], epochs: int) -> str:
    """Markdown: accuracy of both tasks, their mean beside equal weights seed by seed, and the paper's numbers."""
    rows = ["| method | seeds | left % ↑ | right % ↑ | mean, minus equal's | s | paper, left / right % |", "|---|---|---|---|---|---|---|"]
    by_seed = {name: {run["seed"]: run for run in found if run["method"] == key and run["epochs"] == epochs} for name, key in METHODS.items()}
    for name, runs in by_seed.items():
        if not runs:
            continue
        values = {task: np.array([run[task] for run in runs.values()]) for task in TASKS}
        shared = [seed for seed in runs if seed in by_seed["equal"]]
        gains = np.array([np.mean([runs[seed][task] - by_seed["equal"][seed][task] for task in TASKS]) for seed in shared])
        gain = mean_and_half_width(gains) if name != "equal" and len(gains) else ""
        seconds = np.median([run["seconds"] for run in runs.values()])
        paper = " / ".join(f"{value:.2f}" for value in PAPER[name]) if name in PAPER else ""
        accuracies = " | ".join(mean_and_half_width(values[task]) for task in TASKS)
        rows.append(f"| {name} | {len(runs)} | {accuracies} | {gain} | {seconds:.0f} | {paper} |")
    return "\n".join(rows)


def main() -> None:
    """Make the runs that are missing, as far as the time allows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--root", default="", help="folder that holds MNIST/raw")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS.values()), default=list(METHODS.values()))
    parser.add_argument("--minutes", type=float, default=1e6, help="no run is begun after that")
    parser.add_argument("--processes", type=int, default=1, help="of one thread each")
    arguments = parser.parse_args()
    ends = time.time() + 60 * arguments.minutes
    done = {(run["method"], run["seed"], run["epochs"]) for run in read(arguments.results)}
    wanted = [{"method": method, "seed": seed, "epochs": arguments.epochs} for seed in arguments.seeds for method in arguments.methods]
    missing = [run for run in wanted if tuple(run.values()) not in done]
    if missing and arguments.minutes > 0:
        with tempfile.TemporaryDirectory() as cache, multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
            build(resolve(config_of("fixed", TASKS, 0, 1, arguments.root)), Path(cache))  # the data are prepared once, beforehand
            for run in pool.imap_unordered(partial(measure, root=arguments.root, cache=Path(cache), ends=ends), missing):
                if run is not None:
                    with arguments.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(run) + "\n")
                    print(run, flush=True)
    print(table(read(arguments.results), arguments.epochs))


if __name__ == "__main__":
    main()
