"""What is seen of the tasks' gradients: exact, and without any effect on the training."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training.build import build
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.losses import separate_losses
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train

CONFIG = {
    "data": {"name": "digit_scenes", "train_size": 48, "val_size": 8, "test_size": 8, "max_digits": 2, "image_size": 32},
    "tasks": {"count": {"loss_weight": 0.5}, "segments": {}, "boxes": {}},
    "backbone": {"name": "small_cnn", "width": 8},
    "epochs": 2,
    "batch_size": 16,
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
    "conflict_every": 2,
}
TASKS = tuple(CONFIG["tasks"])
AT_FEATURES = [name for name in BALANCERS if "gradients" in BALANCERS.load(name).Options.model_fields]
PAIRS = [("count", "segments"), ("count", "boxes"), ("segments", "boxes")]


def config_of(**changes):
    return RunConfig.from_dict({**CONFIG, **changes})


@pytest.fixture(scope="module")
def alone(shared_cache):
    """Each task's own gradient on the shared parameters in the first step, computed by itself: task -> {name: gradient}.

    All methods begin with the same network and the same batch.
    """
    setup = build(resolve(config_of()), shared_cache)
    setup.network.model.train()
    batch = next(iter(setup.run.train_batches.epoch(0)))
    shared = dict(setup.network.model.named_parameters())
    shared = {name: parameter for name, parameter in shared.items() if any(parameter is each for each in setup.network.model.shared_parameters())}
    buffers = {name: buffer.clone() for name, buffer in setup.network.model.named_buffers()}
    alone, setup.network.model.split_features = {}, False
    for row, task in enumerate(TASKS):
        losses, _ = separate_losses(setup.run.kinds, setup.network.model(batch.images), batch, setup.run.complete)
        alone[task] = dict(zip(shared, torch.autograd.grad(losses[row], list(shared.values()), allow_unused=True), strict=True))
        for name, buffer in setup.network.model.named_buffers():
            buffer.copy_(buffers[name])
    return alone


def cosine(one, other, block=""):
    names = [name for name in one if name.startswith(f"backbone.{block}")]
    first, second = (torch.cat([each[name].reshape(-1) for name in names]).double() for each in (one, other))
    return float(first @ second / (first.norm() * second.norm()))


@pytest.mark.parametrize(
    "balancing",
    [
        *({"name": name} for name in ("fixed", "uncertainty", "pcgrad", "mgda")),
        {"name": "mgda", "gradients": "blocks"},
        *({"name": name, "gradients": "features"} for name in AT_FEATURES),
    ],
    ids=lambda balancing: "-".join(balancing.values()),
)
def test_cosines_are_those_of_separately_computed_gradients(balancing, alone, shared_cache):
    """On the parameters, where the method itself looks at the features too."""
    setup = build(resolve(config_of(balancing=balancing)), shared_cache)
    setup.network.model.train()
    noted = setup.update(next(iter(setup.run.train_batches.epoch(0))), 1).extras
    for one, other in PAIRS:
        expected = cosine(alone[one], alone[other])
        assert float(noted[f"conflict/{one}/{other}"]) == pytest.approx(expected, abs=2e-5)
        assert float(noted[f"conflict_share/{one}/{other}"]) == (expected < 0)
        for block in ("stages.0", "stages.1", "stages.2"):
            assert float(noted[f"conflict/{one}/{other}/{block}"]) == pytest.approx(cosine(alone[one], alone[other], block), abs=2e-5)


def test_norms_are_those_at_the_features(shared_cache):
    setup = build(resolve(config_of()), shared_cache)
    setup.network.model.train()
    batch = next(iter(setup.run.train_batches.epoch(0)))
    features = [feature.detach().requires_grad_() for feature in setup.network.model.backbone(batch.images)]
    expected = []
    for row, task in enumerate(TASKS):
        outputs = {name: head(features) for name, head in setup.network.model.heads.items()}
        losses, _ = separate_losses(setup.run.kinds, outputs, batch, setup.run.complete)
        gradients = torch.autograd.grad(losses[row] * CONFIG["tasks"][task].get("loss_weight", 1.0), features, allow_unused=True)
        expected.append(math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients if gradient is not None)))
    setup = build(resolve(config_of()), shared_cache)
    setup.network.model.train()
    step = setup.update
    seen = step(batch, 1).extras
    assert seen["gradient_norm"].tolist() == pytest.approx(expected, rel=1e-4)
    assert seen["gradient_share"].tolist() == pytest.approx([norm / sum(expected) for norm in expected], rel=1e-4)


def test_norms_are_taken_in_the_updates_own_backward_pass_alone(shared_cache):
    setup = build(resolve(config_of()), shared_cache)
    setup.network.model.train()
    step, batch = setup.update, next(iter(setup.run.train_batches.epoch(0)))
    for _ in range(2):  # also after a step that measured
        losses, present = separate_losses(setup.run.kinds, setup.network.model(batch.images), batch, setup.run.complete)
        step.norms.parts = {}
        step.conflict.before_update(losses, present, 1)
        assert step.conflict.noted
        assert not step.norms.parts
        assert step(batch, 1).extras["gradient_norm"].isfinite().all()


@pytest.fixture(scope="module")
def run(tmp_path_factory, shared_cache):
    """``run(**changes)``: scalars by step and key, and the last weights. The same settings are trained once."""
    ran = {}

    def trained(**changes):
        config = config_of(epochs=1, **changes)
        key = config.to_yaml()
        if key not in ran:
            folder = tmp_path_factory.mktemp("run")
            events = [event for event in train(config, folder, shared_cache, Control()) if isinstance(event, StepScalars | EpochMetrics)]
            scalars = {(event.step, key): value for event in events for key, value in event.scalars.items()}
            ran[key] = scalars, load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")
        return ran[key]

    return trained


def is_seen(key):
    return key.split("/")[0] in ("conflict", "conflict_share", "gradient_norm", "gradient_share")


@pytest.mark.parametrize("balancing", [{"name": "fixed"}, {"name": "pcgrad"}, {"name": "mgda", "gradients": "features"}])
def test_looking_at_the_angles_changes_nothing(balancing, run):
    seen, weights = run(balancing=balancing, gradient_norms=False)
    blind, same = run(balancing=balancing, gradient_norms=False, conflict_every=0)
    assert {at: value for at, value in seen.items() if not is_seen(at[1])} == blind
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not any(is_seen(key) for _, key in blind)


def test_looking_at_the_norms_changes_nothing_but_the_order_of_a_sum(run):
    """The gradients of several tasks at one feature are added in another order: the last bits may differ."""
    seen, _ = run()
    blind, _ = run(balancing={"name": "fixed"}, gradient_norms=False)
    for at in blind:
        if at[1].startswith("train/") and at[1].endswith("/loss"):
            assert seen[at] == pytest.approx(blind[at], rel=1e-4)


def test_it_is_looked_at_as_often_as_asked(run):
    seen, _ = run(conflict_every=4, batch_size=8)
    steps = sorted(step for step, key in seen if key == "conflict/count/boxes")
    assert steps == [1, 5]  # six steps in all, every one a point
    assert sorted(step for step, key in seen if key == "gradient_share/boxes") == [1, 2, 3, 4, 5, 6]
    every, _ = run(conflict_every=4, batch_size=8, balancing={"name": "pcgrad"})
    assert sorted(step for step, key in every if key == "conflict/count/boxes") == [1, 2, 3, 4, 5, 6]
    assert sorted(step for step, key in every if key == "conflict/count/boxes/stages.0") == [1, 5]


def test_one_task_has_nobody_to_fight_with(run):
    seen, _ = run(tasks={"count": {}})
    assert not any(is_seen(key) for _, key in seen)
