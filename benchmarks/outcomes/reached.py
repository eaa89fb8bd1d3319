"""What the presets reach and how long they take: the table in benchmarks/README.md.

    python -m benchmarks.outcomes.reached [PRESET ...] [--seeds 0 1 2] [--set key=value ...]

Each run is trained to its end as from the command line; test is measured once, with the checkpoint that val chose. "Chance" is what one
gets without looking at the image: the commonest class, the class frequencies, or the training mean.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from mtl_core.data.dataset import IGNORE, PreparedData, Task
from mtl_core.events import Control, EpochMetrics, RunEnded, RunStarted
from mtl_core.presets import get_preset, load_presets
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train


def chance(task: Task, data: PreparedData) -> tuple[str, float]:
    """Main metric and its value on test for an answer that ignores the image; measured where it isn't plain."""
    train_target, test = data.train.targets[task.target], data.test.targets[task.target]
    if task.kind == "classification":
        return "accuracy", float((test == np.bincount(train_target).argmax()).mean())
    if task.kind == "multi_label":
        share = test.mean(0)  # always "yes": precision = share of images with the class, recall = 1
        return "f1", float((2 * share / (1 + share)).mean())
    if task.kind == "regression":
        return "mae", float(np.abs(test - np.median(train_target)).mean())
    if task.kind == "depth":
        return "rmse", float(np.sqrt(np.nanmean((test - np.nanmean(train_target)) ** 2)))
    if task.kind == "segmentation":  # everything the commonest class: its IoU, and 0 for the others
        counts = np.bincount(test[test != IGNORE].ravel(), minlength=len(task.classes))
        return "miou", float(counts.max() / counts.sum() / np.count_nonzero(counts))
    return "map", 0.0


def measure(preset: str, seed: int, overrides: list[str], cache: Path) -> None:
    config = get_preset(preset).config.with_overrides([f"seed={seed}", *overrides])
    data = build(resolve(config), cache).run.data  # prepared beforehand: its time is told apart
    started, val, test, info, ended = time.perf_counter(), {}, {}, {}, None
    with tempfile.TemporaryDirectory() as folder:
        for event in train(config, Path(folder), cache, Control()):
            if isinstance(event, EpochMetrics):
                val = {key.removeprefix("val/"): value for key, value in event.scalars.items() if key.startswith("val/")} or val
                test = {key.removeprefix("test/"): value for key, value in event.scalars.items() if key.startswith("test/")}
            info = event.info if isinstance(event, RunStarted) else info
            ended = event if isinstance(event, RunEnded) else ended
    seconds = time.perf_counter() - started
    print(
        f"\n{preset}, seed {seed}: {seconds:.0f} s, {ended.steps_per_second:.1f} steps/s, {ended.step} steps, {info['precision']}, {info['layout']}"
    )
    for name, facts in info["tasks"].items():
        metric, by_chance = chance(data.tasks[name], data)
        key = f"{name}/{metric}"
        others = ", ".join(f"{other} {test[f'{name}/{other}']:.3f}" for other in facts["metrics"] if other not in (metric, "loss"))
        print(f"| {preset} | {name} ({facts['kind']}) | {metric} | {by_chance:.3f} | {val[key]:.3f} | {test[key]:.3f} | {others} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=[preset.name for preset in load_presets()])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    print("| preset | task | metric | chance | val, last epoch | test | also |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        for preset in arguments.presets:
            for seed in arguments.seeds:
                measure(preset, seed, arguments.set, Path(cache))


if __name__ == "__main__":
    main()
