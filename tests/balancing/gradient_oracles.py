"""A second implementation of every gradient aggregator that draws nothing, in numpy and scipy from the papers' equations and the authors' formulas.

The small problems inside are solved here by trying every active set, or by scipy, never by the product's own solvers.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import optimize


def subsets(count: int):
    return (list(chosen) for size in range(count + 1) for chosen in itertools.combinations(range(count), size))


def shortest(jacobian: np.ndarray) -> np.ndarray:
    """Weights of the shortest vector in the convex hull of the rows: on some face of it, the shortest of the affine hull."""
    gramian, best = jacobian @ jacobian.T, None
    for face in subsets(len(gramian)):
        if not face:
            continue
        size = len(face)
        system = np.block([[gramian[np.ix_(face, face)], np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
        weights = np.zeros(len(gramian))
        weights[face] = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0][:size]
        length = weights @ gramian @ weights
        if weights.min() > -1e-9 and (best is None or length < best[0] - 1e-12):
            best = length, weights
    return best[1]


def nearest(wish: np.ndarray, rows: np.ndarray, at_least: np.ndarray) -> np.ndarray:
    """The factors x >= 0 on the rows with which d = wish + x' rows is the vector nearest to ``wish`` with rows @ d >= at_least."""
    for active in subsets(len(rows)):
        x = np.zeros(len(rows))
        if active:
            chosen = rows[active]
            x[active] = np.linalg.lstsq(chosen @ chosen.T, at_least[active] - chosen @ wish, rcond=None)[0]
        if x.min(initial=0) >= -1e-9 and (rows @ (wish + x @ rows) >= at_least - 1e-9 * np.linalg.norm(rows, axis=1)).all():
            return x
    raise AssertionError("no active set fits")


def on_simplex(vector: np.ndarray) -> np.ndarray:
    """Euclidean projection onto the simplex, by trying every support."""
    for support in subsets(len(vector)):
        if support:
            projected = np.zeros_like(vector)
            projected[support] = vector[support] - (vector[support].sum() - 1) / len(support)
            threshold = (vector[support].sum() - 1) / len(support)
            if projected.min() >= 0 and (vector <= threshold + 1e-12)[[i for i in range(len(vector)) if i not in support]].all():
                return projected
    raise AssertionError("no support fits")


class Oracle:
    """``factors`` on the gradients of the tasks present; from them follows the update.

    Args:
        count: T.
    """

    def __init__(self, count: int, **options):
        self.count, self.options = count, options

    def update(self, gradients: np.ndarray, losses: np.ndarray, rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Gradients (T', P) and losses (T',) of the tasks ``rows`` -> factors (T',) and the update (P,)."""
        factors = self.factors(gradients, losses, rows)
        return factors, factors @ gradients

    def remembered(self) -> dict[str, np.ndarray]:
        """Place in the balancer's state (``memory.`` in front of what is no buffer) -> the numbers expected there."""
        return {}


class MGDA(Oracle):
    """Sener and Koltun, eq. 3; scaled as in the authors' ``gradient_normalizers``."""

    def factors(self, gradients, losses, rows):
        norms = np.linalg.norm(gradients, axis=1)
        divisors = {"none": np.ones(len(rows)), "l2": norms, "loss": losses, "loss+": losses * norms}[self.options.get("normalise", "none")]
        return shortest(gradients / divisors[:, None])


class UPGrad(Oracle):
    """Quinton and Rey: the mean of each gradient's projection onto the dual cone of all."""

    def factors(self, gradients, losses, rows):
        return sum(unit + nearest(unit @ gradients, gradients, np.zeros(len(rows))) for unit in np.eye(len(rows))) / len(rows)


class DualProj(Oracle):
    """Lopez-Paz and Ranzato, eq. 11, of the mean gradient."""

    def factors(self, gradients, losses, rows):
        mean = np.full(len(rows), 1 / len(rows))
        return mean + nearest(mean @ gradients, gradients, np.zeros(len(rows)))


def cagrad(gradients: np.ndarray, c: float) -> np.ndarray:
    """Liu et al., algorithm 1: scipy's SLSQP, as the authors, on the convex objective."""
    mean = np.full(len(gradients), 1 / len(gradients))
    scale = np.linalg.norm(gradients, axis=1).max()
    gramian = gradients @ gradients.T / scale**2
    radius = c * np.sqrt(mean @ gramian @ mean)

    def objective(w):
        return w @ gramian @ mean + radius * np.sqrt(w @ gramian @ w)

    def slope(w):
        return gramian @ mean + radius * gramian @ w / np.sqrt(w @ gramian @ w)

    total = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)}
    found = optimize.minimize(objective, mean, jac=slope, bounds=[(0, 1)] * len(mean), constraints=[total], options={"ftol": 1e-15, "maxiter": 500})
    return mean + radius / np.sqrt(found.x @ gramian @ found.x) * found.x


