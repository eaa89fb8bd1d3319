"""Each statistic equals that of scipy or statsmodels on random numbers, and what rliable 1.2 gave for tables of numbers."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from mtl_core.studies import aggregates, front, paired
from mtl_core.studies.paired import paired_difference
from mtl_core.studies.verdict import LEAST_SEEDS, MOST_SEEDS, Word, verdict

EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.fixture(params=range(5))
def numbers(request):
    return np.random.default_rng(request.param)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("higher", [True, False])
def test_students_interval_and_test(numbers, n, higher):
    values, baseline = numbers.normal(0.7, 0.1, n), numbers.normal(0.6, 0.1, n)
    found = paired_difference(values, baseline, higher, 0.0)
    expected = scipy.stats.ttest_rel(values, baseline) if higher else scipy.stats.ttest_rel(baseline, values)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high, found.p_value) == pytest.approx((interval.low, interval.high, expected.pvalue), **EXACT)
    assert found.spread == pytest.approx(np.std(values - baseline, ddof=1), **EXACT)


def test_bca_is_scipys(numbers):
    differences = numbers.lognormal(size=8)
    generator = np.random.default_rng(3)
    expected = scipy.stats.bootstrap((differences,), np.mean, n_resamples=9999, method="BCa", rng=generator).confidence_interval
    assert paired.bca_interval(differences, seed=3) == pytest.approx((expected.low, expected.high), **EXACT)


def test_probabilities_are_the_posteriors(numbers):
    differences = numbers.normal(0.01, 0.02, 6)
    posterior = scipy.stats.t(5, differences.mean(), scipy.stats.sem(differences))
    better, equal, worse = paired.probabilities(differences, 0.005)
    assert (better, worse) == pytest.approx((posterior.sf(0.005), posterior.cdf(-0.005)), **EXACT)
    assert equal == pytest.approx(posterior.cdf(0.005) - posterior.cdf(-0.005), **EXACT)
    assert better + equal + worse == pytest.approx(1, **EXACT)


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_holm_is_statsmodels(numbers, count):
    values = numbers.uniform(0, 0.1, count)
    assert paired.holm(values) == pytest.approx(multipletests(values, method="holm")[1], **EXACT)


def test_holm_leaves_out_what_is_unknown():
    assert paired.holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


@pytest.mark.parametrize("interval", ["t", "bca"])
def test_equal_differences_have_no_known_spread(interval):
    """One image of 269 more in each of three seeds: Student's t would be certain (p 5e-11), the sign test says p = 0.25."""
    baseline = [0.2082, 0.3309, 0.1933]
    found = paired_difference([value + 1 / 269 for value in baseline], baseline, True, 0.0, interval)
    assert found.is_spread_unknown
    assert (found.mean, found.spread, found.p_value) == (pytest.approx(1 / 269), 0.0, 0.25)
    assert all(math.isnan(value) for value in (found.low, found.high, found.p_better, found.p_equal, found.p_worse))
    said = verdict(found, found.p_value)
    assert (said.word, said.more_seeds) == (Word.UNKNOWN, None)
    assert said.text == "cannot tell yet, the difference was the same in every seed, so its spread is not known; more seeds"


@pytest.mark.parametrize(("n", "word"), [(3, Word.UNKNOWN), (5, Word.UNKNOWN), (6, Word.HURTS), (10, Word.HURTS)])
def test_equal_differences_decide_from_six_seeds_on(n, word):
    found = paired_difference([0.5] * n, [0.6] * n, True, 0.0)
    assert found.p_value == scipy.stats.binomtest(0, n).pvalue  # the sign test
    assert verdict(found, found.p_value).word == word


def test_values_equal_in_every_seed_have_no_difference():
    same = paired_difference([0.3, 0.5, 0.7], [0.3, 0.5, 0.7], True, 0.01)
    assert (same.low, same.high, same.p_value, same.p_equal) == (0, 0, 1, 1)
    assert not same.is_spread_unknown
    assert paired.bca_interval([0.25] * 4) == (0.25, 0.25)


