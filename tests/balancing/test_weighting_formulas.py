"""Every loss weighting against a second implementation, in plain numpy from the papers' equations and the authors' formulas.

An oracle gets the tasks' own losses and gradients and the loss weights apart from each other, so what it remembers cannot depend on the weights. It
is asked at every step of a run with tasks that are absent, weights that change (to 0 and back, too) and a checkpoint in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mtl_core.balancing import BALANCERS

EPS = 1e-8


@dataclass
class Step:
    """What a step offers: losses (T,), gradients on the shared parameters (T, P) and on each head (T,), all without loss weights; the weights; who
    is there (T,), a loss weight of 0 being absence; and the coefficients (T,) that were seen, for methods that draw."""

    losses: np.ndarray
    gradients: np.ndarray
    heads: np.ndarray
    weights: np.ndarray
    here: np.ndarray
    seen: np.ndarray


class Adam:
    """Kingma and Ba 2015, algorithm 1, for numbers that are each updated by themselves."""

    def __init__(self, count, lr):
        self.lr, self.first, self.second, self.steps = lr, np.zeros(count), np.zeros(count), np.zeros(count)

    def move(self, numbers, gradient, rows):
        for row in rows:
            self.steps[row] += 1
            self.first[row] = 0.9 * self.first[row] + 0.1 * gradient[row]
            self.second[row] = 0.999 * self.second[row] + 0.001 * gradient[row] ** 2
            first, second = self.first[row] / (1 - 0.9 ** self.steps[row]), self.second[row] / (1 - 0.999 ** self.steps[row])
            numbers[row] -= self.lr * first / (np.sqrt(second) + 1e-8)


class Oracle:
    """``coefficients`` of the weighted losses; from them follow the update and, for most, the heads' factors."""

    heads_too = True
    combined = None  # the scalar that is descended, where the paper has one

    def __init__(self, count, **options):
        self.count, self.options = count, options

    def update(self, step):
        """Coefficients (T,), the update (P,) of the shared parameters, factors (T,) on the heads' weighted gradients."""
        coefficients = self.coefficients(step)
        return coefficients, (coefficients * step.weights) @ step.gradients, coefficients

    def after(self, step, losses_after):
        """The losses (T,), without weights, of the same batch after the step."""

    def end_epoch(self):
        pass

    def remembered(self):
        """Place in the balancer's state -> the numbers expected there, in units of the weighted losses where ``units`` are applied."""
        return {}


class Fixed(Oracle):
    def coefficients(self, step):
        self.combined = (step.weights * step.losses)[step.here].sum()
        return step.here * 1.0


class Mean(Oracle):
    def coefficients(self, step):
        self.combined = (step.weights * step.losses)[step.here].mean()
        return step.here / step.here.sum()


class Uncertainty(Oracle):
    """Kendall et al., eq. 10 with s = log sigma^2: 1/2 exp(-s) L + 1/2 s; s by the run's optimizer, here AdamW."""

    start_factor = 0.5

    def __init__(self, count, **options):
        super().__init__(count, **options)
        self.s, self.adam = np.zeros(count), Adam(count, 0.05)

    def scale(self):
        return 0.5 * np.exp(-self.s)

    def gradient(self, losses):
        return 0.5 - 0.5 * np.exp(-self.s) * losses

    def penalty(self):
        return 0.5 * self.s

    def coefficients(self, step):
        losses = step.weights * step.losses
        coefficients, gradient = self.scale() * step.here, self.gradient(losses)
        self.combined = (self.scale() * losses + self.penalty())[step.here].sum()
        self.adam.move(self.s, gradient, np.flatnonzero(step.here))
        return coefficients

    def remembered(self):
        return {f"log_var.{row}": value for row, value in enumerate(self.s)}


class IMTLL(Uncertainty):
    """Liu et al.: exp(s) L - s."""

    def scale(self):
        return np.exp(self.s)

    def gradient(self, losses):
        return np.exp(self.s) * losses - 1

    def penalty(self):
        return -self.s

    def remembered(self):
        return {f"log_scale.{row}": value for row, value in enumerate(self.s)}


