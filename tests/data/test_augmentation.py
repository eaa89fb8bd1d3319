"""What every registered augmentation promises: targets stay in register with the image. Then what each one does, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation import AUGMENTATIONS, fitting
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.dataset import Task
from tests.data.example_settings import ADDED, GENTLE, ON

HEIGHT, WIDTH = 24, 32  # not square: an exchange of x and y shows
every = pytest.mark.parametrize("name", list(AUGMENTATIONS))
moving = pytest.mark.parametrize("name", ["flip", "shift", "crop", "affine"])


def marks(count=16):
    """Images with one bright block each; its mask, its distance and its box say where it is."""
    random = np.random.default_rng(0)
    images = np.full((count, 3, HEIGHT, WIDTH), 40, np.uint8)
    masks = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    depth = np.full((count, HEIGHT, WIDTH), 4.0, np.float32)
    boxes = np.zeros((count, 2, 5), np.float32)
    boxes[:, 1, 4] = -1
    for row in range(count):
        x, y = int(random.integers(8, 16)), int(random.integers(7, 11))
        images[row, :, y : y + 6, x : x + 9] = 200
        masks[row, y : y + 6, x : x + 9] = 1
        depth[row, y : y + 6, x : x + 9] = 2.0
        boxes[row, 0] = (x, y, x + 9, y + 6, 3)
    arrays = {"masks": masks, "depth": depth, "boxes": boxes, "digit": np.arange(count) % 10}
    return torch.from_numpy(images), {key: torch.from_numpy(values) for key, values in arrays.items()}


def changed(settings, images, targets, seed=1, mean=(0.2, 0.2, 0.2)):
    pipeline = Pipeline(AugmentationConfig(**settings), list(mean[: images.shape[1]]))
    drawn = pipeline.draw(len(images), tuple(images.shape[2:]), np.random.default_rng(seed))
    return pipeline.apply(images, targets, drawn), drawn


@every
def test_it_says_what_it_is_and_owns_its_settings(name):
    augmentation = AUGMENTATIONS.load(name)
    assert augmentation.title
    assert augmentation.summary
    assert set(ON[name]) == set(augmentation.settings), "its Options hold numbers, true and false"
    assert not augmentation.is_on(AugmentationConfig())
    assert augmentation.is_on(AugmentationConfig(**ON[name]))


def test_every_setting_belongs_to_one_augmentation():
    owned = [setting for name in AUGMENTATIONS for setting in AUGMENTATIONS.load(name).settings]
    added = [setting for augmentation in ADDED.values() for setting in augmentation.settings]
    assert sorted(owned) == sorted([*AugmentationConfig.model_fields, *added])


@every
def test_what_is_drawn_depends_on_the_generator_only_and_differs_between_images(name):
    images, targets = marks()
    first, again, other = (changed(ON[name], images, targets, seed)[0].images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({image.to(torch.float32).sub(before).abs().sum().item() for image, before in zip(first, images, strict=True)}) > 1


@every
def test_what_it_is_given_stays_as_it_was(name):
    images, targets = marks()
    changed(ON[name], images, targets)
    untouched, same = marks()
    assert torch.equal(images, untouched)
    assert all(torch.equal(targets[key], same[key]) for key in same)


@every
def test_types_shapes_and_whole_image_targets_stay(name):
    images, targets = marks()
    sample, _ = changed(ON[name], images, targets)
    assert sample.images.shape == images.shape
    assert {key: (values.shape, values.dtype) for key, values in sample.targets.items()} == {
        key: (values.shape, values.dtype) for key, values in targets.items()
    }
    assert torch.equal(sample.targets["digit"], targets["digit"])


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "mixup"])  # which is refused for such targets
def test_masks_depth_and_boxes_stay_on_what_they_mark(name):
    """Wherever the picture is clearly block or clearly ground, mask and depth agree; the box holds the block and touches it."""
    images, targets = marks()
    sample, _ = changed({**GENTLE[name], "contrast": 0.0} if name == "colour" else GENTLE[name], images, targets)
    for row in range(len(images)):
        picture, mask, depth = sample.images[row, 0].float(), sample.targets["masks"][row], sample.targets["depth"][row]
        bright, dark = picture.max(), picture.min()
        is_block, is_ground = picture > dark + 0.9 * (bright - dark), picture < dark + 0.1 * (bright - dark)
        if name == "cutout":
            is_block &= mask != 255
            is_ground &= mask != 255
        assert (mask[is_block] == 1).all()
        assert (mask[is_ground] == 0).all()
        zoom = (depth[mask == 0] / 4).unique()
        assert torch.allclose(depth[mask == 1] * 2, depth[mask == 0].max(), atol=1e-4)  # 2 m and 4 m, nearer together
        assert len(zoom) == 1 or torch.allclose(zoom, zoom[0], atol=1e-4)
        x1, y1, x2, y2, kind = sample.targets["boxes"][row, 0].tolist()
        if kind < 0 or name == "cutout":
            continue
        assert kind == 3
        rows, columns = torch.nonzero(mask == 1, as_tuple=True)
        assert x1 - 1 <= columns.min() <= x1 + 1.5
        assert y1 - 1 <= rows.min() <= y1 + 1.5
        assert x2 - 1.5 <= columns.max() + 1 <= x2 + 1
        assert y2 - 1.5 <= rows.max() + 1 <= y2 + 1


@moving
def test_padding_among_the_boxes_stays_padding(name):
    images, targets = marks()
    sample, _ = changed(ON[name], images, targets)
    assert (sample.targets["boxes"][:, 1] == torch.tensor([0.0, 0, 0, 0, -1])).all()


def test_flip_by_hand():
    images = torch.arange(6, dtype=torch.uint8).reshape(1, 1, 2, 3)
    sample, [drawn] = changed({"flip": True}, images.repeat(20, 1, 1, 1), {"boxes": torch.tensor([[[0.0, 0, 1, 2, 7]]]).repeat(20, 1, 1)})
    assert 0 < drawn["flip"].sum() < 20
    for row, flipped in enumerate(drawn["flip"]):
        assert sample.images[row, 0].tolist() == ([[2, 1, 0], [5, 4, 3]] if flipped else [[0, 1, 2], [3, 4, 5]])
        assert sample.targets["boxes"][row, 0].tolist() == ([2, 0, 3, 2, 7] if flipped else [0, 0, 1, 2, 7])


def test_shift_by_hand_repeats_the_border_and_drops_what_is_gone():
    images = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8)
    pipeline = Pipeline(AugmentationConfig(shift=2), [0.0])
    boxes = torch.tensor([[[6.0, 0, 8, 8, 1], [0, 0, 4, 4, 2], [5, 5, 7, 7, 3]]])
    sample = pipeline.apply(images, {"boxes": boxes}, [{"shift": np.array([[2, -1]])}])
    assert sample.images[0, 0, 0].tolist() == [8, 8, 8, 9, 10, 11, 12, 13]
    assert sample.images[0, 0, 7].tolist() == [56, 56, 56, 57, 58, 59, 60, 61]
    assert sample.targets["boxes"][0].tolist() == [[0, 0, 0, 0, -1], [2, 0, 6, 3, 2], [7, 4, 8, 6, 3]]


def test_a_quarter_turn_is_exact_and_anticlockwise():
    images = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    from mtl_core.data.augmentation.warp import drawn_map

    quarter = drawn_map(np.array([[[0.0, 1, 0], [-1, 0, 4], [0, 0, 1]]]))
    pipeline = Pipeline(AugmentationConfig(rotation=90), [0.0])
    boxes = torch.tensor([[[0.0, 1, 2, 2, 5]]])
    sample = pipeline.apply(images, {"boxes": boxes, "masks": images[:, 0]}, [quarter])
    assert torch.allclose(sample.images[0, 0], torch.rot90(images[0, 0].float(), 1), atol=1e-3)
    assert torch.equal(sample.targets["masks"][0], torch.rot90(images[0, 0], 1))
    assert torch.allclose(sample.targets["boxes"], torch.tensor([[[1.0, 2, 2, 4, 5]]]), atol=1e-5)


def test_angles_and_sizes_reach_their_bounds_and_no_further():
    [affine] = Pipeline(AugmentationConfig(rotation=30, scale=0.2), [0.0]).steps
    forward = affine.draw(2000, (HEIGHT, WIDTH), np.random.default_rng(0))["forward"]
    zoom = np.sqrt(np.linalg.det(forward[:, :2, :2]))
    angle = np.degrees(np.arctan2(-forward[:, 1, 0], forward[:, 0, 0]))
    assert 0.8 <= zoom.min() < 0.81
    assert 1.19 < zoom.max() <= 1.2 + 1e-6
    assert -30.001 <= angle.min() < -29
    assert 29 < angle.max() <= 30.001
    centre = forward @ np.array([WIDTH / 2, HEIGHT / 2, 1])
    assert np.allclose(centre[:, :2], (WIDTH / 2, HEIGHT / 2), atol=1e-4)


def test_a_crop_lies_inside_the_image():
    [crop] = Pipeline(AugmentationConfig(crop=0.5), [0.0]).steps
    backward = crop.draw(2000, (HEIGHT, WIDTH), np.random.default_rng(0))["backward"]
    first, last = backward @ np.array([0, 0, 1]), backward @ np.array([WIDTH, HEIGHT, 1])
    assert first[:, :2].min() >= -1e-4
    assert (last[:, :2] <= np.array([WIDTH, HEIGHT]) + 1e-4).all()
    assert 0.5 - 1e-4 <= backward[:, 0, 0].min() < 0.51


def test_nothing_is_known_under_a_cutout():
    images, targets = marks(200)
    sample, [drawn] = changed({"cutout": 0.5}, images, targets, mean=(0.5, 0.2, 0.1))
    hidden = 0
    for row, (x1, y1, x2, y2) in enumerate(drawn["hole"].tolist()):
        under = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
        under[y1:y2, x1:x2] = True
        assert under.sum() <= 12 * 12
        for channel, mean in enumerate((0.5, 0.2, 0.1)):
            assert torch.allclose(sample.images[row, channel][under], torch.tensor(255 * mean))
        assert torch.equal(sample.images[row][:, ~under], images[row][:, ~under].float())
        assert (sample.targets["masks"][row][under] == 255).all()
        assert torch.equal(sample.targets["depth"][row].isnan(), under)
        left = int((targets["masks"][row] == 1)[~under].sum())
        assert (sample.targets["boxes"][row, 0, 4] == 3) == (left >= 0.25 * 54)
        hidden += left < 0.25 * 54
    assert hidden > 0


def test_colours_by_hand():
    images = torch.tensor([[100, 50], [150, 50], [200, 50]], dtype=torch.uint8).reshape(1, 3, 1, 2)
    pipeline = Pipeline(AugmentationConfig(saturation=0.5), [0.0] * 3)
    one = np.float32(1)
    grey = pipeline.apply(images, {}, [{"saturation": np.array([0], np.float32)}]).images
    assert torch.allclose(grey, torch.tensor([0.299 * 100 + 0.587 * 150 + 0.114 * 200, 50.0]).expand(1, 3, 1, 2), atol=1e-3)
    half = pipeline.apply(images, {}, [{"contrast": np.array([0.5], np.float32)}]).images
    assert torch.allclose(half, 0.5 * images + 0.5 * 100.0)
    lighter = pipeline.apply(images, {}, [{"brightness": np.array([0.4 * one], np.float32)}]).images
    assert torch.allclose(lighter, (images + 102.0).clamp(max=255))


def test_mixup_is_one_share_of_each_image_and_its_partner():
    images, targets = marks()
    sample, _ = changed({"mixup": 0.4}, images, {"digit": targets["digit"]})
    share, partner = sample.mix.share, sample.mix.partner
    assert 0 < share < 1
    assert sorted(partner.tolist()) == list(range(16))
    assert torch.allclose(sample.images, share * images + (1 - share) * images[partner], atol=1e-3)
    assert torch.equal(sample.targets["digit"], targets["digit"])


BOXES, MASK = Task("where", "detection", "where"), Task("mask", "segmentation", "mask")
DIGIT, COUNT = Task("digit", "classification", "digit", spoiled_by=("flip",)), Task("count", "regression", "count")


def test_what_cannot_follow_is_refused_in_words():
    found = {problem.field: problem.message for problem in fitting.misfits(AugmentationConfig(mixup=0.2, flip=True), [DIGIT, BOXES], (32, 32))}
    assert set(found) == {"augmentation.mixup", "augmentation.flip"}
    assert "where can't follow: two images laid over each other have no single detection target" in found["augmentation.mixup"]
    assert "would make the target of digit wrong" in found["augmentation.flip"]
    assert fitting.misfits(AugmentationConfig(mixup=0.2), [DIGIT, COUNT], (32, 32)) == []
    [shift] = fitting.misfits(AugmentationConfig(shift=9), [DIGIT], (64, 32))
    assert "use at most 8" in shift.message


def test_what_one_should_know_is_said_and_forbids_nothing():
    assert fitting.remarks(AugmentationConfig(), [BOXES, COUNT], 3) == []
    said = fitting.remarks(AugmentationConfig(rotation=10, crop=0.2, saturation=0.1), [BOXES, MASK, COUNT], 1)
    assert [line.split(":")[0] for line in said] == ["Crop with count", "Affine with where", "Saturation does nothing here"]


@every
def test_what_was_sent_to_a_device_is_not_fetched_back(name, monkeypatch):
    """On a GPU each fetch waits for all that was asked of it before. A number drawn for the whole batch (mixup) never leaves the CPU."""
    images, targets = marks()
    pipeline = Pipeline(AugmentationConfig(**ON[name]), [0.2, 0.2, 0.2])
    drawn = pipeline.draw(len(images), tuple(images.shape[2:]), np.random.default_rng(1))

    def fetched(tensor, *_, **__):
        raise AssertionError("a tensor of the device was fetched; draw what apply needs, as a number or as an array with a row for each image")

    for fetch in ("cpu", "numpy", "tolist", "item", "__bool__", "__int__"):
        monkeypatch.setattr(torch.Tensor, fetch, fetched)
    pipeline.apply(images, targets, drawn)
