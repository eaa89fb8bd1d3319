"""What every registered balancer promises. What only some promise, they say themselves (class attributes), and are held to it here."""

from __future__ import annotations

import math
from typing import Literal, get_args, get_origin

import pytest
import torch

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientAggregator, LossWeighting
from mtl_core.errors import NonFiniteLossError
from mtl_core.training.step_averages import StepResult, Window

CLASSES = {name: BALANCERS.load(name) for name in BALANCERS}

every = pytest.mark.parametrize("name", list(BALANCERS))


def those_that(claim: str):
    return pytest.mark.parametrize("name", [name for name, balancer in CLASSES.items() if getattr(balancer, claim)])


def some_values(field) -> list:
    """Every choice of an option, or the ends of its range, at most a factor of four from the default (slower steps than that need more of them)."""
    if get_origin(field.annotation) is Literal:
        return list(get_args(field.annotation))
    if field.annotation is bool:
        return [False, True]
    lower = [rule.ge for rule in field.metadata if hasattr(rule, "ge")] or [field.default / 4]
    upper = [rule.le for rule in field.metadata if hasattr(rule, "le")] or [0.99 * rule.lt for rule in field.metadata if hasattr(rule, "lt")]
    return [lower[0], min(upper[0], 4 * field.default or upper[0])]


def settings(name: str) -> list[dict]:
    """The defaults, and each option at each of its choices or at the ends of its range; one option at a time."""
    fields = {key: field for key, field in CLASSES[name].Options.model_fields.items() if key != "gradients"}
    found = [{}]
    for key, field in fields.items():
        found += [{key: 2 if key == "primary" and value > 2 else value} for value in some_values(field) if value != field.default]
    return found


def with_every_option(claim: str):
    """Each method that makes a claim, under each setting for which it makes it: a claim that an option takes away is not to be made there."""
    cases = [
        (name, options) for name, balancer in CLASSES.items() for options in settings(name) if balancer.promises(claim, balancer.Options(**options))
    ]
    return pytest.mark.parametrize(("name", "options"), cases, ids=[f"{name}-{'-'.join(f'{k}={v}' for k, v in o.items())}" for name, o in cases])


@every
def test_coefficients_say_what_was_done_to_the_shared_parameters(name, toy):
    """Exactly, or else as well as any can: what they leave unexplained is orthogonal to every task's gradient. (Running means begin exact.)"""
    torch.manual_seed(0)
    slopes = torch.tensor([[1.0, 2.0, 0.5, 0.2], [-2.0, 1.5, 0.1, 1.0], [0.5, -3.0, 1.0, 0.3]])
    gradient, coefficients = toy.one_step(name, slopes.tolist())
    unexplained = gradient - coefficients @ slopes
    if CLASSES[name].inexact:
        unexplained = slopes @ unexplained
    assert unexplained.abs().max() < 1e-4


@every
def test_an_absent_task_takes_no_part(name, toy):
    """Neither in a first step nor in the middle of a run, and it comes back."""
    torch.manual_seed(0)
    slopes = [[1.0, 2.0], [-2.0, 1.5], [0.3, 0.2]]
    model, balancer = toy.TwoParts(3), toy.make(name, 3)
    for presence in ([True, False, True], [True, True, True], [False, True, True], [True, False, False], [True, True, True]):
        present = torch.tensor(presence)
        model.zero_grad()
        losses = torch.where(present, toy.linear_losses(model, slopes), 0.0)
        _, coefficients = balancer.backward(losses, present, model)
        balancer.after_step(lambda present=present: (torch.where(present, torch.tensor([1.9, 2.9, 3.9]), 0.0), present))
        balancer.end_epoch()
        assert (coefficients[~present] == 0).all()
        assert coefficients.isfinite().all()
        assert model.trunk.grad.isfinite().all()
        for own, is_present in zip(model.own, presence, strict=True):
            assert is_present or own.grad is None or not own.grad.any()
    assert coefficients.abs().sum() > 0


@every
def test_a_task_of_loss_weight_zero_does_not_disturb_the_others(name, toy):
    """Its loss is exactly 0 and so is its gradient: it counts as absent."""
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(2), toy.make(name, 2)
    for _ in range(3):
        model.zero_grad()
        losses = toy.linear_losses(model, [[1.0, 2.0], [-2.0, 1.5]]) * torch.tensor([1.0, 0.0])
        _, coefficients = balancer.backward(losses, toy.everyone(2), model)
        balancer.after_step(lambda: (torch.tensor([1.9, 0.0]), toy.everyone(2)))
        assert coefficients[0] > 0
        assert coefficients[1] == 0
        assert model.trunk.grad.isfinite().all()


