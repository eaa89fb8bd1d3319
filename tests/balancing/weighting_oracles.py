"""A second implementation of the loss weightings that read losses, in plain numpy from the papers' equations and the authors' formulas.

An oracle gets the tasks' own losses and gradients and the loss weights apart from each other, so what it remembers cannot depend on the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

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
