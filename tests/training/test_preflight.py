"""Preflight: what it measures is what the run computes, and nothing of the run changes."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.training.before_training import preflight as module
from mtl_core.training.before_training.preflight import TaskFinding, preflight, with_suggestions
from mtl_core.training.build import build
from mtl_core.training.losses import separate_losses
from mtl_core.training.parts import resolve

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 3,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
}


def test_losses_and_norms_are_those_of_the_first_batch(shared_cache):
    config = RunConfig.from_dict(CONFIG)
    state = torch.get_rng_state()
    found = preflight(config, shared_cache)
    assert torch.equal(torch.get_rng_state(), state)
    setup = build(resolve(config), shared_cache)
    setup.network.model.train()
    batch = next(iter(setup.run.train_batches.epoch(0)))
    losses, _ = separate_losses(setup.run.kinds, setup.network.model(batch.images, batch.parts), batch, setup.run.complete)
    for name, loss in zip(setup.run.kinds, losses, strict=True):
        gradients = torch.autograd.grad(loss, list(setup.network.model.backbone.parameters()), retain_graph=True)
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        assert found.tasks[name].loss == pytest.approx(float(loss), rel=1e-5)
        assert found.tasks[name].gradient_norm == pytest.approx(norm, rel=1e-4)
        assert found.tasks[name].labelled == 256
    weights = [task.suggested_weight for task in found.tasks.values()]
    assert sum(weights) == pytest.approx(2)
    assert len({round(task.suggested_weight * task.gradient_norm, 4) for task in found.tasks.values()}) == 1
    assert "proposal" in found.reason
    assert found.steps == 3 * setup.run.steps_per_epoch
    assert found.eta_seconds == pytest.approx(found.steps * found.seconds_per_step + 3 * found.seconds_per_evaluation)
    assert (found.problems, found.peak_bytes > 0, found.estimated_bytes > 0) == ([], True, True)


def test_an_evaluation_is_timed_after_one_that_loads_what_it_needs(monkeypatch, shared_cache):
    setup, clock, costs = build(resolve(RunConfig.from_dict(CONFIG)), shared_cache), [0.0], iter([9.0, 1.0])
    monkeypatch.setattr(module, "evaluate", lambda *_: clock.append(clock[-1] + next(costs)))
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock[-1]))
    assert module.evaluation_seconds(setup) == pytest.approx((len(setup.run.data.val) + module.TRAIN_PART) / module.EVALUATED)


def test_worked_weights():
    given = {"a": TaskFinding(4, 1.0, 3.0), "b": TaskFinding(4, 1.0, 1.0), "c": TaskFinding(0, math.nan, math.nan)}
    found = with_suggestions(given)
    assert [task.suggested_weight for task in found.values()] == [pytest.approx(0.5), pytest.approx(1.5), None]
    assert with_suggestions({"a": given["a"]}) == {"a": given["a"]}


def test_a_frozen_backbone_has_no_norms_to_equalise(shared_cache):
    frozen = {**CONFIG, "backbone": {**CONFIG["backbone"], "freeze": "all"}}
    found = preflight(RunConfig.from_dict(frozen), shared_cache)
    assert found.parameters["frozen"] > 0 == found.parameters["shared"]
    assert all(math.isnan(task.gradient_norm) and task.suggested_weight is None for task in found.tasks.values())
    assert found.to_dict()["tasks"]["digit"]["gradient_norm"] is None
    assert found.reason == ""


@pytest.mark.parametrize(
    "changes", [{"balancing": {"name": "pcgrad", "gradients": "features"}}, {"update": {"name": "task_vectors"}}, {"sharing": {"name": "separate"}}]
)
def test_every_sort_of_step_is_measured(changes, shared_cache):
    found = preflight(RunConfig.from_dict({**CONFIG, **changes}), shared_cache)
    assert found.problems == []
    assert found.seconds_per_step > 0


def test_the_command_says_it_in_words_and_as_json(tmp_path, capsys, home):
    path = tmp_path / "config.yaml"
    path.write_text(RunConfig.from_dict(CONFIG).to_yaml())
    assert main(["preflight", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(part in said for part in ("s a step of 256 images", "proposed weight", "digit", "frozen: 0"))
    assert main(["preflight", str(path), "--json", "--set", "epochs=1"]) == 0
    assert set(json.loads(capsys.readouterr().out)["tasks"]) == {"digit", "ink"}
    assert main(["preflight", str(path), "--set", "backbone.freeze=stages", "--set", "backbone.freeze_stages=9"]) == 2
    assert "has 2 stages" in capsys.readouterr().err
