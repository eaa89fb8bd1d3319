"""Gradient methods block by block: the method is that of ``parameters``, without its Jacobian."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mtl_core.backbones.backbone import Backbone, FeatureInfo, Stage
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientCombination, Update
from mtl_core.balancing.loss_graph import LossGraph, closed
from mtl_core.balancing.mgda import MGDA
from mtl_core.config import RunConfig
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training.check import problems
from tests.balancing.test_frozen import Head
from tests.covering import pairs
from tests.sharing.schemes import ENTRIES


def offers(name: str) -> bool:
    field = BALANCERS.load(name).Options.model_fields.get("gradients")
    return field is not None and "blocks" in get_args(field.annotation)


BY_BLOCKS = [name for name in BALANCERS if offers(name)]
SCHEMES = [*SHARING_SCHEMES, *ENTRIES]
PRESENCES = ([True, True, True], [True, False, True], [False, True, False], [True, True, True])


class Residual(nn.Module):
    """A way around two layers that share one weight: autograd meets the weight twice, and the way around leaves the block before its end."""

    def __init__(self, channels: int):
        super().__init__()
        self.twice, self.normalised, self.drop = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.Dropout(0.2)

    def forward(self, images):
        return images + self.drop(self.normalised(self.twice(self.twice(images).tanh())))


class TwoLevels(Backbone):
    """The second feature is made from the first, as in a pyramid."""

    def __init__(self):
        super().__init__()
        info = FeatureInfo(3, 1), FeatureInfo(4, 1)
        self.first, self.way_around, self.second = nn.Conv2d(1, 3, 3), Residual(3), nn.Conv2d(3, 4, 3)
        self.set_stages([Stage("first", info[0], self.first, self.way_around), Stage("second", info[1], self.second, nn.Tanh())])


@pytest.fixture
def in_double_precision():
    """So that both ways agree to many digits: what is left is the order of sums. Not for checks of a config, which remember the sizes of networks."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network(scheme: str):
    torch.manual_seed(0)
    kind = SHARING_SCHEMES.load(scheme)
    kinds = {f"t{number}": SimpleNamespace(build_head=lambda _, reads=reads: Head(reads)) for number, reads in enumerate([(0, 1), (1,), (0,)])}
    return kind(TwoLevels, kinds, kind.Options()).train()


def steps(name: str, model, where: str, seen: list | None = None, layout=torch.contiguous_format, precision: torch.dtype | None = None):
    """Steps in which not every task is present: coefficients, gradients and buffers of each."""
    method = BALANCERS.load(name)
    balancer = method(method.Options(gradients=where), 3)
    balancer.observer = None if seen is None else seen.append
    model.to(memory_format=layout)
    found = []
    for number, presence in enumerate(PRESENCES):
        torch.manual_seed(number)
        with torch.autocast("cpu", precision, enabled=precision is not None):
            outputs = model(torch.rand(5, 1, 8, 8).to(memory_format=layout)).values()
        losses = [((output.to(torch.get_default_dtype()) - 1) ** 2).mean() * (row + 1) for row, output in enumerate(outputs)]
        losses = [loss if is_there else torch.zeros(()) for loss, is_there in zip(losses, presence, strict=True)]
        model.zero_grad()
        _, coefficients = balancer.backward(losses, torch.tensor(presence), model)
        gradients = {key: None if each.grad is None else each.grad.clone() for key, each in model.named_parameters()}
        found.append((coefficients, gradients, {key: buffer.clone() for key, buffer in model.named_buffers()}))
    return found


def test_methods_that_need_scalar_products_only_offer_it():
    needs_rows = {"graddrop", "excess_mtl", "moco", "db_mtl", "modo", "sdmgrad", "auto_lambda"}
    gradient_methods = {name for name in BALANCERS if BALANCERS.load(name).family == "gradient aggregation"}
    assert set(BY_BLOCKS) == gradient_methods - needs_rows
    assert all(issubclass(BALANCERS.load(name), GradientCombination) for name in BY_BLOCKS)


