"""Values by hand, and second implementations of the methods that no library has."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mtl_core.balancing.simplex import among, put_back
from mtl_core.errors import ConfigError


def losses_of(toy, model, values, slopes=((1.0, 0.0), (0.0, 1.0))):
    return toy.linear_losses(model, slopes, list(values))


def test_fixed_is_the_plain_sum(toy):
    model = toy.TwoParts(2)
    combined, coefficients = toy.make("fixed", 2).backward(losses_of(toy, model, [2.0, 3.0]), toy.everyone(2), model)
    assert combined == 5
    assert coefficients.tolist() == [1, 1]


def test_mean_counts_the_tasks_present_only(toy):
    model = toy.TwoParts(3)
    losses = toy.linear_losses(model, [[1.0, 0.0]] * 3, [2.0, 4.0, 0.0])
    combined, coefficients = toy.make("mean", 3).backward(losses, torch.tensor([True, True, False]), model)
    assert combined == 3
    assert coefficients.tolist() == [0.5, 0.5, 0]


def test_uncertainty_worked_example(toy):
    """s = 0: 1/2 L + 0; the gradient on s is 1/2 - 1/2 exp(-s) L."""
    model, balancer = toy.TwoParts(2), toy.make("uncertainty", 2)
    combined, coefficients = balancer.backward(losses_of(toy, model, [2.0, 3.0]), toy.everyone(2), model)
    assert combined == pytest.approx(2.5)
    assert coefficients.tolist() == [0.5, 0.5]
    assert [number.grad.item() for number in balancer.log_var] == [0.5 - 0.5 * 2, 0.5 - 0.5 * 3]


@pytest.mark.parametrize(("name", "learnt"), [("uncertainty", "log_var"), ("imtl_l", "log_scale")])
def test_what_is_learnt_of_an_absent_task_stays(name, learnt, toy):
    model, balancer = toy.TwoParts(2), toy.make(name, 2)
    own = getattr(balancer, learnt)
    for optimizer in (torch.optim.AdamW(own, lr=0.1), torch.optim.SGD(own, lr=0.1, momentum=0.9)):
        for present in ([True, True], [True, False], [True, False]):
            before = [number.item() for number in own]
            optimizer.zero_grad()
            balancer.backward(losses_of(toy, model, [2.0, 3.0]), torch.tensor(present), model)
            optimizer.step()
            assert [number.item() != old for number, old in zip(own, before, strict=True)] == present


def test_dwa_worked_example(toy):
    """Epoch means 2, 2 then 1, 2: rates 1/2 and 1; weights 2 softmax(rates / 2)."""
    model, balancer = toy.TwoParts(2), toy.make("dwa", 2)
    for values in ([2.0, 2.0], [1.0, 2.0]):
        balancer.backward(losses_of(toy, model, values), toy.everyone(2), model)
        balancer.end_epoch()
    _, coefficients = balancer.backward(losses_of(toy, model, [1.0, 1.0]), toy.everyone(2), model)
    slow, fast = math.exp(1 / 2), math.exp(0.5 / 2)
    torch.testing.assert_close(coefficients, torch.tensor([2 * fast / (slow + fast), 2 * slow / (slow + fast)]))


def test_geometric_mean_worked_example(toy):
    """sqrt(2 * 8) = 4; each weight is 4 / (2 L)."""
    model = toy.TwoParts(2)
    combined, coefficients = toy.make("geometric_mean", 2).backward(losses_of(toy, model, [2.0, 8.0]), toy.everyone(2), model)
    assert combined.item() == pytest.approx(4)
    assert coefficients.tolist() == pytest.approx([1, 0.25])


def test_pcgrad_worked_example(toy):
    """Two conflicting gradients: each loses its part along the other (the paper's figure 1); then they are summed."""
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    gradient, _ = toy.one_step("pcgrad", [first.tolist(), second.tolist()])
    projected_first = first - (first @ second) / (second @ second) * second
    projected_second = second - (second @ first) / (first @ first) * first
    torch.testing.assert_close(gradient, projected_first + projected_second)


def test_pcgrad_without_conflict_is_the_sum(toy):
    assert toy.one_step("pcgrad", [[1.0, 0.5], [0.5, 1.0]])[1].tolist() == [1, 1]


def test_mgda_worked_example(toy):
    """(1, 0) and (0, 2): w = (4, 1) / 5. Divided by their norms they count alike; by their losses 2 and 4 they have norms 1/2 and 1/2."""
    slopes = [[1.0, 0.0], [0.0, 2.0]]
    assert toy.one_step("mgda", slopes)[1].tolist() == pytest.approx([0.8, 0.2])
    assert toy.one_step("mgda", slopes, normalise="l2")[1].tolist() == pytest.approx([0.5, 0.5])
    assert toy.one_step("mgda", slopes, values=[2.0, 4.0], normalise="loss")[1].tolist() == pytest.approx([0.5, 0.5])
    assert toy.one_step("mgda", slopes, values=[2.0, 1.0], normalise="loss+")[1].tolist() == pytest.approx([0.8, 0.2])


def test_cagrad_worked_example(toy):
    """Orthogonal gradients of one length are symmetric: g_w is the mean, and the update (1 + c) times it."""
    gradient, _ = toy.one_step("cagrad", [[2.0, 0.0], [0.0, 2.0]], c=0.5)
    torch.testing.assert_close(gradient, torch.tensor([1.5, 1.5]), rtol=1e-5, atol=0)
    assert toy.one_step("cagrad", [[2.0, 0.0], [0.0, 4.0]], c=0)[1].tolist() == [0.5, 0.5]


def test_nash_mtl_worked_example(toy):
    """Orthogonal gradients: w_i = 1 / |g_i|, so each is made a unit vector; then the norm sqrt(2) is cut to 1."""
    gradient, _ = toy.one_step("nash_mtl", [[3.0, 0.0], [0.0, 0.5]], max_norm=0)
    torch.testing.assert_close(gradient, torch.tensor([1.0, 1.0]), rtol=1e-5, atol=0)
    gradient, coefficients = toy.one_step("nash_mtl", [[3.0, 0.0], [0.0, 0.5]])
    torch.testing.assert_close(gradient, torch.tensor([1.0, 1.0]) / math.sqrt(2), rtol=1e-5, atol=0)
    assert coefficients.tolist() == pytest.approx([1 / 3 / math.sqrt(2), 2 / math.sqrt(2)], rel=1e-5)


def test_graddrop_reports_the_nearest_combination(toy):
    """Where all signs agree nothing is dropped: the sum, whose coefficients are 1."""
    gradient, coefficients = toy.one_step("graddrop", [[1.0, 2.0, 3.0], [2.0, 0.5, 1.0]])
    assert gradient.tolist() == [3, 2.5, 4]
    assert coefficients.tolist() == pytest.approx([1, 1], rel=1e-4)
    assert toy.one_step("graddrop", [[1.0, -2.0], [-2.0, 1.0]], leak=1.0)[0].tolist() == [-1, -1]


def test_pcd_follows_the_primary_task(toy):
    """Without conflict the primary's gradient stays as it is; which one that is, the option says. A number beyond the tasks is refused."""
    slopes = [[1.0, 0.5], [0.5, 1.0]]
    for primary in (1, 2):
        gradient, _ = toy.one_step("pcd", slopes, primary=primary)
        torch.testing.assert_close(gradient, torch.tensor(slopes[primary - 1]))
    with pytest.raises(ConfigError, match="primary: is 3, but the run has 2 tasks"):
        toy.make("pcd", 2, primary=3)


def gradnorm_by_autograd(weights, slopes, losses, first, alpha):
    """The gradient of sum |w_t |g_t| - target| on w with the target held fixed, by autograd instead of the sign."""
    weights = weights.clone().requires_grad_()
    norms = torch.stack([(weight * slope).norm() for weight, slope in zip(weights, slopes, strict=True)])
    progress = losses / first
    target = (norms.mean() * (progress / progress.mean()) ** alpha).detach()
    (norms - target).abs().sum().backward()
    return weights.grad


def test_gradnorm_is_the_papers_algorithm(toy):
    """Against torch's Adam on the loss of the paper, by autograd."""
    balancer, weights = toy.make("gradnorm", 3, alpha=0.5), torch.ones(3)
    optimizer = torch.optim.Adam([weights], lr=0.025)
    first = torch.tensor([2.0, 1.0, 4.0])
    for number, losses in enumerate(torch.tensor([[2.0, 1.0, 4.0], [1.0, 0.9, 3.5], [0.5, 0.8, 3.4], [0.4, 0.8, 3.0]])):
        torch.manual_seed(number)
        slopes = torch.randn(3, 5)
        gradient, coefficients = toy.one_step("gradnorm", slopes.tolist(), losses.tolist(), balancer=balancer)
        torch.testing.assert_close(coefficients, weights)  # the update still has the old weights
        torch.testing.assert_close(gradient, weights @ slopes)
        weights.grad = gradnorm_by_autograd(weights, slopes, losses, first, 0.5)
        optimizer.step()
        weights.data *= 3 / weights.sum()
    torch.testing.assert_close(balancer.weights, weights)


def test_gradnorm_weights_the_heads_too(toy):
    model, balancer = toy.TwoParts(2), toy.make("gradnorm", 2)
    balancer.weights = torch.tensor([0.5, 1.5])
    balancer.backward(losses_of(toy, model, [2.0, 3.0]), toy.everyone(2), model)
    assert [own.grad.item() for own in model.own] == [0.5, 1.5]


def test_db_mtl_is_the_papers_algorithm(toy):
    """log losses differentiated by autograd, running means, every row to the largest norm."""
    balancer, means = toy.make("db_mtl", 2, beta=0.6), None
    for number, values in enumerate(([2.0, 0.1], [1.0, 0.3], [4.0, 0.2])):
        torch.manual_seed(number)
        slopes = torch.randn(2, 4)
        model = toy.TwoParts(2, 4)
        logs = (toy.linear_losses(model, slopes.tolist(), values) + 1e-8).log()
        rows = torch.stack([torch.autograd.grad(log, model.trunk, retain_graph=True)[0] for log in logs])
        means = rows if means is None else 0.6 * means + 0.4 * rows
        norms = means.norm(dim=1)
        gradient, _ = toy.one_step("db_mtl", slopes.tolist(), values, balancer=balancer)
        torch.testing.assert_close(gradient, (means / norms[:, None]).sum(dim=0) * norms.max())


def test_db_mtls_heads_descend_the_logarithm(toy):
    model = toy.TwoParts(2)
    toy.make("db_mtl", 2).backward(losses_of(toy, model, [2.0, 4.0]), toy.everyone(2), model)
    assert [own.grad.item() for own in model.own] == pytest.approx([0.5, 0.25])


def projected(vector):
    """Onto the simplex, by bisecting the shift instead of sorting."""
    low, high = vector.min() - 1, vector.max()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (vector - middle).clamp(min=0).sum() > 1 else (low, middle)
    return (vector - low).clamp(min=0)


def test_moco_is_the_papers_algorithm(toy):
    balancer, tracked, weights = toy.make("moco", 3, tracking=0.3, weights_lr=0.2, regularisation=0.1), None, torch.full((3,), 1 / 3)
    for seed in range(5):
        torch.manual_seed(seed)
        slopes = torch.randn(3, 4)
        tracked = slopes if tracked is None else tracked - 0.3 * (tracked - slopes)
        weights = projected(weights - 0.2 * (tracked @ tracked.T + 0.1 * torch.eye(3)) @ weights)
        gradient, coefficients = toy.one_step("moco", slopes.tolist(), balancer=balancer)
        torch.testing.assert_close(coefficients, weights, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient, weights @ tracked, rtol=1e-4, atol=1e-4)


def test_auto_lambda_follows_the_held_out_losses_derivative(toy):
    """Central differences through a real step of SGD on the shared vector and on every head, against what Adam was given."""
    goals, held_out, lr, small = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.5, 0.3], [-1.0, 2.5]]), 0.1, 1e-3
    aims, new_aims = torch.tensor([3.0, -2.0]), torch.tensor([2.0, 1.5])

    def losses(model, places, own_places):
        pairs = zip(places, model.own, own_places, strict=True)
        return [((model.trunk - place) ** 2).sum() + (model.trunk.sum() * own.sum() - aim) ** 2 for place, own, aim in pairs]

    def after(weights) -> float:
        """The held-out losses' sum after a step with these weights."""
        model = toy.TwoParts(2).double()
        torch.stack([weight * loss for weight, loss in zip(weights, losses(model, goals, aims), strict=True)]).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * parameter.grad
            return float(sum(losses(model, held_out, new_aims)))

    expected = [
        (after([0.5 + small * (row == 0), 0.5 + small * (row == 1)]) - after([0.5 - small * (row == 0), 0.5 - small * (row == 1)])) for row in (0, 1)
    ]
    expected = torch.tensor(expected) / (2 * small)
    model, balancer = toy.TwoParts(2), toy.make("auto_lambda", 2, start=0.5, weights_lr=0.01)
    balancer.backward(losses(model, goals, aims), toy.everyone(2), model)
    assert balancer.weights.tolist() == [0.5, 0.5]  # nothing to look back at yet
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= lr * parameter.grad
    balancer.backward(losses(model, held_out, new_aims), toy.everyone(2), model)
    torch.testing.assert_close(balancer.memory["first_moment"] * lr / 0.1, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(balancer.weights, 0.5 - 0.01 * expected.sign())  # Adam's first step has the gradient's sign


def test_gradients_keep_their_values_and_memory_order(toy):
    model = toy.TwoParts(2)
    model.trunk = nn.Parameter(torch.rand(4, 3, 3, 3).to(memory_format=torch.channels_last))
    losses = torch.stack([(model.trunk**2).sum() + model.own[0].sum(), model.trunk.sum() + model.own[1].sum()])
    toy.make("pcgrad", 2).backward(losses, toy.everyone(2), model)  # both gradients are positive: no conflict, so their sum
    torch.testing.assert_close(model.trunk.grad, 2 * model.trunk.detach() + 1)
    assert model.trunk.grad.stride() == model.trunk.stride()
    assert [own.grad.item() for own in model.own] == [1, 1]


def test_weights_on_the_simplex_of_absent_tasks_wait():
    """Tasks 0 and 2 share what they had together; task 1 keeps its own."""
    weights, rows = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0, 2])
    torch.testing.assert_close(among(weights, rows), torch.tensor([0.4, 0.6]))
    put_back(weights, rows, torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(weights, torch.tensor([0.05, 0.5, 0.45]))
    assert among(torch.tensor([0.0, 1.0, 0.0]), rows).tolist() == [0.5, 0.5]
