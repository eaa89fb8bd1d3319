"""What every sharing scheme promises: the registered ones, and two that come from another package (``tests/sharing/schemes.py``)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import mtl_core
from mtl_core.backbones.backbone import Backbone
from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.inference.inference_cost import measure_cost
from mtl_core.inference.saliency import saliency
from mtl_core.inference.timing import time_sharing
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import fork, fork_config
from mtl_core.runs.store import open_store
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.build import build
from mtl_core.training.check import parameter_counts as counted
from mtl_core.training.check import problems
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.losses import separate_losses
from mtl_core.training.parts import resolve
from mtl_core.training.run_info import parameter_counts
from mtl_core.training.step import JointStep
from mtl_core.training.trainer import train
from tests.covering import one_of_each
from tests.sharing.schemes import ENTRIES

pytestmark = pytest.mark.usefixtures("installed_schemes")

SCHEMES = [*SHARING_SCHEMES, *ENTRIES]

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {"loss_weight": 0.5}, "slant": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "conflict_every": 2,
    "device": "cpu",
}

FEW_PICTURES = {
    "data": {"name": "digit_scenes", "train_size": 16, "val_size": 4, "test_size": 4, "max_digits": 1, "image_size": 32},
    "tasks": {"count": {}, "present": {}, "count_class": {}},
    "batch_size": 8,
}

OPTIONS = {"ltb": {"warmup": 0.0}}  # in its warm-up the probabilities of parents have no gradient


def config_of(scheme, **changes):
    return RunConfig.from_dict({**CONFIG, "sharing": {"name": scheme, **OPTIONS.get(scheme, {})}, **changes})


def built(scheme, cache, **changes):
    """Setup and first batch."""
    setup = build(resolve(config_of(scheme, **{"batch_size": 16, **changes})), cache)
    return setup, next(iter(setup.run.train_batches.epoch(0)))


def losses_of(setup, batch):
    return separate_losses(setup.run.kinds, setup.network.model(batch.images, batch.parts), batch, setup.run.complete)[0]


def backbones_of(model):
    return [module for module in model.modules() if isinstance(module, Backbone)]


@every_scheme
def test_every_parameter_is_in_exactly_one_group_and_shared_or_one_tasks_own(scheme, shared_cache):
    model = built(scheme, shared_cache)[0].network.model
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert sorted(names[id(parameter)] for group in model.groups() for parameter in group.parameters) == sorted(names.values())
    divided = [*model.shared_parameters(), *(parameter for task in model.tasks for parameter in model.task_parameters(task))]
    assert sorted(names[id(parameter)] for parameter in divided) == sorted(names.values())
    assert len({group.name for group in model.groups()}) == len(model.groups())


@every_scheme
def test_a_groups_users_are_the_tasks_with_a_gradient_there(scheme, shared_cache):
    """In one step or another, where the scheme draws what a step uses."""
    setup, batch = built(scheme, shared_cache)
    groups, torch_state = setup.network.model.groups(), torch.get_rng_state()
    torch.manual_seed(0)
    used = {group.name: set() for group in groups}
    for _ in range(20 if setup.network.draws else 1):
        losses = losses_of(setup, batch)
        for group in groups:
            for task, loss in zip(setup.run.kinds, losses, strict=True):
                gradients = torch.autograd.grad(loss, group.parameters, retain_graph=True, allow_unused=True)
                if any(gradient is not None and bool(gradient.any()) for gradient in gradients):
                    used[group.name].add(task)
    torch.set_rng_state(torch_state)
    assert used == {group.name: group.users for group in groups}


@every_scheme
def test_one_task_alone_is_the_plain_network(scheme, shared_cache):
    """The same numbers from the same seed, and training that counts the same parameters as shared."""
    tasks = {"digit": {}}
    plain, batch = built("hard", shared_cache, tasks=tasks)
    setup, _ = built(scheme, shared_cache, tasks=tasks)
    torch.testing.assert_close(losses_of(setup, batch), losses_of(plain, batch), rtol=0, atol=0)
    assert len(backbones_of(setup.network.model)) == 1
    assert len(setup.network.model.task_parameters("digit")) == len(list(setup.network.model.heads["digit"].parameters()))
    assert len(setup.network.model.shared_parameters()) >= len(plain.network.model.shared_parameters())


@every_scheme
@pytest.mark.parametrize("only", [("ink",), ("digit", "slant")])
def test_some_tasks_alone_have_the_full_output(scheme, only, shared_cache):
    setup, batch = built(scheme, shared_cache)
    model = setup.network.model.eval()
    with torch.no_grad():
        full = model(batch.images)
        model.only = only
        some = model(batch.images)
    assert tuple(some) == tuple(task for task in model.tasks if task in only)
    assert all(torch.equal(some[task], full[task]) for task in only)


@every_scheme
def test_each_head_reads_its_own_rows(scheme, shared_cache):
    setup, batch = built(scheme, shared_cache)
    model = setup.network.model.eval()
    parts = {"digit": slice(0, 4), "ink": slice(4, 8), "slant": slice(0, 8)}
    with torch.no_grad():
        full, some = model(batch.images[:8]), model(batch.images[:8], parts)
    assert all(torch.equal(some[task], full[task][rows]) for task, rows in parts.items())


@every_scheme
def test_columns_begin_different(scheme, shared_cache):
    if scheme == "separate":  # its columns begin as in runs of one task, which all have the same seed
        return
    columns = backbones_of(built(scheme, shared_cache)[0].network.model)
    for one, other in combinations(columns, 2):
        assert not torch.equal(next(one.parameters()), next(other.parameters()))


@every_scheme
def test_a_step_moves_every_trained_parameter_and_no_frozen_one(scheme, shared_cache):
    for balancing in ("fixed", "mgda"):
        setup, batch = built(scheme, shared_cache, balancing={"name": balancing})
        backbones_of(setup.network.model)[0].stages[0].requires_grad_(False)
        before = {name: parameter.detach().clone() for name, parameter in setup.network.model.named_parameters()}
        drawn = torch.get_rng_state()
        trained = [parameter for parameter in setup.network.model.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(sum(losses_of(setup, batch)), trained, allow_unused=True)
        used = {id(parameter) for parameter, gradient in zip(trained, gradients, strict=True) if gradient is not None}
        torch.set_rng_state(drawn)
        JointStep(setup.run, setup.network)(batch, 1)
        for name, parameter in setup.network.model.named_parameters():
            assert torch.equal(parameter, before[name]) != (id(parameter) in used), name
        counts = parameter_counts(setup.network.model)
        assert counts["shared"] + sum(counts["tasks"].values()) + counts["frozen"] == sum(each.numel() for each in setup.network.model.parameters())


@every_scheme
@pytest.mark.parametrize("balancing", ["fixed", "pcgrad"])
def test_cosines_and_norms_are_those_of_separately_computed_gradients(scheme, balancing, shared_cache):
    """By an autograd call for each task and group, without the code under test. Norms at shared features have a test of their own (test_conflict)."""
    setup, batch = built(scheme, shared_cache, balancing={"name": balancing})
    step = JointStep(setup.run, setup.network)
    groups = [group for group in setup.network.model.groups() if len(group.users) > 1]
    drawn = torch.get_rng_state()
    losses, alone = losses_of(setup, batch), {}
    for task, loss in zip(setup.run.kinds, losses, strict=True):
        options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
        parts = [torch.autograd.grad(loss, group.parameters, **options) for group in groups]
        alone[task] = {group.name: torch.cat([part.flatten() for part in own]).double() for group, own in zip(groups, parts, strict=True)}
    torch.set_rng_state(drawn)
    noted = step(batch, 1).extras
    if not groups:
        assert not any(key.startswith(("conflict", "gradient")) for key in noted)
        return
    alone = {task: {"": torch.cat(list(own.values())), **own} for task, own in alone.items()}
    for one, other in combinations(setup.run.kinds, 2):
        for block in ["", *(group.name for group in groups if len(groups) > 1)]:  # the only one is the whole
            first, second = alone[one][block], alone[other][block]
            key = f"conflict/{one}/{other}" + (f"/{block}" if block else "")
            assert float(noted[key]) == pytest.approx(float(first @ second / (first.norm() * second.norm())), abs=2e-5, nan_ok=True), key
    if not setup.network.model.has_shared_features:
        weights = [task.loss_weight for task in setup.run.config.tasks.values()]
        expected = [float(own[""].norm()) * weight for own, weight in zip(alone.values(), weights, strict=True)]
        assert noted["gradient_norm"].tolist() == pytest.approx(expected, rel=1e-4)
        assert noted["gradient_share"].tolist() == pytest.approx([norm / sum(expected) for norm in expected], rel=1e-4)


@every_scheme
def test_norms_do_without_angles_under_a_method_that_has_the_gradients(scheme, shared_cache):
    setup, batch = built(scheme, shared_cache, balancing={"name": "pcgrad"}, conflict_every=0)
    step = JointStep(setup.run, setup.network)
    noted = step(batch, 1).extras
    assert not any(key.startswith("conflict") for key in noted)
    assert ("gradient_norm" in noted) == (setup.network.model.tasks_share() != "nothing")


@every_scheme
def test_a_run_is_trained_kept_and_used(scheme, tmp_path, shared_cache):
    """Check, counts, training, a fork with another update, prediction, saliency and times."""
    config = config_of(scheme, name=scheme)
    assert problems(config) == []
    store = open_store(tmp_path / "store")
    store.cache = shared_cache
    run = execute(store, store.create(config).id)
    assert run.status == "finished", run.failure
    assert counted(config) == run.info["parameters"]
    forked = execute(store, fork(store, run.id, 1, fork_config(run, 1, ["epochs=2", "update.name=task_vectors"])).id)
    assert (forked.status, forked.parent, forked.info["parameters"]) == ("finished", run.id, run.info["parameters"]), forked.failure
    predictor = mtl_core.load(run.id, "last", home=store.home)
    model, again = predictor.model, build(resolve(config), shared_cache).network.model
    assert run.info["tasks_share"] == model.tasks_share()
    again.load_state_dict(model.state_dict())
    image = (3 * np.arange(64, dtype=np.uint8)).reshape(8, 8, 1)
    normalised = predictor.normalised(image[None])
    with torch.no_grad():
        for task, output in again.eval()(normalised).items():
            assert torch.equal(output, model(normalised)[task])
    times = time_sharing(predictor, image, rounds=1)
    assert (times.heads, times.repeated) == (3, "backbone" if model.has_shared_features else "network")
    assert min(times.shared_ms, times.apart_ms) > 0
    cost = measure_cost(predictor, 2, rounds=1)
    assert cost.shared.parameters == sum(tensor.numel() for tensor in model.parameters())
    assert list(cost.alone) == list(CONFIG["tasks"])
    for alone in cost.alone.values():
        assert 0 < alone.parameters <= cost.shared.parameters
        assert 0 < alone.multiply_adds <= cost.shared.multiply_adds
        assert 4 * alone.parameters < alone.memory <= cost.shared.memory
    assert cost.shared.multiply_adds <= cost.together().multiply_adds
    heats = saliency(predictor, image)
    with torch.no_grad():  # a pooled head's gradient is known by hand: mean part / places everywhere, maximum part at the maximum's place
        coarsest = model.features(normalised, ["ink"])["ink"][-1]
        linear = model.heads["ink"].linear.weight[0] * model(normalised)["ink"].sign().item()
        channels = coarsest.shape[1]
        alpha = (linear[:channels] + linear[channels:]) / coarsest[0, 0].numel()
        expected = torch.nn.functional.interpolate(
            (alpha.view(1, -1, 1, 1) * coarsest).sum(1, keepdim=True).clamp(min=0), size=(8, 8), mode="bilinear", align_corners=False
        )[0, 0].numpy()
    assert set(heats) == set(CONFIG["tasks"])
    np.testing.assert_allclose(heats["ink"], expected / max(expected.max(), 1e-12), atol=1e-4)


def trained_weights(config, folder, cache, stop_at=None):
    """Weights after a run that may be stopped and resumed, and the keys of its curves."""
    keys = set()
    folder.mkdir()
    for stop in [stop_at, None] if stop_at else [None]:
        control = Control()
        for event in train(config, folder, cache, control):
            if isinstance(event, StepScalars | EpochMetrics):
                keys |= set(event.scalars)
            if isinstance(event, StepScalars) and event.step == stop:
                control.stop()
    return load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors"), keys


def with_updates() -> list[tuple[str, str]]:
    """Every scheme, and one of each sort under task vectors; the test above trains every scheme with them."""
    classes = {name: SHARING_SCHEMES.load(name) for name in SHARING_SCHEMES}
    sorts = one_of_each(list(classes), lambda name: (classes[name].__mro__[1], classes[name].has_shared_features, "at_step" in vars(classes[name])))
    return [*((name, "joint") for name in SCHEMES), *((name, "task_vectors") for name in sorts)]


@pytest.mark.parametrize(("scheme", "update"), with_updates())
def test_a_resumed_run_goes_on_bit_by_bit(scheme, update, tmp_path, shared_cache):
    config = config_of(scheme, update={"name": update}, epochs=2, **FEW_PICTURES)
    whole, keys = trained_weights(config, tmp_path / "whole", shared_cache)
    resumed, _ = trained_weights(config, tmp_path / "resumed", shared_cache, stop_at=3)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    shares = scheme not in ("separate", "separate_networks")
    assert any(key.startswith("conflict/" if update == "joint" else "task_vector_norm/") for key in keys) == shares


@every_scheme
def test_every_task_may_have_an_optimizer_of_its_own(scheme, shared_cache):
    """Then nothing may be left for the run's own optimizer."""
    tasks = {task: {"optimizer": {"name": "sgd", "lr": 0.1}} for task in CONFIG["tasks"]}
    setup, batch = built(scheme, shared_cache, tasks=tasks)
    before = [parameter.detach().clone() for parameter in setup.network.model.parameters()]
    JointStep(setup.run, setup.network)(batch, 1)
    for parameter, old in zip(setup.network.model.parameters(), before, strict=True):
        assert torch.equal(parameter, old) == (parameter.grad is None)
    assert all(parameter.grad is not None for head in setup.network.model.heads.values() for parameter in head.parameters())


