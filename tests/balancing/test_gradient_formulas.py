"""Every gradient aggregator against a second implementation, in plain numpy and scipy from the papers' equations and the authors' formulas.

The small problems inside are solved here by trying every active set, or by scipy, never by the product's own solvers. An oracle is asked at every
step of a run with tasks that are absent and a checkpoint in the middle; what it remembers is compared with the balancer's state.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import optimize

from mtl_core.balancing import BALANCERS


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


class Drawn(Oracle):
    """A method that draws: all outcomes that it may have, each with its own factors and memory. Which one it was, the balancer's update says."""

    def outcomes(self, gradients, rows):
        """Pairs of an update (P,) and what to remember if it was that one."""
        raise NotImplementedError

    def orders(self, count):
        """An order of the others for each task, every combination."""
        return itertools.product(*(itertools.permutations([other for other in range(count) if other != task]) for task in range(count)))

    def remember(self, memory):
        """Take over the memory of the outcome that it was."""


class PCGrad(Drawn):
    """Yu et al., algorithm 1."""

    def outcomes(self, gradients, rows):
        for orders in self.orders(len(rows)):
            total = np.zeros(gradients.shape[1])
            for gradient, order in zip(gradients, orders, strict=True):
                for other in order:
                    along = gradient @ gradients[other]
                    gradient = gradient - min(0.0, along) / (gradients[other] @ gradients[other]) * gradients[other]
                total = total + gradient
            yield total, None


class GradVac(Drawn):
    """Wang et al., algorithm 1: turned until the cosine is the running mean; that mean takes in what the cosine was before."""

    def __init__(self, count, beta=0.01):
        super().__init__(count)
        self.beta, self.usual = beta, np.zeros((count, count))

    def outcomes(self, gradients, rows):
        for orders in self.orders(len(rows)):
            total, usual = np.zeros(gradients.shape[1]), self.usual.copy()
            for place, order in enumerate(orders):
                gradient = gradients[place]
                for other in order:
                    target, at = gradients[other], (rows[place], rows[other])
                    cosine = gradient @ target / np.linalg.norm(gradient) / np.linalg.norm(target)
                    wanted = usual[at]
                    if cosine < wanted:
                        sines = np.sqrt(1 - cosine**2), np.sqrt(1 - wanted**2)
                        factor = np.linalg.norm(gradient) * (wanted * sines[0] - cosine * sines[1]) / (np.linalg.norm(target) * sines[1])
                        gradient = gradient + factor * target
                    usual[at] = (1 - self.beta) * wanted + self.beta * cosine
                total = total + gradient
            yield total, usual

    def remember(self, memory):
        self.usual = memory

    def remembered(self):
        return {"usual": self.usual}


class GradDrop(Drawn):
    """Chen et al. 2020, algorithm 1: number by number the positive or the negative parts, and the leak of all."""

    def outcomes(self, gradients, rows):
        leak = self.options.get("leak", 0.0)
        parts = [leak * gradients.sum(axis=0) + (1 - leak) * np.where(sign * gradients > 0, gradients, 0).sum(axis=0) for sign in (1, -1)]
        for signs in itertools.product((0, 1), repeat=gradients.shape[1]):
            yield np.array([parts[sign][number] for number, sign in enumerate(signs)]), None


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


@pytest.mark.parametrize("presence", [EVERYBODY, SOME_ABSENT], ids=["all", "absent"])
@pytest.mark.parametrize("kind", ["alike", "conflict"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{'-'.join(f'{k}={v}' for k, v in o.items())}" for name, o in CASES])
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
