"""A missing target counts for nothing, exactly."""

from __future__ import annotations

import torch

from mtl_core.data.batches import Batch
from mtl_core.data.dataset import Task
from mtl_core.tasks.kind import KindOptions
from mtl_core.tasks.regression import Regression
from mtl_core.training.losses import task_losses

STATISTICS = {"image_shape": (1, 8, 8), "targets": {"a": {"mean": 1.0, "std": 2.0}, "b": {"mean": 0.0, "std": 1.0}}}
KINDS = {name: Regression(Task(name, "regression", name), KindOptions(), STATISTICS) for name in ("a", "b")}


def batch_of(labelled_a, labelled_b) -> Batch:
    targets = {"a": torch.tensor([1.0, torch.nan, 2.0]), "b": torch.tensor([9.0, 9.0, 9.0])}
    return Batch(torch.zeros(3, 1, 8, 8), targets, {"a": torch.tensor(labelled_a), "b": torch.tensor(labelled_b)}, torch.arange(3))


def test_the_loss_is_the_mean_over_labelled_images_only():
    outputs = {name: torch.zeros(3, 1, requires_grad=True) for name in KINDS}
    losses, present = task_losses(KINDS, outputs, batch_of([True, False, True], [False] * 3), frozenset())
    # Standardised targets of a: (1 - 1) / 2 = 0 and (2 - 1) / 2 = 0.5; smooth L1 of 0.5 is 0.125; the mean of 0 and 0.125.
    assert losses.tolist() == [0.0625, 0.0]
    assert present.tolist() == [True, False]
    losses.sum().backward()
    assert outputs["a"].grad[:, 0].tolist() == [0.0, 0.0, -0.25]
    assert outputs["b"].grad is None


def test_a_complete_target_gives_the_same_loss_without_looking():
    outputs = {name: torch.ones(3, 1) for name in KINDS}
    batch = batch_of([True, False, True], [True] * 3)
    looked, _ = task_losses(KINDS, outputs, batch, frozenset())
    trusted, _ = task_losses(KINDS, outputs, batch, frozenset({"b"}))
    assert torch.equal(looked, trusted)
