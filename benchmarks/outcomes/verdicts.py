"""Verdicts of simulated studies with known truth: how often the intervals cover it, and how often "helps" or "hurts" is said where nothing differs.

``python -m benchmarks.outcomes.verdicts [--studies 20000] [--write]`` prints the tables, or writes them into ``docs/studies.md``.
Differences of a study: tasks x seeds, correlated 0.5 between the tasks of a seed; mean 0, from one of ``SHAPES``. The verdicts are computed for many
studies at once; ``tests/studies/test_simulated_studies.py`` holds them equal to those of the product.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import stdtr, stdtrit

from mtl_core.studies.paired import bca_interval

SEEDS, TASKS = (3, 4, 5, 7, 10), (2, 3, 5)
SWEEPS = ((2, 1, 3), (2, 1, 10), (3, 3, 20))  # tasks, methods, points of the sweep
BANDS = (0, 1, 2, 3)  # standard errors of a mean of 5 seeds
ALPHA = 0.05
PAGE = Path(__file__).parents[2] / "docs" / "studies.md"
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SAYS_NOTHING, HELPS, HURTS, SAME = range(4)


def _exponential(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.exponential(size=shape) - 1


def _collapses(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One seed of ten collapses: 5 standard deviations lower."""
    return generator.normal(size=shape) - 5 * ((generator.uniform(size=shape) < 0.1) - 0.1)


def _of_two(draw: Draw) -> Draw:
    """The difference of two values from the same distribution."""
    return lambda generator, shape: draw(generator, shape) - draw(generator, shape)


SHAPES: dict[str, Draw] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "heavy tails (Student t, 3 degrees of freedom)": lambda generator, shape: generator.standard_t(3, shape),
    "both cells skewed alike (exponential)": _of_two(_exponential),
    "one seed of ten collapses, in both cells": _of_two(_collapses),
    "equal means, one cell skewed (exponential)": _exponential,
    "equal means, one seed of ten collapses in one cell": _collapses,
}


def drawn(shape: str, generator: np.random.Generator, studies: int, tasks: int, seeds: int) -> np.ndarray:
    """Differences (studies, tasks, seeds) with mean 0. Half of the variance is common to the tasks of a seed."""
    draw = SHAPES[shape]
    return (draw(generator, (studies, tasks, seeds)) + draw(generator, (studies, 1, seeds))) / np.sqrt(2)