class DWA(Oracle):
    """Liu et al., eq. 7: w = L(t-1) / L(t-2), lambda = T exp(w / temperature) / sum; the losses are means over an epoch."""

    def __init__(self, count, temperature=2.0):
        super().__init__(count)
        self.temperature, self.epochs, self.now = temperature, [[] for _ in range(count)], [[] for _ in range(count)]

    def coefficients(self, step):
        rates = np.array([means[-1] / means[-2] if len(means) > 1 else 1.0 for means in self.epochs])
        powers = np.exp(rates / self.temperature)
        for row in np.flatnonzero(step.here):
            self.now[row].append(step.losses[row])
        coefficients = step.here * self.count * powers / powers.sum()
        self.combined = (coefficients * step.weights * step.losses).sum()
        return coefficients

    def end_epoch(self):
        for means, losses in zip(self.epochs, self.now, strict=True):
            if losses:
                means.append(np.mean(losses))
        self.now = [[] for _ in range(self.count)]


class RandomWeights(Oracle):
    """Lin et al.: weights on the simplex. Which ones is a matter of chance; their distribution has a test of its own."""

    def coefficients(self, step):
        assert (step.seen[step.here] > 0).all()
        assert step.seen.sum() == pytest.approx(1, abs=1e-5)
        self.combined = (step.seen * step.weights * step.losses).sum()
        return step.seen


class Roulette(Oracle):
    """k of the tasks that are there, with chances proportional to a fitness, or one after another."""

    def __init__(self, count, fitness="relative_loss", tasks_per_step=1):
        super().__init__(count)
        self.fitness, self.k = fitness, tasks_per_step
        self.history = [[] for _ in range(count)]  # (step, loss)
        self.clock, self.queue = 0, list(range(count))

    def mean(self, row, share):
        """The running mean, written out: every loss counts with what was left of it at each later step of the run."""
        (at, value), *later = self.history[row]
        for step, loss in later:
            kept = (1 - share) ** (step - at)
            at, value = step, kept * value + (1 - kept) * loss
        return value

    def coefficients(self, step):
        self.clock += 1
        for row in np.flatnonzero(step.here):
            self.history[row].append((self.clock, step.losses[row]))
        k = min(self.k, step.here.sum())
        if self.fitness == "round_robin":
            drawn = [row for row in self.queue if step.here[row]][:k]
            self.queue = [row for row in self.queue if row not in drawn] + drawn
            coefficients = np.isin(np.arange(self.count), drawn) * 1.0
        else:
            coefficients = step.seen
        assert set(coefficients.tolist()) <= {0.0, 1.0}
        assert coefficients.sum() == k
        assert not coefficients[~step.here].any()
        self.combined = (coefficients * step.weights * step.losses).sum()
        return coefficients

    def chances(self, here):
        fitness = {
            "relative_loss": lambda row: self.mean(row, 0.1) / self.history[row][0][1],
            "inverse_rate": lambda row: self.mean(row, 0.1) / self.mean(row, 0.01),
            "labelled": lambda row: len(self.history[row]),
            "uniform": lambda row: 1,
            "round_robin": lambda row: 1,
        }[self.fitness]
        values = np.array([fitness(row) if is_here else 0.0 for row, is_here in enumerate(here)])
        return values / values.sum()


class GeometricMean(Oracle):
    """Chennupati et al.: (prod L)^(1/T'); its derivative is itself over T' L."""

    def coefficients(self, step):
        losses = (step.weights * step.losses)[step.here]
        self.combined = np.prod(losses) ** (1 / len(losses))
        coefficients = np.zeros(self.count)
        coefficients[step.here] = self.combined / (len(losses) * losses)
        return coefficients