class CAGrad(Oracle):
    def factors(self, gradients, losses, rows):
        return cagrad(gradients, self.options.get("c", 0.4))


def cut(factors: np.ndarray, gradients: np.ndarray, limit: float) -> np.ndarray:
    length = np.linalg.norm(factors @ gradients)
    return factors * limit / length if limit and length > limit else factors


def bargain(gradients: np.ndarray, alpha: float) -> np.ndarray:
    """The w > 0 with G w = w^(-1/alpha), by scipy's least squares, as the FairGrad authors; on log w and over the right side's size, because it
    converges from afar then."""
    gramian, power = gradients @ gradients.T, 1 / alpha
    even = np.full(len(gramian), -2 * np.log(np.linalg.norm(gradients)) / (1 + power))
    for shift in (0.0, 1.0, 2.0, -1.0, 4.0):  # from some places it runs off to where w is 0 and the residual 1
        found = optimize.least_squares(
            lambda u: (gramian @ np.exp(u)) * np.exp(power * u) - 1, even + shift, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=2000
        )
        if np.abs(found.fun).max() < 1e-8:
            return np.exp(found.x)
    raise AssertionError("the oracle itself has not converged")


class NashMTL(Oracle):
    """Navon et al., eq. 2: G a = 1 / a; then the authors' ``clip_grad_norm_`` of the shared part."""

    def factors(self, gradients, losses, rows):
        return cut(bargain(gradients, 1.0), gradients, self.options.get("max_norm", 1.0))


class FairGrad(Oracle):
    """Ban and Ji, eq. 4, with the authors' ``overwrite_grad`` and ``clip_grad_norm_``: times T, cut at ``max_norm``."""

    def factors(self, gradients, losses, rows):
        return cut(len(rows) * bargain(gradients, self.options.get("alpha", 2.0)), gradients, self.options.get("max_norm", 1.0))


class IMTLG(Oracle):
    """Liu et al., the closed form: alpha_2.. = g_1 U' (D U')^-1 with D, U the differences of gradients and unit gradients to the first."""

    def factors(self, gradients, losses, rows):
        if len(rows) == 1:
            return np.ones(1)
        units = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
        differences, directions = gradients[0] - gradients[1:], units[0] - units[1:]
        rest = np.linalg.solve((differences @ directions.T).T, gradients[0] @ directions.T)
        factors = np.append(1 - rest.sum(), rest)
        return -factors if (gradients @ (factors @ gradients)).max() < 0 else factors  # the declared deviation


class ConFIG(Oracle):
    """Liu, Chu and Thuerey, eq. 2, with the pseudoinverse of the unit gradients themselves."""

    def factors(self, gradients, losses, rows):
        units = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
        direction = np.linalg.pinv(units) @ np.ones(len(rows))
        direction /= np.linalg.norm(direction)
        update = (gradients @ direction).sum() * direction
        return np.linalg.lstsq(gradients.T, update, rcond=None)[0]


