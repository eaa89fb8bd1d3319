"""Affinity between tasks: the formula, by another way, and no effect on the training."""

from __future__ import annotations

import copy

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.events import Control, StepScalars
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.build import build
from mtl_core.training.losses import separate_losses
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {"loss_weight": 0.5}, "slant": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "schedule": {"name": "constant", "warmup_fraction": 0},
    "epochs": 1,
    "batch_size": 32,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "conflict_every": 0,
    "device": "cpu",
}
TASKS = list(CONFIG["tasks"])
DROPOUT = {
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 16, "test_size": 16, "max_digits": 2, "image_size": 32},
    "tasks": {"count": {}, "present": {}},
    "backbone": {"name": "lenet", "dropout": 0.4},
}


def built(cache, **changes):
    return build(resolve(RunConfig.from_dict({**CONFIG, **changes})), cache)


def affinities_of(noted):
    return {key.removeprefix("affinity/"): float(value) for key, value in noted.items() if key.startswith("affinity/")}


@pytest.mark.parametrize(
    "balancing", [{"name": "fixed"}, {"name": "pcgrad"}, {"name": "mgda", "gradients": "features"}], ids=lambda each: each["name"]
)
def test_it_is_the_loss_after_a_step_of_a_copy_for_one_task(balancing, shared_cache):
    setup = built(shared_cache, balancing=balancing, affinity_every=1)
    batch = next(iter(setup.run.train_batches.epoch(0)))
    expected = {}
    for place, source in enumerate(TASKS):
        model = copy.deepcopy(setup.network.model).train()
        model.split_features = False  # a method at the features cuts the graph there
        before, _ = separate_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)
        optimizer = torch.optim.SGD(model.shared_parameters(), lr=0.05)
        before[place].backward()
        optimizer.step()
        after, _ = separate_losses(setup.run.kinds, model(batch.images), batch, setup.run.complete)
        expected |= {f"{source}/{task}": 1 - after[row].item() / before[row].item() for row, task in enumerate(TASKS)}
    setup.network.model.train()
    seen = affinities_of(setup.update(batch, 1).extras)
    assert seen == pytest.approx(expected, abs=2e-6)
    assert seen["digit/digit"] > 0  # a small step for a task lowers its own loss


def numbers_after(setup, steps=3):
    """Losses of the first steps, and all numbers of the network afterwards."""
    setup.network.model.train()
    losses = []
    for number, batch in zip(range(1, steps + 1), setup.run.train_batches.epoch(0), strict=False):
        with setup.drawing():
            losses.append(setup.update(batch, number).losses)
    return [*losses, *setup.network.model.state_dict().values(), *setup.progress.random.state().values()]


@pytest.mark.parametrize(
    "changes",
    [
        *({"sharing": {"name": name}} for name in SHARING_SCHEMES),
        *({"balancing": {"name": name}} for name in ("pcgrad", "uncertainty", "graddrop", "famo")),
        {"balancing": {"name": "mgda", "gradients": "features"}},
        {"precision": "bf16"},
        {"on_non_finite": "skip"},
        {"conflict_every": 1},
        DROPOUT,
    ],
    ids=str,
)
def test_measuring_changes_no_bit_of_the_run(changes, shared_cache):
    blind, seeing = (numbers_after(built(shared_cache, **changes, affinity_every=every)) for every in (0, 1))
    assert all(torch.equal(one, other) for one, other in zip(blind, seeing, strict=True))


def test_dropout_is_the_same_before_and_after(shared_cache):
    """With a learning rate of 0 nothing changes but the mask, if it were drawn again."""
    setup = built(shared_cache, **DROPOUT, affinity_every=1)
    setup.network.rate.highest = 0.0
    setup.network.model.train()
    with setup.drawing():
        seen = affinities_of(setup.update(next(iter(setup.run.train_batches.epoch(0))), 1).extras)
    assert set(seen.values()) == {0.0}
    assert len(seen) == 4


def test_a_task_without_labels_in_the_batch_has_none(shared_cache):
    setup = built(shared_cache, affinity_every=1, tasks={**CONFIG["tasks"], "ink": {"stop_epoch": 1}}, epochs=2)
    setup.network.model.train()
    step = setup.run.steps_per_epoch + 1  # the first of the second epoch: ink is trained no more
    assert set(affinities_of(setup.update(next(iter(setup.run.train_batches.epoch(1))), step).extras)) == {
        f"{one}/{other}" for one in ("digit", "slant") for other in ("digit", "slant")
    }


@pytest.mark.parametrize("changes", [{"tasks": {"digit": {}}}, {"backbone": {"name": "small_cnn", "width": 8, "stages": 2, "freeze": "all"}}])
def test_one_task_or_a_frozen_backbone_has_no_affinities(changes, shared_cache):
    setup = built(shared_cache, affinity_every=1, **changes)
    setup.network.model.train()
    assert affinities_of(setup.update(next(iter(setup.run.train_batches.epoch(0))), 1).extras) == {}


def test_the_curves_have_it_as_often_as_asked(tmp_path, shared_cache):
    config = RunConfig.from_dict({**CONFIG, "batch_size": 256, "affinity_every": 3})
    events = list(train(config, tmp_path, shared_cache, Control()))
    steps = [event.step for event in events if isinstance(event, StepScalars) and "affinity/digit/ink" in event.scalars]
    assert steps == [1, 4]


def test_it_does_not_make_another_run():
    plain = RunConfig.from_dict(CONFIG)
    assert fingerprint(plain) == fingerprint(plain.model_copy(update={"affinity_every": 5}))
