"""What every registered balancer promises, and worked values for each."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientAggregator, LossWeighting


class TwoParts(nn.Module):
    """Stands for a multi-task model: one shared parameter vector, one own number per task."""

    def __init__(self, tasks: int, shared: int = 2):
        super().__init__()
        self.tasks = tuple(f"t{number}" for number in range(tasks))
        self.trunk = nn.Parameter(torch.linspace(1.0, 2.0, shared))
        self.own = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in self.tasks)

    def shared_parameters(self):
        return [self.trunk]

    def task_parameters(self, task):
        return [self.own[self.tasks.index(task)]]


def make(name: str, tasks: int, **options):
    balancer_class = BALANCERS.load(name)
    return balancer_class(balancer_class.Options(**options), tasks)


def linear_losses(model: TwoParts, slopes: list[list[float]]) -> torch.Tensor:
    """loss_t = slope_t . trunk + own_t: the gradient on the trunk is slope_t, on own_t it is 1."""
    return torch.stack([torch.tensor(slope) @ model.trunk + own.sum() for slope, own in zip(slopes, model.own, strict=True)])


def everyone(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.bool)


@pytest.mark.parametrize("name", list(BALANCERS))
def test_one_task_alone_gets_its_own_direction(name):
    model, balancer = TwoParts(1), make(name, 1)
    _, coefficients = balancer.backward(linear_losses(model, [[3.0, -4.0]]), everyone(1), model)
    assert coefficients[0] > 0
    torch.testing.assert_close(model.trunk.grad, coefficients[0] * torch.tensor([3.0, -4.0]))


@pytest.mark.parametrize("name", list(BALANCERS))
def test_coefficients_say_what_was_done_to_the_shared_parameters(name):
    torch.manual_seed(0)
    slopes = [[1.0, 2.0], [-2.0, 1.5], [0.5, -3.0]]
    model, balancer = TwoParts(3), make(name, 3)
    _, coefficients = balancer.backward(linear_losses(model, slopes), everyone(3), model)
    torch.testing.assert_close(model.trunk.grad, coefficients @ torch.tensor(slopes))


@pytest.mark.parametrize("name", list(BALANCERS))
def test_an_absent_task_takes_no_part(name):
    slopes = [[1.0, 2.0], [-2.0, 1.5]]
    model, balancer = TwoParts(2), make(name, 2)
    losses = torch.stack([linear_losses(model, slopes)[0], torch.zeros(())])
    _, coefficients = balancer.backward(losses, torch.tensor([True, False]), model)
    assert coefficients[1] == 0
    torch.testing.assert_close(model.trunk.grad, coefficients[0] * torch.tensor(slopes[0]))
    assert model.own[1].grad is None or not model.own[1].grad.any()


@pytest.mark.parametrize("name", list(BALANCERS))
def test_zero_and_identical_gradients_give_no_nan(name):
    for slopes in ([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]):
        model, balancer = TwoParts(2), make(name, 2)
        balancer.backward(linear_losses(model, slopes), everyone(2), model)
        assert torch.isfinite(model.trunk.grad).all()


@pytest.mark.parametrize("name", list(BALANCERS))
def test_a_convex_problem_is_descended(name):
    torch.manual_seed(0)
    model, balancer = TwoParts(2), make(name, 2)
    optimizer = torch.optim.SGD([*model.parameters(), *balancer.parameters()], lr=0.05)

    def losses() -> torch.Tensor:
        goals = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        return torch.stack([((model.trunk - goal) ** 2).sum() + (own**2).sum() for goal, own in zip(goals, model.own, strict=True)])

    first = losses().sum().item()
    for _ in range(100):
        optimizer.zero_grad()
        balancer.backward(losses(), everyone(2), model)
        optimizer.step()
        balancer.end_epoch()
    assert losses().sum().item() < 0.2 * first
    assert abs(model.trunk[1].item()) < 0.1  # both tasks want it at 0


@pytest.mark.parametrize("name", list(BALANCERS))
def test_state_survives_a_checkpoint(name, tmp_path):
    torch.manual_seed(0)
    slopes = [[1.0, 2.0], [-2.0, 1.5]]
    model, balancer = TwoParts(2), make(name, 2)
    for factor in (1.0, 0.5, 0.2):
        balancer.backward(linear_losses(model, slopes) * torch.tensor([factor, 1.0]), everyone(2), model)
        balancer.end_epoch()
        for parameter in balancer.parameters():
            parameter.data -= 0.1 * parameter.grad
    torch.save(balancer.state_dict(), tmp_path / "state.pt")
    again = make(name, 2)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    results = []
    for each in (balancer, again):
        torch.manual_seed(1)
        results.append(each.backward(linear_losses(model, slopes), everyone(2), model)[1])
    assert torch.equal(*results)


@pytest.mark.parametrize("name", list(BALANCERS))
def test_balancers_are_documented(name):
    balancer_class = BALANCERS.load(name)
    assert balancer_class.__doc__
    assert balancer_class.title
    assert balancer_class.summary
    assert issubclass(balancer_class, LossWeighting | GradientAggregator)
    assert all(field.description for field in balancer_class.Options.model_fields.values())


def test_fixed_is_the_plain_sum():
    model = TwoParts(2)
    combined, coefficients = make("fixed", 2).backward(linear_losses(model, [[1.0, 0.0], [0.0, 1.0]]), everyone(2), model)
    assert combined == pytest.approx(1.0 + 1 + 2.0 + 1)
    assert coefficients.tolist() == [1, 1]


def test_uncertainty_worked_example():
    """s = 0: 1/2 L + 0; the gradient on s is 1/2 - 1/2 exp(-s) L."""
    model, balancer = TwoParts(2), make("uncertainty", 2)
    losses = linear_losses(model, [[1.0, 0.0], [0.0, 1.0]])  # 2 and 3
    combined, coefficients = balancer.backward(losses, everyone(2), model)
    assert combined == pytest.approx(2.5)
    assert coefficients.tolist() == [0.5, 0.5]
    assert balancer.scalarizer.log_var.grad.tolist() == [0.5 - 0.5 * 2, 0.5 - 0.5 * 3]


def test_uncertainty_leaves_an_absent_tasks_noise_alone():
    model, balancer = TwoParts(2), make("uncertainty", 2)
    balancer.scalarizer.log_var.data = torch.tensor([0.3, -0.7])
    losses = torch.stack([linear_losses(model, [[1.0, 0.0], [0.0, 1.0]])[0], torch.zeros(())])
    balancer.backward(losses, torch.tensor([True, False]), model)
    assert balancer.scalarizer.log_var.grad[1] == pytest.approx(0, abs=1e-7)


def test_dwa_worked_example():
    """Epoch means 2, 2 then 1, 2: rates 1/2 and 1; weights 2 softmax(rates / 2)."""
    model, balancer = TwoParts(2), make("dwa", 2)
    for values in ([2.0, 2.0], [1.0, 2.0]):
        losses = linear_losses(model, [[0.0, 0.0], [0.0, 0.0]]) - 1 + torch.tensor(values)
        balancer.backward(losses, everyone(2), model)
        balancer.end_epoch()
    _, coefficients = balancer.backward(linear_losses(model, [[1.0, 0.0], [0.0, 1.0]]), everyone(2), model)
    slow, fast = math.exp(1 / 2), math.exp(0.5 / 2)
    torch.testing.assert_close(coefficients, torch.tensor([2 * fast / (slow + fast), 2 * slow / (slow + fast)]))


def test_pcgrad_worked_example():
    """Two conflicting gradients: each loses its part along the other (the paper's figure 1); then they are summed."""
    model, balancer = TwoParts(2), make("pcgrad", 2)
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    balancer.backward(linear_losses(model, [first.tolist(), second.tolist()]), everyone(2), model)
    projected_first = first - (first @ second) / (second @ second) * second
    projected_second = second - (second @ first) / (first @ first) * first
    torch.testing.assert_close(model.trunk.grad, projected_first + projected_second)
    assert [own.grad.item() for own in model.own] == [1, 1]


def test_pcgrad_without_conflict_is_the_sum():
    model, balancer = TwoParts(2), make("pcgrad", 2)
    _, coefficients = balancer.backward(linear_losses(model, [[1.0, 0.5], [0.5, 1.0]]), everyone(2), model)
    assert coefficients.tolist() == [1, 1]


def test_gradients_keep_their_values_and_memory_order():
    model = TwoParts(2)
    model.trunk = nn.Parameter(torch.rand(4, 3, 3, 3).to(memory_format=torch.channels_last))
    losses = torch.stack([(model.trunk**2).sum() + model.own[0].sum(), model.trunk.sum() + model.own[1].sum()])
    make("pcgrad", 2).backward(losses, everyone(2), model)  # both gradients are positive: no conflict, so their sum
    torch.testing.assert_close(model.trunk.grad, 2 * model.trunk.detach() + 1)
    assert model.trunk.grad.stride() == model.trunk.stride()
