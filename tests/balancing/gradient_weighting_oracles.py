"""A second implementation of the loss weightings that read gradients, too, in plain numpy from the papers' equations and the authors' formulas."""

from __future__ import annotations

import numpy as np

from tests.balancing.weighting_oracles import Adam, Oracle


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
