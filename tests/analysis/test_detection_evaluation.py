"""Evaluation of boxes, against pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.analysis.test_evaluation import close, evaluated, of_classes, values


def coco(predictions, targets, classes=4):
    """pycocotools on its own: its 12 numbers, and the precision of each IoU, recall, class and size."""
    ground, found = COCO(), []
    annotations = [
        {"image_id": row, "bbox": [*box[:2], *(box[2:4] - box[:2])], "category_id": int(box[4]), "iscrowd": 0}
        for row, boxes in enumerate(targets.astype(float))
        for box in boxes[boxes[:, 4] >= 0]
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation |= {"id": number, "area": annotation["bbox"][2] * annotation["bbox"][3]}
    ground.dataset = {"images": [{"id": row} for row in range(len(targets))], "categories": [{"id": k} for k in range(classes)]}
    ground.dataset["annotations"] = annotations
    with contextlib.redirect_stdout(io.StringIO()):
        ground.createIndex()
        for row, boxes in enumerate(predictions.astype(float)):
            for box in boxes[boxes[:, 4] >= 0]:
                bbox = [*box[:2], *(box[2:4] - box[:2])]
                found.append({"image_id": row, "bbox": bbox, "category_id": int(box[4]), "score": box[5]})
        evaluation = COCOeval(ground, ground.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [value if value >= 0 else np.nan for value in evaluation.stats], evaluation.eval["precision"][..., -1]


def scenes(seed, images=25):
    """Random boxes of three classes and all sizes, found more or less, with padding; some images without a box."""
    random = np.random.default_rng(seed)
    targets, predictions = np.zeros((images, 4, 5), np.float32), np.zeros((images, 7, 6), np.float32)
    targets[..., 4] = predictions[..., 4] = -1
    for row in range(images):
        for place in range(random.integers(0, 5) if row % 5 else 0):
            corner, size = random.uniform(0, 150, 2), random.choice([12.0, 60.0, 130.0]) * random.uniform(0.8, 1.2, 2)
            targets[row, place] = [*corner, *(corner + size), random.integers(0, 3)]
            if random.random() < 0.85:
                moved = np.concatenate([corner, corner + size]) + random.normal(size=4) * 0.06 * size.mean()
                label = targets[row, place, 4] if random.random() < 0.8 else random.integers(0, 4)
                predictions[row, place] = [*moved, label, random.uniform(0.1, 1)]
        for place in range(4, 4 + random.integers(0, 3)):
            corner = random.uniform(0, 150, 2)
            predictions[row, place] = [*corner, *(corner + random.uniform(5, 60, 2)), random.integers(0, 4), random.uniform(0, 0.7)]
    return predictions, targets


@pytest.mark.parametrize("seed", [0, 1])
def test_detection(seed):
    predictions, targets = scenes(seed)
    findings = evaluated("detection", predictions, targets)
    stats, precision = coco(predictions, targets)
    found, table = values(findings), of_classes(findings)
    names = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
    close([found[name] for name in (*names, "mar")], [*stats[:6], stats[8]])
    precision = np.where(precision < 0, np.nan, precision)
    close(table["ap"], precision[..., 0].mean((0, 1)))
    close(table["ap_50"], precision[0, ..., 0].mean(0))
    for place, size in enumerate(("small", "medium", "large"), 1):
        close(table[f"ap_{size}"], precision[..., place].mean((0, 1)))
    close(findings.arrays["pr"][:3, 1], precision[0, :, :3, 0].T)
    assert np.isnan(table["ap"][3])
    np.testing.assert_array_equal(table["support"], [(targets[..., 4] == k).sum() for k in range(4)])


def test_confused_boxes():
    targets = np.array([[[0, 0, 10, 10, 0], [20, 20, 30, 30, 1]], [[0, 0, 10, 10, 2], [0, 0, 0, 0, -1]]], np.float32)
    predictions = np.array([[[0, 0, 10, 9, 1, 0.9], [50, 50, 60, 60, 0, 0.8]], [[0, 0, 10, 10, 2, 0.9], [0, 0, 10, 10, 2, 0.1]]], np.float32)
    cells = evaluated("detection", predictions, targets).cells
    matrix = np.zeros((5, 5), int)
    matrix[0, 1] = matrix[2, 2] = 1  # confused, right
    matrix[1, 4] = matrix[4, 0] = 1  # missed, made up
    np.testing.assert_array_equal(cells.matrix(), matrix)
    assert cells.images(4, 0)[0].tolist() == [0]


def test_no_box_at_all():
    predictions, targets = scenes(0, images=4)
    targets[..., 4] = -1
    assert np.isnan(list(values(evaluated("detection", predictions, targets)).values())).all()
    predictions, targets = scenes(0, images=4)
    predictions[..., 4] = -1
    found = values(evaluated("detection", predictions, targets))
    assert found["map"] == found["map_50"] == found["mar"] == 0