class FAMO(Oracle):
    """Liu et al., algorithm 1, as the authors' class has it (get_weighted_loss and update), over the tasks that are there."""

    def __init__(self, count, weights_lr=0.025, weights_decay=1e-3):
        super().__init__(count)
        self.w, self.adam, self.decay = np.zeros(count), Adam(count, weights_lr), weights_decay

    def z(self, here):
        powers = np.exp(self.w) * here
        return powers / powers.sum()

    def coefficients(self, step):
        shifted, z = step.weights * step.losses + EPS, self.z(step.here)
        c = 1 / (z[step.here] / shifted[step.here]).sum()
        coefficients = np.zeros(self.count)
        coefficients[step.here] = (c * z / np.where(step.here, shifted, 1))[step.here]
        self.combined = (c * z[step.here] * np.log(shifted[step.here])).sum()
        return coefficients

    def after(self, step, losses_after):
        z, here = self.z(step.here), step.here
        fell = np.zeros(self.count)
        fell[here] = np.log(step.weights * step.losses + EPS)[here] - np.log(step.weights * losses_after + EPS)[here]
        jacobian = np.diag(z) - np.outer(z, z)  # of the softmax
        of_all = np.exp(self.w) / np.exp(self.w).sum()
        self.adam.move(self.w, jacobian @ fell + self.decay * self.w, np.flatnonzero(here))
        # An absent task's share of all stays what it was: its logit moves until that is so.
        here_sum = np.exp(self.w[here]).sum()
        for row in np.flatnonzero(~here):
            self.w[row] = np.log(of_all[row] / of_all[here].sum() * here_sum)

    def remembered(self):
        return {"logits": self.w}


class STCH(Oracle):
    """Lin et al. 2024, eq. 7 with lambda = 1/T' and z* = 0: mu log sum exp(lambda L / mu)."""

    def __init__(self, count, smoothing=0.1):
        super().__init__(count)
        self.mu = smoothing

    def coefficients(self, step):
        losses = (step.weights * step.losses)[step.here]
        scaled = losses / len(losses) / self.mu
        powers = np.exp(scaled - scaled.max())
        self.combined = self.mu * (np.log(powers.sum()) + scaled.max())
        coefficients = np.zeros(self.count)
        coefficients[step.here] = powers / powers.sum() / len(losses)
        return coefficients


class Numerical(Oracle):
    """Coefficients by central differences of the scalar in the paper."""

    def coefficients(self, step):
        losses, small = (step.weights * step.losses)[step.here], 1e-6
        self.combined = self.scalar(losses)
        coefficients = np.zeros(self.count)
        coefficients[step.here] = [
            (self.scalar(losses + small * unit) - self.scalar(losses - small * unit)) / (2 * small) for unit in np.eye(len(losses))
        ]
        return coefficients


class COSMOS(Numerical):
    """Ruchte and Grabocka, eq. 5: r . L - lambda cos(r, L)."""

    def __init__(self, count, penalty=0.01):
        super().__init__(count)
        self.penalty = penalty

    def scalar(self, losses):
        r = np.full(len(losses), 1 / len(losses))
        return r @ losses - self.penalty * (r @ losses) / np.linalg.norm(r) / np.linalg.norm(losses)


class PBI(Numerical):
    """Zhang and Li, section III-C: d1 + theta d2 along the equal direction, ideal point 0."""

    def __init__(self, count, penalty=0.5):
        super().__init__(count)
        self.penalty = penalty

    def scalar(self, losses):
        direction = np.ones(len(losses)) / np.sqrt(len(losses))
        along = abs(losses @ direction)
        return along + self.penalty * np.linalg.norm(losses - along * direction)


class GradNorm(Oracle):
    """Chen et al., algorithm 1: L_grad = sum |w_t |g_t| - G r_t^alpha|, its derivative by the norm's definition, Adam, weights back to their sum."""

    def __init__(self, count, alpha=1.5, weights_lr=0.025):
        super().__init__(count)
        self.alpha, self.w, self.first, self.adam = alpha, np.ones(count), [None] * count, Adam(count, weights_lr)

    def coefficients(self, step):
        rows = np.flatnonzero(step.here)
        for row in rows:
            self.first[row] = step.losses[row] if self.first[row] is None else self.first[row]
        lengths = np.linalg.norm(step.gradients, axis=1)
        norms = self.w * step.weights * lengths
        progress = np.array([step.losses[row] / self.first[row] for row in rows])
        target = norms[rows].mean() * (progress / progress.mean()) ** self.alpha
        gradient = np.zeros(self.count)
        gradient[rows] = np.sign(norms[rows] - target) * lengths[rows]  # per loss weight, which Adam would take out
        coefficients, total = self.w * step.here, self.w[rows].sum()
        self.adam.move(self.w, gradient, rows)
        self.w[rows] = np.maximum(self.w[rows], 1e-4)
        self.w[rows] *= total / self.w[rows].sum()
        return coefficients

    def remembered(self):
        return {"weights": self.w}


