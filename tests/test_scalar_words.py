"""Scalars and metrics in words."""

import pytest

from mtl_core.exports import html_report
from mtl_core.scalar_words import Measured, measured, metric_words, percent, scalar_words, share_in_words, to_digits
from mtl_core.tasks import TASK_KINDS

TASKS = {"digit": {"metrics": {"f1": {"title": "F1, mean over classes"}, "loss": {"title": "Loss"}, "accuracy": {"title": "Accuracy"}}}}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("val/digit/f1", "F1 of digit (val)"),
        ("train/digit/loss", "Loss of digit (train)"),
        ("val/other/top_5", "Top 5 of other (val)"),
        ("gradient_norm/digit", "Gradient norm of digit"),
        ("conflict/a/b", "Conflict of a and b"),
        ("optimizer/loss", "Combined loss of all tasks"),
        ("odd", "odd"),
    ],
)
def test_keys_in_words(key, text):
    assert scalar_words(key, TASKS) == text


@pytest.mark.parametrize(
    ("share", "text", "amount"),
    [
        (0.2, "+20.00%", "20.00%"),
        (-0.00012, "-0.01%", "0.01%"),
        (0.0000123, "+0.0012%", "0.0012%"),
        (-5e-8, "<0.0001%", "<0.0001%"),
        (0.0, "+0.00%", "0.00%"),
    ],
)
def test_a_small_share_does_not_read_as_none(share, text, amount):
    assert (percent(share), percent(share, sign="")) == (text, amount)


def test_two_metrics_of_a_task_never_look_alike():
    metrics = {"mean": {"title": "Angle, mean"}, "median": {"title": "Angle, median"}, "mae": {"title": "Mean absolute error"}}
    assert [metric_words(name, metrics) for name in metrics] == ["Angle, mean", "Angle, median", "MAE"]
    for name in TASK_KINDS:
        found = {metric.name: {"title": metric.title} for metric in TASK_KINDS.load(name).metrics}
        shown = [metric_words(metric, found) for metric in found]
        assert len(set(shown)) == len(shown), name


def test_a_measured_value_has_the_same_digits_in_a_table_and_in_a_sentence():
    shown = [measured(value) for value in (0.4649, 0.0465, 12.25, 2.0, 250.5, float("nan"))]
    assert shown == ["0.465", "0.0465", "12.3", "2.000", "251", "–"]
    assert [f"{Measured(value)}" for value in (0.4649, 2.0)] == ["0.465", "2.000"]
    assert f"{Measured(0.125):.0%}" == "13%"


def test_only_all_is_100_percent_and_only_none_is_0():
    assert [share_in_words(share) for share in (0, 0.001, 0.01, 0.125, 0.99, 0.996, 1)] == ["0%", "under 1%", "1%", "13%", "99%", "over 99%", "100%"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.72e-6, "2.72e-6"), (-2.72e-6, "-2.72e-6"), (9.9e-5, "9.90e-5"), (1e-4, "0.0001"), (0.0123, "0.0123"), (0.0, "0"), (1e-12, "1.00e-12")],
)
def test_a_small_value_has_no_zeros_to_be_counted(value, text):
    assert measured(value) == text
    assert to_digits(value, 3) == text
    assert html_report.number(2.7183e-6) == "2.718e-6"