@pytest.mark.parametrize("seeds", [3, 4, 5, 8])
def test_metrics_that_move_in_steps_give_no_more_false_verdicts(seeds):
    """Ten comparisons in which nothing differs, measured in whole images. Bound: 4 standard errors of 400 simulated studies above 5 %."""
    generator, wrong, size = np.random.default_rng(0), 0, 400
    for _ in range(size):
        rows = np.round(generator.normal(0, 1, (10, seeds))) / 269
        found = [paired_difference(row, np.zeros(seeds), True, 0.0) for row in rows]
        corrected = paired.holm([each.p_value for each in found])
        wrong += any(verdict(each, p, 10).word in (Word.HELPS, Word.HURTS) for each, p in zip(found, corrected, strict=True))
    assert wrong / size < 0.05 + 4 * math.sqrt(0.05 * 0.95 / size)


@pytest.mark.parametrize(
    ("values", "baseline", "band", "interval", "said"),
    [([], [], 0, "t", "at least one"), ([1], [1, 2], 0, "t", "pairs"), ([1], [1], -1, "t", "band"), ([1], [1], 0, "normal", "t, bca")],
)
def test_what_cannot_be_compared_is_refused(values, baseline, band, interval, said):
    with pytest.raises(ValueError, match=said):
        paired_difference(values, baseline, True, band, interval)
    with pytest.raises(ValueError, match="finite"):
        paired_difference([math.nan, 1], [1, 1], True, 0)


@pytest.mark.parametrize("shape", [(3, 2), (5, 4), (10, 3)])
def test_interquartile_mean_and_probability_of_improvement(numbers, shape):
    first, second = np.round(numbers.normal(size=shape), 1), np.round(numbers.normal(size=(shape[0] + 2, shape[1])), 1)
    assert aggregates.interquartile_mean(first) == pytest.approx(scipy.stats.trim_mean(first, 0.25, axis=None), **EXACT)
    expected = [
        scipy.stats.mannwhitneyu(first[:, task], second[:, task], alternative="greater").statistic / (shape[0] * (shape[0] + 2))
        for task in range(shape[1])
    ]
    assert aggregates.improvement_probability(first, second) == pytest.approx(np.mean(expected), **EXACT)


def test_the_stratified_bootstrap_draws_runs_within_tasks():
    scores = np.random.default_rng(0).normal([0, 100], 1, (6, 2))
    low, high = aggregates.stratified_interval(scores, seed=1)
    generator = np.random.default_rng(1)
    rows = generator.integers(0, 6, (2000, 6, 2))
    drawn = [scipy.stats.trim_mean(np.stack([scores[each[:, task], task] for task in range(2)], 1), 0.25, axis=None) for each in rows]
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), **EXACT)
    assert low < aggregates.interquartile_mean(scores) < high


# What rliable 1.2.0 gave (with arch 7.2.0, NumPy 2.4.6, pandas 2.3.3) for ``table``: shape and start of the table -> interquartile mean
# (``metrics.aggregate_iqm``), ends of its interval (``library.get_interval_estimates``, 2,000 resamples after ``np.random.seed(start)``), and
# ``metrics.probability_of_improvement`` over a table of two more runs that starts 10 later. rliable is no requirement of the tests: it asks for
# arch < 8, which cannot be imported beside pandas 3, and it cannot draw with arch 8.
RLIABLE = {
    (3, 2, 1): (0.5489690721649484, 0.2422680412371134, 0.8324742268041238, 0.5333333333333333),
    (5, 4, 2): (0.5278350515463918, 0.3154639175257732, 0.6865979381443298, 0.5071428571428571),
    (10, 3, 3): (0.532860824742268, 0.36791237113402064, 0.697825386597938, 0.5555555555555556),
    (7, 5, 4): (0.5811177428106349, 0.44217308735756916, 0.7243624525230603, 0.5412698412698413),
}


def table(runs, tasks, start):
    return np.array([[((run * 37 + task * 101 + start * 53) ** 2 % 97) / 97 for task in range(tasks)] for run in range(runs)])


class RliablesDraws:
    """Generator whose ``integers`` are what rliable draws after ``np.random.seed``: NumPy's old stream, which never changes."""

    def __init__(self, seed):
        self.stream = np.random.RandomState(seed)

    def integers(self, low, high, shape):
        assert low == 0
        return np.stack([self.stream.choice(high, shape[1:], replace=True) for _ in range(shape[0])])


