"""The simulated studies of ``benchmarks/outcomes/verdicts.py`` say what the product says, and are wrong as seldom as it promises."""

import numpy as np
import pytest

from benchmarks.outcomes.verdicts import (
    HELPS,
    HURTS,
    SAME,
    SAYS_NOTHING,
    SHAPES,
    drawn,
    holm_steps,
    is_false,
    sign_flips,
    with_overall,
    words,
    wrong_with_a_sweep,
)
from mtl_core.studies import study_actions as studies
from mtl_core.studies.comparison_lines import lines_of
from mtl_core.studies.paired import holm, p_against_the_best, paired_difference, sign_test
from mtl_core.studies.study_values import TaskMetric
from mtl_core.studies.verdict import Word, verdict

CODES = {Word.HELPS: HELPS, Word.HURTS: HURTS, Word.SAME: SAME, Word.UNKNOWN: SAYS_NOTHING}
STUDIES = 20_000
ERRORS = 4  # standard errors of the simulation that a bound is away


def said_by_the_product(rows, band):
    found = [paired_difference(row, np.zeros(len(row)), True, band) for row in rows]
    corrected = holm([each.p_value for each in found])
    return [CODES[verdict(each, p, len(found)).word] for each, p in zip(found, corrected, strict=True)]


@pytest.mark.parametrize("band", [0.0, 0.8])
@pytest.mark.parametrize("seeds", [3, 6])
def test_the_words_are_the_products(band, seeds):
    """Differences of many sizes, so that every word is said."""
    generator = np.random.default_rng(seeds)
    differences = with_overall(
        generator.normal(size=(80, 3, seeds)) * 10 ** generator.uniform(-1.5, 0, (80, 3, 1)) + generator.normal(size=(80, 3, 1))
    )
    found = words(differences, band)
    assert found.tolist() == [said_by_the_product(rows, band) for rows in differences]
    assert set(found.ravel()) == {SAYS_NOTHING, HELPS, HURTS} | ({SAME} if band else set())


def test_holm_over_many_studies_is_holm_of_each():
    p_values = np.random.default_rng(0).uniform(0, 0.2, (50, 4))
    assert holm_steps(p_values) == pytest.approx(np.array([holm(row) for row in p_values]))


def bound(rate, size=STUDIES):
    return rate + ERRORS * np.sqrt(rate * (1 - rate) / size)


@pytest.mark.parametrize("tasks", [2, 5])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("shape", list(SHAPES)[:4])
def test_where_both_cells_are_alike_at_most_5_percent_are_wrong(shape, seeds, tasks):
    """Two cells with the same distribution have a symmetric difference, however skewed they are: Student's test is careful there."""
    differences = with_overall(drawn(shape, np.random.default_rng([1, seeds, tasks]), STUDIES, tasks, seeds))
    assert is_false(words(differences)).mean() < bound(0.05)


@pytest.mark.parametrize("seeds", [3, 5, 7, 10])
def test_students_interval_covers_93_to_97_percent(seeds):
    """As "no word": with one comparison and no band a verdict is said where the interval excludes 0."""
    differences = drawn("normal", np.random.default_rng([2, seeds]), STUDIES, 1, seeds)
    assert 0.93 < (words(differences) == SAYS_NOTHING).mean() < 0.97


def test_sign_flips_by_hand():
    """(3, 1, 2): of the four flips up to sign, the means are 6, 4, 2 and 0 thirds; only the observed one is as large."""
    assert sign_flips(np.array([[3.0, 1.0, 2.0], [3.0, -1.0, 2.0]])).tolist() == [0.25, 0.5]
    assert sign_flips(np.full((1, 6), 0.5)).tolist() == [sign_test(6)]


def test_a_loss_against_the_best_of_many_counts_once_for_each():
    assert [p_against_the_best(0.004, mean, 10) for mean in (-0.1, 0.0, 0.1)] == [pytest.approx(0.04), 0.004, 0.004]
    assert p_against_the_best(0.2, -0.1, 10) == 1.0
    assert p_against_the_best(0.2, -0.1, 1) == 0.2


def test_the_best_of_a_sweep_makes_no_more_false_verdicts():
    """Not counted, the advantage of the best of 20 points makes more than 5 % of the verdicts false; counted, it does not."""
    plain, not_counted, counted = (wrong.mean() for wrong in wrong_with_a_sweep(5000, 3, 3, 20, 10))
    assert max(plain, counted) < bound(0.05, 5000)
    assert not_counted > bound(0.05, 5000)


def test_a_method_behind_the_best_of_a_sweep_is_judged_by_all_its_points(base):
    """Every point of the sweep but one is like the baseline; a method is a little behind that one, and another is a little ahead of it."""
    study = studies.draft("methods", base, {"options": {"methods": ["pcgrad", "cagrad"], "sweep": 5}, "band": 0}, range(5))
    metrics = {task: TaskMetric(task, "accuracy", "Accuracy", "", True) for task in base.tasks}
    _, behind, ahead, best, *_ = study.cells
    spread = [0.0, 0.002, -0.002, 0.004, -0.004]
    height = {best.key: 0.1, behind.key: 0.09, ahead.key: 0.11}
    values = {(cell.key, seed): dict.fromkeys(metrics, 0.5 + height.get(cell.key, 0)) for cell in study.cells for seed in study.seeds}
    for cell in (behind, ahead):
        for seed in study.seeds:
            values[cell.key, seed] = dict.fromkeys(metrics, 0.5 + height[cell.key] + spread[seed])
    points = len(study.cells) - 3
    lines = [line for line in lines_of(study, values, metrics) if line.chosen_among > 1]
    assert [(line.cell, line.task, line.chosen_among) for line in lines] == [(behind.key, "", points), (ahead.key, "", points)]
    assert [line.label for line in lines] == [f"{cell.label} against the best of the sweep ({best.label})" for cell in (behind, ahead)]
    loss, gain = (line.verdict for line in lines)
    assert loss.difference.p_value == pytest.approx(gain.difference.p_value)
    plain = [line.verdict.p_corrected for line in lines_of(study, values, metrics) if line.chosen_among == 1]
    assert all(p < 1e-4 for p in plain)  # each method is far ahead of fixed weights, so Holm's step leaves factors 2 and 1 for the rivals
    assert gain.p_corrected == pytest.approx(2 * gain.difference.p_value)
    assert loss.p_corrected == pytest.approx(points * loss.difference.p_value)
