"""Frozen parameters (``requires_grad`` off) under every method: nothing asks for their gradient, and the rest is trained as the method says."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training import UPDATES
from mtl_core.training import build as building
from mtl_core.training.run_info import parameter_counts
from mtl_core.training.trainer import train

WAYS = [
    (name, where)
    for name in BALANCERS
    for where in ("parameters", "features")
    if where == "parameters" or "gradients" in BALANCERS.load(name).Options.model_fields
]


class Stages(Backbone):
    """A backbone of two stages that gives the features of both."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)), nn.Conv2d(3, 4, 3)
        self.features = (FeatureInfo(3, 1), FeatureInfo(4, 1))

    def forward(self, images):
        first = self.first(images).tanh()
        return [first, self.second(first).tanh()]


class Head(nn.Module):
    """Reads the first stage alone, the second alone, or both: so some shared parameters serve one task only."""

    def __init__(self, reads: tuple[int, ...]):
        super().__init__()
        self.reads, self.last = reads, nn.Linear(sum((3, 4)[level] for level in reads), 1)

    def forward(self, features):
        return self.last(torch.cat([features[level].mean(dim=(2, 3)) for level in self.reads], dim=1))


FREEZES = {
    "first stage": lambda model: model.backbone.first,
    "second stage": lambda model: model.backbone.second,
    "all that is shared": lambda model: model.backbone,
    "a head": lambda model: model.heads["t0"],
    "all that one task uses": lambda model: nn.ModuleList([model.backbone, model.heads["t0"]]),
}


def build_scheme(scheme_name: str, what: str):
    torch.manual_seed(0)
    scheme = SHARING_SCHEMES.load(scheme_name)
    kinds = {f"t{number}": SimpleNamespace(build_head=lambda _, reads=reads: Head(reads)) for number, reads in enumerate([(0, 1), (1,), (0,)])}
    model = scheme(Stages, kinds, scheme.Options())
    FREEZES[what](model).requires_grad_(False)
    return model


def losses_of(model):
    torch.manual_seed(1)
    return [((output - 1) ** 2).mean() * (number + 1) for number, output in enumerate(model(torch.rand(5, 1, 8, 8)).values())]


def trained_part(parameters):
    return [parameter for parameter in parameters if parameter.requires_grad]


@cache
def jacobian_of(scheme: str, what: str) -> torch.Tensor:
    """The tasks' gradients on the shared parameters that are trained, one autograd call for each number and no help from the code under test."""
    model = build_scheme(scheme, what)
    parameters, rows = trained_part(model.backbone.parameters()), []
    for loss in losses_of(model):
        parts = [torch.autograd.grad(loss, p, retain_graph=True, allow_unused=True)[0] if loss.requires_grad else None for p in parameters]
        rows.append(
            torch.cat([torch.zeros(0), *(torch.zeros(p.numel()) if g is None else g.flatten() for g, p in zip(parts, parameters, strict=True))])
        )
    return torch.stack(rows)


@pytest.mark.parametrize("what", list(FREEZES))
@pytest.mark.parametrize("scheme", [name for name in SHARING_SCHEMES if SHARING_SCHEMES.load(name).has_shared_features])
@pytest.mark.parametrize(("name", "where"), WAYS)
def test_what_is_trained_gets_its_gradient_and_what_is_frozen_none(name, where, scheme, what):
    balancer_class = BALANCERS.load(name)
    balancer = balancer_class(balancer_class.Options(**({"gradients": where} if where == "features" else {})), 3)
    model, jacobian = build_scheme(scheme, what), jacobian_of(scheme, what)
    model.split_features = where == "features"
    torch.manual_seed(2)
    combined, coefficients = balancer.backward(losses_of(model), torch.ones(3, dtype=torch.bool), model)
    assert combined.isfinite()
    assert coefficients.isfinite().all()
    for parameter in model.parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None
        elif parameter.grad is not None:
            assert parameter.grad.isfinite().all()
    heads = [trained_part(head.parameters()) for head in model.heads.values()]
    is_trained = coefficients > 0 if name == "roulette" else torch.ones(3, dtype=torch.bool)  # roulette trains whom it draws
    assert all(parameter.grad.any() for head, is_on in zip(heads, is_trained, strict=True) if is_on for parameter in head)
    if not balancer_class.inexact and jacobian.shape[1]:
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained_part(model.backbone.parameters())]
        torch.testing.assert_close(torch.cat([part.flatten() for part in found]), coefficients @ jacobian, rtol=1e-4, atol=1e-5)


