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
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 16, "test_size": 16, "max_digits": 2, "image_size": 32},
    "tasks": {"count": {"loss_weight": 0.5}, "segments": {}, "boxes": {}},
    "backbone": {"name": "small_cnn", "width": 8},
    "epochs": 2,
    "batch_size": 32,
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


def first_step(config, cache):
    """What was seen in the first step, and each task's own gradient on the shared parameters, computed by itself: task -> {name: gradient}."""
    setup = build(resolve(config), cache)
    setup.network.model.train()
    batch = next(iter(setup.run.train_batches.epoch(0)))
    shared = dict(setup.network.model.named_parameters())
    shared = {name: parameter for name, parameter in shared.items() if any(parameter is each for each in setup.network.model.shared_parameters())}
    buffers = {name: buffer.clone() for name, buffer in setup.network.model.named_buffers()}
    alone, is_cut, setup.network.model.split_features = {}, setup.network.model.split_features, False
    for row, task in enumerate(TASKS):
        losses, _ = separate_losses(setup.run.kinds, setup.network.model(batch.images), batch, setup.run.complete)
        alone[task] = dict(zip(shared, torch.autograd.grad(losses[row], list(shared.values()), allow_unused=True), strict=True))
        for name, buffer in setup.network.model.named_buffers():
            buffer.copy_(buffers[name])
    setup.network.model.split_features = is_cut
    step = setup.update
    return step(batch, 1).extras, alone


def cosine(one, other, block=""):
    names = [name for name in one if name.startswith(f"backbone.{block}")]
    first, second = (torch.cat([each[name].reshape(-1) for name in names]).double() for each in (one, other))
    return float(first @ second / (first.norm() * second.norm()))


@pytest.mark.parametrize(
    "balancing",
    [*({"name": name} for name in ("fixed", "uncertainty", "pcgrad", "mgda")), *({"name": name, "gradients": "features"} for name in AT_FEATURES)],
    ids=lambda balancing: "-".join(balancing.values()),
)
def test_cosines_are_those_of_separately_computed_gradients(balancing, shared_cache):
    """On the parameters, where the method itself looks at the features too."""
    noted, alone = first_step(config_of(balancing=balancing), shared_cache)
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


def run(config, folder, cache, stop_at=None):
    folder.mkdir()
    control, events = Control(), []
    for event in train(config, folder, cache, control):
        events.append(event)
        if isinstance(event, StepScalars) and event.step == stop_at:
            control.stop()
    scalars = {(e.step, key): value for e in events if isinstance(e, StepScalars | EpochMetrics) for key, value in e.scalars.items()}
    index = read_index(folder)
    return scalars, load_file(folder / "checkpoints" / index["last"] / "model.safetensors")


def is_seen(key):
    return key.split("/")[0] in ("conflict", "conflict_share", "gradient_norm", "gradient_share")


@pytest.mark.parametrize("balancing", [{"name": "fixed"}, {"name": "pcgrad"}, {"name": "mgda", "gradients": "features"}])
def test_looking_at_the_angles_changes_nothing(balancing, tmp_path, shared_cache):
    config = config_of(balancing=balancing, gradient_norms=False)
    seen, weights = run(config, tmp_path / "seen", shared_cache)
    blind, same = run(config.model_copy(update={"conflict_every": 0}), tmp_path / "blind", shared_cache)
    assert {at: value for at, value in seen.items() if not is_seen(at[1])} == blind
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not any(is_seen(key) for _, key in blind)


def test_looking_at_the_norms_changes_nothing_but_the_order_of_a_sum(tmp_path, shared_cache):
    """The gradients of several tasks at one feature are added in another order: the last bits may differ."""
    seen, _ = run(config_of(epochs=1), tmp_path / "seen", shared_cache)
    blind, _ = run(config_of(epochs=1, gradient_norms=False), tmp_path / "blind", shared_cache)
    for at in blind:
        if at[1].startswith("train/") and at[1].endswith("/loss"):
            assert seen[at] == pytest.approx(blind[at], rel=1e-4)


def test_it_is_looked_at_as_often_as_asked(tmp_path, shared_cache):
    seen, _ = run(config_of(conflict_every=4), tmp_path / "run", shared_cache)
    steps = sorted(step for step, key in seen if key == "conflict/count/boxes")
    assert steps == [1, 5]  # six steps in all, every one a point
    assert sorted(step for step, key in seen if key == "gradient_share/boxes") == [1, 2, 3, 4, 5, 6]
    every, _ = run(config_of(conflict_every=4, balancing={"name": "pcgrad"}), tmp_path / "every", shared_cache)
    assert sorted(step for step, key in every if key == "conflict/count/boxes") == [1, 2, 3, 4, 5, 6]
    assert sorted(step for step, key in every if key == "conflict/count/boxes/stages.0") == [1, 5]


def test_one_task_has_nobody_to_fight_with(tmp_path, shared_cache):
    seen, _ = run(config_of(tasks={"count": {}}, epochs=1), tmp_path / "run", shared_cache)
    assert not any(is_seen(key) for _, key in seen)
