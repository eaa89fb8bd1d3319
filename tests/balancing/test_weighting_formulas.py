"""Every loss weighting against its second implementation (``weighting_oracles.py``, ``gradient_weighting_oracles.py``).

An oracle is asked at every step of a run with tasks that are absent, weights that change (to 0 and back, too) and a checkpoint in the middle.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.balancing import BALANCERS
from tests.balancing.gradient_weighting_oracles import DBMTL, AutoLambda, ExcessMTL, GradNorm
from tests.balancing.weighting_oracles import (
    COSMOS,
    DWA,
    FAMO,
    IMTLL,
    PBI,
    STCH,
    Fixed,
    GeometricMean,
    Mean,
    RandomWeights,
    Roulette,
    Step,
    Uncertainty,
)

ORACLES = {
    "fixed": Fixed,
    "mean": Mean,
    "uncertainty": Uncertainty,
    "imtl_l": IMTLL,
    "dwa": DWA,
    "random": RandomWeights,
    "roulette": Roulette,
    "geometric_mean": GeometricMean,
    "famo": FAMO,
    "stch": STCH,
    "cosmos": COSMOS,
    "pbi": PBI,
    "gradnorm": GradNorm,
    "db_mtl": DBMTL,
    "excess_mtl": ExcessMTL,
    "auto_lambda": AutoLambda,
}
OPTIONS = {
    "dwa": [{}, {"temperature": 0.5}],
    "roulette": [
        {},
        {"fitness": "inverse_rate"},
        {"fitness": "labelled"},
        {"fitness": "uniform", "tasks_per_step": 2},
        {"fitness": "round_robin"},
        {"fitness": "round_robin", "tasks_per_step": 2},
        {"tasks_per_step": 64},
    ],
    "famo": [{}, {"weights_lr": 0.1, "weights_decay": 0.0}, {"weights_decay": 0.5}],
    "stch": [{}, {"smoothing": 0.01}, {"smoothing": 10.0}],
    "cosmos": [{}, {"penalty": 1.0}, {"penalty": 0.0}],
    "pbi": [{}, {"penalty": 5.0}, {"penalty": 0.0}],
    "gradnorm": [{}, {"alpha": 0.0}, {"alpha": 0.12, "weights_lr": 0.1}],
    "db_mtl": [{}, {"beta": 0.0}, {"beta": 0.5}],
    "excess_mtl": [{}, {"step_size": 1.0}, {"warmup_steps": 2}, {"step_size": 0.1, "warmup_steps": 3}],
    "auto_lambda": [{}, {"start": 1.0, "weights_lr": 0.05}],
}
CASES = [(name, options) for name in ORACLES for options in OPTIONS.get(name, [{}])]
STEPS, EPOCH = 12, 3
EVERYBODY, SOME_ABSENT = {}, {1: [2], 2: [0], 4: [2], 5: [1, 2], 8: [2], 9: [0]}  # step -> who is absent
STEADY, CHANGED = {0: (1, 1, 1)}, {0: (1, 0.5, 2), 4: (1, 10, 2), 7: (1, 0, 0.1), 9: (3, 2, 0.1)}  # from a step on -> loss weights


def losses_of(model, step):
    """Each task's weighted loss with its graph; a constant 0 for one that is not there, as ``JointStep`` gives it."""
    losses = []
    for row, own in enumerate(model.own):
        if not step.here[row]:
            losses.append(torch.zeros(()))
            continue
        line = torch.as_tensor(step.gradients[row], dtype=torch.float32) @ model.trunk + step.heads[row] * own.sum()
        losses.append((line - line.detach() + step.losses[row]) * float(step.weights[row]))
    return losses


def successor(balancer, optimizer, make):
    """As a checkpoint brings them back."""
    again = make()
    again.load_state_dict(balancer.state_dict())
    again.loss_weights = balancer.loss_weights.clone()
    if optimizer is None:
        return again, None
    other = torch.optim.AdamW(again.parameters(), lr=0.05, weight_decay=0.0)
    other.load_state_dict(optimizer.state_dict())
    return again, other


# Each case with both sorts of presence and both of loss weights: all, steady and absent, changed; for every second case the other way round.
WEIGHTS = {"steady": STEADY, "changed": CHANGED}
RUNS = [
    pytest.param(name, options, absent, WEIGHTS[said], id=f"{name}-{number}-{who}-{said}")
    for number, (name, options) in enumerate(CASES)
    for (who, absent), said in zip((("all", EVERYBODY), ("absent", SOME_ABSENT)), list(WEIGHTS)[:: 1 - 2 * (number % 2)], strict=True)
]


