"""Gradient methods at the features: where that is offered, what it computes, what it keeps; and every method on every sharing scheme."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo, Stage
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.solvers import min_norm
from mtl_core.config import RunConfig
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.check import problems
from tests.covering import one_of_each, pairs
from tests.sharing.schemes import ENTRIES

AT_FEATURES = [name for name in BALANCERS if "gradients" in BALANCERS.load(name).Options.model_fields]


class TwoLevels(Backbone):
    """A backbone whose second feature is made from its first, as in a pyramid."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3)
        self.set_stages(
            [Stage("first", FeatureInfo(3, 1), self.first, nn.Tanh()), Stage("second", FeatureInfo(4, 1), self.second, nn.Tanh())],
        )


class Head(nn.Module):
    """Reads both levels, or the second alone."""

    def __init__(self, reads_first: bool):
        super().__init__()
        self.reads_first, self.last = reads_first, nn.Linear(4, 1)

    def forward(self, features):
        value = self.last(features[1].mean(dim=(2, 3)))
        return value + features[0].mean(dim=(1, 2, 3), keepdim=True).flatten(1) if self.reads_first else value


def build_scheme(name: str):
    torch.manual_seed(0)
    scheme = SHARING_SCHEMES.load(name)
    kinds = {f"t{number}": SimpleNamespace(build_head=lambda _, number=number: Head(number != 1)) for number in range(3)}
    return scheme(TwoLevels, kinds, scheme.Options())


def losses_of(model):
    torch.manual_seed(1)
    outputs = model(torch.rand(5, 1, 8, 8))
    return [((output - 1) ** 2).mean() * (number + 1) for number, output in enumerate(outputs.values())]


def balancer_of(name, **options):
    balancer_class = BALANCERS.load(name)
    return balancer_class(balancer_class.Options(**options), 3)


def gradients_of(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


SCHEMES = [*SHARING_SCHEMES, *ENTRIES]


def methods_on_schemes() -> list[tuple[str, str]]:
    """A scheme matters to a method by what is shared: all, nothing, or groups that differ. One method of each base class is tried on all of them."""
    methods = one_of_each(list(BALANCERS), lambda name: (BALANCERS.load(name).__mro__[1], bool(BALANCERS.load(name).inexact)))
    return list(
        dict.fromkeys([*pairs(list(BALANCERS), SCHEMES, always=["hard", "separate"]), *((name, scheme) for name in methods for scheme in SCHEMES)])
    )


@pytest.mark.usefixtures("installed_schemes")
@pytest.mark.parametrize(("name", "scheme"), methods_on_schemes())
def test_every_method_works_on_schemes_of_every_sort(name, scheme):
    model, balancer = build_scheme(scheme), balancer_of(name)
    losses, parameters = losses_of(model), list(model.parameters())
    reached = torch.autograd.grad(sum(losses), parameters, allow_unused=True, retain_graph=True)  # a scheme may draw what a step uses
    unused = {id(parameter) for parameter, gradient in zip(parameters, reached, strict=True) if gradient is None}
    assert not unused or model.draws
    combined, coefficients = balancer.backward(losses, torch.ones(3, dtype=torch.bool), model)
    assert combined.isfinite()
    assert coefficients.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients_of(model).values())
    untrained = [parameter for parameter in model.parameters() if parameter.grad is None]
    if name == "roulette":  # it leaves tasks out
        [drawn] = [task for task, coefficient in zip(model.tasks, coefficients, strict=True) if coefficient != 0]
        assert all(parameter.grad is not None for parameter in model.task_parameters(drawn))
        others = {id(parameter) for task in model.tasks if task != drawn for parameter in model.task_parameters(task)}
        assert {id(parameter) for parameter in untrained} >= others
    else:
        assert {id(parameter) for parameter in untrained} == unused