@every
def test_zero_identical_and_opposite_gradients_give_no_nan(name, toy):
    for slopes in [[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [-1.0, -2.0]], [[0.0, 0.0], [1.0, 1.0]]:
        torch.manual_seed(0)
        balancer = toy.make(name, 2)
        for _ in range(3):
            gradient, coefficients = toy.one_step(name, slopes, balancer=balancer)
            assert gradient.isfinite().all(), slopes
            assert coefficients.isfinite().all(), slopes


@every
def test_small_and_large_gradients_give_no_nan(name, toy):
    for scale in (1e-4, 1e4):
        torch.manual_seed(0)
        slopes = [[scale, 0.0, scale], [-0.5 * scale, scale, 0.0], [scale, scale, -scale]]
        balancer = toy.make(name, 3)
        for _ in range(3):
            gradient, coefficients = toy.one_step(name, slopes, balancer=balancer)
            assert gradient.isfinite().all(), scale
            assert gradient.any(), scale
            assert coefficients.isfinite().all(), scale


@every
def test_one_task_alone_is_plain_training_bit_by_bit(name, toy):
    """Or the class says why the method changes a single task's update too; the direction is the task's own all the same."""
    plain, model, balancer = toy.TwoParts(1), toy.TwoParts(1), toy.make(name, 1)
    for _ in range(2):
        for each in (plain, model):
            each.zero_grad()
        toy.linear_losses(plain, [[3.0, -4.0]]).sum().backward()
        combined, coefficients = balancer.backward(toy.linear_losses(model, [[3.0, -4.0]]), toy.everyone(1), model)
        if CLASSES[name].alone:
            assert torch.cosine_similarity(model.trunk.grad, plain.trunk.grad, dim=0) > 1 - 1e-6
        else:
            assert combined == 2.0
            assert coefficients.tolist() == [1]
            assert torch.equal(model.trunk.grad, plain.trunk.grad)
            assert torch.equal(model.own[0].grad, plain.own[0].grad)


@every
def test_the_methods_own_equations_agree_about_one_task(name, toy):
    """Among tasks that are absent the shortcut for runs of one task is not taken: the equations themselves give a coefficient of 1."""
    if CLASSES[name].alone:
        pytest.skip(CLASSES[name].alone)
    model, balancer = toy.TwoParts(2), toy.make(name, 2)
    present = torch.tensor([True, False])
    losses = torch.where(present, toy.linear_losses(model, [[3.0, -4.0], [0.0, 0.0]]), 0.0)
    _, coefficients = balancer.backward(losses, present, model)
    assert coefficients[0].item() == pytest.approx(1, rel=1e-5), "or the class attribute `alone` says why a single task's update differs"


@with_every_option("scale_invariant")
def test_a_factor_on_a_loss_leaves_the_direction(name, options, toy):
    for factors in [1.0, 100.0, 0.01], [1e3, 1.0, 1e-3]:
        torch.manual_seed(0)
        slopes = torch.randn(3, 5)
        plain, _ = toy.one_step(name, slopes.tolist(), **options)
        scaled = slopes * torch.tensor(factors)[:, None]
        other, _ = toy.one_step(name, scaled.tolist(), values=[(2.0 + number) * factor for number, factor in enumerate(factors)], **options)
        assert torch.cosine_similarity(plain, other, dim=0) > 1 - 1e-4, factors


@with_every_option("no_conflict")
def test_the_update_raises_no_loss(name, options, toy):
    for seed in range(5):
        torch.manual_seed(seed)
        slopes = torch.randn(4, 6) * 10.0 ** torch.randint(-2, 3, (4, 1))
        gradient, _ = toy.one_step(name, slopes.tolist(), **options)
        cosines = torch.nn.functional.cosine_similarity(slopes, gradient[None, :], dim=1)
        assert (cosines > -1e-4).all(), seed


@pytest.mark.parametrize("claim", ["no_conflict", "scale_invariant", "pareto_stationary", "simplex"])
def test_a_claim_is_bound_to_options_that_there_are(claim):
    """And to values under which it fails: a claim that is made too little of is a defect too. Only MGDA's normalisation binds one so far."""
    bound = {name: balancer.only_with[claim] for name, balancer in CLASSES.items() if claim in balancer.only_with}
    for name, rules in bound.items():
        assert getattr(CLASSES[name], claim), "a claim is made first"
        for option, values in rules.items():
            known = some_values(CLASSES[name].Options.model_fields[option])
            assert set(values) < set(known)
    assert list(bound) == (["mgda"] if claim == "no_conflict" else [])


@pytest.mark.parametrize("normalise", ["l2", "loss", "loss+"])
def test_mgda_normalised_raises_losses(normalise, toy):
    """So it must not claim that it raises none."""
    torch.manual_seed(0)
    worst = 0.0
    for _ in range(20):
        slopes = torch.randn(4, 6) * 10.0 ** torch.randint(-2, 3, (4, 1))
        gradient, _ = toy.one_step("mgda", slopes.tolist(), normalise=normalise)
        worst = min(worst, float(torch.nn.functional.cosine_similarity(slopes, gradient[None, :], dim=1).min()))
    assert worst < -0.3
    assert not CLASSES["mgda"].promises("no_conflict", CLASSES["mgda"].Options(normalise=normalise))


@every
def test_what_is_said_of_the_heads_is_so(name, toy):
    """Without a word they are trained with the coefficients shown; with one, otherwise."""
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(3), toy.make(name, 3)
    for seed in range(3):  # two-batch methods have unequal weights from the second step on
        torch.manual_seed(seed)
        model.zero_grad()
        _, coefficients = balancer.backward(toy.linear_losses(model, torch.randn(3, 2).tolist(), [2.0, 0.5, 4.0]), toy.everyone(3), model)
        balancer.after_step(lambda: (torch.tensor([1.9, 0.2, 3.9]), toy.everyone(3)))
    own = torch.tensor([0.0 if own.grad is None else own.grad.item() for own in model.own])
    is_as_shown = torch.allclose(own, coefficients, rtol=1e-5)
    if CLASSES[name].heads:
        assert torch.allclose(own, torch.ones(3)) == CLASSES[name].heads.startswith("Each head is trained with its own task's gradient, times")
    else:
        assert is_as_shown


@with_every_option("simplex")
def test_coefficients_lie_on_the_simplex(name, options, toy):
    for seed in range(3):
        torch.manual_seed(seed)
        balancer = toy.make(name, 4, **options)
        for _ in range(2):
            _, coefficients = toy.one_step(name, torch.randn(4, 6).tolist(), balancer=balancer)
            assert (coefficients >= 0).all(), seed
            assert coefficients.sum().item() == pytest.approx(1, abs=1e-5), seed


def _some_steps(toy, name, balancer, model):
    """A few steps, one of them without task 2, ending with an epoch."""
    for number, factor in enumerate((1.0, 0.5, 0.2)):
        present = torch.tensor([True, True, number != 1])
        losses = toy.linear_losses(model, [[1.0, 2.0], [-2.0, 1.5], [0.5, 0.1]]) * torch.tensor([factor, 1.0, 0.7])
        balancer.zero_grad()
        balancer.backward(torch.where(present, losses, 0.0), present, model)
        for parameter in balancer.parameters():
            if parameter.grad is not None:
                parameter.data -= 0.1 * parameter.grad
        balancer.after_step(lambda present=present, factor=factor: (torch.where(present, factor * torch.tensor([1.5, 2.0, 3.0]), 0.0), present))
        balancer.end_epoch()


@every
def test_state_survives_a_checkpoint(name, tmp_path, toy):
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(3), toy.make(name, 3)
    _some_steps(toy, name, balancer, model)
    torch.save(balancer.state_dict(), tmp_path / "state.pt")
    again = toy.make(name, 3)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    gradients = []
    for each in (balancer, again):
        torch.manual_seed(1)
        model.zero_grad()
        _some_steps(toy, name, each, model)
        gradients.append(model.trunk.grad)
    assert torch.equal(*gradients)
    assert str(balancer.state_dict()) == str(again.state_dict())


@those_that("summary")
def test_a_gradient_that_is_not_finite_ends_the_run_in_words(name, toy):
    """Neither a solver's exception nor made-up numbers; and what the method remembers stays clean."""
    model, balancer = toy.TwoParts(2), toy.make(name, 2)
    losses = torch.stack([model.trunk.sum(), model.trunk.sum() * 2]) + 1
    if issubclass(CLASSES[name], GradientAggregator):
        model.trunk.register_hook(lambda gradient: gradient * math.nan)
        before = str(balancer.state_dict())
    else:
        losses = losses * torch.tensor([1.0, math.nan])
    combined, coefficients = balancer.backward(losses, toy.everyone(2), model)
    window = Window(("t0", "t1"), torch.ones(2))
    window.add(StepResult(losses.detach(), toy.everyone(2), combined, coefficients))
    with pytest.raises(NonFiniteLossError):
        window.check(1)
    if issubclass(CLASSES[name], GradientAggregator):
        assert str(balancer.state_dict()) == before


@every
def test_balancers_are_documented(name):
    balancer_class = CLASSES[name]
    assert balancer_class.__doc__
    for text in ("title", "summary", "formula", "when_to_use"):
        assert getattr(balancer_class, text), f"{name} has no {text}"
    assert balancer_class.paper is not None or name in ("fixed", "mean", "roulette")
    assert issubclass(balancer_class, LossWeighting | GradientAggregator)
    assert all(field.description for field in balancer_class.Options.model_fields.values())