@pytest.mark.parametrize(("shape", "expected"), RLIABLE.items())
def test_what_rliable_gave(shape, expected, monkeypatch):
    runs, tasks, start = shape
    scores = table(runs, tasks, start)
    improvement = aggregates.improvement_probability(scores, table(runs + 2, tasks, start + 10))
    monkeypatch.setattr(aggregates.np.random, "default_rng", RliablesDraws)
    found = (aggregates.interquartile_mean(scores), *aggregates.stratified_interval(scores, seed=start), improvement)
    assert found == pytest.approx(expected, **EXACT)


def test_both_forms_of_delta_m():
    values = {("a", "accuracy"): 0.9, ("b", "error"): 2.0, ("b", "rate"): 0.5}
    baseline = {("a", "accuracy"): 0.8, ("b", "error"): 1.0, ("b", "rate"): 0.4}
    up = {("a", "accuracy"): True, ("b", "error"): False, ("b", "rate"): True}
    # Gains: 12.5 %, -100 %, 25 %.
    assert aggregates.delta_m_of_tasks(values, baseline, up) == pytest.approx((12.5 + (-100 + 25) / 2) / 2)
    assert aggregates.delta_m_of_metrics(values, baseline, up) == pytest.approx(-(12.5 - 100 + 25) / 3)


def test_r2_is_compared_by_its_error_and_no_baseline_of_0_is_divided_by():
    up = {("a", "r2"): True}
    assert aggregates.delta_m_of_tasks({("a", "r2"): 0.9}, {("a", "r2"): 0.8}, up) == pytest.approx(50)  # error 0.2 -> 0.1
    assert aggregates.delta_m_of_tasks({("a", "r2"): 0.0}, {("a", "r2"): -1.0}, up) == pytest.approx(50)  # error 2 -> 1
    assert math.isnan(aggregates.relative_gain(0.5, 0.0, True))


def test_mean_ranks_share_equal_places():
    assert aggregates.mean_ranks([[0.9, 1.0], [0.9, 2.0], [0.5, 3.0]], [True, False]) == [1.25, 1.75, 3.0]
    assert aggregates.mean_ranks([[0.9, 3.0], [0.8, 1.0], [0.7, 2.0]], [True, False]) == [2.0, 1.5, 2.5]
    assert aggregates.mean_ranks([[0.5], [0.5], [0.1]], [True]) == [1.5, 1.5, 3.0]
    table = np.random.default_rng(0).integers(0, 4, (9, 5)).astype(float)
    up = [True, False, True, False, True]
    expected = scipy.stats.rankdata(np.where(up, -table, table), axis=0).mean(axis=1)
    assert aggregates.mean_ranks(table, up) == pytest.approx(expected)


def test_front_and_volume():
    points = [(1, 3), (2, 2), (3, 1), (1, 1), (2, 2)]
    assert front.front(points) == [0, 1, 2, 4]
    assert front.hypervolume(points, (0, 0)) == 6
    assert front.hypervolume([(1, 3)], (1, 0)) == 0
    assert front.hypervolume([], (0, 0)) == 0


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_volume_is_that_of_counted_cells(numbers, columns):
    points = numbers.integers(0, 6, (7, columns))
    cells = np.indices((6,) * columns).reshape(columns, -1).T
    covered = sum(any((cell < point).all() for point in points) for cell in cells)
    assert front.hypervolume(points.tolist(), [0] * columns) == covered


