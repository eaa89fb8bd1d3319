"""Does one network for several tasks improve accuracy, detection and segmentation, and is it faster? Three studies with 5 seeds each.

    python -m benchmarks.outcomes.claims HOME [--pets FOLDER] [--mnist FOLDER] [--seeds 5] [--only scenes] [--minutes 30]

HOME is a store of its own. It keeps the runs, so the command can be stopped and called again until every run has finished; then it prints the
tables in benchmarks/README.md. The folders hold Oxford-IIIT Pet in torchvision's layout (it may have fewer breeds) and MNIST/raw, from which the
two-digit images of MultiMNIST are made. Each study compares the tasks in one network with a network for each task: same data, epochs, optimizer and,
seed by seed, the same initial weights. Val chooses the checkpoint. One thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.inference.loading import load
from mtl_core.inference.timing import time_sharing
from mtl_core.runs.executor import execute
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store
from mtl_core.studies import study_actions
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.comparison_lines import OVERALL, Line
from mtl_core.studies.paper_table import heading
from mtl_core.studies.study import Study

COMMON = {"device": "cpu", "precision": "fp32", "layout": "channels_last", "conflict_every": 0, "probe_samples": 4, "keep_checkpoints": 0}
SCENES: dict[str, Any] = {
    **COMMON,
    "data": {"name": "digit_scenes", "max_digits": 2, "train_size": 1500, "val_size": 300, "test_size": 500, "image_size": 32},
    "tasks": {"present": {}, "boxes": {}, "segments": {}},
    "backbone": {"name": "small_cnn", "width": 16},
    "epochs": 15,
    "batch_size": 32,
    "optimizer": {"name": "adamw", "lr": 0.003},
}
PETS: dict[str, Any] = {
    **COMMON,
    "data": {"name": "oxford_pets", "download": False, "image_size": 64, "val_share": 0.4},
    "tasks": {"breed": {}, "head": {}, "trimap": {}},
    "backbone": {"name": "small_cnn", "width": 16},
    "epochs": 30,
    "batch_size": 8,
    "optimizer": {"name": "adamw", "lr": 0.003},
    "augmentation": {"flip": True},
}
MNIST: dict[str, Any] = {  # as benchmarks.published.multi_mnist_sharing --images 5000 --batch 64
    **COMMON,
    "data": {"name": "multi_mnist", "download": False, "train_size": 5_000, "val_size": 1_000},
    "tasks": {"left": {}, "right": {}},
    "backbone": {"name": "lenet"},
    "epochs": 5,
    "batch_size": 64,
    "optimizer": {"name": "adam", "lr": 0.002, "weight_decay": 0.0},
}
TITLES = {"scenes": "Claims on digit scenes", "pets": "Claims on pets", "mnist": "Claims on MultiMNIST"}
SETTINGS = {"scenes": SCENES, "pets": PETS, "mnist": MNIST}


def config_of(name: str, roots: dict[str, str]) -> RunConfig:
    """The config that a study's cells are made from. ``roots``: study -> folder of its data, where they come from one."""
    settings = SETTINGS[name]
    root = {"root": roots[name]} if name in roots else {}
    return RunConfig.from_dict({**settings, "data": {**settings["data"], **root}})


def study_of(store: RunStore, kind: str, title: str, config: RunConfig, options: dict[str, Any], seeds: int) -> Study:
    """The study in the store, made at the first call, with at least this number of seeds. One of other settings with the same title is left alone."""
    mine = fingerprint(config)
    found = next((each for each in study_actions.studies(store) if each.title == title and fingerprint(each.base) == mine), None)
    if found is None:
        return study_actions.create(store, study_actions.draft(kind, config, {"options": options}, range(seeds), title))
    if len(found.seeds) < seeds:
        study_actions.add_seeds(store, found.id, seeds - len(found.seeds))
    return study_actions.get(store, found.id)


def train_missing(store: RunStore, made: Study, until: float) -> None:
    """Train the study's runs until all have ended, or until no further run may start."""
    study_actions.start(store, made.id)
    while (waiting := store.queued()) and time.time() < until:
        execute(store, waiting[0].id)


def print_table(answer: Answer) -> None:
    """One line for each task: alone, together, their difference with its interval, the verdict; and the mean over the tasks."""
    print(f"\n| {answer.split} | alone | together | difference | 95 % interval | verdict |\n|---|---|---|---|---|---|")
    for line in answer.lines:
        print(_row(line))


def _row(line: Line) -> str:
    found = line.verdict
    if found is None or (line.metric is None and line.task != OVERALL):
        return f"| {line.task or 'overall'} | | | | | no pair yet |"
    overall = line.task == OVERALL
    name = "overall: mean relative gain" if overall or line.metric is None else heading(line.metric)
    unit = " %" if overall else ""
    values = "| |" if overall else f"| {line.baseline:.3f} | {line.value:.3f}"
    difference = found.difference
    return f"| {name} {values} | {difference.mean:+.3f}{unit} | {difference.low:+.3f} to {difference.high:+.3f} | {found.text} |"


def print_times(store: RunStore, answer: Answer) -> None:
    """Milliseconds of a forward pass of one image, the shared network against a network per task."""
    together = next((run for (cell, _), run in answer.run_ids.items() if answer.lines and cell == answer.lines[0].cell), None)
    if together is None or store.get(together).status != RunStatus.FINISHED:
        return
    predictor = load(together, home=store.home)
    channels, height, width = predictor.image_shape
    times = time_sharing(predictor, np.zeros((height, width, channels), np.uint8), rounds=51)
    print(f"\n{times.heads} tasks, one image, {times.device}: {times.shared_ms:.2f} ms together, {times.apart_ms:.2f} ms apart")


def main() -> None:
    """Train what is missing, then print the tables of what has finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--pets", default="")
    parser.add_argument("--mnist", default="")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=list(TITLES), help="one of the studies")
    parser.add_argument("--minutes", type=float, default=1e6, help="no run starts after these minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store, until = open_store(arguments.home), time.time() + 60 * arguments.minutes
    roots = {"pets": arguments.pets, "mnist": arguments.mnist}
    for name in [arguments.only] if arguments.only else [name for name in TITLES if roots.get(name, "none needed")]:
        made = study_of(store, "share", TITLES[name], config_of(name, roots), {}, arguments.seeds)
        train_missing(store, made, until)
        print(f"\n## {made.title}, {made.id}")
        for split in ("val", "test"):
            answer = answer_of(store, study_actions.get(store, made.id), split)
            print_table(answer)
        print_times(store, answer)


if __name__ == "__main__":
    main()
