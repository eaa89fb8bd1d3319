"""Charts of an evaluation say what the numbers say."""

import numpy as np
import pytest

from mtl_core.analysis.regret import Regret
from mtl_core.figures import evaluation_charts as figures

COLOUR = "#0072B2"


def test_confusion_shows_shares_of_rows_and_counts():
    figure = figures.confusion_figure(np.array([[3, 1], [0, 0]]), ["a", "b"], ["a", "b"], "images", COLOUR)
    np.testing.assert_allclose(figure.data[0].z, [[0.75**0.5, 0.5], [0, 0]])
    assert {(note.y, note.x, note.text) for note in figure.layout.annotations} == {(0, 0, "3"), (0, 1, "1")}
    assert figure.data[0].customdata[0][1].tolist() == [1, "b", "a", 0.25]


def test_many_classes_have_no_numbers_but_names():
    names = [f"class {place}" for place in range(80)]
    figure = figures.confusion_figure(np.eye(80, dtype=int), names, names, "pixels", COLOUR)
    assert not figure.layout.annotations
    assert figure.layout.xaxis.ticktext[1] == names[figure.layout.xaxis.tickvals[1]]
    assert len(figure.layout.xaxis.tickvals) <= 26


@pytest.mark.parametrize(("count", "text"), [(7, "7"), (950, "950"), (12300, "12.3k"), (4_100_000, "4.1M")])
def test_short_count(count, text):
    assert figures.short_count(count) == text


def test_curves_colour_one_class_and_leave_out_what_is_not_there():
    curves = np.full((3, 2, 5), np.nan)
    curves[0, :, :3], curves[2, :, :2] = [[0, 0.5, 1], [1, 1, 0.5]], [[0, 1], [1, 0]]
    figure = figures.class_curves_figure(curves, ["a", "b", "c"], 0, "pr", COLOUR)
    assert [(trace.name, trace.line.color == COLOUR) for trace in figure.data] == [("c", False), ("a", True)]
    assert figure.data[1].x.tolist() == [0, 0.5, 1]


def test_the_axis_of_precision_begins_where_high_curves_need_it():
    def axis(precision, kind="pr"):
        curves = np.array([[[0, 0.5, 0.9, 1], precision]])
        return figures.class_curves_figure(curves, ["a"], None, kind, COLOUR).layout.yaxis

    assert axis([1, 0.9, 0.83, 0.2]).range[0] == pytest.approx(0.8 - 0.004), "the last steep fall is outside, at a recall above 0.9"
    assert axis([1, 0.9, 0.83, 0.2]).title.text == "precision, from 0.8 on"
    assert axis([1, 0.9, 0.4, 0.2]).range[0] == pytest.approx(-0.02)
    assert axis([1, 0.9, 0.83, 0.2], "roc").range[0] == pytest.approx(-0.02)


def test_decisions_mark_the_chosen_threshold_and_the_default():
    grid, curves = np.linspace(0, 1, 3), {"Precision": np.zeros(3), "Recall": np.ones(3), "F1": np.full(3, np.nan)}
    figure = figures.decisions_figure(grid, curves, 0.4, 0.5, COLOUR)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.4, 0.5]
    assert [trace.line.color == COLOUR for trace in figure.data] == [False, False, True]
    assert len(figures.decisions_figure(grid, curves, 0.5, 0.5, COLOUR).layout.shapes) == 1


def test_one_bar_of_errors_does_not_hide_the_others():
    steep = np.concatenate([np.zeros(1000), np.linspace(0.1, 1, 29)])
    assert figures.errors_figure(steep, "error", COLOUR).layout.yaxis.type == "log"
    assert figures.errors_figure(np.linspace(0, 1, 100), "error", COLOUR).layout.yaxis.type is None


def test_reliability_leaves_out_empty_bins():
    bins = np.array([[0, np.nan, np.nan], [4, 0.7, 0.5]])
    figure = figures.reliability_figure(bins, COLOUR)
    assert figure.data[0].y.tolist() == [0.5]
    assert figure.data[0].x.tolist() == [0.75]


@pytest.mark.parametrize("images", [0, 1, 5000])
def test_scatter_takes_at_most_so_many(images):
    scatter = np.column_stack([np.arange(images)] * 3).astype(float)
    assert len(figures.scatter_figure(scatter, "m", COLOUR).data[0].x) == min(images, figures.POINTS)


def test_errors_and_depths_of_nothing():
    assert figures.errors_figure(np.full(3, np.nan), "error", COLOUR).data[0].y.tolist() == [0]
    assert len(figures.by_depth_figure(np.array([[1.0, 0, np.nan]]), "m", COLOUR).data[0].x) == 0


def test_regret_is_in_percent_of_the_best():
    one = Regret("a", {}, 2, 0.8, 0.6, 0.2, 25.0, np.array([1.0, 2.0, 3.0]), np.array([0.4, 0.8, 0.6]))
    figure = figures.regret_figure([one], {"a": COLOUR}, 3)
    np.testing.assert_allclose(figure.data[0].y, [50, 0, 25])
    assert figure.layout.shapes[0].x0 == 3
    assert figure.layout.yaxis.range is None
    assert [note.text for note in figure.layout.annotations] == ["chosen"]


def test_a_first_epoch_that_costs_very_much_does_not_press_the_others_flat():
    one = Regret("a", {}, 2, 0.1, 0.1, 0.0, 0.0, np.array([1.0, 2.0]), np.array([1.6, 0.1]))
    figure = figures.regret_figure([one], {"a": COLOUR}, 2)
    assert figure.layout.yaxis.range == (-4, 200)
    assert figure.layout.xaxis.title.text == "epoch (cut at 200 %; the worst is 1,500 %)"
    assert [note.text for note in figure.layout.annotations] == ["chosen"]
    np.testing.assert_allclose(figure.data[0].y, [1500, 0])  # on hover it is read in full


def test_pairs_of_classes_have_the_largest_difference_on_top():
    figure = figures.class_pairs_figure(["a", "b", "c"], np.array([0.5, 0.9, np.nan]), np.array([0.9, 0.8, 0.1]), (COLOUR, "#D55E00"))
    assert list(figure.layout.yaxis.ticktext) == ["b", "a"], "from below; a class without a value in one of them is left out"
    assert figure.data[1].x.tolist() == [0.9, 0.5]
    assert figure.data[2].x.tolist() == [0.8, 0.9]
    many = np.linspace(0, 1, 100)
    assert len(figures.class_pairs_figure([str(place) for place in many], many, many**2, (COLOUR, COLOUR)).data[1].x) == figures.MOST_PAIRS
