"""Verdicts of simulated studies with known truth: how often the intervals cover it, and how often "helps" or "hurts" is said where nothing differs.

``python -m benchmarks.outcomes.verdicts [--studies 2000] [--write]`` prints the tables, or writes them into ``docs/studies.md``.
Differences of a study: tasks x seeds, correlated 0.5 between the tasks of a seed; standard deviation 1, mean 0, from one of ``SHAPES``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mtl_core.studies.paired import bca_interval, holm, paired_difference
from mtl_core.studies.verdict import Word, verdict

SEEDS, TASKS = (3, 4, 5, 7, 10), (2, 3, 5)
PAGE = Path(__file__).parents[2] / "docs" / "studies.md"
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"


def _mixed(draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]) -> Callable[[np.random.Generator, int, int], np.ndarray]:
    """Half of the variance is common to the tasks of a seed."""
    return lambda generator, tasks, seeds: (draw(generator, (tasks, seeds)) + draw(generator, (1, seeds))) / np.sqrt(2)


def _heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_t(3, shape) / np.sqrt(3)


def _skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.exponential(size=shape) - 1


def _outliers(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One seed of ten collapses: 5 standard deviations lower."""
    return generator.normal(size=shape) - 5 * ((generator.uniform(size=shape) < 0.1) - 0.1)


SHAPES = {
    "normal": _mixed(lambda generator, shape: generator.normal(size=shape)),
    "heavy tails (Student t, 3 degrees of freedom)": _mixed(_heavy),
    "skewed (exponential)": _mixed(_skewed),
    "one seed of ten collapses": _mixed(_outliers),
}


def coverage(studies: int) -> list[tuple[str, ...]]:
    """Per shape and number of seeds: share of 95 % intervals that hold the true mean, Student t and BCa."""
    rows = []
    for shape, draw in SHAPES.items():
        for seeds in SEEDS:
            generator, held = np.random.default_rng([7, seeds]), np.zeros(2)
            for _ in range(studies):
                differences = draw(generator, 1, seeds)[0]
                found = paired_difference(differences, np.zeros(seeds), True, 0.0)
                low, high = bca_interval(differences, resamples=999)
                held += (found.low <= 0 <= found.high, low <= 0 <= high)
            rows.append((shape, str(seeds), *(f"{share:.1%}" for share in held / studies)))
    return rows


def false_verdicts(studies: int) -> list[tuple[str, ...]]:
    """Per shape, number of seeds and tasks: share of studies without any difference in which at least one verdict says helps or hurts."""
    rows = []
    for shape, draw in SHAPES.items():
        for seeds in SEEDS:
            shares = []
            for tasks in TASKS:
                generator, wrong = np.random.default_rng([8, seeds, tasks]), 0
                for _ in range(studies):
                    wrong += says_anything(draw(generator, tasks, seeds))
                shares.append(f"{wrong / studies:.1%}")
            rows.append((shape, str(seeds), *shares))
    return rows


def stopped_early(studies: int) -> list[tuple[str, ...]]:
    """Per shape: the same share for a study of 3 tasks that is looked at after every seed from 3 on and stopped at its first verdict."""
    rows = []
    for shape, draw in SHAPES.items():
        shares = []
        for last in (5, 10):
            generator = np.random.default_rng([9, last])
            drawn = [draw(generator, 3, last) for _ in range(studies)]
            wrong = sum(any(says_anything(each[:, :seeds]) for seeds in range(3, last + 1)) for each in drawn)
            shares.append(f"{wrong / studies:.1%}")
        rows.append((shape, *shares))
    return rows


def says_anything(differences: np.ndarray) -> bool:
    """Whether a study with these differences (tasks, seeds) says helps or hurts for a task or overall."""
    rows = [*differences, differences.mean(axis=0)]
    found = [paired_difference(row, np.zeros(differences.shape[1]), True, 0.0) for row in rows]
    corrected = holm([each.p_value for each in found])
    return any(verdict(each, p, len(found)).word in (Word.HELPS, Word.HURTS) for each, p in zip(found, corrected, strict=True))


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/studies.md")
    given = parser.parse_args()
    said = "\n\n".join(
        [
            f"How often a 95 % interval holds the true difference ({given.studies:,} simulated studies in each row):",
            table(("differences", "seeds", "Student t", "BCa bootstrap"), coverage(given.studies)),
            f"How often a study in which nothing differs says *helps* or *hurts* anywhere ({given.studies:,} simulated studies in each cell):",
            table(("differences", "seeds", *(f"{tasks} tasks" for tasks in TASKS)), false_verdicts(given.studies)),
            f"The same for 3 tasks, looked at after every seed from 3 on and stopped at the first verdict ({given.studies:,} simulated studies):",
            table(("differences", "at most 5 seeds", "at most 10 seeds"), stopped_early(given.studies)),
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
