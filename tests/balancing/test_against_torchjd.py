"""Our table beside TorchJD's, and our numbers beside TorchJD's own classes, called directly."""

from __future__ import annotations

import pytest
import torch
from torchjd import aggregation, scalarization

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.graddrop import AT_ONCE
from mtl_core.balancing.task_gradients import TaskGradients

# Every public name of the installed package: the balancer of ours that covers it, or why none does.
SCALARIZERS = {
    "Constant": "fixed",  # constant weights are the config's loss weights
    "COSMOS": "cosmos",
    "DWA": "dwa",
    "FAMO": "famo",
    "GeometricMean": "geometric_mean",
    "IMTLL": "imtl_l",
    "Mean": "mean",
    "PBI": "pbi",
    "Random": "random",
    "STCH": "stch",
    "Sum": "fixed",
    "UW": "uncertainty",
}
AGGREGATORS = {
    "AlignedMTL": "aligned_mtl",
    "CAGrad": "cagrad",
    "ConFIG": "config",
    "Constant": "fixed",  # with weights that no gradient changes, T backward passes give the update that one of the weighted loss gives
    "DualProj": "dualproj",
    "ExcessMTL": "excess_mtl",
    "FairGrad": "fairgrad",
    "GradDrop": "graddrop",
    "GradVac": "gradvac",
    "IMTLG": "imtl_g",
    "MGDA": "mgda",
    "Mean": "mean",  # as Constant
    "NashMTL": "nash_mtl",
    "PCD": "pcd",
    "PCGrad": "pcgrad",
    "Random": "random",  # as Constant: drawn weights know nothing of the gradients
    "Sum": "fixed",  # as Constant
    "UPGrad": "upgrad",
    "CRMOGMWeighting": "cr_mogm",
    "MoDoWeighting": "modo",
    "SDMGradWeighting": "sdmgrad",
}
NOT_METHODS = {
    "Scalarizer": "the parent class",
    "Aggregator": "a parent class",
    "WeightedAggregator": "a parent class",
    "GramianWeightedAggregator": "a parent class",
    "Weighting": "a parent class",
}
LEFT_OUT = {
    "Krum": "made for federated learning with lying participants: it keeps the gradients that are closest to each other and throws the rest away. "
    "Tasks don't lie; a task whose gradient differs is the reason why one balances",
    "TrimmedMean": "as Krum: it drops the largest and smallest value of each number, and needs at least three tasks to drop any",
}


def test_every_scalarizer_of_torchjd_is_covered_or_left_out_for_a_reason():
    assert set(scalarization.__all__) == set(SCALARIZERS) | {"Scalarizer"}
    assert set(SCALARIZERS.values()) <= set(BALANCERS)


def test_every_aggregator_of_torchjd_is_covered_or_left_out_for_a_reason():
    methods = {name for name in aggregation.__all__ if name not in NOT_METHODS}
    # A weighting is the same method as the aggregator of that name.
    methods = {name for name in methods if not (name.endswith("Weighting") and name.removesuffix("Weighting") in methods)}
    assert methods == set(AGGREGATORS) | set(LEFT_OUT)
    assert set(AGGREGATORS.values()) <= set(BALANCERS)


def slopes_of(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randn(3, 6) + 0.3


DIRECT = {
    "pcgrad": lambda: aggregation.PCGrad(),
    "imtl_g": lambda: aggregation.IMTLG(),
    "aligned_mtl": lambda: aggregation.AlignedMTL(),
    "graddrop": lambda: aggregation.GradDrop(),
    "config": lambda: aggregation.ConFIG(),
    "upgrad": lambda: aggregation.UPGrad(),
    "dualproj": lambda: aggregation.DualProj(),
    "mgda": lambda: aggregation.MGDA(epsilon=1e-7, max_iters=2_000),
    "cagrad": lambda: aggregation.CAGrad(c=0.4),
    "fairgrad": lambda: lambda slopes: 3 * aggregation.FairGrad(alpha=2.0)(slopes),  # the authors' code multiplies by T, TorchJD does not
    "pcd": lambda: aggregation.PCD(),
}
OPTIONS = {"fairgrad": {"max_norm": 0}}  # the authors' cut, which TorchJD leaves to the user
TOLERANCE = {"upgrad": 2e-3, "dualproj": 2e-3, "mgda": 1e-3, "cagrad": 1e-3, "fairgrad": 1e-3}  # of TorchJD's own solvers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", list(DIRECT))
def test_one_update_is_torchjds(name, seed, toy):
    slopes = slopes_of(seed)
    torch.manual_seed(7)
    ours, _ = toy.one_step(name, slopes.tolist(), **OPTIONS.get(name, {}))
    torch.manual_seed(7)
    theirs = DIRECT[name]()(slopes)
    if name == "imtl_g" and (slopes @ theirs).max() < 0:
        theirs = -theirs  # our deviation: never an update along which every loss rises
    tolerance = TOLERANCE.get(name, 1e-5)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * theirs.abs().max().item())