FINITE = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 4))


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=8),
    band=st.sampled_from([0.0, 0.01, 0.5, 3.0]),
    corrected_by=st.integers(1, 6),
    higher=st.booleans(),
)
def test_words_never_contradict_the_numbers(pairs, band, corrected_by, higher):
    values, baseline = zip(*pairs, strict=True)
    found = paired_difference(values, baseline, higher, band)
    p = min(found.p_value * corrected_by, 1.0) if found.n > 1 else math.nan
    said = verdict(found, p, corrected_by)
    assert str(said.word) in said.text
    if found.n < LEAST_SEEDS:
        assert (said.word, said.more_seeds) == (Word.NONE, LEAST_SEEDS - found.n)
        return
    inside = -band <= found.low and found.high <= band and band > 0
    assert (said.word == Word.SAME) == inside
    assert (said.word == Word.HELPS) == (not inside and found.low > 0 and p < 0.05)
    assert (said.word == Word.HURTS) == (not inside and found.high < 0 and p < 0.05)
    if said.word == Word.HELPS:
        assert found.mean > 0
        assert found.is_spread_unknown or found.p_better >= found.p_worse
    if said.word == Word.UNKNOWN and found.spread == found.mean == 0:
        assert "equal in every seed" in said.text
    elif said.word == Word.UNKNOWN and found.is_spread_unknown:
        assert "same in every seed" in said.text
    elif said.word == Word.UNKNOWN:
        assert f"about {said.more_seeds} more seed" in said.text if said.more_seeds else f"more than {MOST_SEEDS}" in said.text
    else:
        assert said.more_seeds is None


@pytest.mark.parametrize(
    ("p", "said"), [(0.0123, "p = 0.012"), (0.5, "p = 0.5"), (1.0, "p = 1"), (0.0001, "p = 0.0001"), (3e-9, "p < 0.0001"), (0.0, "p < 0.0001")]
)
def test_small_p_values_are_only_said_to_be_small(p, said):
    found = verdict(paired_difference([1.0, 2.0, 3.5], [0.5, 1.0, 2.0], True, 0.0), p)
    assert found.p_text == said
    assert said.endswith(found.p_number)


@pytest.mark.parametrize(
    ("p", "said"), [(0.0498, "0.0498"), (0.049998, "0.049998"), (0.0502, "0.05"), (0.05, "0.05"), (0.047, "0.047"), (0.052, "0.052")]
)
def test_a_p_value_near_the_level_shows_its_side(p, said):
    found = verdict(paired_difference([1.0, 2.0, 3.5], [0.9, 1.9, 3.39], True, 0.0), p)
    assert found.p_number == said
    assert (found.word == Word.HELPS) == (float(said) < 0.05)


def test_a_metric_that_is_0_everywhere_asks_for_no_seeds():
    """A detector that has learnt nothing: 1 % of 0 is no band."""
    found = paired_difference([0.0] * 4, [0.0] * 4, True, 0.0)
    assert verdict(found, 1.0).text == "cannot tell yet, the values were equal in every seed"


def test_the_number_of_missing_seeds_decides_where_mean_and_spread_stay():
    found = paired_difference([0.6, 0.9, 0.75], [0.5, 0.6, 0.65], True, 0.0)
    said = verdict(found, found.p_value)
    assert said.word == Word.UNKNOWN
    error = found.spread / math.sqrt(3 + said.more_seeds)
    assert found.mean > scipy.stats.t.ppf(0.975, 2 + said.more_seeds) * error
    error = found.spread / math.sqrt(2 + said.more_seeds)
    assert found.mean <= scipy.stats.t.ppf(0.975, 1 + said.more_seeds) * error or said.more_seeds == 1


def test_coverage_and_false_verdicts_of_simulated_studies():
    """A small version of ``benchmarks/outcomes/verdicts.py``: 600 studies of 5 seeds and 3 tasks. Bounds are 4 standard errors of the simulation."""
    generator, covered, wrong, size = np.random.default_rng(0), 0, 0, 600
    for _ in range(size):
        differences = generator.normal(0, 1, (3, 5)) + generator.normal(0, 1, 5)  # tasks of a run depend on each other
        found = [paired_difference(row, np.zeros(5), True, 0.0) for row in differences]
        covered += sum(each.low <= 0 <= each.high for each in found)
        corrected = paired.holm([each.p_value for each in found])
        wrong += any(verdict(each, p, 3).word in (Word.HELPS, Word.HURTS) for each, p in zip(found, corrected, strict=True))
    assert 0.95 - 4 * math.sqrt(0.05 * 0.95 / size) < covered / (3 * size) < 0.95 + 4 * math.sqrt(0.05 * 0.95 / (3 * size))
    assert wrong / size < 0.05 + 4 * math.sqrt(0.05 * 0.95 / size)
