"""Every gradient aggregator against its second implementation (``gradient_oracles.py``, ``drawn_oracles.py``).

An oracle is asked at every step of a run with tasks that are absent and a checkpoint in the middle; what it remembers is compared with the
balancer's state.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.balancing import BALANCERS
from tests.balancing.drawn_oracles import Drawn, GradDrop, GradVac, PCGrad
from tests.balancing.gradient_oracles import (
    CRMOGM,
    IMTLG,
    MGDA,
    PCD,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FairGrad,
    MoCo,
    MoDo,
    NashMTL,
    SDMGrad,
    UPGrad,
    cagrad,
    shortest,
)

ORACLES = {
    "pcgrad": PCGrad,
    "upgrad": UPGrad,
    "dualproj": DualProj,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "nash_mtl": NashMTL,
    "fairgrad": FairGrad,
    "imtl_g": IMTLG,
    "config": ConFIG,
    "aligned_mtl": AlignedMTL,
    "gradvac": GradVac,
    "graddrop": GradDrop,
    "cr_mogm": CRMOGM,
    "pcd": PCD,
    "moco": MoCo,
    "modo": MoDo,
    "sdmgrad": SDMGrad,
}
OPTIONS = {
    "mgda": [{}, {"normalise": "l2"}, {"normalise": "loss"}, {"normalise": "loss+"}],
    "cagrad": [{}, {"c": 0.0}, {"c": 0.9}, {"c": 5.0}],
    "nash_mtl": [{}, {"max_norm": 0.0}, {"max_norm": 0.3}],
    "fairgrad": [{}, {"alpha": 1.0, "max_norm": 0.0}, {"alpha": 0.5, "max_norm": 0.0}, {"alpha": 5.0}],
    "aligned_mtl": [{}, {"scale": "median"}, {"scale": "rmse"}],
    "gradvac": [{}, {"beta": 0.5}],
    "graddrop": [{}, {"leak": 0.3}, {"leak": 1.0}],
    "cr_mogm": [{}, {"alpha": 0.0}, {"smooths": "cagrad"}, {"smooths": "upgrad"}, {"smooths": "cagrad", "alpha": 0.5}],
    "pcd": [{}, {"primary": 2}, {"tau": 0.5}, {"beta": 0.5}, {"beta": 0.0}],
    "moco": [{}, {"tracking": 0.1}, {"weights_lr": 1.0}, {"regularisation": 0.5}],
    "modo": [{}, {"weights_lr": 1.0}, {"regularisation": 0.0}],
    "sdmgrad": [{}, {"pull": 0.0}, {"pull": 3.0}, {"weights_lr": 10.0, "inner_steps": 2}],
}
CASES = [(name, options) for name in ORACLES for options in OPTIONS.get(name, [{}])]
STEPS, WIDTH = 8, 8
EVERYBODY = [[0, 1, 2]] * STEPS
SOME_ABSENT = [[0, 1], [0, 1, 2], [0, 2], [1, 2], [2], [0, 1, 2], [0, 1], [0, 1, 2]]  # who is there; task 2 not at first, and once alone


def losses_of(model, gradients: np.ndarray, losses: np.ndarray, rows: list[int]) -> list[torch.Tensor]:
    """Scalars with these values and gradients; the constant 0 where absent. A head's gradient is 1."""
    lines = [torch.as_tensor(gradient, dtype=torch.float32) @ model.trunk + own.sum() for gradient, own in zip(gradients, model.own, strict=True)]
    return [line - line.detach() + losses[row] if row in rows else torch.zeros(()) for row, line in enumerate(lines)]


def state_of(balancer, key: str) -> np.ndarray:
    value = balancer.memory[key.removeprefix("memory.")] if key.startswith("memory.") else balancer.state_dict()[key]
    return value.double().numpy()


def which(outcomes: list, update: np.ndarray, balancer) -> tuple:
    """The outcome that it was: the nearest update, and among orders that give the same one (a last turn is seen in no cosine) the nearest memory."""
    distances = [np.abs(expected - update).max() for expected, _ in outcomes]
    close = [outcome for outcome, distance in zip(outcomes, distances, strict=True) if distance <= min(distances) + 1e-5]
    return min(close, key=lambda outcome: 0.0 if outcome[1] is None else np.abs(outcome[1] - state_of(balancer, "usual")).max())


