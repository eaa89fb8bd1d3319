"""Few labels: no NaN under any balancing method, and nobody learns from what is not labelled."""

from __future__ import annotations

import pytest
import torch

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.data.augmentation.augmentation import Mix
from mtl_core.data.batches import Batch
from mtl_core.errors import ConfigError
from mtl_core.training.build import build, measured_rows
from mtl_core.training.check import problems
from mtl_core.training.losses import task_losses
from mtl_core.training.parts import resolve

BASE = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "slant": {"label_fraction": 0.1}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "batch_size": 8,  # most batches hold no labelled image of the task, some do
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "conflict_every": 1,
    "epochs": 1,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def made(cache, **changes):
    return build(resolve(RunConfig.from_dict({**BASE, **changes})), cache)


@pytest.mark.parametrize("method", list(BALANCERS))
def test_ten_per_cent_of_one_tasks_labels_train_without_nan(method, cache):
    setup = made(cache, balancing={"name": method})
    setup.network.model.train()
    step, seen = setup.update, set()
    for number, batch in zip(range(1, 13), setup.run.train_batches.epoch(0), strict=False):
        result = step(batch, number)
        labelled = bool(batch.labelled["slant"].any())
        seen.add(labelled)
        assert bool(result.present[1]) == labelled
        assert result.losses.isfinite().all()
        assert result.combined.isfinite()
        assert result.coefficients.isfinite().all()
        assert result.coefficients[1] == 0 or labelled
        if not labelled:
            assert not any("slant" in key for key in result.extras)
    assert seen == {True, False}
    assert all(parameter.isfinite().all() for parameter in setup.network.model.parameters())


@pytest.mark.parametrize("method", ["fixed", "pcgrad", "gradnorm"])
@pytest.mark.filterwarnings("error")
def test_a_step_without_any_target_repeats_nothing_of_the_step_before(method, cache):
    setup = made(cache, balancing={"name": method}, tasks={name: {"label_fraction": 0.9} for name in ("digit", "slant", "ink")})
    setup.network.model.train()
    step, batches = setup.update, setup.run.train_batches.epoch(0)
    empty, whole = next(batches), next(batches)
    empty.labelled.update({target: torch.zeros_like(flags) for target, flags in empty.labelled.items()})
    before = {name: value.clone() for name, value in setup.network.model.state_dict().items() if "running" not in name}
    result = step(empty, 1)
    assert (result.losses.tolist(), result.present.tolist(), result.coefficients.tolist()) == ([0.0] * 3, [False] * 3, [0.0] * 3)
    assert result.extras == {}
    assert all(torch.equal(value, setup.network.model.state_dict()[name]) for name, value in before.items())
    seen = step(whole, 2).extras
    assert any(key.startswith("gradient_norm") for key in seen)
    assert any(key.startswith("conflict/") for key in seen)
    assert step(empty, 3).extras == {}


def test_the_loss_is_the_mean_over_labelled_images_only(cache):
    setup = made(cache, batch_size=256)
    batch = next(iter(setup.run.train_batches.epoch(0)))
    rows = batch.labelled["slant"].nonzero()[:, 0]
    assert 10 < len(rows) < 50
    outputs = setup.network.model(batch.images)
    losses, _ = task_losses(setup.run.kinds, outputs, batch, setup.run.complete)
    kind = setup.run.kinds["slant"]
    alone = [rows[at : at + 1] for at in range(len(rows))]
    by_hand = torch.stack([kind.loss(kind.select(outputs["slant"], row), batch.targets["slant"][row]) for row in alone])
    assert losses[1].item() == pytest.approx(by_hand.mean().item(), rel=1e-5)
    spoiled = {**batch.targets, "slant": batch.targets["slant"].masked_fill(~batch.labelled["slant"], float("nan"))}
    again, _ = task_losses(setup.run.kinds, outputs, Batch(batch.images, spoiled, batch.labelled, batch.index), setup.run.complete)
    assert torch.equal(again, losses)


