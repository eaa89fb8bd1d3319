"""A store with many runs whose rows are those that a run of digit scenes writes: `python -m benchmarks.many_runs.fill_store HOME`.

    python -m benchmarks.many_runs.fill_store HOME [--runs 1000] [--full 20]

A full run has 8 epochs of 93 steps and 4 tasks. A short run has 2 epochs of 3 steps. Values are random numbers with a seed. The folders hold
config.yaml and log.txt, no checkpoints and no probe predictions.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from mtl_core.config import RunConfig
from mtl_core.events import CheckpointSaved, EpochMetrics, RunEnded, RunStarted, StepScalars
from mtl_core.presets import get_preset
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.store import RunStore, open_store

INFO = json.loads(Path(__file__).with_name("run_info.json").read_text(encoding="utf-8"))  # of a real run of the preset digit-scenes
TASKS = list(INFO["tasks"])
PAIRS = [(first, second) for place, first in enumerate(TASKS) for second in TASKS[place + 1 :]]
BLOCKS = ("", "/stages.0", "/stages.1", "/stages.2")
METHODS = ("fixed", "uncertainty", "pcgrad", "cagrad")
CONFLICT_EVERY = 50  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--full", type=int, default=20, help="how many of them have 744 steps; the others are short")
    arguments = parser.parse_args()
    store, began = open_store(arguments.home), time.perf_counter()
    for number in range(arguments.runs):
        is_full = number * arguments.full // arguments.runs != (number + 1) * arguments.full // arguments.runs  # spread evenly
        add_run(store, number, *((8, 93) if is_full else (2, 3)))
    print(f"{arguments.runs} runs, {arguments.full} of them full, in {time.perf_counter() - began:.0f} s")


def add_run(store: RunStore, number: int, epochs: int, steps: int) -> str:
    """Write a run that has finished, as training it would have. Returns its id."""
    chance = random.Random(number)
    settings = {"seed": number % 5, "optimizer.lr": 10 ** -(2 + number // 20 % 3), "epochs": epochs}
    config = get_preset("digit-scenes").config.with_overrides(
        [*(f"{key}={value}" for key, value in settings.items()), f"balancing.name={METHODS[number // 5 % 4]}"]
    )
    run = store.create(RunConfig.from_dict(config.to_dict()), columns=held_by_us("cpu"))
    store.append(run.id, RunStarted(epochs * steps, INFO))
    best = 0.0
    for epoch in range(1, epochs + 1):
        for step in range((epoch - 1) * steps + 1, epoch * steps + 1):
            store.append(run.id, StepScalars(step, step / steps, step_values(chance, step)))
        score = chance.random()
        scores = {
            f"{split}/{key}": chance.random() for split in ("train", "val") for key in metric_keys() if split == "val" or not key.endswith("/loss")
        }
        store.append(run.id, EpochMetrics(epoch * steps, epoch, scores | {"selection/score": score}))
        store.append(run.id, CheckpointSaved(epoch * steps, epoch, f"checkpoints/epoch_{epoch:04d}", score > best))
        best = max(best, score)
    store.append(run.id, EpochMetrics(epochs * steps, epochs, {f"test/{key}": chance.random() for key in metric_keys()}))
    store.append(run.id, RunEnded("finished", epochs * steps, float(epochs), 20.0 + 40 * chance.random(), 16.0))
    return run.id


def metric_keys() -> list[str]:
    """``task/metric`` of every metric of the preset."""
    return [f"{task}/{metric}" for task, about in INFO["tasks"].items() for metric in about["metrics"]]


def step_values(chance: random.Random, step: int) -> dict[str, float]:
    """The scalars of one step; every ``CONFLICT_EVERY`` steps with the conflict of each pair of tasks."""
    kinds = ("train/{}/loss", "loss_weight/{}", "gradient_norm/{}", "gradient_share/{}")
    found = {kind.format(task): chance.random() for kind in kinds for task in TASKS} | {"optimizer/lr": 0.001, "optimizer/loss": chance.random()}
    if step % CONFLICT_EVERY == 1:
        found |= {f"conflict/{first}/{second}{block}": chance.uniform(-1, 1) for first, second in PAIRS for block in BLOCKS}
        found |= {f"conflict_share/{first}/{second}": chance.random() for first, second in PAIRS}
    return found


if __name__ == "__main__":
    main()
