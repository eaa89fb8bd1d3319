"""A task that takes no part in a step is not trained in it: no momentum and no decay moves what is its own. And mixed images under every update."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.data.augmentation import AUGMENTATIONS
from mtl_core.data.augmentation.augmentation import Mix
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training import UPDATES
from mtl_core.training.build import build
from mtl_core.training.check import problems
from mtl_core.training.losses import separate_losses
from mtl_core.training.parts import resolve
from mtl_core.training.setup import Run

TASKS = ("digit", "slant", "ink")
BASE = {
    "data": {"name": "digits"},
    "tasks": {task: {} for task in TASKS},
    "backbone": {"name": "mlp", "hidden": [8]},
    "batch_size": 16,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "conflict_every": 1,
}
OPTIMIZERS = [{"name": "adamw"}, {"name": "adam"}, {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}]
METHODS = [{"balancing": {"name": name}} for name in BALANCERS] + [
    {"update": {"name": "task_vectors", "local_steps": steps, "vector": vector}} for steps in (1, 3) for vector in ("difference", "parameters")
]


def with_run(setup, **changes):
    """The same network, and an update of a run in which something else is so."""
    run = replace(setup.run, **changes)
    return replace(setup, run=run, update=type(setup.update)(run, setup.network, setup.update.options))


def made(cache, **changes):
    """A setup whose optimizers remember two steps of every task."""
    setup = build(resolve(RunConfig.from_dict({**BASE, **changes})), cache)
    setup = with_run(setup, complete=frozenset())
    setup.network.model.train()
    update, batches = setup.update, iter(setup.run.train_batches.epoch(0))
    for number in (1, 2):
        update(next(batches), number)
    return setup, update, next(batches)


def own_of(setup):
    """Everything that only one task has: its parameters, and what the balancing method learns for it."""
    learnt = list(setup.network.balancer.parameters())
    own = {task: list(setup.network.model.task_parameters(task)) + learnt[row : row + 1] for row, task in enumerate(TASKS)}
    return {task: [parameter.detach().clone() for parameter in parameters] for task, parameters in own.items()}


def moved(before, after) -> list[bool]:
    return [any(not torch.equal(one, other) for one, other in zip(before[task], after[task], strict=True)) for task in TASKS]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_task_that_is_left_out_stands_still(method, shared_cache, monkeypatch):
    monkeypatch.setattr(Run, "has_own_epochs", True)
    thoroughly = "update" in method or method["balancing"]["name"] in ("fixed", "uncertainty", "roulette", "pcgrad")
    for optimizer in OPTIMIZERS if thoroughly else OPTIMIZERS[:1]:
        setup, update, batch = made(shared_cache, optimizer=optimizer, **method)
        for number, why in enumerate(("loss weight 0", "no label", "outside its epochs"), start=3):
            setup.network.weigh([1.0, 0.0, 2.0] if why == "loss weight 0" else [1.0, 1.0, 1.0])
            monkeypatch.setattr(Run, "trained_at", lambda self, step, why=why: [True, why != "outside its epochs", True])
            none = {"slant": torch.zeros_like(batch.labelled["slant"])} if why == "no label" else {}
            before = own_of(setup)
            result = update(replace(batch, labelled=batch.labelled | none), number)
            now = moved(before, own_of(setup))
            assert now[1] is False, why
            assert result.combined.isfinite()
            assert result.coefficients[1] == 0
            assert bool(result.present[1]) == (why == "loss weight 0")  # its loss is on the curves all the same
            assert now == [True, False, True] or method.get("balancing") == {"name": "roulette"}
            shares = result.extras.get("gradient_share", torch.tensor([0.5, 0.0, 0.5]))  # task vectors have none
            assert (float(shares[1]), float(shares.sum())) == (0.0, pytest.approx(1)), why  # so that means over steps add to 1 too


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("fitness", ["relative_loss", "inverse_rate", "labelled", "uniform", "round_robin"])
def test_roulette_trains_what_is_drawn_and_nothing_else(fitness, count, shared_cache):
    for optimizer in OPTIMIZERS:
        setup, update, batch = made(shared_cache, optimizer=optimizer, balancing={"name": "roulette", "fitness": fitness, "tasks_per_step": count})
        for number in (3, 4, 5):
            before = own_of(setup)
            result = update(batch, number)
            assert moved(before, own_of(setup)) == [coefficient != 0 for coefficient in result.coefficients.tolist()]
            shares = result.extras["gradient_share"]
            assert shares.sum() == pytest.approx(1)  # who was not drawn pulls with 0, so that means over steps are shares of the pull
            assert (shares > 0).tolist() == (result.coefficients > 0).tolist()


def test_with_nothing_to_learn_from_a_step_changes_nothing(shared_cache):
    """The only task with labels in the batch has a loss weight of 0."""
    for name in ("fixed", "geometric_mean", "uncertainty", "famo", "roulette", "mgda", "gradnorm", "excess_mtl"):
        setup, update, batch = made(shared_cache, balancing={"name": name})
        setup.network.weigh([0.0, 1.0, 1.0])
        none = torch.zeros_like(batch.labelled["ink"])
        batch = replace(batch, labelled={**batch.labelled, "ink": none, "slant": none})
        before = [parameter.detach().clone() for parameter in setup.network.model.parameters()]
        result = update(batch, 3)
        assert result.combined.isfinite()
        assert result.coefficients.tolist() == [0, 0, 0]
        assert all(torch.equal(one, other) for one, other in zip(before, setup.network.model.parameters(), strict=True))


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_task_vectors_average_over_the_tasks_that_took_a_step(alpha, shared_cache):
    """With two of three tasks out, by default the third learns as fast as alone; a given alpha stays as given."""
    update = {"name": "task_vectors", "local_steps": 3, "alpha": alpha}
    optimizer = {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0}
    tasks = {"digit": {}, "slant": {"start_epoch": 5}, "ink": {"loss_weight": 0.0}}
    together = build(resolve(RunConfig.from_dict({**BASE, "tasks": tasks, "update": update, "optimizer": optimizer, "epochs": 6})), shared_cache)
    start = [parameter.detach().clone() for parameter in together.network.model.shared_parameters()]
    own = {name: tensor.clone() for name, tensor in together.network.model.state_dict().items()}
    alone = build(resolve(RunConfig.from_dict({**BASE, "tasks": {"digit": {}}, "optimizer": optimizer, "epochs": 6})), shared_cache)
    alone.network.model.load_state_dict({name: own[name] for name in alone.network.model.state_dict()})
    for setup in (together, alone):
        setup.network.model.train()
        step = setup.update
        for number, batch in zip((1, 2, 3), setup.run.train_batches.epoch(0), strict=False):
            result = step(batch, number)
    assert result.coefficients.tolist() == [1.0]
    for first, ours, theirs in zip(start, together.network.model.shared_parameters(), alone.network.model.shared_parameters(), strict=True):
        torch.testing.assert_close(ours, first + (alpha or 1.0) * (theirs - first), rtol=1e-4, atol=1e-6)


def test_task_vectors_of_a_stopped_round_know_who_took_a_step(shared_cache):
    """A round in the middle of which the state is kept; an earlier version's state has no such note."""
    setup, update, batch = made(shared_cache, update={"name": "task_vectors", "local_steps": 4})
    assert update.moved == set(TASKS)
    setup, update, batch = made(shared_cache, update={"name": "task_vectors", "local_steps": 2})
    setup.network.weigh([1.0, 0.0, 1.0])
    update(batch, 3)
    state = update.state_dict()
    for kept in (state, {key: value for key, value in state.items() if key != "moved"}):
        again = with_run(setup).update
        again.load_state_dict(kept)
        assert again.moved == {"digit", "ink"}