# Each case with both kinds of gradients and with both sorts of presence: alike, all and conflict, absent; for every second case the other way round.
RUNS = [
    pytest.param(name, options, kind, presence, id=f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}-{kind}-{who}")
    for turn, (name, options) in enumerate(CASES)
    for kind, (who, presence) in zip(("alike", "conflict"), [("all", EVERYBODY), ("absent", SOME_ABSENT)][:: 1 - 2 * (turn % 2)], strict=True)
]


@pytest.mark.parametrize(("name", "options", "kind", "presence"), RUNS)
def test_every_step_is_the_published_one(name, options, kind, presence, toy):
    """Gradients with a common part, or against each other and of unequal norms; losses that fall."""
    random, count = np.random.default_rng(11), 3
    torch.manual_seed(5)
    oracle, balancer, model = ORACLES[name](count, **options), toy.make(name, count, **options), toy.TwoParts(count, WIDTH)
    sizes = np.array([1.0, 1.0, 1.0] if kind == "alike" else [0.3, 2.0, 1.0])
    lasting = random.normal(size=(count, WIDTH)) + random.normal(size=WIDTH) * (0.6 if kind == "alike" else -0.2)
    for number, rows in enumerate(presence):
        # As float32, in which the network's gradients come.
        gradients = ((lasting + 0.5 * random.normal(size=(count, WIDTH))) * sizes[:, None]).astype(np.float32).astype(float)
        losses = 0.9**number * np.array([0.5, 2.0, 1.0])
        model.zero_grad(set_to_none=True)
        present = torch.tensor([row in rows for row in range(count)])
        _, coefficients = balancer.backward(losses_of(model, gradients, losses, rows), present, model)
        update, there = model.trunk.grad.double().numpy(), gradients[rows]
        shown = coefficients.double().numpy()
        close = {"rtol": 2e-4, "atol": 2e-5 * max(1.0, np.abs(update).max())}
        if isinstance(oracle, Drawn):
            expected, memory = which(list(oracle.outcomes(there, rows)), update, balancer)
            oracle.remember(memory)
            # PCGrad and GradVac: the combination itself; GradDrop: the least-squares one.
            np.testing.assert_allclose(shown[rows], np.linalg.lstsq(there.T, expected, rcond=None)[0], rtol=2e-3, atol=2e-3)
        else:
            factors, expected = oracle.update(there, losses[rows], rows)
            np.testing.assert_allclose(shown[rows], factors, **close)
        np.testing.assert_allclose(update, expected, **close)
        assert not shown[[row for row in range(count) if row not in rows]].any()
        for row, own in enumerate(model.own):
            assert own.grad is None if row not in rows else own.grad.item() == 1  # heads get their own task's gradient
        if number >= 1:  # every task has been there
            for key, value in oracle.remembered().items():
                np.testing.assert_allclose(state_of(balancer, key), value, rtol=2e-4, atol=2e-5)
        if number == STEPS // 2:
            state, balancer = balancer.state_dict(), toy.make(name, count, **options)
            balancer.load_state_dict(state)


DRAWS = 240


@pytest.mark.parametrize("name", ["pcgrad", "gradvac"])
def test_every_order_is_drawn(name, toy):
    """Each task goes through the others in an order of its own, all equally likely: 8 outcomes among three tasks."""
    gradients = np.array([[1.0, 0.2, 0.0], [-0.9, 1.0, 0.3], [-0.5, -1.0, 1.0]])
    torch.manual_seed(0)
    seen = []
    for _ in range(DRAWS):
        balancer, model = toy.make(name, 3), toy.TwoParts(3, 3)
        balancer.backward(losses_of(model, gradients, np.ones(3), [0, 1, 2]), toy.everyone(3), model)
        seen.append(tuple(model.trunk.grad.numpy().round(3)))
    outcomes = {tuple(update.astype(np.float32).round(3)) for update, _ in ORACLES[name](3).outcomes(gradients, [0, 1, 2])}
    assert set(seen) == outcomes
    assert len(outcomes) >= 2
    counts = np.array([seen.count(outcome) for outcome in outcomes])
    assert (counts > DRAWS / len(outcomes) / 2).all()


