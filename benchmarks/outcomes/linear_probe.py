"""Do self-supervised tasks alone give useful features? A linear probe on a trunk that never saw a label, against a random trunk.

    python -m benchmarks.outcomes.linear_probe [--epochs 30] [--seeds 3] [--data '{"name": "digits", "image_size": 16}'] [--target digit]

For each set of self-supervised tasks a network is trained on the training images without their labels. Then its trunk is frozen, features are pooled
(mean and maximum over places) and standardised, and a logistic regression is fitted on the labels of a few training images, and on all of them.
Its accuracy on test is printed; nothing is chosen by it. The random trunk is the same network before its first step, with its normalisation
measured on the training images, so that it is as good as a random one can be.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtl_core.config import RunConfig
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.events import Control
from mtl_core.training.build import Setup, build
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

RECIPES: dict[str, dict[str, Any]] = {
    "rotation": {"rotation": {}},
    "jigsaw": {"jigsaw": {}},
    "autoencoder": {"reconstruction": {"mask_ratio": 0}},
    "denoising": {"reconstruction": {"mask_ratio": 0, "noise": 0.3}},
    "masked": {"reconstruction": {}},
    "contrastive": {"contrastive": {}},
    "rotation + jigsaw + masked": {"rotation": {}, "jigsaw": {}, "reconstruction": {}},
    "all of these": {"rotation": {}, "jigsaw": {}, "reconstruction": {}, "contrastive": {}},
}
FEW = 5  # labels per class
DRAWS = 5  # of those few


def config_of(data: dict[str, Any], tasks: dict[str, Any], seed: int, epochs: int, width: int = 16) -> RunConfig:
    """A small network on a CPU, the same for every recipe."""
    return RunConfig.from_dict(
        {
            "data": data,
            "tasks": tasks,
            "backbone": {"name": "small_cnn", "width": width},
            "epochs": epochs,
            "batch_size": 64,
            "seed": seed,
            "device": "cpu",
            "precision": "fp32",
            "layout": "contiguous",
            "conflict_every": 0,
            "probe_samples": 1,
            "keep_checkpoints": 0,
        }
    )


def trained(config: RunConfig, cache: Path) -> Setup:
    """The network at the end of the run."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in train(config, Path(folder), cache, Control()):
            pass
        setup = build(resolve(config), cache)
        setup.network.model.load_state_dict(load_file(Path(folder) / "checkpoints" / read_index(Path(folder))["last"] / "model.safetensors"))
    return setup


@torch.no_grad()
def untrained(config: RunConfig, cache: Path) -> Setup:
    """The network before its first step; its normalisation sees the training images."""
    setup = build(resolve(config), cache)
    setup.network.model.train()
    for _ in range(3):
        for batch in setup.run.train_batches.epoch(0):
            setup.network.model(batch.images, batch.parts)
    return setup


@torch.no_grad()
def features(setup: Setup, dataset: MultiTaskDataset) -> np.ndarray:
    """(N, F): mean and maximum of the trunk's coarsest feature."""
    setup.network.model.eval()
    batches = setup.run.evaluation_batches(dataset)
    batches.views = None
    found = []
    for batch in batches.epoch(0):
        coarsest = setup.network.model.backbone(batch.images)[-1]
        found.append(torch.cat([coarsest.mean((2, 3)), coarsest.amax((2, 3))], dim=1))
    return torch.cat(found).numpy()


def probe(setup: Setup, target: str) -> tuple[float, float]:
    """Accuracy on test with ``FEW`` labels per class (mean over draws) and with all."""
    train_part, test = setup.run.data.train, setup.run.data.test
    seen, classes = features(setup, train_part), np.asarray(train_part.targets[target])
    unseen, true = features(setup, test), np.asarray(test.targets[target])

    def accuracy(rows: np.ndarray) -> float:
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(seen[rows], classes[rows])
        return float((fitted.predict(unseen) == true).mean())

    random = np.random.default_rng(0)
    draws = [np.concatenate([random.permutation(np.flatnonzero(classes == each))[:FEW] for each in np.unique(classes)]) for _ in range(DRAWS)]
    return float(np.mean([accuracy(rows) for rows in draws])), accuracy(np.arange(len(classes)))


def measure(data: dict[str, Any], target: str, tasks: dict[str, Any] | None, seeds: int, epochs: int, cache: Path) -> np.ndarray:
    """(seeds, 2) accuracies; ``tasks`` None for the random trunk."""
    found = []
    for seed in range(seeds):
        config = config_of(data, tasks or {"rotation": {}}, seed, epochs)
        found.append(probe(untrained(config, cache) if tasks is None else trained(config, cache), target))
    return np.array(found)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=json.loads, default={"name": "digits", "image_size": 16})
    parser.add_argument("--target", default="digit")
    parser.add_argument("--only", nargs="*", default=list(RECIPES))
    arguments = parser.parse_args()
    print(f"{arguments.data}, {arguments.epochs} epochs, {arguments.seeds} seeds: accuracy on test in %, mean and spread over seeds")
    print(f"| trained on | {FEW} labels per class | all labels |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        for name, tasks in {"nothing (random trunk)": None, **{name: RECIPES[name] for name in arguments.only}}.items():
            values = 100 * measure(arguments.data, arguments.target, tasks, arguments.seeds, arguments.epochs, Path(cache))
            cells = [f"{mean:.1f} ± {spread:.1f}" for mean, spread in zip(values.mean(0), values.std(0), strict=True)]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
