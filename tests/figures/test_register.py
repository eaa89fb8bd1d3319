"""Image, mask, boxes and depth stay in register: a known object is moved by every step, then drawn, and found where it belongs."""

import numpy as np
import pytest
import torch

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.dataset import Task
from mtl_core.figures.overlays import MASK_OPACITY, class_colours
from mtl_core.inference.fit import boxes_back, classes_back, fit, into_frame
from mtl_core.tasks.detection import Detection
from mtl_core.tasks.segmentation import Segmentation

CLASSES = ("background", "thing")
WHITE = 240


def scene(height, width, box):
    """A white thing on black, with its mask and box (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = box
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    image[y1:y2, x1:x2], mask[y1:y2, x1:x2] = WHITE, 1
    return image, mask, np.array([[x1, y1, x2, y2, 0, 0.9]], np.float32)


def bright(image):
    """Box of the white pixels."""
    rows, columns = np.nonzero(image.mean(2) > WHITE / 2)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def drawn(image, mask, boxes, scale=2):
    """Boxes of where mask and box are seen in their drawings, in image pixels."""
    task = Task("m", "segmentation", "m", CLASSES)
    picture = Segmentation.draw_target(image, mask, task, scale).image
    colour = (MASK_OPACITY * class_colours(CLASSES)[1] + (1 - MASK_OPACITY) * WHITE).round()
    seen = np.abs(picture.astype(int) - colour).max(2) <= 1
    rows, columns = np.nonzero(seen)
    mask_box = [columns.min() / scale, rows.min() / scale, (columns.max() + 1) / scale, (rows.max() + 1) / scale]
    plain = Detection.draw_prediction(image, boxes, Task("b", "detection", "b", ("",)), scale).image
    edge = (plain == class_colours(("",))[0]).all(2)
    rows, columns = np.nonzero(edge)
    return mask_box, [columns.min() / scale, rows.min() / scale, (columns.max() + 1) / scale, (rows.max() + 1) / scale]


@pytest.mark.parametrize(("height", "width", "box"), [(24, 24, (5, 4, 15, 12)), (16, 40, (22, 3, 37, 13)), (40, 16, (2, 20, 12, 33))])
def test_drawn_where_the_image_has_it(height, width, box):
    image, mask, boxes = scene(height, width, box)
    assert drawn(image, mask, boxes) == (list(box), list(box))


@pytest.mark.parametrize("settings", [{"flip": True}, {"flip": True, "shift": 3}])
@pytest.mark.parametrize("seed", range(4))
def test_still_there_after_flip_and_shift(settings, seed):
    image, mask, boxes = scene(20, 36, (8, 6, 21, 15))
    pipeline = Pipeline(AugmentationConfig(**settings), [0.2, 0.2, 0.2])
    drawn_changes = pipeline.draw(1, (20, 36), np.random.default_rng(seed))
    targets = {"mask": torch.from_numpy(mask)[None], "boxes": torch.from_numpy(boxes[None, :, :5])}
    sample = pipeline.apply(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], targets, drawn_changes)
    moved = sample.images[0].numpy().transpose(1, 2, 0).round().astype(np.uint8)
    moved_boxes = np.concatenate([sample.targets["boxes"][0].numpy(), boxes[:, 5:]], 1)
    assert drawn(moved, sample.targets["mask"][0].numpy(), moved_boxes) == (bright(moved), bright(moved))


@pytest.mark.parametrize("how", ["pad", "stretch", "crop"])
@pytest.mark.parametrize(("height", "width", "box"), [(48, 96, (40, 12, 64, 36)), (96, 48, (12, 36, 36, 60)), (40, 40, (10, 10, 30, 25))])
def test_back_on_the_image_after_resizing(how, height, width, box):
    image, _, _ = scene(height, width, box)
    placed = fit((height, width), (32, 32), how)
    frame = into_frame(image, placed)
    in_frame = bright(frame)
    boxes = np.array([[*in_frame, 0, 0.9]], np.float32)
    mask = (frame.mean(2) > WHITE / 2).astype(np.uint8)
    back = np.concatenate([boxes_back(boxes[:, :4], placed), boxes[:, 4:]], 1)
    mask_box, box_drawn = drawn(image, np.where(classes_back(mask, placed) == 1, 1, 0).astype(np.uint8) * (image.mean(2) > WHITE / 2), back, scale=1)
    pixel = 1.5 * max(1 / factor for factor in placed.factors) + 1  # of the frame, in pixels of the image
    assert np.abs(np.array(box_drawn) - np.array(box)).max() <= pixel
    assert np.abs(np.array(mask_box) - np.array(box)).max() <= pixel