def test_the_run_sees_as_many_labels_as_asked_and_val_all_of_its_own(cache):
    setup = made(cache)
    assert int(setup.run.data.train.labelled["slant"].sum()) == round(0.1 * len(setup.run.data.train))
    assert setup.run.data.val.labelled["slant"].all()
    assert setup.run.complete == {"digit", "ink"}
    sums = torch.zeros(2, dtype=torch.int64)
    for batch in setup.run.train_batches.epoch(0):
        sums += torch.stack([batch.labelled["slant"].sum(), batch.labelled["digit"].sum()])
    assert sums[0] <= round(0.1 * len(setup.run.data.train))
    assert sums[1] == len(setup.run.train_batches) * 8


def test_disjoint_tasks_never_share_an_image(cache):
    partition = {"kind": "disjoint"}
    setup = made(cache, data={"name": "digits", "partition": partition}, tasks={"digit": {}, "slant": {}, "ink": {}})
    for batch in setup.run.train_batches.epoch(0):
        assert (torch.stack([batch.labelled[task].long() for task in ("digit", "slant", "ink")]).sum(dim=0) == 1).all()
    assert setup.run.config.data.partition.among == ["digit", "slant", "ink"]


def test_train_metrics_are_measured_on_labelled_images(cache):
    setup = made(cache)
    rows = measured_rows(setup.run.data.train, {name: setup.run.kinds[name] for name in ("slant", "digit")}, 50)
    assert setup.run.data.train.labelled["slant"][rows].sum() >= 50
    assert (
        measured_rows(setup.run.data.val, setup.run.kinds, 50).tolist()
        == measured_rows(setup.run.data.val, {"digit": setup.run.kinds["digit"]}, 50).tolist()
    )


def test_a_task_without_any_training_label_is_refused_in_words(cache):
    config = RunConfig.from_dict(
        {**BASE, "data": {"name": "digits", "partition": {"kind": "disjoint", "among": ["digit", "slant", "ink", "colour"]}}}
    )
    [problem] = problems(config)
    assert problem.field == "data.partition.among"
    assert "data set 'digits' has no task 'colour'" in problem.message
    with pytest.raises(ConfigError, match="ink would get none"):
        RunConfig.from_dict({**BASE, "data": {"name": "digits", "partition": {"kind": "disjoint", "among": ["digit", "slant"]}}})


def test_mixed_images_give_the_mixed_losses_of_the_known_targets(cache):
    setup = made(cache, batch_size=6)
    batch = next(iter(setup.run.train_batches.epoch(0)))
    partner, share = torch.tensor([1, 2, 3, 4, 5, 0]), 0.3
    known = torch.tensor([True, False, True, False, False, False])
    batch = Batch(batch.images, batch.targets, {**batch.labelled, "slant": known}, batch.index, Mix(share, partner))
    outputs = setup.network.model(batch.images)
    losses, present = task_losses(setup.run.kinds, outputs, batch, setup.run.complete)
    assert present.all()

    def loss(task, rows, targets):
        kind = setup.run.kinds[task]
        return kind.loss(kind.select(outputs[task], torch.tensor(rows)), batch.targets[task][torch.tensor(targets)])

    every = list(range(6))
    digit = share * loss("digit", every, every) + (1 - share) * loss("digit", every, partner.tolist())
    assert losses[0].item() == pytest.approx(digit.item(), rel=1e-5)
    slant = share * loss("slant", [0, 2], [0, 2]) + (1 - share) * loss("slant", [5, 1], [0, 2])  # images 5 and 1 have them for partners
    assert losses[1].item() == pytest.approx(slant.item(), rel=1e-5)


def test_every_augmentation_that_fits_trains(cache):
    setup = made(cache, tasks={"digit": {}}, augmentation={"shift": 1, "crop": 0.2, "rotation": 10, "scale": 0.1, "cutout": 0.3, "mixup": 0.4})
    setup.network.model.train()
    step = setup.update
    losses = [step(batch, number).losses for number, batch in zip(range(1, 5), setup.run.train_batches.epoch(0), strict=False)]
    assert torch.cat(losses).isfinite().all()