class FirstLevelHead(nn.Module):
    """Reads the first level alone, so its task does not use what comes behind it."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 1)

    def forward(self, features):
        return self.last(features[0].mean(dim=(2, 3)))


@pytest.mark.parametrize(("name", "where"), [*((name, "parameters") for name in BALANCERS), *((name, "features") for name in AT_FEATURES)])
def test_what_no_present_task_uses_has_no_gradient(name, where):
    """As after a plain backward pass: with zeros for a gradient momentum and weight decay would move it."""
    scheme, balancer_class = SHARING_SCHEMES.load("hard"), BALANCERS.load(name)
    kinds = {"t0": SimpleNamespace(build_head=lambda _: Head(True)), "t1": SimpleNamespace(build_head=lambda _: FirstLevelHead())}
    model = scheme(TwoLevels, kinds, scheme.Options())
    model.split_features = where == "features"
    balancer = balancer_class(balancer_class.Options(**({"gradients": where} if where == "features" else {})), 2)
    outputs = model(torch.rand(5, 1, 8, 8))
    balancer.backward([torch.zeros(()), (outputs["t1"] - 1).square().mean()], torch.tensor([False, True]), model)
    assert all(parameter.grad is None for parameter in [*model.backbone.second.parameters(), *model.heads["t0"].parameters()])
    assert all(parameter.grad.any() for parameter in [*model.backbone.first.parameters(), *model.heads["t1"].parameters()])


@pytest.mark.parametrize("name", AT_FEATURES)
def test_at_the_features_the_coefficients_are_those_of_the_parameters_gradients_too(name):
    """The way through the shared network is linear: coefficients found at the features give that combination of the full gradients."""
    if BALANCERS.load(name).inexact:
        pytest.skip(BALANCERS.load(name).inexact)
    model, balancer = build_scheme("hard"), balancer_of(name, gradients="features")
    model.split_features = True
    _, coefficients = balancer.backward(losses_of(model), torch.ones(3, dtype=torch.bool), model)
    found = gradients_of(model)
    model.split_features = False
    model.zero_grad()
    torch.stack([loss * coefficient for loss, coefficient in zip(losses_of(model), coefficients, strict=True)]).sum().backward()
    for key, gradient in gradients_of(model).items():
        if key.startswith("backbone"):
            torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)


def test_at_the_features_the_gramian_is_that_of_the_features():
    """MGDA-UB: the weights are those of the gradients at both levels of features, each without what flows through the other."""
    model, balancer = build_scheme("hard"), balancer_of("mgda", gradients="features")
    model.split_features = True
    _, coefficients = balancer.backward(losses_of(model), torch.ones(3, dtype=torch.bool), model)

    torch.manual_seed(1)
    levels = [level.detach().requires_grad_() for level in model.backbone(torch.rand(5, 1, 8, 8))]
    losses = [((head(levels) - 1) ** 2).mean() * (number + 1) for number, head in enumerate(model.heads.values())]
    rows = []
    for loss in losses:
        parts = torch.autograd.grad(loss, levels, allow_unused=True)
        rows.append(
            torch.cat([torch.zeros_like(level).flatten() if part is None else part.flatten() for level, part in zip(levels, parts, strict=True)])
        )
    jacobian = torch.stack(rows).double()
    torch.testing.assert_close(coefficients.double(), torch.from_numpy(min_norm((jacobian @ jacobian.T).numpy())), rtol=1e-4, atol=1e-5)


def test_features_of_a_step_are_not_kept():
    model, balancer = build_scheme("hard"), balancer_of("pcgrad", gradients="features")
    model.split_features = True
    losses = losses_of(model)
    kept = [weakref.ref(feature) for features in model._taken for feature in features]
    balancer.backward(losses, torch.ones(3, dtype=torch.bool), model)
    del losses
    gc.collect()
    assert [reference() for reference in kept] == [None] * 4


def test_evaluation_and_plain_training_do_not_split_the_graph():
    model = build_scheme("hard")
    model.split_features = True
    with torch.no_grad():
        model(torch.rand(2, 1, 8, 8))
    assert model._taken is None
    model.eval()(torch.rand(2, 1, 8, 8))
    assert model._taken is None


def test_one_task_alone_at_the_features_is_plain_training():
    torch.manual_seed(0)
    scheme = SHARING_SCHEMES.load("hard")
    model = scheme(TwoLevels, {"t0": SimpleNamespace(build_head=lambda _: Head(True))}, scheme.Options())
    balancer_class = BALANCERS.load("upgrad")
    losses_of(model)[0].backward()
    plain = gradients_of(model)
    model.zero_grad()
    model.split_features = True
    balancer_class(balancer_class.Options(gradients="features"), 1).backward(losses_of(model), torch.ones(1, dtype=torch.bool), model)
    for key, gradient in gradients_of(model).items():
        torch.testing.assert_close(gradient, plain[key])


DIGITS = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}


def found(**balancing) -> dict[str, str]:
    return {problem.field: problem.message for problem in problems(RunConfig.from_dict({**DIGITS, "balancing": balancing}))}


def test_what_does_not_fit_is_refused_in_words(monkeypatch):
    assert found(name="mgda", gradients="features") == {}
    assert "unknown key 'gradients'" in found(name="moco", gradients="features")["balancing.gradients"]
    assert "has 2 tasks; choose 1 to 2" in found(name="pcd", primary=3)["balancing.primary"]
    monkeypatch.setattr(SHARING_SCHEMES.load("hard"), "has_shared_features", False)
    assert "sharing scheme 'hard' does not have" in found(name="mgda", gradients="features")["balancing.gradients"]
