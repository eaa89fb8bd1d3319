"""The exact solvers against independent ones and against proofs of optimality: at most 0.1 % above the optimum, for all sizes and norms.

A lower bound on the optimum comes from duality, so the excess that is asserted is proven, not estimated; and a second solver (enumeration of all
active sets, or cvxpy's) finds the same optimum.
"""

from __future__ import annotations

import itertools

import cvxpy
import numpy as np
import pytest

from mtl_core.balancing.solvers import conflict_averse, dual_cone, fair, min_norm

EXCESS = 1e-3
NORMS = ["1e-4", "1e-2", "1", "1e4", "mixed"]
sizes_and_norms = [pytest.mark.parametrize("count", [2, 3, 5, 7, 10]), pytest.mark.parametrize("norms", NORMS)]


def every_size_and_norm(test):
    for mark in sizes_and_norms:
        test = mark(test)
    return test


def jacobians(count: int, norms: str, repeats: int = 6):
    """float32 gradients, as in training; with a common part or against each other, of one norm or of norms between 1e-4 and 1e4 side by side."""
    rng = np.random.default_rng(count)
    for number in range(repeats):
        common = [0.0, 0.7, -0.4][number % 3] * rng.normal(size=40)
        jacobian = rng.normal(size=(count, 40)) + common
        jacobian /= np.linalg.norm(jacobian, axis=1, keepdims=True)
        jacobian *= 10.0 ** rng.uniform(-4, 4, size=(count, 1)) if norms == "mixed" else float(norms) * rng.uniform(0.3, 3, size=(count, 1))
        yield jacobian.astype(np.float32).astype(np.float64)


def active_sets(count: int):
    return (list(chosen) for size in range(1, count + 1) for chosen in itertools.combinations(range(count), size))


@every_size_and_norm
def test_mgda_finds_the_shortest_convex_combination(count, norms):
    for jacobian in jacobians(count, norms):
        gramian = jacobian @ jacobian.T
        weights = min_norm(gramian)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)
        value = weights @ gramian @ weights
        # w'Gw is convex: for every v on the simplex v'Gv >= w'Gw + 2 (v - w)'Gw, and the right side is smallest at a corner.
        assert value - (2 * (gramian @ weights).min() - value) <= EXCESS * value


@pytest.mark.parametrize("count", [2, 3, 6, 9])
def test_mgda_agrees_with_the_enumeration_of_all_faces(count):
    for jacobian in jacobians(count, "1"):
        gramian = jacobian @ jacobian.T
        best = np.inf
        for face in active_sets(count):
            solution = np.linalg.solve(gramian[np.ix_(face, face)], np.ones(len(face)))
            if (solution >= 0).all():
                best = min(best, 1 / solution.sum())
        weights = min_norm(gramian)
        assert weights @ gramian @ weights == pytest.approx(best, rel=1e-9)


def test_mgda_worked_example():
    """(1, 0) and (0, 2): the shortest vector between them has w = (4, 1) / 5."""
    np.testing.assert_allclose(min_norm(np.diag([1.0, 4.0])), [0.8, 0.2])


def test_mgda_of_opposite_gradients_is_zero():
    gramian = np.array([[1.0, -2.0], [-2.0, 4.0]])
    weights = min_norm(gramian)
    np.testing.assert_allclose(weights, [2 / 3, 1 / 3], rtol=1e-5)
    assert weights @ gramian @ weights < 1e-9


@every_size_and_norm
def test_upgrads_projections_are_the_nearest_that_hurt_no_task(count, norms):
    for jacobian in jacobians(count, norms, repeats=3):
        gramian = jacobian @ jacobian.T
        lengths = np.linalg.norm(jacobian, axis=1)
        for preference in np.eye(count):
            weights = dual_cone(gramian, preference)
            value = weights @ gramian @ weights
            gains = gramian @ weights  # g_i . projection; the problem's multipliers
            assert ((weights - preference) * lengths >= -1e-9 * (preference @ lengths)).all()
            # A lower bound from multipliers m = max(gains, 0): -m'G^+m / ... is met at v = w up to what is left of w'G(w - u) and of negative gains.
            assert gains.min() >= -1e-6 * lengths.max() * np.sqrt(value) - 1e-12 * value
            assert abs(gains @ (weights - preference)) <= EXCESS / 2 * value


