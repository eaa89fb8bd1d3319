"""Task vectors: worked equalities with plain training, the literal reading that diverges, and resumption bit by bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, NonFiniteLossError
from mtl_core.events import Control, RunEnded, StepScalars
from mtl_core.training import UPDATES
from mtl_core.training.build import build
from mtl_core.training.check import problems
from mtl_core.training.parts import resolve
from mtl_core.training.step import JointStep
from mtl_core.training.task_vectors import TaskVectors
from mtl_core.training.trainer import train
from tests.training.test_changes import CONFIG, run, same_weights, scalars_of

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0}
CONV = {"backbone": {"name": "small_cnn", "width": 8, "stages": 2}, "batch_size": 128}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def setup_of(cache, **settings):
    return build(resolve(RunConfig.from_dict({**CONFIG, "optimizer": SGD, **settings})), cache)


def trained(setup, steps):
    """The network after some steps of its own update; and the last one's result."""
    setup.network.model.train()
    batches = list(setup.run.train_batches.epoch(0))
    for number in range(1, steps + 1):
        result = setup.update(batches[(number - 1) % len(batches)], number)
    return setup.update, result


def parameters_of(setup):
    return [parameter.detach().clone() for parameter in setup.network.model.parameters()]


def difference(one, other):
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


def test_one_step_a_round_and_alpha_one_is_plain_joint_descent(cache):
    """theta + sum_i (theta - lr g_i - theta) = theta - lr sum_i g_i, loss weights included."""
    joint = setup_of(cache)
    trained(joint, 4)
    local = setup_of(cache, update={"name": "task_vectors", "alpha": 1.0, "local_steps": 1})
    trained(local, 4)
    assert difference(parameters_of(joint), parameters_of(local)) < 1e-6
    assert difference(parameters_of(joint), parameters_of(setup_of(cache))) > 1e-3  # it has moved


def test_without_alpha_the_copies_are_averaged(cache):
    setup = setup_of(cache, update={"name": "task_vectors", "local_steps": 3})
    update, _ = trained(setup, 2)
    start = [parameter.detach().clone() for parameter in setup.network.model.shared_parameters()]
    batches = list(setup.run.train_batches.epoch(0))
    noted = update(batches[2], 3).extras
    after = list(setup.network.model.shared_parameters())
    copies = list(update.copies.values())
    assert difference(after, [(one + other) / 2 for one, other in zip(*copies, strict=True)]) < 1e-6
    vectors = [torch.cat([(own - first).reshape(-1) for own, first in zip(copy, start, strict=True)]) for copy in copies]
    assert torch.allclose(noted["task_vector_norm"], torch.stack([vector.norm() for vector in vectors]))
    assert torch.allclose(noted["task_vector_cosine/digit/ink"], torch.cosine_similarity(*vectors, dim=0), atol=1e-5)


def test_between_two_rounds_the_shared_network_stands_still(cache):
    setup = setup_of(cache, update={"name": "task_vectors", "local_steps": 3})
    before = parameters_of(setup)
    update, result = trained(setup, 2)
    count = len(setup.network.model.shared_parameters())
    shared = {id(parameter) for parameter in setup.network.model.shared_parameters()}
    moved = [not torch.equal(a, b) for a, b in zip(before, setup.network.model.parameters(), strict=True)]
    own = [id(parameter) not in shared for parameter in setup.network.model.parameters()]
    assert moved == own  # the heads are trained in place
    assert result.extras == {}
    assert all(difference(copy[:count], setup.network.model.shared_parameters()) > 0 for copy in update.copies.values())


def test_the_literal_sum_multiplies_the_network(cache):
    """theta + alpha (theta + theta) with two tasks that have not moved: a factor of 1 + 2 alpha."""
    settings = {"update": {"name": "task_vectors", "alpha": 0.5, "local_steps": 1, "vector": "parameters"}, "optimizer": {**SGD, "lr": 1e-12}}
    setup = setup_of(cache, **settings)
    before = [parameter.detach().clone() for parameter in setup.network.model.shared_parameters()]
    trained(setup, 3)
    assert difference([8 * each for each in before], setup.network.model.shared_parameters()) < 1e-4


