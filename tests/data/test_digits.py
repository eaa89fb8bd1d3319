import builtins
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.data.sources import digits as source_file
from mtl_core.data.sources.digits import load_digits
from mtl_core.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


def test_splits_hold_every_digit_once_with_equal_shares():
    source = open_source(PartConfig(name="digits"))
    rows = {split: source.source_digits(split) for split in SPLITS}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1797))
    assert {split: len(part) for split, part in rows.items()} == source.split_sizes() == {"train": 1258, "val": 269, "test": 270}
    digits = load_digits()[1]
    for digit in range(10):
        assert abs(np.mean(digits[rows["test"]] == digit) - np.mean(digits == digit)) < 0.005


def test_the_seed_decides_the_split():
    def rows(seed):
        return open_source(PartConfig(name="digits", seed=seed)).source_digits("test").tolist()

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_images_are_the_originals_on_the_full_range(no_progress):
    from sklearn.datasets import load_digits as original

    source = open_source(PartConfig(name="digits"))
    data = source.build("val", no_progress)
    expected = np.rint(original().images[source.source_digits("val")] / 16 * 255)
    assert np.array_equal(data.images[:, 0], expected)
    assert np.array_equal(data.targets["digit"], original().target[source.source_digits("val")])
    assert data.targets["ink"] == pytest.approx(expected.mean(axis=(1, 2)) / 255, abs=1e-6)


def test_scikit_learn_is_not_imported_for_its_digits(monkeypatch):
    """It takes a second, which a first run would wait for."""
    asked, real = [], builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: asked.append(name) or real(name, *rest))
    load_digits.__wrapped__()
    assert [name for name in asked if name.startswith("sklearn")] == []


@pytest.mark.parametrize("found", [None, SimpleNamespace(submodule_search_locations=["nowhere"])])
def test_missing_digits_are_named(monkeypatch, found):
    monkeypatch.setattr(source_file, "find_spec", lambda name: found)
    with pytest.raises(DataError, match=r"sklearn/datasets/data/digits\.csv\.gz.*Install scikit-learn"):
        load_digits.__wrapped__()


def test_enlarged_digits_have_boxes_inside_the_picture(no_progress):
    small, large = (open_source(PartConfig(name="digits", image_size=size)) for size in (8, 32))
    assert [task.name for task in small.tasks()] == ["digit", "slant", "ink"]
    assert [task.name for task in large.tasks()] == ["digit", "slant", "ink", "box"]
    data = large.build("val", no_progress)
    assert data.images.shape[1:] == large.image_shape() == (1, 32, 32)
    x1, y1, x2, y2, digit = data.targets["box"][:, 0].T
    assert data.labelled["box"].all()
    assert ((x1 >= 0) & (x1 < x2) & (x2 <= 32)).all()
    assert ((y1 >= 0) & (y1 < y2) & (y2 <= 32)).all()
    assert np.array_equal(digit, data.targets["digit"])


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match=r"data\.image_siez: unknown key 'image_siez'; did you mean 'image_size'"):
        open_source(PartConfig(name="digits", image_siez=16))
