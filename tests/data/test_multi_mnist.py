import numpy as np
import pytest
from PIL import Image

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.data.sources.multi_mnist import overlaid
from mtl_core.errors import DataError


def multi_mnist(root, **options):
    return open_source(PartConfig(name="multi_mnist", **{"root": str(root), "download": False, "val_size": 8} | options))


@pytest.mark.parametrize("offset", [0, 6, 8])
def test_two_digits_are_laid_over_each_other_as_pillow_would(offset):
    """A second implementation: the brighter pixel on a canvas of 36x36, made smaller by Pillow's nearest neighbour."""
    left, right = np.random.default_rng(0).integers(0, 256, (2, 3, 28, 28), dtype=np.uint8)
    for image, first, second in zip(overlaid(left, right, offset), left, right, strict=True):
        canvas = np.pad(first, (0, 8))
        canvas = np.maximum(canvas, np.pad(second, (offset, 8 - offset)))
        assert np.array_equal(image, np.asarray(Image.fromarray(canvas).resize((28, 28), Image.Resampling.NEAREST)))


def test_the_left_digit_is_the_splits_own_and_the_right_one_another_of_it(write_mnist, no_progress):
    """In the small MNIST image i is all of brightness i: of the training file 0 to 31 are train and 32 to 39 val; test is 100 to 109."""
    source = multi_mnist(write_mnist(), offset=8)
    for split, first, count in (("train", 0, 32), ("val", 32, 8), ("test", 100, 10)):
        data, own = source.build(split, no_progress), np.arange(count)
        left, right = data.images[:, 0, 0, 0], data.images[:, 0, -1, -1]  # corners that only one of them covers
        assert left.tolist() == list(range(first, first + count))
        assert np.array_equal(right, first + source.partners(split))
        assert (source.partners(split) != own).all()
        base = first - 100 if split == "test" else first
        assert np.array_equal(data.targets["left"], (base + own) % 10)
        assert np.array_equal(data.targets["right"], (base + source.partners(split)) % 10)


def test_every_other_digit_is_as_likely():
    source = multi_mnist("nowhere", train_size=3)
    source.split_sizes = lambda: {"train": 3}
    drawn = np.concatenate([seeded.partners("train")[None] for seeded in (reseeded(source, seed) for seed in range(600))])
    for place in range(3):
        counts = np.bincount(drawn[:, place], minlength=3)
        assert counts[place] == 0
        assert abs(np.delete(counts, place) - 300).max() < 50  # four standard deviations


def reseeded(source, seed):
    source.options = source.options.model_copy(update={"seed": seed})
    return source


def test_the_seed_decides_and_the_cache_knows_it(write_mnist, no_progress):
    root = write_mnist()
    plain, again, other, nearer = (multi_mnist(root, **options) for options in ({}, {}, {"seed": 1}, {"offset": 4}))
    pictures = [source.build("train", no_progress).images for source in (plain, again, other, nearer)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    keys = [source.cache_key() for source in (plain, again, other, nearer)]
    assert keys[0] == keys[1]
    assert all(keys[0] != key for key in keys[2:])
    assert "root" not in keys[0]


def test_one_digit_has_none_to_be_paired_with(write_mnist, no_progress):
    source = multi_mnist(write_mnist(), test_size=1)
    sentence = "test has 1 digit, but an image needs two different ones; take at least 2"
    assert source.problems() == [("test_size", sentence)]
    with pytest.raises(DataError, match=sentence):
        source.build("test", no_progress)
