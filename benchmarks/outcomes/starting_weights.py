"""What are trained starting weights worth on few photographs? EfficientNet-Lite0 on Oxford-IIIT Pet: frozen, trained, and from random values.

    python -m benchmarks.outcomes.starting_weights --root FOLDER [--size 96] [--epochs 5] [--seeds 1]

FOLDER holds the set in torchvision's layout; it may have fewer breeds. Each way is a run of the same settings (breed, trimap and head box in one
network), timed from the start to the end of training, evaluations included. The checkpoint is chosen on val; test is measured once, at the end.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, RunStarted
from mtl_core.training.execution import device_name
from mtl_core.training.trainer import train

WAYS: dict[str, dict[str, Any]] = {
    "pretrained, frozen": {"weights": "pretrained", "freeze": "all"},
    "pretrained, trained": {"weights": "pretrained", "lr_factor": 0.1},
    "random, trained": {},
}
METRICS = ("test/breed/accuracy", "test/trimap/miou", "val/head/map")  # test has no head boxes


def config_of(way: str, arguments: argparse.Namespace, seed: int) -> RunConfig:
    """The same settings for every way."""
    return RunConfig.from_dict(
        {
            "data": {"name": "oxford_pets", "root": arguments.root, "download": False, "image_size": arguments.size},
            "tasks": {"breed": {}, "trimap": {}, "head": {}},
            "backbone": {"name": "efficientnet_lite0", **WAYS[way]},
            "epochs": arguments.epochs,
            "batch_size": 8,
            "optimizer": {"name": "adamw", "lr": 3e-3},
            "augmentation": {"flip": True},
            "select_by": ["breed"],
            "seed": seed,
            "device": "cpu",
            "precision": "fp32",  # some processors take minutes for a step of depthwise convolutions in bf16
            "layout": "channels_last",
            "conflict_every": 0,
            "keep_checkpoints": 0,
            "probe_samples": 4,
        }
    )


def measure(way: str, arguments: argparse.Namespace, seed: int, cache: Path) -> dict[str, Any]:
    """Metrics on test, seconds, and numbers of trained parameters of one run."""
    found: dict[str, Any] = {}
    best = -1.0
    with tempfile.TemporaryDirectory() as folder:
        started, worked = time.perf_counter(), time.process_time()
        for event in train(config_of(way, arguments, seed), Path(folder), cache, Control()):
            if isinstance(event, RunStarted):
                found["parameters"] = event.info["parameters"]
                found["execution"] = f"{event.info['precision']}, {event.info['layout']}"
            if isinstance(event, EpochMetrics):
                found |= {key: value for key, value in event.scalars.items() if key.startswith("test/")}
                if event.scalars.get("selection/score", best) > best:  # the checkpoint that val chooses is measured on test
                    best = event.scalars["selection/score"]
                    found |= {key: value for key, value in event.scalars.items() if key.startswith("val/")}
        found["seconds"], found["cpu"] = time.perf_counter() - started, time.process_time() - worked
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--cache", default="")
    arguments = parser.parse_args()
    print(f"{device_name('cpu')}, Python {platform.python_version()}, torch {torch.__version__}; {arguments.size} pixels, {arguments.epochs} epochs")
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(arguments.cache or temporary)
        print(f"| way | seed | trained | {' | '.join(METRICS)} | seconds | CPU seconds | |")
        print("|---" * (len(METRICS) + 6) + "|")
        for seed in range(arguments.seeds):
            for way in arguments.ways:
                found = measure(way, arguments, seed, cache)
                trained = found["parameters"]["shared"] + sum(found["parameters"]["tasks"].values())
                numbers = " | ".join(f"{found.get(metric, float('nan')):.3f}" for metric in METRICS)
                print(
                    f"| {way} | {seed} | {trained:,} | {numbers} | {found['seconds']:.0f} | {found['cpu']:.0f} | {found['execution']} |", flush=True
                )


if __name__ == "__main__":
    main()