def test_a_frozen_stage_has_no_say_in_mgda_at_the_features():
    """With the first stage frozen, what a task wants of its features moves nothing: the weights are those of the second stage's features."""
    model = build_scheme("hard", "first stage")
    model.split_features = True
    mgda = BALANCERS.load("mgda")
    _, coefficients = mgda(mgda.Options(gradients="features"), 3).backward(losses_of(model), torch.ones(3, dtype=torch.bool), model)
    assert coefficients.tolist() == [0, 0, 1]  # task 2 reads the first stage alone: its gradient is 0, the shortest of all


RUN = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "conflict_every": 1,
    "device": "cpu",
}
FREEZES_IN_RUNS = {
    "a stage": lambda model: model.backbone.stages[0],
    "all that is shared": lambda model: model.backbone,
    "a head": lambda model: model.heads["ink"],
    "all that one task uses": lambda model: nn.ModuleList([model.backbone, model.heads["ink"]]),
}
METHODS = [{"name": "fixed"}, {"name": "gradnorm"}, {"name": "mgda", "gradients": "features"}, {"name": "moco"}]
UPDATES_AND_METHODS = [(update, balancing) for update in UPDATES for balancing in (METHODS if update == "joint" else METHODS[:1])]


@pytest.mark.parametrize("what", list(FREEZES_IN_RUNS))
@pytest.mark.parametrize(("update", "balancing"), UPDATES_AND_METHODS)
def test_a_run_trains_the_rest_and_measures_what_there_is(update, balancing, what, tmp_path, shared_cache, monkeypatch):
    """Conflict, norms, optimizers, checkpoints and counts, through a whole run."""
    models, made = [], building.build_model

    def frozen(*arguments):
        model = made(*arguments)
        FREEZES_IN_RUNS[what](model).requires_grad_(False)
        if not next(model.parameters()).is_meta:  # the estimate of memory builds it, too, in sizes alone
            models.append((model, {name: parameter.detach().clone() for name, parameter in model.named_parameters()}))
        return model

    monkeypatch.setattr(building, "build_model", frozen)
    events = list(train(RunConfig.from_dict({**RUN, "update": {"name": update}, "balancing": balancing}), tmp_path, shared_cache, Control()))
    assert events[-1].status == "finished"
    model, before = models[0]
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    keys = {key for event in events if isinstance(event, StepScalars | EpochMetrics) for key in event.scalars}
    if update == "joint":
        is_all = what.startswith("all")
        assert ("conflict/digit/ink" in keys) != is_all
        assert ("gradient_share/digit" in keys) != is_all
    counts = parameter_counts(model)
    assert counts["frozen"] == sum(p.numel() for p in model.parameters() if not p.requires_grad) > 0
    assert counts["shared"] + sum(counts["tasks"].values()) + counts["frozen"] == sum(p.numel() for p in model.parameters())


def test_task_vectors_multiply_no_frozen_parameter(tmp_path, shared_cache, monkeypatch):
    """The article's formula to the letter adds up whole copies; what is frozen stays as it is all the same."""
    models, made = [], building.build_model

    def frozen(*arguments):
        model = made(*arguments)
        model.backbone.stages[0].requires_grad_(False)
        if not next(model.parameters()).is_meta:  # the estimate of memory builds it, too, in sizes alone
            models.append((model, {name: parameter.detach().clone() for name, parameter in model.named_parameters()}))
        return model

    monkeypatch.setattr(building, "build_model", frozen)
    update = {"name": "task_vectors", "vector": "parameters", "alpha": 0.1}
    list(train(RunConfig.from_dict({**RUN, "update": update}), tmp_path, shared_cache, Control()))
    model, before = models[0]
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
