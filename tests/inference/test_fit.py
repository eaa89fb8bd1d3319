"""An image in the frame and its predictions back on it: in register for every way and shape."""

import numpy as np
import pytest

from mtl_core.data.dataset import IGNORE
from mtl_core.inference.fit import HOW, boxes_back, classes_back, fit, into_frame, values_back

SIZES = [(64, 64), (48, 96), (100, 40), (33, 71), (640, 480)]


def test_worked_placements():
    padded = fit((50, 100), (64, 64), "pad")
    assert (padded.scaled, padded.offset) == ((32, 64), (16, 0))
    cropped = fit((50, 100), (64, 64), "crop")
    assert (cropped.scaled, cropped.offset) == ((64, 128), (0, -32))
    np.testing.assert_allclose(boxes_back(np.array([[0.0, 16, 64, 48]]), padded), [[0, 0, 100, 50]])
    np.testing.assert_allclose(boxes_back(np.array([[0.0, 0, 64, 64]]), cropped), [[25, 0, 75, 50]])
    np.testing.assert_allclose(boxes_back(np.array([[8.0, 0, 24, 64]]), padded), [[12.5, 0, 37.5, 50]])  # cut at the image's edges
    with pytest.raises(ValueError, match="found 'squeeze'"):
        fit((1, 1), (1, 1), "squeeze")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", SIZES)
def test_a_bright_square_is_found_again_where_it_was(size, how):
    """Painted on the image, found in the frame, brought back as box, mask and depth: all agree to within a pixel of the coarser of both."""
    height, width = size
    top, left, bottom, right = height // 2 - 6, width // 2 - 8, height // 2 + 8, width // 2 + 10
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255
    placed = fit(size, (64, 64), how)
    frame = into_frame(image, placed)[..., 0] > 127
    rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
    box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], dtype=float)
    slack = 1.01 * max(1.0, 1 / placed.factors[0], 1 / placed.factors[1])
    np.testing.assert_allclose(boxes_back(box, placed)[0], [left, top, right, bottom], atol=slack)
    mask = classes_back(frame.astype(np.uint8), placed)
    depth = values_back(np.where(frame, 2.0, 1.0), placed)
    assert mask.shape == depth.shape == size
    found = mask == 1
    assert abs(np.flatnonzero(found.any(1))[0] - top) <= slack
    assert abs(np.flatnonzero(found.any(0))[-1] + 1 - right) <= slack
    agreed = (depth > 1.5)[mask != IGNORE] == found[mask != IGNORE]
    assert agreed.mean() > 0.97  # nearest and bilinear differ along edges only


def test_what_the_frame_does_not_show_is_unknown():
    placed = fit((50, 100), (64, 64), "crop")
    mask, depth = classes_back(np.ones((64, 64), np.uint8), placed), values_back(np.ones((64, 64)), placed)
    assert (mask[:, :25] == IGNORE).all()
    assert (mask[:, 25:75] == 1).all()
    assert np.isnan(depth[:, :25]).all()
    assert (depth[:, 25:75] == 1).all()


def test_bars_have_the_images_mean_and_an_exact_size_is_left_alone():
    image = np.full((10, 20, 3), (10, 20, 30), np.uint8)
    frame = into_frame(image, fit((10, 20), (20, 20), "pad"))
    assert (frame == (10, 20, 30)).all()
    same = np.random.default_rng(0).integers(0, 255, (20, 20, 1), dtype=np.uint8)
    assert into_frame(same, fit((20, 20), (20, 20), "pad")) is same