@pytest.mark.parametrize("leak", [0.0, 0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(("tasks", "count"), [(3, 2 * AT_ONCE + 5), (20, 1000), (1, 7), (2, 0)])
def test_graddrop_is_torchjds_to_the_last_bit(tasks, count, leak, toy):
    """Also where it takes some entries after others, where all entries are 0, and in the sign of a zero."""
    jacobian = torch.randn(tasks, count, generator=torch.Generator().manual_seed(0))
    jacobian[:, : AT_ONCE + 3], jacobian[:, ::7] = 0, 0
    jacobian[0, ::5] = -0.0
    ours = toy.make("graddrop", tasks, leak=leak)
    torch.manual_seed(7)
    update = ours.aggregate(TaskGradients(jacobian, jacobian @ jacobian.T, torch.ones(tasks), torch.arange(tasks))).gradient
    torch.manual_seed(7)
    theirs = aggregation.GradDrop(leak=torch.full((tasks,), leak))(jacobian)
    assert torch.equal(update.view(torch.int32), theirs.view(torch.int32))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 2])
def test_nash_mtl_is_torchjds_where_that_converges(seed, toy):
    """With seed 1 TorchJD's sequence of approximations stops at coefficients that miss G w = 1 / w; ours are held to it in test_solvers.py."""
    slopes = slopes_of(seed)
    ours, _ = toy.one_step("nash_mtl", slopes.tolist())
    theirs = aggregation.NashMTL(n_tasks=3, optim_niter=100)(slopes)
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)


SEQUENCES = {
    "gradvac": (lambda: aggregation.GradVac(beta=0.01), {}),
    "pcd": (lambda: aggregation.PCD(), {}),
    "cr_mogm": (
        lambda: aggregation.GramianWeightedAggregator(aggregation.CRMOGMWeighting(aggregation.MGDAWeighting(epsilon=1e-7, max_iters=2_000))),
        {},
    ),
}


@pytest.mark.parametrize("name", list(SEQUENCES))
def test_what_is_remembered_is_torchjds(name, toy):
    """Five updates in a row, all tasks present."""
    build, options = SEQUENCES[name]
    theirs, ours = build(), toy.make(name, 3, **options)
    for seed in range(5):
        slopes = slopes_of(seed)
        torch.manual_seed(seed)
        gradient, _ = toy.one_step(name, slopes.tolist(), balancer=ours)
        torch.manual_seed(seed)
        torch.testing.assert_close(gradient, theirs(slopes), rtol=1e-3, atol=1e-3)


def test_excess_mtls_warm_up_is_torchjds(toy):
    """Without warm-up TorchJD follows the first, raw risk; the authors and we only keep it (test_weighting_formulas.py)."""
    theirs, ours = aggregation.ExcessMTL(robust_step_size=0.1, n_warmup_steps=2), toy.make("excess_mtl", 3, step_size=0.1, warmup_steps=2)
    for seed in range(5):
        slopes = slopes_of(seed)
        gradient, _ = toy.one_step("excess_mtl", slopes.tolist(), balancer=ours)
        torch.testing.assert_close(gradient, theirs(slopes), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "build"), [("modo", aggregation.MoDoWeighting), ("sdmgrad", lambda: aggregation.SDMGradWeighting(lr=1.0))])
def test_the_two_batch_methods_use_the_last_steps_gradients(name, build, toy):
    """Weights from J(last) J(now)'; in the first step from J J'."""
    theirs, ours, last = build(), toy.make(name, 3), None
    for seed in range(4):
        slopes = slopes_of(seed)
        _, coefficients = toy.one_step(name, slopes.tolist(), balancer=ours)
        product = (slopes if last is None else last) @ slopes.T
        torch.testing.assert_close(coefficients, theirs(product), rtol=1e-3, atol=1e-4)
        last = slopes


LOSSES = {
    "mean": lambda: scalarization.Mean(),
    "geometric_mean": lambda: scalarization.GeometricMean(),
    "imtl_l": lambda: scalarization.IMTLL(3),
    "stch": lambda: scalarization.STCH(mu=0.1),
    "cosmos": lambda: scalarization.COSMOS(0.01, torch.full((3,), 1 / 3)),
    "pbi": lambda: scalarization.PBI(0.5, torch.ones(3)),
    "random": lambda: scalarization.Random(),
    "famo": lambda: scalarization.FAMO(3),
}


@pytest.mark.parametrize("name", list(LOSSES))
def test_one_weighting_is_torchjds(name, toy):
    values = torch.tensor([0.5, 2.0, 1.0], requires_grad=True)
    torch.manual_seed(3)
    combined = LOSSES[name]()(values)
    combined.backward()
    model, balancer = toy.TwoParts(3), toy.make(name, 3)
    losses = toy.linear_losses(model, slopes_of(0)[:, :2], values.tolist())
    torch.manual_seed(3)
    ours, coefficients = balancer.backward(losses, toy.everyone(3), model)
    torch.testing.assert_close(ours, combined.detach())
    torch.testing.assert_close(coefficients, values.grad)


def test_famos_weights_move_as_torchjds(toy):
    theirs, ours, model = scalarization.FAMO(2), toy.make("famo", 2), toy.TwoParts(2)
    for before, after in (([1.0, 2.0], [0.9, 1.0]), ([0.9, 1.0], [0.5, 0.9])):
        theirs(torch.tensor(before))
        theirs.update(torch.tensor(after))
        ours.backward(toy.linear_losses(model, [[1.0, 0.0], [0.0, 1.0]], before), toy.everyone(2), model)
        ours.after_step(lambda after=after: (torch.tensor(after), toy.everyone(2)))
    torch.testing.assert_close(ours.logits, theirs._w.detach(), rtol=1e-5, atol=1e-6)
    assert not torch.equal(theirs._w, torch.zeros(2))