def test_the_literal_sum_ends_a_run_with_its_name(tmp_path, cache):
    config = RunConfig.from_dict({**CONFIG, "update": {"name": "task_vectors", "alpha": 10.0, "local_steps": 1, "vector": "parameters"}, "epochs": 8})
    with pytest.raises(NonFiniteLossError):
        list(train(config, tmp_path, cache, Control()))


def test_running_means_are_averaged_never_summed(cache):
    setup = setup_of(cache, **CONV, update={"name": "task_vectors", "alpha": 1.0, "local_steps": 1})
    update, _ = trained(setup, 1)
    assert update.measured
    count = len(update.shared)
    for number, buffer in enumerate(update.measured, start=count):
        if buffer.is_floating_point():
            assert torch.allclose(buffer, torch.stack([copy[number] for copy in update.copies.values()]).mean(0))
        else:
            assert int(buffer) == 1


def test_a_task_without_targets_in_a_batch_takes_no_step(cache):
    setup = setup_of(cache, update={"name": "task_vectors", "local_steps": 1})
    update = TaskVectors(replace(setup.run, complete=frozenset()), setup.network, setup.update.options)
    batch = next(iter(setup.run.train_batches.epoch(0)))
    batch.labelled["ink"] = torch.zeros(len(batch.images), dtype=torch.bool)
    result = update(batch, 1)
    assert result.present.tolist() == [True, False]
    assert result.losses[1] == 0
    assert result.coefficients.tolist() == [1, 0]  # the mean of the one copy that took a step
    assert result.extras["task_vector_norm"][1] == 0
    assert result.extras["task_vector_cosine/digit/ink"].isnan()


@pytest.mark.parametrize("stop_at", [4, 19, 27])
def test_a_stopped_run_goes_on_bit_by_bit(tmp_path, cache, stop_at):
    """In the middle of a round, at its end, and in another epoch; with optimizers of two kinds that remember."""
    tasks = {"digit": {"optimizer": {"name": "sgd", "lr": 0.02}}, "ink": {}}
    config = RunConfig.from_dict({**CONFIG, "tasks": tasks, "update": {"name": "task_vectors", "local_steps": 6}})
    whole = scalars_of(run(config, tmp_path / "whole", cache))
    first = run(config, tmp_path / "parts", cache, stop_at=stop_at)
    assert isinstance(first[-1], RunEnded)
    assert first[-1].status == "stopped"
    parts = scalars_of(first) | scalars_of(run(config, tmp_path / "parts", cache))
    assert parts == whole
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    assert any(key.startswith("task_vector_norm/") for _, key in whole)


def test_it_learns(tmp_path, cache):
    config = RunConfig.from_dict({**CONFIG, "update": {"name": "task_vectors", "local_steps": 5}, "optimizer": {"lr": 0.01}, "epochs": 6})
    losses = [event.scalars["train/digit/loss"] for event in train(config, tmp_path, cache, Control()) if isinstance(event, StepScalars)]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"balancing": {"name": "pcgrad"}}, "balancing.name"),
        ({"on_non_finite": "skip"}, "on_non_finite"),
        ({"update": {"name": "task_vectors", "alpha": -1}}, "update.alpha"),
        ({"update": {"name": "task_vector"}}, "did you mean 'task_vectors'"),
    ],
)
def test_what_does_not_go_with_it_is_said(settings, said):
    config = RunConfig.from_dict({**CONFIG, "update": {"name": "task_vectors"}, **settings})
    assert any(said in str(problem) for problem in problems(config))


@pytest.mark.parametrize("name", list(UPDATES))
def test_every_update_says_what_it_is(name):
    update = UPDATES.load(name)
    assert update.title
    assert update.summary.endswith(".")
    assert all(field.description for field in update.Options.model_fields.values())


def test_an_unknown_update_is_an_error_of_the_config(cache, tmp_path):
    config = RunConfig.from_dict({**CONFIG, "update": {"name": "jont"}})
    with pytest.raises(ConfigError, match="did you mean 'joint'"):
        list(train(config, tmp_path, cache, Control()))


def test_the_joint_step_is_the_default(cache):
    assert isinstance(setup_of(cache).update, JointStep)
