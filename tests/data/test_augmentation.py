import numpy as np
import torch

from mtl_core.config import AugmentationConfig
from mtl_core.data.augmentation import Changes, draw_changes, move_boxes, move_pixels, pixel_sources, recolour

CPU = torch.device("cpu")
PICTURE = [[1, 2, 3], [4, 5, 6]]


def moved(picture, **changes):
    pixels = torch.tensor(picture, dtype=torch.uint8)
    return move_pixels(pixels, pixel_sources(Changes(**changes), len(pixels), *pixels.shape[-2:])).tolist()


def test_shift_repeats_the_border():
    assert moved([PICTURE] * 4, shift=torch.tensor([[1, 0], [-1, 0], [0, 1], [2, -1]])) == [
        [[1, 1, 2], [4, 4, 5]],
        [[2, 3, 3], [5, 6, 6]],
        [[1, 2, 3], [1, 2, 3]],
        [[4, 4, 4], [4, 4, 4]],
    ]


def test_flip_is_decided_for_each_image():
    assert moved([PICTURE, PICTURE], flip=torch.tensor([True, False])) == [[[3, 2, 1], [6, 5, 4]], PICTURE]


def test_flip_comes_before_shift():
    assert moved([PICTURE], flip=torch.tensor([True]), shift=torch.tensor([[1, 0]])) == [[[3, 3, 2], [6, 6, 5]]]


def test_channels_move_together():
    colours = [[PICTURE, [[7, 8, 9], [10, 11, 12]]]]
    assert moved(colours, shift=torch.tensor([[-1, 0]])) == [[[[2, 3, 3], [5, 6, 6]], [[8, 9, 9], [11, 12, 12]]]]


def test_unknown_depth_stays_unknown():
    depth = torch.tensor([[[1.0, torch.nan, 3.0]]])
    result = move_pixels(depth, pixel_sources(Changes(shift=torch.tensor([[1, 0]])), 1, 1, 3))
    assert torch.equal(result.isnan(), torch.tensor([[[False, False, True]]]))
    assert result[0, 0, :2].tolist() == [1, 1]


def test_boxes_flip_and_shift():
    boxes = torch.tensor([[[1, 2, 3, 6, 7], [0, 0, 0, 0, -1]]] * 3, dtype=torch.float32)
    changes = Changes(flip=torch.tensor([True, False, True]), shift=torch.tensor([[0, 0], [2, 1], [-5, 0]]))
    assert move_boxes(boxes, changes, height=8, width=10).tolist() == [
        [[7, 2, 9, 6, 7], [0, 0, 0, 0, -1]],
        [[3, 3, 5, 7, 7], [0, 0, 0, 0, -1]],
        [[2, 2, 4, 6, 7], [0, 0, 0, 0, -1]],
    ]


def test_boxes_are_clipped_and_dropped_when_three_quarters_are_gone():
    boxes = torch.tensor([[[0, 0, 4, 4, 5]]] * 4, dtype=torch.float32)
    changes = Changes(shift=torch.tensor([[-3, 0], [-3, -1], [-2, -2], [7, 0]]))
    assert move_boxes(boxes, changes, height=8, width=8).tolist() == [
        [[0, 0, 1, 4, 5]],  # a quarter is left: kept
        [[0, 0, 0, 0, -1]],
        [[0, 0, 2, 2, 5]],
        [[7, 0, 8, 4, 5]],
    ]


def test_boxes_and_masks_stay_together():
    random = np.random.default_rng(0)
    masks, boxes = torch.zeros(200, 20, 24, dtype=torch.uint8), torch.zeros(200, 1, 5)
    for mask, box in zip(masks, boxes, strict=True):
        x1, y1 = random.integers(6, 10, 2).tolist()
        x2, y2 = x1 + random.integers(1, 8), y1 + random.integers(1, 5)
        mask[y1:y2, x1:x2] = 1
        box[0] = torch.tensor([x1, y1, x2, y2, 1])
    changes = draw_changes(AugmentationConfig(shift=4, flip=True), 200, random, CPU)
    moved_masks = move_pixels(masks, pixel_sources(changes, 200, 20, 24))
    for mask, box in zip(moved_masks, move_boxes(boxes, changes, 20, 24), strict=True):
        rows, columns = torch.nonzero(mask, as_tuple=True)
        assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 1] == box[0].tolist()


def test_contrast_is_about_each_images_mean_then_brightness_then_cut_off():
    images = torch.tensor([[[[0.25, 0.75]]], [[[0.0, 1.0]]]])
    changes = Changes(contrast=torch.tensor([0.5, 1.0]), brightness=torch.tensor([0.125, -0.25]))
    assert recolour(images, changes, full=1.0).tolist() == [[[[0.5, 0.75]]], [[[0.0, 0.75]]]]


def test_each_image_gets_its_own_changes_within_the_limits():
    config = AugmentationConfig(shift=3, flip=True, brightness=0.2, contrast=0.4)
    changes = draw_changes(config, 2000, np.random.default_rng(1), CPU)
    assert {tuple(pair) for pair in changes.shift.tolist()} == {(x, y) for x in range(-3, 4) for y in range(-3, 4)}
    assert 850 < int(changes.flip.sum()) < 1150
    assert 0.19 < float(changes.brightness.abs().max()) <= 0.2
    assert 1.39 < float(changes.contrast.max()) <= 1.4
    assert len(changes.contrast.unique()) > 1900


def test_nothing_is_drawn_for_what_is_switched_off():
    changes = draw_changes(AugmentationConfig(), 4, np.random.default_rng(1), CPU)
    assert changes == Changes()
    assert not changes.moves
    assert not changes.recolours
