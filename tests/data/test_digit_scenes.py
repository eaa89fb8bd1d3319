import numpy as np
import pytest

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.data.sources.digits import load_digits
from mtl_core.data.sources.scene_layout import FARTHEST, LEAST_VISIBLE, NEAREST, WALL_DISTANCE

SPLITS = ("train", "val", "test")
SMALL = {"train_size": 150, "val_size": 40, "test_size": 40}


def scenes_of(split="train", **options):
    source = open_source(PartConfig(name="digit_scenes", **{**SMALL, **options}))
    return source.compose(split, lambda share, what: None)


@pytest.fixture(scope="module", params=[{}, {"max_digits": 8, "image_size": 32}, {"max_digits": 1, "image_size": 128, "train_size": 40}])
def scenes(request):
    return scenes_of(**request.param)


def test_boxes_are_the_tight_boxes_of_the_whole_digits(scenes):
    size = scenes.data.images.shape[-1]
    for layout, boxes in zip(scenes.layouts, scenes.data.targets["boxes"], strict=True):
        for digit, (x1, y1, x2, y2, digit_class) in zip(layout.placed, boxes, strict=False):
            mask = digit.shape.mask
            assert all(side.any() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
            assert (x1, y1, x2 - x1, y2 - y1, digit_class) == (digit.x, digit.y, mask.shape[1], mask.shape[0], digit.digit)
            assert min(x1, y1) >= 0
            assert max(x2, y2) <= size
        assert (boxes[len(layout.placed) :] == [0, 0, 0, 0, -1]).all()


def test_image_level_targets_agree_with_the_boxes(scenes):
    targets = scenes.data.targets
    classes = targets["boxes"][..., 4]
    assert np.array_equal(targets["count"], (classes >= 0).sum(axis=1))
    assert np.array_equal(targets["count_class"], targets["count"] - 1)
    for digit in range(10):
        assert np.array_equal(targets["present"][:, digit] == 1, (classes == digit).any(axis=1))


def test_every_pixel_belongs_to_the_nearest_digit_that_covers_it(scenes):
    targets = scenes.data.targets
    for row, layout in enumerate(scenes.layouts):
        segments, depth = np.zeros_like(targets["segments"][row]), np.full_like(targets["depth"][row], WALL_DISTANCE)
        for digit in layout.placed:  # in any order: the smaller distance wins
            distance, owner = depth[digit.area], segments[digit.area]
            nearer = digit.shape.mask & (digit.distance < distance)
            distance[nearer], owner[nearer] = digit.distance, digit.digit + 1
        assert np.array_equal(targets["segments"][row], segments)
        assert np.array_equal(targets["depth"][row], depth)


def test_centres_are_the_middles_of_the_painted_digits(scenes):
    """Each digit is painted alone; the middle of its pixels is where its centre has to be. The scene's depth says whether something covers it."""
    targets, size = scenes.data.targets, scenes.data.images.shape[-1]
    hidden = 0
    for centres, layout, depth in zip(targets["centres"], scenes.layouts, targets["depth"], strict=True):
        wanted = np.zeros((10, 3))
        for name in {digit.digit for digit in layout.placed}:
            nearest = min((digit for digit in layout.placed if digit.digit == name), key=lambda digit: digit.distance)
            alone = np.zeros((size, size), bool)
            alone[nearest.area] = nearest.shape.mask
            rows, columns = np.nonzero(alone)
            x, y = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
            covered = depth[int(y), int(x)] < np.float32(nearest.distance)
            hidden += covered
            wanted[name] = (x / size, y / size, 1 if covered else 2)
        np.testing.assert_allclose(centres, wanted, atol=1e-7)
    assert hidden > 0 or max(len(layout.placed) for layout in scenes.layouts) < 2


def test_the_centre_of_an_uncovered_digit_is_the_middle_of_its_pixels_in_the_mask(scenes):
    targets, size, seen = scenes.data.targets, scenes.data.images.shape[-1], 0
    for centres, layout, segments in zip(targets["centres"], scenes.layouts, targets["segments"], strict=True):
        for digit in layout.placed:
            pixels = np.argwhere(segments == 1 + digit.digit)
            if len(pixels) != digit.shape.mask.sum() or sum(other.digit == digit.digit for other in layout.placed) > 1:
                continue  # a part of it is covered, or two digits have its name
            seen += 1
            y, x = (pixels.min(0) + pixels.max(0) + 1) / 2
            np.testing.assert_allclose(centres[digit.digit, :2], (x / size, y / size), atol=1e-7)
    assert seen > 10


def test_most_of_every_digit_is_visible(scenes):
    assert LEAST_VISIBLE >= 0.5
    for layout, depth in zip(scenes.layouts, scenes.data.targets["depth"], strict=True):
        for digit in layout.placed:
            visible = np.count_nonzero(depth[digit.area] == np.float32(digit.distance))
            assert visible >= LEAST_VISIBLE * np.count_nonzero(digit.shape.mask)


def test_nearer_digits_come_first_and_all_are_about_a_metre_tall(scenes):
    size, metres = scenes.data.images.shape[-1], []
    for layout in scenes.layouts:
        distances = [digit.distance for digit in layout.placed]
        assert distances == sorted(set(distances))
        for digit in layout.placed:
            assert NEAREST < digit.distance < FARTHEST < WALL_DISTANCE
            metres.append(digit.shape.mask.shape[0] * digit.distance / (0.5 * size))
    assert ((np.array(metres) > 0.65) & (np.array(metres) < 1.3)).all()  # faint strokes at the top or bottom may get lost
    assert ((np.percentile(metres, [5, 95]) > 0.8) & (np.percentile(metres, [5, 95]) < 1.2)).all()


def test_every_number_of_digits_occurs_about_equally_often():
    counts = np.bincount(scenes_of(train_size=400).data.targets["count"].astype(int), minlength=5)
    assert counts[0] == 0
    assert (counts[1:] > 60).all()


def test_digits_stand_out_from_the_wall():
    scenes = scenes_of()
    brightness = scenes.data.images.astype(np.float32).transpose(0, 2, 3, 1) @ np.array([0.299, 0.587, 0.114], np.float32)
    contrasts = []
    for layout, picture, depth in zip(scenes.layouts, brightness, scenes.data.targets["depth"], strict=True):
        wall = np.median(picture[depth == WALL_DISTANCE])
        contrasts += [abs(np.median(picture[depth == np.float32(digit.distance)]) - wall) / 255 for digit in layout.placed]
    assert min(contrasts) > 0.05  # in a nearer digit's shadow
    assert np.percentile(contrasts, 10) > 0.15


def test_splits_share_no_source_digit():
    source = open_source(PartConfig(name="digit_scenes", **SMALL))
    allowed = {split: set(source.source_digits(split).tolist()) for split in SPLITS}
    assert sum(map(len, allowed.values())) == len(set().union(*allowed.values())) == 1797
    digits = load_digits()[1]
    for split in SPLITS:
        used = [digit for layout in scenes_of(split).layouts for digit in layout.placed]
        assert {digit.row for digit in used} <= allowed[split]
        assert all(digits[digit.row] == digit.digit for digit in used)


def test_the_seed_decides_everything():
    first, again, other = (scenes_of(train_size=20, seed=seed).data for seed in (3, 3, 4))
    assert np.array_equal(first.images, again.images)
    for name, target in first.targets.items():
        assert np.array_equal(target, again.targets[name])
    assert not np.array_equal(first.images, other.images)
    assert not np.array_equal(first.images, scenes_of("val", val_size=20, seed=3).data.images)


def test_scenes_of_mnist_keep_its_files_apart(write_mnist):
    root = write_mnist()
    for path in (root / "MNIST/raw").glob("*images*"):  # the small MNIST is one-coloured: give it a shape to cut out
        data = bytearray(path.read_bytes())
        pixels = np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)
        pixels[:] = 0
        pixels[:, 4:24, 10:16] = 200
        path.write_bytes(data)
    options = {"glyphs": "mnist", "root": str(root), "download": False}
    source = open_source(PartConfig(name="digit_scenes", **options))
    rows = {split: source.source_digits(split).tolist() for split in SPLITS}
    assert rows == {"train": list(range(20)), "val": list(range(20, 40)), "test": list(range(40, 50))}
    placed = [digit for layout in scenes_of("test", **options).layouts for digit in layout.placed]
    assert {digit.row for digit in placed} == set(rows["test"])
    assert all(digit.digit == (digit.row - 40) % 10 for digit in placed)


def test_missing_mnist_is_a_problem_only_where_it_is_used(tmp_path):
    options = {"root": str(tmp_path), "download": False}
    assert open_source(PartConfig(name="digit_scenes", **options)).problems() == []
    [(option, sentence)] = open_source(PartConfig(name="digit_scenes", glyphs="mnist", **options)).problems()
    assert option == "root"
    assert f"MNIST was not found in '{tmp_path}'" in sentence


def test_the_cache_key_leaves_out_where_the_files_are():
    keys = [open_source(PartConfig(name="digit_scenes", **options)).cache_key() for options in ({}, {"root": "/x", "download": False}, {"seed": 1})]
    assert keys[0] == keys[1] != keys[2]
