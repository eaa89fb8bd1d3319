"""Two processes of one thread each against one process of two threads, on the same runs: steps per second as ratios, and the CPU time of a step.

    python -m benchmarks.step_time.devices [--rounds 3] [--cells small_cnn resnet18]
    python -m benchmarks.step_time.devices --equality    # how far apart the numbers are, for every balancing method

Each run is a command of its own (`mtl train`). The two ways take turns, so that other load on the machine slows both; the medians of the ratios of
neighbours are printed. Steps per second leave out the start of the processes, which takes some seconds longer with two.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mtl_core.config import RunConfig

SCENES = {"data": {"name": "digit_scenes", "train_size": 320, "val_size": 16, "test_size": 16}, "tasks": {"present": {}, "count": {}, "segments": {}}}
DIGITS = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}, "slant": {}}}
CELLS: dict[str, dict[str, Any]] = {
    "mlp": {**DIGITS, "backbone": {"name": "mlp", "hidden": [64]}, "epochs": 20},
    "small_cnn": {**SCENES, "backbone": {"name": "small_cnn"}, "epochs": 3},
    "small_cnn pcgrad": {**SCENES, "backbone": {"name": "small_cnn"}, "epochs": 2, "balancing": {"name": "pcgrad"}},
    "resnet18": {**SCENES, "backbone": {"name": "resnet18"}, "epochs": 1},
}
COMMON = {"batch_size": 64, "device": "cpu", "precision": "fp32", "layout": "contiguous", "probe_samples": 1, "conflict_every": 0}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    parser.add_argument("--equality", action="store_true", help="compare the networks after some steps instead")
    asked = parser.parse_args()
    if asked.equality:
        print_equality()
        return
    with tempfile.TemporaryDirectory() as place:
        print("| run | steps a second, two processes / one | CPU time, two / one |\n|---|---|---|")
        for name in asked.cells:
            config = RunConfig.from_dict({**COMMON, **CELLS[name]})
            trained(config, 1, Path(place))  # prepares the data
            pairs = [(trained(config, 1, Path(place)), trained(config, 2, Path(place))) for _ in range(asked.rounds)]
            speed, cpu = ([two[what] / one[what] for one, two in pairs] for what in ("steps", "cpu"))
            print(f"| {name} | {statistics.median(speed):.2f} ({in_order(speed)}) | {statistics.median(cpu):.2f} |", flush=True)


def trained(config: RunConfig, devices: int, place: Path) -> dict[str, float]:
    """Steps per second of a run, and the seconds of processor time of its command."""
    file = place / "config.yaml"
    file.write_text(config.model_copy(update={"devices": devices}).to_yaml())
    environment = {**os.environ, "MTL_HOME": str(place / "home"), "MTL_THREADS": "2"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "mtl_core", "train", str(file), "--json"], env=environment, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(ended.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"steps": report["steps_per_second"], "cpu": cpu, "seconds": time.perf_counter() - started}


def print_equality() -> None:
    """For each case of the tests: the largest difference of a network's tensor after the last step, as a share of its largest number."""
    import torch

    from tests.training import rank_pair

    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place), Path(place) / "cache"
        alone = {name: rank_pair.steps_of(config, cache)[-1]["network"] for name, config in rank_pair.cases().items()}
        subprocess.run([sys.executable, "-W", "ignore", rank_pair.__file__, str(folder), str(cache)], check=True)
        pair = torch.load(folder / "rank_0.pt", weights_only=True)["found"]
    print("| case | largest difference |\n|---|---|")
    for name, network in alone.items():
        other = pair[name][-1]["network"]
        largest = max(float((tensor - other[key]).abs().max() / tensor.abs().max().clamp(min=1e-12)) for key, tensor in network.items())
        print(f"| {name} | {largest:.1e} |")


def in_order(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in sorted(values))


if __name__ == "__main__":
    main()
