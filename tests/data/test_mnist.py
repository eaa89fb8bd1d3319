import csv

import numpy as np
import pytest
import requests

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.errors import DataError


def mnist(root, **options):
    options = {"download": False, "val_size": 8} | options
    return open_source(PartConfig(name="mnist", root=str(root), **options))


def brightness(data) -> list[int]:
    """Which image each row is (the small MNIST's image i is all of brightness i)."""
    return data.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_val_is_the_end_of_the_training_file(write_mnist, no_progress, packed):
    source = mnist(write_mnist(packed=packed))
    parts = {split: source.build(split, no_progress) for split in ("train", "val", "test")}
    assert brightness(parts["train"]) == list(range(32))
    assert brightness(parts["val"]) == list(range(32, 40))
    assert brightness(parts["test"]) == list(range(100, 110))
    assert parts["val"].targets["digit"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert source.split_sizes() == {"train": 32, "val": 8, "test": 10}
    assert source.problems() == []


def test_smaller_splits_are_spread_evenly(write_mnist, no_progress):
    source = mnist(write_mnist(), train_size=4, test_size=5)
    assert brightness(source.build("train", no_progress)) == [0, 8, 16, 24]
    assert brightness(source.build("test", no_progress)) == [100, 102, 104, 106, 108]


def test_missing_files_are_named_with_their_place(tmp_path, no_progress):
    source = mnist(tmp_path / "nothing")
    [(option, sentence)] = source.problems()
    assert option == "root"
    assert "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte" in sentence
    assert f"in '{tmp_path / 'nothing' / 'MNIST' / 'raw'}'" in sentence
    with pytest.raises(DataError, match="MNIST was not found in"):
        source.build("train", no_progress)


def test_only_what_is_missing_is_named(write_mnist):
    root = write_mnist()
    (root / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    [(_, sentence)] = mnist(root).problems()
    assert "expected the files t10k-labels-idx1-ubyte (" in sentence


def test_a_failed_download_says_where_the_files_belong(tmp_path, monkeypatch, no_progress):
    def offline(*args, **kwargs):
        raise requests.ConnectionError("no\nnetwork")

    monkeypatch.setattr("requests.get", offline)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    source = mnist(tmp_path, download=True)
    assert source.problems() == []
    with pytest.raises(DataError, match=r"MNIST/raw.*The download failed: no network"):
        source.build("val", no_progress)


def test_the_environment_names_the_folder(write_mnist, monkeypatch):
    monkeypatch.setenv("MTL_MNIST_ROOT", str(write_mnist()))
    assert mnist("").problems() == []


def test_a_truncated_file_is_named(write_mnist, no_progress):
    root = write_mnist()
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte' is not a readable idx file \(its header promises 31,360 bytes, found 31,260\)"):
        mnist(root).build("train", no_progress)


def test_a_truncated_packed_file_is_named(write_mnist, no_progress):
    root = write_mnist(packed=True)
    path = root / "MNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz' is not a readable idx file"):
        mnist(root).build("train", no_progress)


def test_a_file_of_another_format_is_named(write_mnist, no_progress):
    root = write_mnist()
    (root / "MNIST/raw/train-images-idx3-ubyte").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="expected it to begin with bytes 00 00 08 03, found 3c 68 74 6d"):
        mnist(root).build("train", no_progress)


def test_val_must_leave_something_to_train_on(write_mnist):
    assert mnist(write_mnist(), val_size=40).problems() == [
        ("val_size", "val_size 40 leaves nothing of the 40 images to train on; make it smaller"),
    ]


def test_the_cache_key_follows_the_files_not_their_place(write_mnist, tmp_path):
    root = write_mnist()
    before = mnist(root).cache_key()
    assert mnist(root, download=True).cache_key() == before
    root.rename(tmp_path / "elsewhere")
    assert mnist(tmp_path / "elsewhere").cache_key() == before
    path = tmp_path / "elsewhere/MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes() + b"x")
    assert mnist(tmp_path / "elsewhere").cache_key() != before


@pytest.mark.data
@pytest.mark.parametrize(("split", "file", "first"), [("test", "attributes_test.csv", 0), ("val", "attributes_train.csv", 50_000)])
def test_measured_targets_agree_with_the_csv(real_data, no_progress, split, file, first):
    data = mnist(real_data / "mnist", val_size=10_000).build(split, no_progress)
    with (real_data / "mnist" / file).open(newline="") as lines:
        rows = list(csv.DictReader(lines))[first:]
    assert len(rows) == len(data) == 10_000

    def column(name):
        return np.array([float(row[name]) for row in rows])

    assert np.array_equal(data.targets["digit"], column("digit"))
    assert np.abs(data.targets["ink"] - column("ink")).max() <= 0.5e-4 + 1e-6  # the file has four decimals
    assert np.abs(data.targets["slant"] - column("slant_deg")).max() <= 0.5e-2 + 1e-4  # and two
    x, y, width, height = (column(f"box_{part}") for part in "xywh")
    assert np.array_equal(data.targets["box"][:, 0], np.stack([x, y, x + width, y + height, column("digit")], axis=1))