class AlignedMTL(Oracle):
    """Senushkin et al., algorithm 1, by the singular values of the gradient matrix: all of them set to one, equal preferences."""

    def factors(self, gradients, losses, rows):
        left, sizes, right = np.linalg.svd(gradients, full_matrices=False)
        one = {"min": sizes.min(), "median": np.sort(sizes)[(len(sizes) - 1) // 2], "rmse": np.sqrt((sizes**2).mean())}
        aligned = one[self.options.get("scale", "min")] * left @ right
        return np.linalg.lstsq(gradients.T, aligned.mean(axis=0), rcond=None)[0]


class CRMOGM(Oracle):
    """Zhou et al.: the composite weights, which make up the update, averaged exponentially; the first ones begin.

    Of an absent task nothing moves: on the simplex the others share what they had; else what is averaged is T' times the factors.
    """

    def __init__(self, count, smooths="mgda", alpha=0.9):
        super().__init__(count)
        self.smooths, self.alpha, self.seen = smooths, alpha, set()
        self.kept = np.full(count, 1 / count if smooths == "mgda" else 1.0)

    def factors(self, gradients, losses, rows):
        count = len(rows)
        inner = {"mgda": MGDA(count), "upgrad": UPGrad(count), "cagrad": CAGrad(count, c=0.4)}[self.smooths].factors(gradients, losses, rows)
        if self.smooths != "mgda":
            for row, newest in zip(rows, inner * count, strict=True):
                self.kept[row] = self.alpha * self.kept[row] + (1 - self.alpha) * newest if row in self.seen else newest
            self.seen |= set(rows)
            return self.kept[rows] / count
        together = self.kept[rows].sum()
        old = self.kept[rows] / together if together else np.full(count, 1 / count)
        old = np.array([share if row in self.seen else newest for row, share, newest in zip(rows, old, inner, strict=True)])
        mixed = self.alpha * old + (1 - self.alpha) * inner
        mixed /= mixed.sum()
        self.kept[rows] = mixed * together
        self.seen |= set(rows)
        return mixed

    def remembered(self):
        return {"weights" if self.smooths == "mgda" else "multiples": self.kept}


class PCD(Oracle):
    """Varam and AlHajri: in gradients over their running norms, the nearest to the primary that gives each other task its share; then its length."""

    def __init__(self, count, primary=1, tau=0.02, beta=0.999):
        super().__init__(count)
        self.primary, self.tau, self.beta, self.squares = primary - 1, tau, beta, [[] for _ in range(count)]

    def factors(self, gradients, losses, rows):
        scales = []
        for row, gradient in zip(rows, gradients, strict=True):
            self.squares[row].append(gradient @ gradient)
            ages = np.arange(len(self.squares[row]))[::-1]
            scales.append(1 / np.sqrt(np.average(self.squares[row], weights=self.beta**ages if self.beta else ages == 0) + 1e-8))
        first = rows.index(self.primary) if self.primary in rows else 0
        scaled = gradients * np.array(scales)[:, None]
        others = [place for place in range(len(rows)) if place != first]
        factors = np.zeros(len(rows))
        factors[first] = 1.0
        factors[others] = nearest(scaled[first], scaled[others], self.tau * (scaled[others] ** 2).sum(axis=1))
        factors *= np.array(scales)
        return factors * np.linalg.norm(gradients[first]) / np.linalg.norm(factors @ gradients)


class MoCo(Oracle):
    """Fernando et al., algorithm 1; the running means begin with the first gradient."""

    def __init__(self, count, tracking=0.5, weights_lr=0.1, regularisation=0.0):
        super().__init__(count)
        self.beta, self.gamma, self.rho, self.w, self.y = tracking, weights_lr, regularisation, np.full(count, 1 / count), {}

    def update(self, gradients, losses, rows):
        for row, gradient in zip(rows, gradients, strict=True):
            self.y[row] = self.y[row] - self.beta * (self.y[row] - gradient) if row in self.y else gradient
        tracked = np.array([self.y[row] for row in rows])
        weights = moved(self.w, rows, lambda w: on_simplex(w - self.gamma * (tracked @ tracked.T + self.rho * np.eye(len(rows))) @ w))
        return weights, weights @ tracked

    def remembered(self):
        return {"weights": self.w, "memory.mean": np.array([self.y[row] for row in sorted(self.y)])}


def moved(weights: np.ndarray, rows: list[int], step) -> np.ndarray:
    """One step of the weights of the tasks present, which share what they had together; an absent task's wait."""
    together = weights[rows].sum()
    new = step(weights[rows] / together if together else np.full(len(rows), 1 / len(rows)))
    weights[rows] = new * together
    return new


class TwoBatches(Oracle):
    """Methods with the product of two batches' Jacobians, here the last step's and this one's."""

    def __init__(self, count, **options):
        super().__init__(count, **options)
        self.w, self.last = np.full(count, 1 / count), {}

    def product(self, gradients, rows):
        before = np.array([self.last.get(row, gradient) for row, gradient in zip(rows, gradients, strict=True)])
        self.last |= dict(zip(rows, gradients, strict=True))
        return before @ gradients.T

    def remembered(self):
        return {"weights": self.w, "memory.last": np.array([self.last[row] for row in sorted(self.last)])}


class MoDo(TwoBatches):
    """Chen et al. 2024, algorithm 1."""

    def factors(self, gradients, losses, rows):
        product, gamma, rho = self.product(gradients, rows), self.options.get("weights_lr", 0.1), self.options.get("regularisation", 0.1)
        return moved(self.w, rows, lambda w: on_simplex(w - gamma * (product @ w + rho * w)))


class SDMGrad(TwoBatches):
    """Xiao, Ban and Ji: inner SGD with momentum 0.5 on the product over its squared mean norm, as in the authors' ``sdmgrad``."""

    def factors(self, gradients, losses, rows):
        product, pull, lr = self.product(gradients, rows), self.options.get("pull", 0.3), self.options.get("weights_lr", 1.0)
        product = product / np.sqrt(np.diag(product).clip(0)).mean() ** 2
        even = np.full(len(rows), 1 / len(rows))

        def inner(w):
            velocity = 0.0
            for _ in range(self.options.get("inner_steps", 20)):
                velocity = 0.5 * velocity + product @ (w + pull * even)
                w = on_simplex(w - lr * velocity)
            return w

        return (moved(self.w, rows, inner) + pull * even) / (1 + pull)
