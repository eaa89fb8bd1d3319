"""Keypoints: against pycocotools, worked values, what is learnt from, how points move and are drawn, and that they can be learnt."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.figures.layers import prediction_layer, target_layer
from mtl_core.figures.overlays import class_colours
from mtl_core.tasks.keypoints import Keypoints, KeypointsOptions
from mtl_core.tasks.metrics.point_metrics import Found, average_precision, sigmas_of

SIZE = (40, 60)  # height, width: an exchange shows
NAMES = ("left", "right", "top")
TASK = Task("p", "keypoints", "p", NAMES, edges=((0, 2), (1, 2)), mirror_points=(1, 0, 2), sigmas=(0.05, 0.1, 0.03))


def kind_of(task: Task = TASK, **options) -> Keypoints:
    return Keypoints(task, KeypointsOptions(**options), {"image_shape": (3, *SIZE), "targets": {}})


def guesses(count: int = 60):
    """Predictions and targets with every sort of visibility, some images without any labelled point, and scores that tie."""
    random = np.random.default_rng(0)
    targets = np.concatenate([random.uniform(0.1, 0.9, (count, 3, 2)), random.integers(0, 3, (count, 3, 1))], 2).astype(np.float32)
    targets[::9, :, 2] = 0
    off = random.normal(0, 0.08, (count, 3, 2))
    scores = np.round(random.uniform(0, 1, (count, 3, 1)), 1)
    return np.concatenate([targets[..., :2] + off, scores], 2).astype(np.float32), targets


def by_pycocotools(predictions: np.ndarray, targets: np.ndarray, task: Task) -> np.ndarray:
    """COCO's AP at each OKS threshold, from the entries that the export writes."""
    kind, rows = Keypoints, range(len(targets))
    known = [entry for row in rows for entry in kind.coco_annotations(task, row, targets[row], SIZE, False)]
    annotations = [{**entry, "id": number, "iscrowd": 0} for number, entry in enumerate(known, 1)]
    for row in rows:  # an object without a labelled point counts for nothing in COCO, and is not exported
        if not (targets[row, :, 2] > 0).any():
            box = {"bbox": [0.0, 0.0, SIZE[1], SIZE[0]], "area": SIZE[0] * SIZE[1], "num_keypoints": 0, "keypoints": [0] * 9}
            annotations.append({"image_id": row, "category_id": 1, "id": len(annotations) + 1, "iscrowd": 0, **box})
    results = [entry for row in rows for entry in kind.coco_annotations(task, row, predictions[row], SIZE, True)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": [{"id": row} for row in rows], "annotations": annotations, "categories": kind.coco_categories(task)}
        truth.createIndex()
        found = COCOeval(truth, truth.loadRes(results), "keypoints")
        found.params.kpt_oks_sigmas = sigmas_of(task)
        found.evaluate()
        found.accumulate()
    return found.eval["precision"][:, :, 0, 0, -1].mean(1)


@pytest.mark.parametrize("task", [TASK, Task("p", "keypoints", "p", NAMES)], ids=["own sigmas", "default sigmas"])
def test_oks_ap_is_pycocotools(task):
    predictions, targets = guesses()
    found = Found(sigmas_of(task))
    for start in range(0, len(targets), 7):  # in pieces
        found.add(predictions[start : start + 7], targets[start : start + 7], SIZE)
    values, expected = found.measured(), by_pycocotools(predictions, targets, task)
    assert 0.05 < expected.mean() < 0.999
    assert values["oks_ap"] == pytest.approx(expected.mean(), abs=1e-9)
    assert values["oks_ap_50"] == pytest.approx(expected[0], abs=1e-9)


@pytest.mark.parametrize(("right", "expected"), [([True], 1.0), ([False], 0.0), ([True, False], 51 / 101), ([False, True], 0.5 * 51 / 101)])
def test_average_precision_by_hand(right, expected):
    """Of two objects one is found, so recalls up to one half have a precision: 51 of the 101."""
    assert average_precision(np.array(right)) == pytest.approx(expected)


def test_pck_and_distance_by_hand():
    """The frame's longer side is 60 pixels, so 6 pixels are near: 3 across is 0.05 of the width, 8 down is 0.2 of the height."""
    targets = np.array([[[0.5, 0.5, 2], [0.5, 0.5, 1], [0.9, 0.9, 0]]], np.float32)
    said = np.array([[[0.55, 0.5, 0.9], [0.5, 0.7, 0.9], [0.1, 0.1, 0.9]]], np.float32)
    found = Found(sigmas_of(TASK))
    found.add(said, targets, SIZE)
    values = found.measured()
    assert values["pck"] == pytest.approx(0.5)
    assert values["error"] == pytest.approx((3 + 8) / 2, abs=1e-4)
    assert values["there"] == pytest.approx(2 / 3)
    np.testing.assert_allclose(values["pck_of_each"], [1, 0, np.nan])
    assert Keypoints.sample_errors(said, targets).values[0] == pytest.approx((0.05 + 0.2) / 2, abs=1e-6)
    assert Keypoints.sample_errors(said, targets).mistakes.tolist() == [True]


@pytest.mark.parametrize("head", ["heat_maps", "coordinates"])
def test_places_are_learnt_from_labelled_points_only(head):
    torch.manual_seed(0)
    kind = kind_of(head=head, presence_weight=0.0)
    features = [torch.randn(2, 8, 10, 15)]
    output = kind.build_head([FeatureInfo(8, 4)]).eval()(features)
    target = torch.rand(2, 3, 3)
    target[..., 2] = torch.tensor([[2.0, 1, 0], [0, 0, 0]])
    other = target.clone()
    other[0, 2, :2], other[1, :, :2] = 0.9, 0.1
    one, another = kind.loss_parts(output, target), kind.loss_parts(output, other)
    assert int(one[1]) == 2
    assert torch.equal(one[0], another[0])
    other[0, 0, :2] += 0.1
    assert not torch.equal(one[0], kind.loss_parts(output, other)[0])
    nothing = torch.zeros(2, 3, 3)
    assert kind.loss(output, nothing) == 0, "no labelled point: nothing to learn, and no 0 / 0"


def test_the_divergence_is_that_of_its_definition():
    """0 for the Gaussian itself, log 2 for two maps that share no place."""
    kind = kind_of(spread=0.02)
    target = torch.tensor([[[0.25, 0.25, 2.0], [0.75, 0.5, 2.0], [0.5, 0.5, 2.0]]])
    y, x = (torch.arange(20) + 0.5) / 20, (torch.arange(30) + 0.5) / 30
    maps = [-(((x - px) ** 2)[None] + ((y - py) ** 2)[:, None]) / (2 * 0.02**2) for px, py, _ in target[0]]
    torch.testing.assert_close(kind._divergence(torch.stack(maps)[None], target), torch.zeros(1, 3), atol=1e-6, rtol=0)
    far = kind._divergence(torch.stack([maps[1], maps[0], maps[0]])[None], target)
    torch.testing.assert_close(far, torch.full((1, 3), float(np.log(2))), atol=1e-4, rtol=0)


def test_the_mean_place_of_a_heat_map_is_the_point():
    from mtl_core.tasks.heads.point_heads import HeatMapHead

    head = HeatMapHead([FeatureInfo(8, 4)], 1, SIZE, 8)
    logits = torch.full((1, 1, 20, 30), -1e4)
    logits[0, 0, 4, 11] = logits[0, 0, 4, 12] = 0.0  # halfway between two places
    del head.maps, head.there
    head.maps, head.there = (lambda features: logits), (lambda features: torch.zeros(1, 1))
    assert head.forward([])["points"][0, 0].tolist() == pytest.approx([12 / 30, 4.5 / 20])


def test_layers_are_in_pixels_and_say_what_is_hidden():
    image = np.zeros((*SIZE, 3), np.uint8)
    target = np.array([[0.5, 0.25, 2], [0.1, 0.1, 1], [0, 0, 0]], np.float32)
    assert target_layer(TASK, image, target) == {"type": "points", "points": [[30, 10, 2, 1], [6, 4, 1, 1], [0, 0, 0, 1]]}
    assert prediction_layer(TASK, image, np.array([[0.5, 0.25, 0.7]] * 3, np.float32))["points"] == [[30, 10, 2, 0.7]] * 3


def test_a_drawn_point_lies_where_it_is_named():
    target = np.array([[0.5, 0.25, 2], [0, 0, 0], [0, 0, 0]], np.float32)
    picture = Keypoints.draw_target(np.zeros((*SIZE, 3), np.uint8), target, TASK, 4).image
    rows, columns = np.nonzero(picture.any(2))
    assert (columns.mean() + 0.5) / 4 == pytest.approx(30, abs=0.3)
    assert (rows.mean() + 0.5) / 4 == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_point_shows_its_colour_in_small_pictures_too(scale):
    target = np.array([[0.5, 0.5, 2], [0, 0, 0], [0, 0, 0]], np.float32)
    picture = Keypoints.draw_target(np.zeros((*SIZE, 3), np.uint8), target, TASK, scale).image
    own = (picture == class_colours(NAMES)[0]).all(2)
    assert own.sum() >= 0.6 * picture.any(2).sum() > 20


def test_export_rows_have_one_row_a_point():
    predictions, targets = guesses(2)
    columns = Keypoints.export_rows(TASK, predictions, targets, np.array([True, False]))
    assert columns["image"].tolist() == [0, 0, 0, 1, 1, 1]
    assert columns["point"] == [*NAMES, *NAMES]
    assert np.isnan(columns["target x"][3:]).all()
    np.testing.assert_allclose(columns["x"], predictions[..., 0].ravel())


@pytest.mark.parametrize("head", ["heat_maps", "coordinates"])
def test_the_place_of_a_dot_is_learnt(head):
    """Pictures with one bright dot, through two convolutions: the points come within a tenth of the frame."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    task = Task("p", "keypoints", "p", ("dot",))
    kind = Keypoints(task, KeypointsOptions(head=head, presence_weight=0.0), {"image_shape": (1, 16, 24), "targets": {}})
    target = torch.cat([torch.rand(24, 1, 2, generator=generator) * 0.8 + 0.1, torch.full((24, 1, 1), 2.0)], dim=-1)
    y, x = (torch.arange(16) + 0.5) / 16, (torch.arange(24) + 0.5) / 24
    images = torch.exp(-((x - target[..., :1]) ** 2)[:, :, None] / 0.005 - ((y - target[..., 1:2]) ** 2)[..., None] / 0.005)
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.ReLU())
    places = torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(24, -1, -1, -1)  # pooled features must know where they are
    head_module = kind.build_head([FeatureInfo(8, 1)])
    optimizer = torch.optim.Adam([*layers.parameters(), *head_module.parameters()], lr=0.01)
    for _ in range(60):
        loss = kind.loss(head_module([layers(torch.cat([images, places * images], 1))]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    measurement = kind.measurement()
    with torch.no_grad():
        measurement.update(head_module([layers(torch.cat([images, places * images], 1))]), target)
    assert measurement.compute()["pck"] > 0.9