def check_steps(name: str, model, layout=torch.contiguous_format):
    same = copy.deepcopy(model)
    precise = {"rtol": 1e-3, "atol": 1e-5} if name in ("aligned_mtl", "imtl_g") else {"rtol": 1e-7, "atol": 1e-9}  # those two round to float32
    both = zip(steps(name, model, "blocks", layout=layout), steps(name, same, "parameters", layout=layout), strict=True)
    for (coefficients, gradients, buffers), (wanted, those, moved) in both:
        torch.testing.assert_close(coefficients, wanted, **precise)
        assert {key for key, gradient in gradients.items() if gradient is None} == {key for key, gradient in those.items() if gradient is None}
        for key, gradient in gradients.items():
            torch.testing.assert_close(gradient, those[key], **precise)
        assert all(torch.equal(buffer, moved[key]) for key, buffer in buffers.items())


@pytest.mark.usefixtures("in_double_precision", "installed_schemes")
@pytest.mark.parametrize(("name", "scheme"), pairs(BY_BLOCKS, SCHEMES, always=["hard"]))
def test_a_step_is_that_at_the_parameters(name, scheme):
    """Coefficients, gradients and running statistics, whoever is present; what has no gradient there has none here."""
    check_steps(name, network(scheme))


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("name", BY_BLOCKS)
def test_a_step_in_channels_last_is_that_at_the_parameters(name):
    """The gradients lie in memory as their parameters do, so that the optimizer does not copy them."""
    model = network("hard")
    check_steps(name, model, torch.channels_last)
    wide = [parameter for parameter in model.shared_parameters() if parameter.ndim == 4 and not parameter.is_contiguous()]
    assert [parameter.is_contiguous(memory_format=torch.channels_last) for parameter in wide] == [True] * 2
    assert all(parameter.grad.stride() == parameter.stride() for parameter in wide)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("name", BY_BLOCKS)