@pytest.mark.parametrize("count", [2, 3, 6, 9])
def test_upgrad_agrees_with_the_enumeration_of_all_active_sets(count):
    for jacobian in jacobians(count, "1", repeats=3):
        gramian = jacobian @ jacobian.T
        preference = np.eye(count)[0]
        best = preference @ gramian @ preference if (gramian @ preference).min() >= 0 else np.inf
        for raised in active_sets(count):
            weights = preference.copy()
            weights[raised] = 0
            weights[raised] = np.linalg.solve(gramian[np.ix_(raised, raised)], -gramian[raised] @ weights)
            if (weights >= preference - 1e-12).all():
                best = min(best, weights @ gramian @ weights)
        weights = dual_cone(gramian, preference)
        assert weights @ gramian @ weights == pytest.approx(best, rel=1e-9)


@every_size_and_norm
@pytest.mark.parametrize("radius", [0.1, 0.4, 0.9])
def test_cagrad_is_at_most_a_thousandth_above_its_optimum(count, norms, radius):
    for jacobian in jacobians(count, norms, repeats=3):
        weights = conflict_averse(jacobian @ jacobian.T, radius)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)
        mean, combined = jacobian.mean(axis=0), weights @ jacobian
        reach = radius * np.linalg.norm(mean)
        value = combined @ mean + reach * np.linalg.norm(combined)
        # Duality: what the worst-off task gains along any direction within reach of the mean is a lower bound; the update itself is one.
        bound = (jacobian @ (mean + reach * combined / np.linalg.norm(combined))).min()
        assert value - bound <= EXCESS * abs(value)


@pytest.mark.parametrize("count", [2, 5, 10])
def test_cagrad_agrees_with_a_cone_solver(count):
    for jacobian in jacobians(count, "1", repeats=3):
        mean = jacobian.mean(axis=0)
        reach = 0.4 * np.linalg.norm(mean)
        unknown = cvxpy.Variable(count)
        objective = (jacobian @ mean) @ unknown + reach * cvxpy.norm(jacobian.T @ unknown, 2)
        best = cvxpy.Problem(cvxpy.Minimize(objective), [unknown >= 0, cvxpy.sum(unknown) == 1]).solve(cvxpy.CLARABEL)
        weights = conflict_averse(jacobian @ jacobian.T, 0.4)
        value = weights @ jacobian @ mean + reach * np.linalg.norm(weights @ jacobian)
        assert value == pytest.approx(best, rel=1e-5)


def bargain(gramian, weights):
    return 0.5 * weights @ gramian @ weights - np.log(weights).sum()


@every_size_and_norm
def test_nash_mtl_solves_its_equations(count, norms):
    """G w = 1 / w. In the scaled unknowns the objective is self-concordant, so the equations' error bounds the excess over the optimum."""
    for jacobian in jacobians(count, norms):
        gramian = jacobian @ jacobian.T
        weights = fair(gramian, 1.0)
        assert weights.min() > 0
        np.testing.assert_allclose(weights * (gramian @ weights), 1.0, rtol=EXCESS / 10)
        lengths = np.linalg.norm(jacobian, axis=1)
        scaled, cosine = weights * lengths, gramian / np.outer(lengths, lengths)
        slope = cosine @ scaled - 1 / scaled
        decrement = np.sqrt(slope @ np.linalg.solve(cosine + np.diag(scaled**-2.0), slope))
        assert decrement < 0.1
        assert decrement**2 <= EXCESS * count / 2  # at the optimum w'Gw = T, so the quadratic part alone is T / 2


@pytest.mark.parametrize("count", [2, 5, 10])
def test_nash_mtl_agrees_with_a_cone_solver(count):
    for jacobian in jacobians(count, "1", repeats=2):
        gramian = jacobian @ jacobian.T
        unknown = cvxpy.Variable(count)
        objective = 0.5 * cvxpy.sum_squares(jacobian.T @ unknown) - cvxpy.sum(cvxpy.log(unknown))
        best = cvxpy.Problem(cvxpy.Minimize(objective)).solve(cvxpy.CLARABEL)
        assert bargain(gramian, fair(gramian, 1.0)) == pytest.approx(best, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("norms", NORMS)
def test_fairgrad_solves_its_equations(alpha, norms):
    for jacobian in jacobians(4, norms):
        gramian = jacobian @ jacobian.T
        weights = fair(gramian, alpha)
        np.testing.assert_allclose(weights ** (1 / alpha) * (gramian @ weights), 1.0, rtol=EXCESS)


@pytest.mark.parametrize("solve", [min_norm, lambda gramian: conflict_averse(gramian, 0.4), lambda gramian: fair(gramian, 1.0)])
def test_degenerate_gramians_have_finite_answers(solve):
    for gramian in (np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 0.0, 2.0]), np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((1, 1))):
        assert np.isfinite(solve(gramian)).all()