@pytest.mark.parametrize(("name", "options", "absent", "weights"), RUNS)
def test_every_step_is_the_published_one(name, options, absent, weights, toy):
    random, count, width = np.random.default_rng(7), 3, 5
    torch.manual_seed(3)
    model, oracle = toy.TwoParts(count, width), ORACLES[name](count, **options)
    balancer = toy.make(name, count, **options)
    optimizer = torch.optim.AdamW(balancer.parameters(), lr=0.05, weight_decay=0.0) if list(balancer.parameters()) else None
    for number in range(STEPS):
        if number in weights:
            now = np.array(weights[number], dtype=float)
            balancer.use_loss_weights(torch.as_tensor(now))
        here = np.array([row not in absent.get(number, []) for row in range(count)]) & (now > 0)
        falling = 0.9**number * np.array([0.4, 1.5, 0.8])
        step = Step(falling * random.uniform(0.7, 1.3, count), random.normal(size=(count, width)), random.normal(size=count), now, here, None)
        model.zero_grad(set_to_none=True)
        balancer.zero_grad(set_to_none=True)
        combined, coefficients = balancer.backward(losses_of(model, step), torch.as_tensor(here), model)
        step.seen = coefficients.double().numpy()
        if name == "roulette" and oracle.fitness != "round_robin":
            chances = balancer.chances(torch.as_tensor(here))
        expected, direction, heads = oracle.update(step)
        close = {"rtol": 2e-4, "atol": 2e-5}
        np.testing.assert_allclose(step.seen, expected, **close)
        np.testing.assert_allclose(model.trunk.grad.numpy(), direction, **close)
        for row, own in enumerate(model.own):
            if step.here[row] and heads[row] != 0:
                np.testing.assert_allclose(own.grad.item(), heads[row] * now[row] * step.heads[row], **close)
            else:
                assert own.grad is None
        if oracle.combined is not None:
            np.testing.assert_allclose(combined.item(), oracle.combined, **close)
        if name == "roulette" and oracle.fitness != "round_robin":
            np.testing.assert_allclose(chances.numpy(), oracle.chances(here), **close)
        if optimizer is not None:
            optimizer.step()
        losses_after = step.losses * random.uniform(0.8, 1.05, count)
        again = torch.as_tensor(losses_after * now * here, dtype=torch.float32), torch.as_tensor(here)
        balancer.after_step(lambda again=again: again)
        oracle.after(step, losses_after)
        if number % EPOCH == EPOCH - 1:
            balancer.end_epoch()
            oracle.end_epoch()
        state = balancer.state_dict()
        for key, value in oracle.remembered().items():
            np.testing.assert_allclose(state[key].detach().numpy(), value, **close)
        if number == STEPS // 2:
            balancer, optimizer = successor(balancer, optimizer, lambda: toy.make(name, count, **options))


def test_random_weights_are_a_softmax_of_normal_numbers(toy):
    """log w_i - log w_j of such weights is normal with mean 0 and variance 2; so is it among the tasks present."""
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(3), toy.make("random", 3)
    present, logs = torch.tensor([True, False, True]), []
    for _ in range(1000):
        _, coefficients = balancer.backward(toy.linear_losses(model, [[1.0, 0.0]] * 3), present, model)
        assert coefficients[1] == 0
        logs.append((coefficients[0].log() - coefficients[2].log()).item())
    assert np.mean(logs) == pytest.approx(0, abs=0.14)  # 3 standard deviations
    assert np.var(logs) == pytest.approx(2, abs=0.28)
    quartiles = np.quantile(logs, [0.25, 0.75])
    np.testing.assert_allclose(quartiles, [-0.954, 0.954], atol=0.2)  # 0.6745 sqrt(2)


def test_every_loss_weighting_has_an_oracle():
    weightings = {name for name in BALANCERS if BALANCERS.load(name).family == "loss weighting"}
    assert weightings <= set(ORACLES) <= set(BALANCERS)
    assert set(OPTIONS) == {name for name in ORACLES if set(BALANCERS.load(name).Options.model_fields) - {"gradients"}}
    for name, cases in OPTIONS.items():
        tried = {option for case in cases for option in case}
        assert tried == set(BALANCERS.load(name).Options.model_fields) - {"gradients"}