class DBMTL(Oracle):
    """Lin et al. 2023, algorithm 1, its running mean started at the first gradient: every log loss's mean gradient to the largest norm."""

    def __init__(self, count, beta=0.9):
        super().__init__(count)
        self.beta, self.means = beta, [None] * count

    def update(self, step):
        rows = np.flatnonzero(step.here)
        for row in rows:
            newest = step.gradients[row] / step.losses[row]
            self.means[row] = newest if self.means[row] is None else self.beta * self.means[row] + (1 - self.beta) * newest
        norms = np.array([np.linalg.norm(self.means[row]) for row in rows])
        direction = sum(self.means[row] / norm for row, norm in zip(rows, norms, strict=True)) * norms.max()
        coefficients, heads = np.zeros(self.count), np.zeros(self.count)
        heads[rows] = 1 / (step.weights * step.losses)[rows]
        coefficients[rows] = norms.max() / norms * heads[rows]
        return coefficients, direction, heads


class ExcessMTL(Oracle):
    """He et al., eq. 6, 7 and 9, as the authors' class has them: the first risk is only stored. Without loss weights; on the simplex.

    A task's squared gradients stand for the steps that it missed, too; where not all tasks have a measure yet, only those that have one move.
    """

    def __init__(self, count, step_size=0.01, warmup_steps=0):
        super().__init__(count)
        self.eta, self.warmup = step_size, max(warmup_steps, 1)
        self.w, self.squares, self.risks, self.born, self.clock = (
            np.ones(count) / count,
            [[] for _ in range(count)],
            [[] for _ in range(count)],
            {},
            0,
        )

    def update(self, step):
        self.clock += 1
        moving = {}
        for row in np.flatnonzero(step.here):
            self.squares[row].append(step.gradients[row] ** 2)
            age = self.clock - self.born.setdefault(row, self.clock) + 1
            hessian = np.sqrt(np.mean(self.squares[row], axis=0) * age + 1e-7)
            risk = (step.gradients[row] / hessian) @ step.gradients[row]
            if len(self.risks[row]) < self.warmup:
                self.risks[row].append(risk)
            else:
                moving[row] = risk / np.mean(self.risks[row])
        if moving:
            rows = list(moving)
            share = self.w[rows].sum()
            grown = self.w[rows] * np.exp(self.eta * np.array(list(moving.values())))
            self.w[rows] = grown / grown.sum() * share
        coefficients = self.w * step.here
        coefficients = coefficients / coefficients.sum()
        return coefficients, (coefficients * step.weights) @ step.gradients, coefficients

    def remembered(self):
        return {"weights": self.w}


class AutoLambda(Oracle):
    """Liu et al. 2022: Adam on the derivative of all losses after an SGD step by each weight, shared parameters and head."""

    def __init__(self, count, start=0.1, weights_lr=1e-3):
        super().__init__(count)
        self.w, self.adam, self.last = np.full(count, start), Adam(count, weights_lr), {}

    def coefficients(self, step):
        rows = np.flatnonzero(step.here)
        wanted = (step.weights[rows, None] * step.gradients[rows]).sum(axis=0)
        gradient, known = np.zeros(self.count), []
        for row in rows:
            if row in self.last:
                shared, head = self.last[row]
                gradient[row] = -(shared @ wanted + head * step.heads[row] * step.weights[row])
                known.append(row)
            self.last[row] = step.gradients[row], step.heads[row]
        # The last gradients carry the weight of now; like Adam's memory, they are kept without it.
        self.adam.move(self.w, gradient, known)
        self.w = np.maximum(self.w, 1e-4)
        return self.w * step.here

    def remembered(self):
        return {"weights": self.w}


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


@pytest.mark.parametrize("weights", [STEADY, CHANGED], ids=["steady", "changed"])
@pytest.mark.parametrize("absent", [EVERYBODY, SOME_ABSENT], ids=["all", "absent"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CASES)])
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
