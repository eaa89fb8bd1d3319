import numpy as np
import pytest

from mtl_core.data.sources.digit_pixels import BOX_TASK, DIGIT_TASK, ink, measured_digits, slant, tight_boxes


def picture(*rows: str) -> np.ndarray:
    """uint8 (1, 1, H, W): '#' is 255, '+' 128, '-' 127, '.' 0."""
    levels = {"#": 255, "+": 128, "-": 127, ".": 0}
    return np.array([[[[levels[mark] for mark in row] for row in rows]]], np.uint8)


def test_ink_is_the_mean_intensity():
    assert ink(picture("#.", "..")).tolist() == [0.25]
    assert ink(picture("##", "##")).tolist() == [1.0]


@pytest.mark.parametrize(
    ("rows", "degrees"),
    [
        ((".#.", ".#.", ".#."), 0),
        (("..#", ".#.", "#.."), 45),  # leaning right, as in '/'
        (("#..", ".#.", "..#"), -45),
        (("...#", "..#.", ".#..", "#..."), 45),
        (("###", "...", "..."), 0),  # no height: no slant
        (("...", "...", "..."), 0),
    ],
)
def test_slant_of_drawn_strokes(rows, degrees):
    assert slant(picture(*rows))[0] == pytest.approx(degrees, abs=1e-4)


def test_slant_of_a_steep_stroke():
    # x = -y / 2 in steps: m_xy = -(1.5 * 0.5 * 2 + 0.5 * 0.5 * 2) / 4 = -0.5, m_yy = 1.25
    assert slant(picture(".#", ".#", "#.", "#."))[0] == pytest.approx(np.degrees(np.arctan(0.5 / 1.25)), abs=1e-4)


def test_boxes_are_tight_and_their_far_edges_exclusive():
    inside = np.zeros((3, 4, 6), bool)
    inside[0, 1:3, 2:5] = True
    inside[1, 3, 5] = True
    assert tight_boxes(inside).tolist() == [[2, 1, 5, 3], [5, 3, 6, 4], [0, 0, 0, 0]]


def test_box_counts_pixels_from_128_on_and_an_empty_one_is_not_labelled():
    images = np.concatenate([picture("-..", ".+#", "..."), picture("---", "...", "...")])
    data = measured_digits(images, np.array([4, 7], np.uint8), (DIGIT_TASK, BOX_TASK))
    assert data.targets["box"][0].tolist() == [[1, 1, 3, 2, 4]]
    assert data.labelled["box"].tolist() == [True, False]
    assert data.targets["digit"].dtype == np.int64
    assert set(data.targets) == {"digit", "box"}