def test_graddrop_picks_a_sign_as_often_as_the_paper_says(toy):
    """P = 1/2 (1 + sum g / sum |g|): 3 against -1 is positive in 3 of 4 draws, number by number."""
    torch.manual_seed(0)
    model = toy.TwoParts(2, 4000)
    gradients = np.stack([np.full(4000, 3.0), np.full(4000, -1.0)])
    toy.make("graddrop", 2).backward(losses_of(model, gradients, np.ones(2), [0, 1]), toy.everyone(2), model)
    values, counts = np.unique(model.trunk.grad.numpy(), return_counts=True)
    assert values.tolist() == [-1, 3]
    assert counts[1] / 4000 == pytest.approx(0.75, abs=0.03)  # 4 standard deviations


@pytest.mark.parametrize("count", [2, 3, 5])
def test_sdmgrads_default_comes_to_the_smallest_value(count, toy):
    """Of |g_w + lambda g_0|^2 over the simplex, from equal weights, for gradients of about one size; the authors' rate of 10 does not."""
    excess = {1.0: [], 10.0: []}
    for seed in range(10):
        random = np.random.default_rng(seed)
        gradients = random.normal(size=(count, 20)) * random.uniform(0.7, 1.4, size=(count, 1))
        pulled = gradients + 0.3 * gradients.mean(axis=0)
        best = np.sum((shortest(pulled) @ pulled) ** 2)
        for rate in excess:
            options = {} if rate == 1.0 else {"weights_lr": rate}
            _, coefficients = toy.one_step("sdmgrad", gradients.tolist(), **options)
            value = np.sum((coefficients.double().numpy() * 1.3 @ gradients) ** 2)
            excess[rate].append(value / best - 1)
    assert max(excess[1.0]) < 0.01
    assert np.median(excess[10.0]) > 0.1


@pytest.mark.parametrize("smooths", ["mgda", "cagrad", "upgrad"])
def test_cr_mogm_costs_an_absent_task_nothing(smooths, toy):
    """Three tasks that are alike, one of them there in one batch of four: a third each whenever all are there, and half each of the two others."""
    balancer = toy.make("cr_mogm", 3, smooths=smooths)
    whole = toy.one_step("cr_mogm", np.eye(3).tolist(), smooths=smooths)[1][0].item()
    for number in range(60):
        rows, model = [0, 1, 2] if number % 4 == 0 else [0, 1], toy.TwoParts(3, 3)
        present = torch.tensor([row in rows for row in range(3)])
        _, coefficients = balancer.backward(losses_of(model, np.eye(3), np.ones(3), rows), present, model)
        if len(rows) == 3:
            assert coefficients.tolist() == pytest.approx([whole] * 3, rel=0.1)
            assert max(coefficients.tolist()) == pytest.approx(min(coefficients.tolist()), rel=0.06)


def test_fairgrads_update_does_not_grow_as_the_gradients_shrink(toy):
    """The authors' cut at norm 1; without it, alpha 2 gives |d| = T |g|^(-1/3) for orthogonal gradients, times sqrt(T)."""
    for size in (1e-3, 1e-1, 10.0):
        slopes = (np.eye(2) * size).tolist()
        cut_update, uncut = toy.one_step("fairgrad", slopes)[0], toy.one_step("fairgrad", slopes, max_norm=0)[0]
        assert uncut.norm().item() == pytest.approx(2 * np.sqrt(2) * size ** (-1 / 3), rel=1e-4)
        assert cut_update.norm().item() == pytest.approx(min(1.0, uncut.norm().item()), rel=1e-4)


def test_cagrad_keeps_its_direction_beside_gradients_of_very_different_norm(toy):
    """The smallest gradient has all the weight: the update is the mean, and c |g_0| along the smallest."""
    slopes = np.array([[1e-4, 0.0], [0.0, 1e5]])
    update, _ = toy.one_step("cagrad", slopes.tolist(), c=0.4)
    factors = cagrad(slopes, 0.4)
    np.testing.assert_allclose(update.numpy(), factors @ slopes, rtol=1e-3)
    assert update[0].item() > 1e4


@pytest.mark.parametrize("name", list(ORACLES))
def test_every_option_is_tried(name):
    """Every choice, and every number at another value than its default."""
    fields = {key: field for key, field in BALANCERS.load(name).Options.model_fields.items() if key != "gradients"}
    cases = OPTIONS.get(name, [{}])
    assert {key for case in cases for key in case} == set(fields)
    for key, field in fields.items():
        tried = {case.get(key, field.default) for case in cases}
        assert len(tried) > 1
        if hasattr(field.annotation, "__args__") and all(isinstance(choice, str) for choice in field.annotation.__args__):
            assert tried == set(field.annotation.__args__)
