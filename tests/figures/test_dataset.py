"""A data set's figures show the numbers they were given."""

import numpy as np
import pytest

from mtl_core.figures.data_set_charts import MOST_CLASSES, MOST_POINTS, box_figure, class_figure, counts_figure, coverage_figure, histogram_figure

COLOUR = "#0072B2"


def test_coverage_has_a_row_per_task_and_splits_side_by_side():
    bands = {"train": np.array([[1.0, 0.0], [0.5, 1.0]]), "val": np.zeros((0, 2)), "test": np.array([[0.0, 1.0]])}
    figure = coverage_figure(bands, {"train": 10, "val": 0, "test": 5}, {"a": COLOUR, "b": "#D55E00"})
    first, second, third, _ = figure.data
    assert np.asarray(first.z).tolist() == [[1.0, 0.5]]
    assert np.asarray(second.z).tolist() == [[0.0, 1.0]]
    assert list(first.x) == [0, 5, 10]
    assert list(third.x) == [10, 15]
    assert list(figure.layout.yaxis.ticktext) == ["a", "b"]
    assert figure.layout.xaxis.range == (0, 15)
    assert [shape.x0 for shape in figure.layout.shapes] == [10]
    assert first.colorscale[1][1] == COLOUR


def test_classes_are_shares_of_each_split():
    counts = {"train": np.array([30, 10]), "val": np.array([1, 1]), "test": np.array([0, 0])}
    figure = class_figure(["cat", "dog"], counts, {"train": 40, "val": 2, "test": 0}, COLOUR)
    assert [trace.name for trace in figure.data] == ["train", "val"]
    assert list(figure.data[0].y) == [0.75, 0.25]
    assert list(figure.data[1].y) == [0.5, 0.5]
    assert list(figure.data[0].customdata) == [30, 10]


def test_of_many_classes_the_most_frequent_are_drawn_in_their_order():
    counts = np.arange(MOST_CLASSES + 10)
    figure = class_figure([f"c{place}" for place in range(len(counts))], {"train": counts}, {"train": 1}, COLOUR)
    assert list(figure.data[0].x) == [f"c{place}" for place in range(10, MOST_CLASSES + 10)]


def test_names_are_text_and_no_markup():
    figure = class_figure(["<a href='x'>c</a>"], {"train": np.array([1])}, {"train": 1}, COLOUR)
    assert "<" not in figure.data[0].x[0]


def test_histogram_is_shares_of_each_split_and_leaves_out_empty_ones():
    figure = histogram_figure(np.array([0.0, 1.0, 2.0]), {"train": np.array([1, 3]), "val": np.array([0, 0])}, COLOUR, "m")
    assert [trace.name for trace in figure.data] == ["train"]
    assert list(figure.data[0].y) == [0.25, 0.75, 0.75]
    assert figure.layout.xaxis.title.text == "m"


@pytest.mark.parametrize("count", [0, 3, MOST_POINTS, 3 * MOST_POINTS + 1])
def test_boxes_are_thinned_but_never_all_left_out(count):
    figure = box_figure(np.ones((count, 2), np.float32), (48, 64), COLOUR)
    drawn = len(figure.data[0].x)
    assert drawn <= MOST_POINTS
    assert (drawn > 0) == (count > 0)
    assert (figure.layout.shapes[0].x1, figure.layout.shapes[0].y1) == (64, 48)


def test_boxes_per_image_count_images():
    figure = counts_figure({"train": np.array([0, 2, 2, 1]), "val": np.zeros(0, int)}, COLOUR, "boxes")
    assert list(figure.data[0].x) == ["0", "1", "2"]
    assert list(figure.data[0].y) == [0.25, 0.25, 0.5]


def test_many_boxes_per_image_are_counted_in_ranges():
    figure = counts_figure({"train": np.array([0, 100])}, COLOUR, "boxes")
    assert figure.data[0].x[0] == "0-2"
    assert sum(figure.data[0].customdata) == 2
