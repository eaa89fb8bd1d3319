"""What a doubling of labels is worth: slopes worked by hand, and as NumPy fits them."""

import json
import math

import numpy as np
import pytest
import scipy.stats

from mtl_core.__main__ import main
from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.answer_json import answer_as_json
from mtl_core.studies.label_worth import doubling, label_curves, worth_in_words
from mtl_core.studies.study_report import study_report

METRICS = {"digit": ("accuracy", True), "slant": ("mae", False), "ink": ("accuracy", True)}


def test_a_slope_by_hand():
    assert doubling({0.25: 0.5, 0.5: 0.6, 1.0: 0.7}) == pytest.approx(0.1)
    assert doubling({0.5: 3.0, 1.0: 2.0}) == -1
    assert math.isnan(doubling({1.0: 2.0}))


@pytest.mark.parametrize("seed", range(3))
def test_a_slope_is_numpys(seed):
    generator = np.random.default_rng(seed)
    shares, values = generator.uniform(0.05, 1, 6), generator.normal(size=6)
    expected = np.polynomial.polynomial.polyfit(np.log2(shares), values, 1)[1]
    assert doubling(dict(zip(shares.tolist(), values.tolist(), strict=True))) == pytest.approx(expected)


@pytest.fixture
def study(store, base):
    """Each halving of the labels of digit costs digit 0.1, 0.2 or 0.3 by the seed, and slant 0.5; those of ink cost nothing."""
    made = studies.create(store, studies.draft("labels", base, {"options": {"tasks": ["digit", "ink"], "fractions": [0.25, 0.5, 1.0]}}, range(3)))
    studies.start(store, made.id)
    for (_, seed), run in studies.runs_of(store, made).items():
        claim(store, run.id, "cpu", alone=False)
        told = {task: {"main_metric": name, "metrics": {name: {"higher_is_better": up}}} for task, (name, up) in METRICS.items()}
        store.append(run.id, RunStarted(2, {"tasks": told, "precision": "fp32", "layout": "contiguous"}))
        halvings = -math.log2(run.config.tasks["digit"].label_fraction)
        values = {"val/digit/accuracy": 0.9 - 0.1 * (seed + 1) * halvings, "val/slant/mae": 2 + 0.5 * halvings, "val/ink/accuracy": 0.5}
        store.append(run.id, EpochMetrics(2, 2, values | {"selection/score": 1.0}))
        store.append(run.id, RunEnded("finished", 2, 2.0, 1.0, 1.0))
    return made


def test_curves_and_worth(store, study):
    found = {(curve.labels, curve.task): curve for curve in label_curves(answer_of(store, study))}
    assert set(found) == {(labels, task) for labels in ("digit", "ink") for task in METRICS}
    digit, slant = found["digit", "digit"], found["digit", "slant"]
    assert digit.shares == (0.25, 0.5, 1.0)
    assert digit.means == pytest.approx((0.5, 0.7, 0.9))
    assert digit.spreads == pytest.approx((0.2, 0.1, 0))
    interval = scipy.stats.ttest_1samp([0.1, 0.2, 0.3], 0).confidence_interval(0.95)
    assert (digit.worth, digit.low, digit.high, digit.n) == (pytest.approx(0.2), pytest.approx(interval.low), pytest.approx(interval.high), 3)
    assert slant.worth == pytest.approx(0.5)  # a smaller error is better
    assert found["ink", "digit"].worth == pytest.approx(0)
    assert worth_in_words(slant) == "+0.5"  # the same in every seed: its spread is not known
    assert worth_in_words(digit) == f"+0.2 ({interval.low:+.3g} to {interval.high:+.3g})"


def test_it_is_told_everywhere(store, study, capsys):
    answer = answer_of(store, study)
    told = {(each["labels"], each["task"]): each["worth"] for each in answer_as_json(answer)["labels"]}
    assert told["digit", "slant"] == pytest.approx(0.5)
    page = study_report(store, answer)
    assert "a doubling is worth" in page
    assert "+0.5" in page
    assert main(["study", "verdict", study.id]) == 0
    assert "twice the labels of digit are worth to slant (mae): +0.5" in capsys.readouterr().out
    assert main(["study", "verdict", study.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"][0]["labels"] == "digit"


def test_no_change_of_labels_is_worth_nothing(store, base, study):
    assert label_curves(answer_of(store, studies.create(store, studies.draft("share", base, {}, [0])))) == []


def test_a_cell_with_several_baselines_has_no_one_gain(store, study):
    """All labels are compared with half of those of digit, and with half of those of ink: a Δm could not say against which."""
    answer = answer_of(store, study)
    assert set(answer.delta_m) == {"digit.0.5", "ink.0.5"}
    assert set(answer.robust) == {"digit.0.5", "ink.0.5"}