def student(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over the last axis: mean, standard error, two-sided p-value of Student's t test."""
    n = differences.shape[-1]
    mean, error = differences.mean(-1), differences.std(-1, ddof=1) / np.sqrt(n)
    return mean, error, 2 * stdtr(n - 1, -np.abs(mean / error))


def holm_steps(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction over the last axis."""
    count = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1)
    ordered = np.minimum(np.take_along_axis(p_values, order, -1) * np.arange(count, 0, -1), 1.0)
    corrected = np.empty_like(p_values)
    np.put_along_axis(corrected, order, np.maximum.accumulate(ordered, axis=-1), -1)
    return corrected


def words(differences: np.ndarray, band: float = 0.0) -> np.ndarray:
    """Codes of the verdicts (..., comparisons) on differences (..., comparisons, seeds)."""
    n = differences.shape[-1]
    mean, error, p = student(differences)
    half = stdtrit(n - 1, 1 - ALPHA / 2) * error
    same = (np.abs(mean) + half <= band) & (band > 0)
    decided = (holm_steps(p) < ALPHA) & (np.abs(mean) > half)
    return np.where(same, SAME, np.where(decided, np.where(mean > 0, HELPS, HURTS), SAYS_NOTHING))


def with_overall(differences: np.ndarray) -> np.ndarray:
    """The tasks' differences (..., tasks, seeds) and their mean as one comparison more."""
    return np.concatenate([differences, differences.mean(-2, keepdims=True)], -2)


def is_false(said: np.ndarray) -> np.ndarray:
    """Whether a study says helps or hurts anywhere."""
    return ((said == HELPS) | (said == HURTS)).any(-1)


def sign_flips(differences: np.ndarray) -> np.ndarray:
    """Two-sided p-value of the exact sign-flip test of the mean, over the last axis: the smallest possible is 2^(1 - n)."""
    n = differences.shape[-1]
    signs = np.array([(1, *rest) for rest in product((1, -1), repeat=n - 1)])
    found = np.empty(differences.shape[:-1])
    for start in range(0, len(differences), 2000):
        means = np.abs(differences[start : start + 2000] @ signs.T)
        found[start : start + 2000] = (means >= means[..., :1] * (1 - 1e-12)).mean(-1)
    return found


def johnson(differences: np.ndarray) -> np.ndarray:
    """Two-sided p-value of Johnson's t test, modified for skewness (1978), over the last axis."""
    n = differences.shape[-1]
    mean, error, _ = student(differences)
    variance = n * error**2
    third = ((differences - mean[..., None]) ** 3).sum(-1) * n / ((n - 1) * (n - 2))
    statistic = (mean + third / (6 * n * variance) + third * mean**2 / (3 * variance**2)) / error
    return 2 * stdtr(n - 1, -np.abs(statistic))


TESTS = {"Student t": lambda differences: student(differences)[2], "Johnson's t": johnson, "sign flips": sign_flips}


def share(hits: np.ndarray) -> str:
    """A share with half of its 95 % interval, in %."""
    rate = float(hits.mean())
    return f"{100 * rate:.2f} ± {100 * 1.96 * np.sqrt(rate * (1 - rate) / len(hits)):.2f}"


def coverage(studies: int, resampled: int) -> list[tuple[str, ...]]:
    """Per shape and number of seeds: how often a 95 % interval holds the true mean, Student t and BCa (in fewer studies)."""
    rows = []
    for shape in SHAPES:
        for seeds in SEEDS:
            differences = drawn(shape, np.random.default_rng([7, seeds]), studies, 1, seeds)[:, 0]
            ends = [bca_interval(row, resamples=999) for row in differences[:resampled]]
            rows.append((shape, str(seeds), share(student(differences)[2] >= ALPHA), share(np.array([low <= 0 <= high for low, high in ends]))))
    return rows


def false_verdicts(studies: int) -> list[tuple[str, ...]]:
    """Per shape, number of seeds and tasks: how often a study without any difference says helps or hurts."""
    return [
        (shape, str(seeds), *(share(is_false(words(with_overall(_drawn_for(shape, studies, tasks, seeds))))) for tasks in TASKS))
        for shape in SHAPES
        for seeds in SEEDS
    ]


def _drawn_for(shape: str, studies: int, tasks: int, seeds: int) -> np.ndarray:
    return drawn(shape, np.random.default_rng([8, seeds, tasks]), studies, tasks, seeds)


def other_tests(studies: int) -> list[tuple[str, ...]]:
    """Per shape and number of seeds: the same for 3 tasks with other tests, and how often each finds a difference of 1.5 standard deviations."""
    rows = []
    for shape in SHAPES:
        for seeds in (5, 7, 10):
            differences = _drawn_for(shape, studies, 3, seeds)
            scale = differences.std()
            wrong = [share(holm_steps(test(with_overall(differences))).min(-1) < ALPHA) for test in TESTS.values()]
            found = [f"{100 * (holm_steps(test(with_overall(differences + 1.5 * scale)))[:, 0] < ALPHA).mean():.0f}" for test in TESTS.values()]
            rows.append((shape, str(seeds), *wrong, *found))
    return rows


def against_a_sweep(studies: int) -> list[tuple[str, ...]]:
    """Studies of methods in which nothing differs; see ``wrong_with_a_sweep``."""
    return [
        (f"{tasks} tasks, {methods} method{'s' if methods > 1 else ''}, {points} points", str(seeds), *map(share, found))
        for tasks, methods, points in SWEEPS
        for seeds in SEEDS
        if (found := wrong_with_a_sweep(studies, tasks, methods, points, seeds))
    ]


def wrong_with_a_sweep(studies: int, tasks: int, methods: int, points: int, seeds: int) -> list[np.ndarray]:
    """Which studies of methods have a false verdict: without the comparison with the best of the sweep, with it, and corrected."""
    generator = np.random.default_rng([10, tasks, methods, points, seeds])
    cells = (generator.normal(size=(studies, 1 + methods + points, tasks, seeds)) + generator.normal(size=(studies, 1, tasks, seeds))) / 50 + 1
    base, compared, swept = cells[:, :1], cells[:, 1 : 1 + methods], cells[:, 1 + methods :]
    plain = with_overall(compared - base)  # the overall gain in units of the baseline, which is about 1
    best = np.take_along_axis(swept, (swept - base).mean((2, 3)).argmax(1)[:, None, None, None], 1)
    rival, _, p_rival = student((compared - best).mean(2))
    p = student(plain)[2].reshape(studies, -1)
    counted = np.where(rival < 0, np.minimum(p_rival * points, 1.0), p_rival)
    return [holm_steps(each).min(-1) < ALPHA for each in (p, np.concatenate([p, p_rival], 1), np.concatenate([p, counted], 1))]


def stopped_early(studies: int) -> list[tuple[str, ...]]:
    """Per shape: false verdicts of a study of 3 tasks that is looked at after every seed from 3 on. First: stopped at its first helps or hurts. Then:
    stopped when every comparison is decided, as the page offers it, with the band of ``BANDS`` that makes most false verdicts."""
    rows = []
    for shape in SHAPES:
        shares = []
        for last in (5, 10):
            differences = with_overall(drawn(shape, np.random.default_rng([9, last]), studies, 3, last))
            looks = range(3, last + 1)
            first = np.any([is_false(words(differences[..., :seeds])) for seeds in looks], axis=0)
            unit = differences[:, 0].std() / np.sqrt(5)
            shares += [share(first), share(max((_as_offered(differences, looks, band * unit) for band in BANDS), key=np.mean))]
        rows.append((shape, *shares))
    return rows


def _as_offered(differences: np.ndarray, looks: range, band: float) -> np.ndarray:
    """Whether each study ends with a false verdict, if it ends at the first look at which every comparison is decided, or at the last."""
    wrong, is_open = np.zeros(len(differences), bool), np.ones(len(differences), bool)
    for seeds in looks:
        said = words(differences[..., :seeds], band)
        ends = is_open & ((said != SAYS_NOTHING).all(-1) | (seeds == looks[-1]))
        wrong |= ends & is_false(said)
        is_open &= ~ends
    return wrong


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--resampled", type=int, default=2000, help="studies with a bootstrap, which takes a millisecond each")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/studies.md")
    given = parser.parse_args()
    said = "\n\n".join(
        [
            f"All numbers are %, from {given.studies:,} simulated studies in each cell ({given.resampled:,} for BCa); ± is half of the 95 % interval "
            "of the simulation.",
            "How often a 95 % interval holds the true difference:",
            table(("differences", "seeds", "Student t", "BCa bootstrap"), coverage(given.studies, given.resampled)),
            "How often a study in which nothing differs says *helps* or *hurts* anywhere:",
            table(("differences", "seeds", *(f"{tasks} tasks" for tasks in TASKS)), false_verdicts(given.studies)),
            "The same for 3 tasks with other tests in the place of Student's, and how often each finds a true difference of 1.5 standard deviations:",
            table(("differences", "seeds", *(f"false: {name}" for name in TESTS), *(f"found: {name}" for name in TESTS)), other_tests(given.studies)),
            "The same for studies of methods with normal differences: without a sweep, with the best of the sweep as if it had been fixed "
            "beforehand, and with its advantage counted, as a study does it:",
            table(("study", "seeds", "no sweep", "advantage not counted", "advantage counted"), against_a_sweep(given.studies)),
            "The same for 3 tasks, looked at after every seed from 3 on: stopped at the first *helps* or *hurts*; and stopped where the page offers "
            "it, when every comparison is decided (with the worst of four bands):",
            table(("differences", "to 5 seeds: first", "to 5: offered", "to 10: first", "to 10: offered"), stopped_early(given.studies)),
        ]
    )
    if not given.write:
        print(said)
        return
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{said}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