def test_a_step_in_bf16_is_that_at_the_parameters(name, layout):
    """Both take the same passes for the scalar products. The update is a pass of its own here, so bf16 rounds it otherwise. How much that is depends
    on the layout, as torch's normalisation rounds more in channels_last; so the distances to fp32's update are compared."""
    model, seen, those = network("hard"), [], []
    same, precise = copy.deepcopy(model), copy.deepcopy(model)
    shared = [key for key, each in model.named_parameters() if any(each is parameter for parameter in model.shared_parameters())]
    own = [key for key, _ in model.named_parameters() if key not in shared]
    found = steps(name, model, "blocks", seen, layout, torch.bfloat16)
    wanted = steps(name, same, "parameters", those, layout, torch.bfloat16)
    solved = 1e-2 if name in ("nash_mtl", "fairgrad") else 1e-5  # their iterations end early, so a last digit of the products moves them further
    for here, products, gradients, there, exact in zip(found, seen, those, wanted, steps(name, precise, "parameters", None, layout), strict=True):
        torch.testing.assert_close(products.gramian, gradients.gramian, rtol=1e-5, atol=1e-6 * float(gradients.gramian.diagonal().max()))
        torch.testing.assert_close(here[0], there[0], rtol=solved, atol=1e-6)
        assert {key: here[1][key] is None for key in here[1]} == {key: there[1][key] is None for key in there[1]}
        assert all(here[1][key] is None or torch.equal(here[1][key], there[1][key]) for key in own)
        kept = [key for key in shared if exact[1][key] is not None]
        one, other = (torch.cat([(each[1][key] - exact[1][key]).flatten() for key in kept]).norm() for each in (here, there))
        parts = (there[0][gradients.rows].abs() * gradients.gramian.diagonal().sqrt()).sum()
        assert one <= 3 * other + 2**-8 * parts


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("scheme", ["hard", "cross_stitch"])
def test_an_observer_sees_the_scalar_products_of_the_whole_and_of_each_group(scheme):
    model = network(scheme)
    same, seen, those = copy.deepcopy(model), [], []
    steps("pcgrad", model, "blocks", seen)
    steps("pcgrad", same, "parameters", those)
    start = 0
    for group in model.shared_groups():
        part = slice(start, start := start + sum(parameter.numel() for parameter in group.parameters))
        for products, gradients in zip(seen, those, strict=True):
            torch.testing.assert_close(products.gramian_of(part), gradients.gramian_of(part), rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(products.gramian, gradients.gramian, rtol=1e-9, atol=1e-12)
            assert torch.equal(products.losses, gradients.losses)
    assert start == those[0].jacobian.shape[1]


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that is made meanwhile."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.numbers = max(
            [self.numbers, *(each.untyped_storage().nbytes() // each.element_size() for each in tree_leaves(made) if torch.is_tensor(each))]
        )
        return made


class EqualLayers(nn.Module):
    """Six layers of equal size, and what a balancing method asks of a network."""

    def __init__(self):
        super().__init__()
        self.tasks = tuple(f"t{number}" for number in range(4))
        self.layers = nn.ModuleList(nn.Linear(10, 10) for _ in range(6))
        self.heads = nn.ModuleList(nn.Linear(10, 1) for _ in self.tasks)

    def shared_parameters(self):
        return list(self.layers.parameters())

    def task_parameters(self, task):
        return list(self.heads[self.tasks.index(task)].parameters())

    def losses(self):
        value = torch.rand(2, 10)
        for layer in self.layers:
            value = layer(value).tanh()
        return [head(value).square().mean() for head in self.heads]


@pytest.mark.parametrize("name", BY_BLOCKS)
def test_no_tensor_holds_more_than_one_block_for_every_task(name):
    """Four tasks and a largest parameter of 100 numbers: 400, where the Jacobian has 2,640."""
    largest = {}
    for where in ("parameters", "blocks"):
        torch.manual_seed(0)
        model, method = EqualLayers(), BALANCERS.load(name)
        balancer, losses = method(method.Options(gradients=where), 4), model.losses()
        with Largest() as seen:
            balancer.backward(losses, torch.ones(4, dtype=torch.bool), model)
        largest[where] = seen.numbers
    assert largest == {"parameters": 4 * 660, "blocks": 4 * 100}


@pytest.mark.usefixtures("in_double_precision")
def test_a_graph_in_parts_gives_the_gradients_of_the_whole():
    """Cut after every single node, so that each way around is cut at every place."""
    torch.manual_seed(0)
    weight, layer = nn.Parameter(torch.rand(3)), Residual(3)
    parameters = [weight, *layer.parameters()]
    loss = layer(layer(torch.rand(2, 3, 4, 4) * weight.view(1, 3, 1, 1))).square().mean()
    wanted = torch.autograd.grad(loss, parameters, retain_graph=True)
    graph = LossGraph([loss], parameters)
    gradients, found = graph.start(loss), [torch.zeros_like(parameter) for parameter in parameters]
    for end in range(1, graph.length + 1):
        ways_out = graph.ways_out(end - 1, end)
        with closed(ways_out):
            for total, part in zip(found, graph.advance(gradients, end, ways_out, parameters), strict=True):
                total += 0 if part is None else part
    assert gradients == {}
    for gradient, total in zip(wanted, found, strict=True):
        torch.testing.assert_close(total, gradient, rtol=1e-10, atol=1e-13)


def test_gradients_that_are_not_finite_reach_what_a_task_uses():
    model = network("hard")
    balancer = MGDA(MGDA.Options(gradients="blocks"), 3)
    losses = [output.mean() for output in model(torch.rand(5, 1, 8, 8)).values()]
    combined, coefficients = balancer.backward([losses[0] * float("inf"), *losses[1:]], torch.ones(3, dtype=torch.bool), model)
    assert combined.isnan()
    assert coefficients.isnan().all()
    assert all(parameter.grad.isnan().all() for parameter in model.shared_parameters())


def refusals(**changes) -> dict[str, str]:
    config = {"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp"}, "device": "cpu", **changes}
    return {problem.field: problem.message for problem in problems(RunConfig.from_dict(config))}


def test_what_cannot_work_by_blocks_is_refused_in_words(monkeypatch):
    blocks = {"name": "mgda", "gradients": "blocks"}
    assert refusals(balancing=blocks) == {}
    assert "accumulate is 2. Take accumulate: 1" in refusals(balancing=blocks, accumulate=2)["balancing.gradients"]
    assert "'parameters' or 'features'" in refusals(balancing={"name": "graddrop", "gradients": "blocks"})["balancing.gradients"]
    monkeypatch.setattr(MGDA, "aggregate", lambda self, tasks: Update(tasks.jacobian[0], tasks.losses))
    assert "'mgda' asks for the gradients. Take 'parameters'" in refusals(balancing=blocks)["balancing.gradients"]