def test_hard_sharing_is_what_it_was(shared_cache):
    """The names of its tensors, which old checkpoints and exported folders hold, and of its blocks, which old curves hold."""
    model = built("hard", shared_cache)[0].network.model
    names = list(model.state_dict())
    kinds = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    block = ["0.weight", *(f"1.{kind}" for kind in kinds), "3.weight", *(f"4.{kind}" for kind in kinds)]
    assert names[:24] == [f"backbone.stages.{stage}.{name}" for stage in (0, 1) for name in block]
    assert names[24:] == [f"heads.{task}.linear.{kind}" for task in CONFIG["tasks"] for kind in ("weight", "bias")]
    assert [group.name for group in model.shared_groups()] == ["stages.0", "stages.1"]
    assert [id(each) for each in model.shared_parameters()] == [id(each) for each in model.backbone.parameters()]


def test_hard_sharing_computes_what_a_backbone_and_heads_compute(shared_cache):
    """Written out by hand, with the same seed: the losses and gradients are the same to the last bit."""
    setup, batch = built("hard", shared_cache, gradient_norms=False)
    features = setup.network.model.backbone(batch.images)
    outputs = {task: head(features) for task, head in setup.network.model.heads.items()}
    by_hand = separate_losses(setup.run.kinds, outputs, batch, setup.run.complete)[0]
    expected = torch.autograd.grad(sum(by_hand), list(setup.network.model.parameters()))
    found = losses_of(setup, batch)
    assert all(torch.equal(one, other) for one, other in zip(found, by_hand, strict=True))
    assert all(
        torch.equal(one, other) for one, other in zip(torch.autograd.grad(sum(found), list(setup.network.model.parameters())), expected, strict=True)
    )
