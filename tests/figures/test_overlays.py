"""Overlays are in register: known targets drawn, pixels checked."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_core.figures.colours import luminance
from mtl_core.figures.overlays import MASK_OPACITY, class_colours, class_legend, depth_legend, draw_boxes, draw_depth, draw_mask, draw_points, enlarge


def test_enlarging_repeats_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarge(image, 3)
    assert large.shape == (6, 6, 3)
    assert (large[:3, :3] == image[0, 0]).all()
    assert (large[3:, 3:] == image[1, 1]).all()


def test_a_box_is_drawn_on_its_pixels_and_nowhere_else():
    picture = draw_boxes(np.zeros((20, 30, 3), np.uint8), np.array([[5, 4, 15, 12]]), [""], np.array([[10, 200, 30]]), 2)
    drawn = (picture == [10, 200, 30]).all(-1)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 10, 29)  # x2, y2 are exclusive
    assert not drawn[12:20, 16:24].any()
    assert not picture[~drawn].any()


def test_a_mask_colours_its_pixels_and_dims_the_rest():
    classes = ("background", "cat")
    image = np.full((2, 2, 3), 100, np.uint8)
    picture = draw_mask(image, np.array([[1, 0], [255, 1]], np.uint8), classes, 1)
    expected = (MASK_OPACITY * class_colours(classes)[1] + (1 - MASK_OPACITY) * 100).round()
    assert (picture[0, 0] == expected).all()
    assert (picture[1, 1] == expected).all()
    assert (picture[0, 1] == 45).all()
    assert (picture[1, 0] == 45).all()  # ignored


def test_a_class_has_one_colour_in_boxes_and_masks():
    names = tuple("0123456789")
    assert (class_colours(("background", *names))[1:] == class_colours(names)).all()
    assert len({tuple(colour) for colour in class_colours(names)}) == 10


def test_depth_runs_from_bright_near_to_dark_far_and_unknown_is_grey():
    picture = draw_depth(np.array([[1.0, 2.0, 3.0, np.nan]]), 1.0, 3.0, 1)[0].astype(int)
    assert picture[0].sum() > picture[1].sum() > picture[2].sum()
    assert (picture[3] == 128).all()


def test_one_scale_for_target_and_prediction():
    assert (draw_depth(np.array([[5.0]]), 1.0, 3.0, 1) == draw_depth(np.array([[3.0]]), 1.0, 3.0, 1)).all()


def test_legends_name_the_colours_that_are_drawn():
    assert class_legend(("background", "cat")) == [("#{:02x}{:02x}{:02x}".format(*class_colours(("background", "cat"))[1]), "cat")]
    near, far = depth_legend(1.0, 3.0, "m")
    picture = draw_depth(np.array([[1.0, 3.0]]), 1.0, 3.0, 1)[0]
    assert (near[1], far[1]) == ("1 m", "3 m")
    assert [colour for colour, _ in (near, far)] == ["#{:02x}{:02x}{:02x}".format(*pixel) for pixel in picture]


def test_a_caption_stands_above_its_box_and_inside_where_there_is_no_room():
    def rows(top):
        picture = draw_boxes(np.zeros((60, 60, 3), np.uint8), np.array([[5, top, 50, 58]]), ["cat"], np.array([[10, 200, 30]]), 1)
        return np.flatnonzero(picture.any(-1).any(1))

    assert rows(30).min() < 30
    assert rows(5).min() == 5


PICTURES = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (118, 118, 118), "sky": (135, 206, 235), "grass": (34, 100, 34)}
CLASSES = tuple(map(str, range(30)))


def stands_out(picture: np.ndarray, ground: tuple[int, int, int]) -> bool:
    """Whether a pixel that was drawn lies beside one from which it has a contrast of 3 (WCAG 2.2, 1.4.11)."""
    light = np.array([[luminance(pixel) for pixel in row] for row in picture.tolist()]) + 0.05
    drawn = (picture != ground).any(-1)
    pairs = ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1]))
    beside = [(np.maximum(light[one], light[two]) / np.minimum(light[one], light[two]))[drawn[one] | drawn[two]] for one, two in pairs]
    return bool((np.concatenate(beside) >= 3).any())


@pytest.mark.parametrize("ground", PICTURES)
def test_boxes_points_and_their_lines_are_seen_on_a_picture_of_any_colour(ground):
    """Also on one of their own colour."""
    for colour in class_colours(CLASSES):
        for behind in (PICTURES[ground], tuple(colour.tolist())):
            image = np.full((24, 24, 3), behind, np.uint8)
            assert stands_out(draw_boxes(image, np.array([[6, 6, 18, 18]]), [""], colour[None], 1), behind), (colour, behind)
            for seen in (1, 2):
                points = np.array([[12.0, 12.0, seen]])
                assert stands_out(draw_points(image, points, colour[None], (), 1), behind), (colour, behind, seen)


def test_a_line_between_points_is_seen_on_white():
    image = np.full((20, 60, 3), 255, np.uint8)
    points, colours = np.array([[6.0, 10.0, 2], [54.0, 10.0, 2]]), np.zeros((2, 3), np.uint8)
    assert stands_out(draw_points(image, points, colours, [(0, 1)], 1)[:, 20:40], (255, 255, 255))


def test_the_outline_of_a_box_covers_no_other_box():
    boxes, colours = np.array([[4, 4, 20, 20], [5, 5, 21, 21]]), np.array([[10, 200, 30], [200, 10, 30]])
    alone = draw_boxes(np.zeros((30, 30, 3), np.uint8), boxes[1:], [""], colours[1:], 1)
    together = draw_boxes(np.zeros((30, 30, 3), np.uint8), boxes, ["", ""], colours, 1)
    first = (together == colours[0]).all(-1)
    assert ((together == colours[1]).all(-1) | first)[(alone == colours[1]).all(-1)].all()
