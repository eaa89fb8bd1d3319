"""What becomes of the shared network under task vectors: differences summed, averaged, and the article's sum to the letter.

    python -m benchmarks.outcomes.task_vectors

Two tasks on the 1,797 digits, an MLP, one seed. After each round of 19 local steps (an epoch): the length of the shared network's parameters and
the mean training loss of the digit task in that round. A run whose numbers are no longer finite ends there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from mtl_core.config import RunConfig
from mtl_core.training.build import build
from mtl_core.training.parts import resolve

ROUNDS = (1, 2, 3, 5, 10, 20, 40)
WAYS = {
    "averaged (difference, alpha 1/2)": {"alpha": 0.5},
    "summed (difference, alpha 1)": {"alpha": 1.0},
    "too far (difference, alpha 4)": {"alpha": 4.0},
    "to the letter (parameters, alpha 1/2)": {"alpha": 0.5, "vector": "parameters"},
    "to the letter (parameters, alpha 0.05)": {"alpha": 0.05, "vector": "parameters"},
}


def rounds_of(options: dict, cache: Path) -> list[tuple[float, float]]:
    """(length of the shared parameters, mean loss) of each round."""
    config = RunConfig.from_dict(
        {
            "data": {"name": "digits"},
            "tasks": {"digit": {}, "ink": {}},
            "backbone": {"name": "mlp", "hidden": [32]},
            "update": {"name": "task_vectors", "local_steps": 100, **options},
            "optimizer": {"lr": 0.01},
            "schedule": {"name": "constant", "warmup_fraction": 0.0},
            "epochs": max(ROUNDS),
            "precision": "fp32",
            "device": "cpu",
        }
    )
    setup = build(resolve(config), cache)
    update, found = setup.update, []
    setup.network.model.train()
    for epoch in range(config.epochs):
        losses = [
            update(batch, epoch * setup.run.steps_per_epoch + n).losses[0] for n, batch in enumerate(setup.run.train_batches.epoch(epoch), start=1)
        ]
        length = torch.cat([parameter.detach().flatten() for parameter in setup.network.model.shared_parameters()]).norm()
        found.append((float(length), float(torch.stack(losses).mean())))
        if not torch.isfinite(length):
            break
    return found


def main() -> None:
    print("| update | " + " | ".join(f"round {number}" for number in ROUNDS) + " |")
    print("|---" * (len(ROUNDS) + 1) + "|")
    with tempfile.TemporaryDirectory() as cache:
        for title, options in WAYS.items():
            found = rounds_of(options, Path(cache))
            cells = [f"{found[n - 1][0]:.3g}, loss {found[n - 1][1]:.3g}" if n <= len(found) else "not finite" for n in ROUNDS]
            print(f"| {title} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