def mixed(batch):
    return replace(batch, mix=Mix(0.3, torch.arange(len(batch.images)).roll(1)))


@pytest.mark.parametrize("name", list(UPDATES))
def test_every_update_learns_mixed_images_from_both_targets(name, shared_cache):
    """The losses of the step are those of the one mechanism, and the steps are not those of each image's own target."""
    plain, results = {}, {}
    for mix in (False, True):
        setup = build(resolve(RunConfig.from_dict({**BASE, "update": {"name": name}})), shared_cache)
        setup.network.model.train()
        batch = next(iter(setup.run.train_batches.epoch(0)))
        batch = mixed(batch) if mix else batch
        with torch.no_grad():
            expected, _ = separate_losses(setup.run.kinds, setup.network.model(batch.images), batch, setup.run.complete)
        values = setup.update(batch, 1).losses
        torch.testing.assert_close(values, torch.stack(expected))
        results[mix] = [parameter.detach().clone() for parameter in setup.network.model.task_parameters("digit")]
        plain[mix] = values
    assert (plain[False] != plain[True]).all()
    assert not all(torch.equal(one, other) for one, other in zip(results[False], results[True], strict=True))


@pytest.mark.parametrize("update", list(UPDATES))
@pytest.mark.parametrize("task", list(SELF_SUPERVISED))
def test_views_are_never_made_of_mixed_images(task, update):
    """Every augmentation that lays images over each other is refused beside every task whose targets are made from the pixels."""
    mixing = [name for name in AUGMENTATIONS if "mix" in name]
    assert mixing == ["mixup"]
    tasks = {"digit": {}, task: {}}
    config = {**BASE, "tasks": tasks, "backbone": {"name": "small_cnn", "width": 8}, "batch_size": 32, "update": {"name": update}}
    found = problems(RunConfig.from_dict({**config, "augmentation": {"mixup": 0.4}}))
    assert "augmentation.mixup" in {problem.field for problem in found}
    assert "augmentation.mixup" not in {problem.field for problem in problems(RunConfig.from_dict(config))}
