"""Sharing schemes on MultiMNIST: accuracy on test by scheme, with paired differences from hard sharing. The table in benchmarks/README.md.

    python -m benchmarks.published.multi_mnist_sharing RESULTS [--root MNIST] [--seeds 0 1 2 3 4] [--epochs 5] [--images 20000] [--batch 256]
        [--minutes 60]

Each run is appended to the file RESULTS (a JSON object a line) when it ends, and one that is there already is not made again. All schemes have the
same backbone (the authors' LeNet), optimizer, steps, balancing (equal weights) and, seed by seed, the same order of images. Networks begin with
other values, because a scheme draws its own. Val chooses the epoch; test is measured once, at the end. Nothing is tuned for any scheme.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.published.multi_mnist import TASKS, config_of, mean_and_half_width, read, test_accuracies
from mtl_core.config import RunConfig
from mtl_core.training.build import build
from mtl_core.training.check import parameter_counts
from mtl_core.training.parts import resolve

SCHEMES: dict[str, dict[str, Any]] = {
    "hard": {"name": "hard"},
    "separate": {"name": "separate"},
    "branched": {"name": "branched", "shared_stages": 1},
    "cross_stitch": {"name": "cross_stitch"},
    "mmoe": {"name": "mmoe"},
    "mtan": {"name": "mtan"},
    "ltb": {"name": "ltb"},
}


def scheme_config(scheme: str, seed: int, arguments: argparse.Namespace) -> RunConfig:
    """The same settings for every scheme."""
    sizes = {"train_size": arguments.images, "val_size": min(10_000, max(500, arguments.images // 5))}
    data = {"name": "multi_mnist", "root": arguments.root, "download": False, **sizes}
    others = {"data": data, "sharing": SCHEMES[scheme], "batch_size": arguments.batch}
    return config_of("fixed", TASKS, seed, arguments.epochs, arguments.root, **others)


def settings_of(arguments: argparse.Namespace) -> dict[str, int]:
    """What runs must have in common to stand in one table."""
    return {"epochs": arguments.epochs, "images": arguments.images, "batch": arguments.batch}


def measure(scheme: str, seed: int, arguments: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """One scheme with one seed."""
    config = scheme_config(scheme, seed, arguments)
    counts = parameter_counts(config)
    started, worked = time.perf_counter(), time.process_time()
    accuracies = test_accuracies(config, cache)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    parameters = counts["shared"] + sum(counts["tasks"].values())
    about = {"scheme": scheme, "seed": seed, **settings_of(arguments)}
    return {**about, **accuracies, "parameters": parameters, "seconds": round(seconds, 1), "cpu": round(cpu, 1)}


def table(found: list[dict[str, Any]]) -> str:
    """Markdown: accuracy of both tasks, and their mean beside hard sharing, seed by seed."""
    rows = ["| scheme | seeds | parameters | left % ↑ | right % ↑ | mean, minus hard's | s (CPU) |", "|---|---|---|---|---|---|---|"]
    runs = {scheme: {run["seed"]: run for run in found if run["scheme"] == scheme} for scheme in SCHEMES}
    for scheme, by_seed in runs.items():
        if not by_seed:
            continue
        shared = [seed for seed in by_seed if seed in runs["hard"]]
        gains = np.array([np.mean([by_seed[seed][task] - runs["hard"][seed][task] for task in TASKS]) for seed in shared])
        gain = mean_and_half_width(gains) if scheme != "hard" and len(gains) else ""
        accuracies = " | ".join(mean_and_half_width(np.array([run[task] for run in by_seed.values()])) for task in TASKS)
        some = next(iter(by_seed.values()))
        cpu = np.median([run["cpu"] for run in by_seed.values()])
        rows.append(f"| {scheme} | {len(by_seed)} | {some['parameters']:,} | {accuracies} | {gain} | {cpu:.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Make the runs that are missing, as far as the time allows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--root", default="", help="folder that holds MNIST/raw")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=20_000, help="of train; val has a fifth of that")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    parser.add_argument("--minutes", type=float, default=1e6, help="no run is begun after that")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ends = time.monotonic() + 60 * arguments.minutes
    asked = settings_of(arguments).items()
    done = {(run["scheme"], run["seed"]) for run in read(arguments.results) if asked <= run.items()}
    missing = [(scheme, seed) for seed in arguments.seeds for scheme in arguments.schemes if (scheme, seed) not in done]
    with tempfile.TemporaryDirectory() as cache:
        if missing and arguments.minutes > 0:
            build(resolve(scheme_config("hard", 0, arguments)), Path(cache))  # the data are prepared once, beforehand
        for scheme, seed in missing:
            if time.monotonic() > ends:
                break
            run = measure(scheme, seed, arguments, Path(cache))
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
            print(run, flush=True)
    print(table([run for run in read(arguments.results) if asked <= run.items()]))


if __name__ == "__main__":
    main()
