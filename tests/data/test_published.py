"""Published sets, tiny and made here: what each holds, how it is split, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig, PartConfig
from mtl_core.data import open_source
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.dataset import IGNORE
from mtl_core.data.sources import cifar, published_set
from mtl_core.data.sources.celeba import POINTS
from mtl_core.data.sources.published_set import spread
from mtl_core.errors import DataError
from mtl_core.training.check import problems
from tests.data.published_sets import WRITERS


@pytest.fixture
def opened(tmp_path):
    """A function: the tiny set of this name, with further options."""

    written = {}

    def open_it(name, **options):
        root = tmp_path / name
        if name not in written:
            written[name] = WRITERS[name](root)
        return open_source(PartConfig(name=name, **written[name] | {"root": str(root)} | options))

    return open_it


def build(source, split="train"):
    return source.build(split, lambda share, what: None)


@pytest.mark.parametrize("name", list(WRITERS))
def test_train_and_val_share_no_image_and_test_is_the_published_one(name, opened):
    source = opened(name)
    if hasattr(source, "rows"):
        train, val = (set(source.rows(split)) for split in ("train", "val"))
        assert name == "celeba" or not train & val
        assert name == "celeba" or len(train) + len(val) == source.count("train")
        assert len(source.rows("test")) == source.count("test")
    assert all(source.split_sizes().values())


KILLED = """
import os, sys, tarfile, zipfile
from pathlib import Path
from mtl_core.data.sources import published_set
when, archive, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if when == "unpacking":
    real, left = tarfile.TarFile._extract_one, [3]
    def extract(*arguments, **named):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        return real(*arguments, **named)
    tarfile.TarFile._extract_one = extract
else:
    real, left = getattr(os, when), [1 + int(sys.argv[4])]
    def rename(*arguments):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        return real(*arguments)
    setattr(os, when, rename)
published_set._unpack(archive, folder, archive.name)
"""


@pytest.mark.parametrize("there", [False, True], ids=["new", "over an old one"])
@pytest.mark.parametrize(("when", "number"), [("unpacking", 0), ("replace", 0), ("rename", 0), ("rename", 1)])
def test_what_was_unpacked_when_it_is_killed_is_whole_or_not_there(tmp_path, when, number, there):
    content, folder = tmp_path / "made" / "images", tmp_path / "set"
    content.mkdir(parents=True)
    folder.mkdir()
    for name in "abcdef":
        (content / f"{name}.jpg").write_bytes(name.encode() * 1000)
    archive = tmp_path / "images.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(content, "images")
    if there:
        (folder / "images").mkdir()
        (folder / "images" / "a.jpg").write_bytes(b"torn")
        (folder / "images" / "mine.txt").write_bytes(b"mine")
    arguments = [when, str(archive), str(folder), str(number)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=Path(__file__).parents[2], timeout=60)
    assert killed.returncode in (-9, 0)
    whole = {f"{name}.jpg": name.encode() * 1000 for name in "abcdef"}
    old = {"a.jpg": b"torn", "mine.txt": b"mine"}
    found = {path.name: path.read_bytes() for path in (folder / "images").iterdir()} if (folder / "images").exists() else None
    assert found in ([whole, whole | {"mine.txt": b"mine"}, old, None] if there else [whole, None])

    published_set._unpack(archive, folder, archive.name)  # fetched again
    assert {path.name: path.read_bytes() for path in (folder / "images").iterdir()} == whole | ({"mine.txt": b"mine"} if there else {})
    assert [path.name for path in folder.iterdir()] == ["images"]


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("nyuv2", "cityscapes", "celeba")])
def test_missing_files_are_named_with_their_place_and_nothing_is_fetched_unasked(name, tmp_path, monkeypatch):
    monkeypatch.setattr(published_set, "fetch", None)
    source = open_source(PartConfig(name=name, root=str(tmp_path), download=False))
    (option, sentence), *_ = source.problems()
    assert option == "root"
    assert str(tmp_path) in sentence
    assert "download" in sentence
    with pytest.raises(DataError, match="was not found"):
        build(source)


def test_spread_is_even_and_of_the_size_asked_for():
    assert spread(10, 1).tolist() == [4]
    assert spread(100, 9).tolist() == [10, 20, 30, 40, 50, 59, 69, 79, 89]
    assert len(spread(60_000, 6_000)) == 6_000


def test_pets_four_tasks_from_the_same_pictures(opened):
    data = build(opened("oxford_pets"))
    names = opened("oxford_pets").tasks()
    assert names[0].classes == ("Abyssinian", "american bulldog")  # breeds 1 and 6 have no gap between them
    assert set(data.targets["breed"]) == {0, 1}
    assert (data.targets["trimap"][0, 16] == [0] * 16 + [1] * 16).all()
    assert (data.targets["trimap"][0, 0] == 2).all()
    with_box = data.labelled["head"]
    assert 0 < with_box.sum() < len(with_box)
    # x 21..40 of 80 (counted from 1) is 20..40 of 80, so 8..16 of 32; y 11..20 of 40 is 8..16 of 32.
    assert data.targets["head"][with_box][0].tolist() == [[8, 8, 16, 16, 0]]


def test_voc_difficult_boxes_and_missing_masks(opened):
    plain, every = build(opened("voc")), build(opened("voc", difficult=True))
    assert plain.targets["boxes"][0].tolist() == [[0, 0, 16, 32, 11]]
    assert every.targets["boxes"][0].tolist() == [[0, 0, 16, 32, 11], [16, 0, 32, 32, 14]]
    assert plain.targets["present"][0].sum() == 1
    masked = plain.labelled["segments"]
    assert 0 < masked.sum() < len(masked)
    assert (plain.targets["segments"][masked][0, 5] == [12] * 16 + [0] * 16).all()
    assert (plain.targets["segments"][masked][0, 0] == IGNORE).all()


def test_an_xml_bomb_is_refused(opened, tmp_path):
    source = opened("voc")
    bomb = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><annotation><object><name>&c;</name></object></annotation>'
    (tmp_path / "voc" / "VOCdevkit" / "VOC2012" / "Annotations" / "train_1.xml").write_text(bomb)
    with pytest.raises(DataError, match=r"train_1\.xml"):
        build(source)


def test_celeba_has_the_box_in_the_wild_only(opened):
    assert "face" not in {task.name for task in opened("celeba").tasks()}
    data = build(opened("celeba", pictures="in_the_wild"))
    assert data.targets["attributes"][0].tolist() == [0, 1] * 20
    np.testing.assert_allclose(data.targets["right_eye_x"], 40 * 32 / 178, rtol=1e-6)
    np.testing.assert_allclose(data.targets["face"][0, 0], [17 * 32 / 178, 21 * 32 / 218, 106 * 32 / 178, 130 * 32 / 218, 0], rtol=1e-6)
    assert opened("celeba").split_sizes() == {"train": 7, "val": 2, "test": 3}


def test_celebas_landmarks_are_one_task_and_its_coordinates_of_earlier_versions_say_the_same(opened):
    source = opened("celeba")
    assert [task.name for task in source.offered_tasks()] == ["attributes", "landmarks"]
    assert {task.name for task in source.tasks() if task.superseded} == set(POINTS)
    data, tasks = build(source), {task.target: task for task in source.tasks()}
    flat = np.stack([data.targets[name] for name in POINTS], 1)
    np.testing.assert_allclose(data.targets["landmarks"][..., :2].reshape(-1, 10) * 32, flat, rtol=1e-6)
    assert (data.targets["landmarks"][..., 2] == 2).all()
    mirrored = Pipeline(AugmentationConfig(flip=True), [0.0] * 3, tasks=tasks)
    targets = {name: torch.from_numpy(values) for name, values in data.targets.items()}
    flip = [{"flip": np.ones(len(data), bool)}]
    after = mirrored.apply(torch.from_numpy(data.images), targets, flip).targets
    both = torch.stack([after[name] for name in POINTS], 1)
    torch.testing.assert_close(after["landmarks"][..., :2].reshape(-1, 10) * 32, both, rtol=1e-5, atol=1e-4)


def test_a_config_of_an_earlier_version_may_name_celebas_coordinates(tmp_path):
    options = WRITERS["celeba"](tmp_path) | {"root": str(tmp_path), "name": "celeba"}
    config = RunConfig.from_dict({"data": options, "tasks": {"nose_x": {}, "nose_y": {}}, "backbone": {"name": "small_cnn"}, "batch_size": 4})
    assert problems(config) == []


def test_emnist_stands_upright_and_letters_count_from_a(opened):
    data = build(opened("emnist"))
    assert data.images[0, 0, 20, 3] == 255
    assert data.targets["category"].min() == 0


def test_emnist_has_as_many_classes_as_published(tmp_path):
    counts = {"balanced": 47, "byclass": 62, "bymerge": 47, "letters": 26, "digits": 10, "mnist": 10}
    for subset, count in counts.items():
        assert len(open_source(PartConfig(name="emnist", subset=subset, root=str(tmp_path))).classes) == count


def test_svhn_calls_ten_zero(opened):
    data = build(opened("svhn"), "test")
    assert data.targets["digit"].tolist() == [1, 2, 3, 4, 5]
    assert data.images[3, 2, 0, 5] == 3
    assert 0 in build(opened("svhn")).targets["digit"]


def test_cifar_binary_files_are_read_channel_by_channel(opened):
    data = build(opened("cifar10"), "test")
    assert data.targets["category"].tolist() == [5, 6, 7, 8]
    assert data.images[0, :, 0, 0].tolist() == [50, 51, 52]
    both = build(opened("cifar100"), "test")
    assert both.targets["category"].tolist() == [99, 98, 97, 96, 95]
    assert both.targets["group"].tolist() == [0, 1, 2, 3, 4]
    assert [len(task.classes) for task in opened("cifar100").tasks()] == [100, 20]


class Dangerous:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def write_pickles(root, entry):
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    sums = {}
    for name in names:
        (folder / name).write_bytes(pickle.dumps(entry))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return sums


def test_a_pickle_that_is_not_the_published_file_is_not_opened(tmp_path):
    write_pickles(tmp_path, {"data": Dangerous(str(tmp_path / "touched")), "labels": [0]})
    with pytest.raises(DataError, match=r"not the published file.*not opened"):
        build(open_source(PartConfig(name="cifar10", root=str(tmp_path), download=False)))
    assert not (tmp_path / "touched").exists()


def test_even_with_the_right_sum_a_pickle_makes_nothing_but_arrays(tmp_path, monkeypatch):
    sums = write_pickles(tmp_path, {"data": Dangerous(str(tmp_path / "touched")), "labels": [0]})
    with pytest.raises(DataError, match="refused"):
        cifar._verified_pickle(tmp_path / "cifar-10-batches-py" / "test_batch", sums["test_batch"])
    assert not (tmp_path / "touched").exists()


def test_arrays_in_a_verified_pickle_are_read(tmp_path):
    pixels = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    sums = write_pickles(tmp_path, {"data": pixels, "labels": [3, 4]})
    entry = cifar._verified_pickle(tmp_path / "cifar-10-batches-py" / "test_batch", sums["test_batch"])
    assert (entry["data"] == pixels).all()


def test_the_papers_folders_missing_values_and_split(opened):
    source = opened("nyuv2")
    data = build(source)
    assert source.image_shape() == (3, 16, 24)
    assert source.split_sizes() == {"train": 9, "val": 1, "test": 3}
    assert np.isnan(data.targets["depth"][:, 0, :8]).all()
    assert np.isfinite(data.targets["depth"][:, 1:]).all()
    assert IGNORE in data.targets["segments"]
    assert (data.targets["normals"][:, :, :, :12] == 0).all()
    np.testing.assert_allclose(data.targets["normals"][0, :, 0, 20], [0, 0.6, 0.8], atol=1e-3)
    assert data.images[3].max() == round(255 * 0.3)
    half = build(opened("nyuv2", shrink=2))
    assert half.images.shape[2:] == (8, 12)
    assert half.targets["normals"].shape[1:] == (3, 8, 12)


def test_papers_folder_that_holds_objects_or_bytes_is_refused(opened, tmp_path):
    source = opened("cityscapes")
    np.save(tmp_path / "cityscapes" / "train" / "depth" / "0.npy", np.array([Dangerous(str(tmp_path / "touched"))], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"0\.npy"):
        build(source)
    assert not (tmp_path / "touched").exists()
    np.save(tmp_path / "cityscapes" / "val" / "image" / "0.npy", np.full((16, 24, 3), 200.0))
    with pytest.raises(DataError, match="between 0 and 1"):
        build(source, "test")


@pytest.mark.data
def test_the_real_subsets_open(real_data):
    pets = open_source(PartConfig(name="oxford_pets", root=str(real_data / "oxford_pets_3breeds"), image_size=32, download=False))
    assert pets.split_sizes() == {"train": 124, "val": 14, "test": 54}
    data = [build(pets, split) for split in ("train", "val", "test")]
    assert [int(each.labelled["head"].sum()) for each in data] == [122, 14, 0]
    assert {int(breed) for each in data for breed in each.targets["breed"]} == {0, 1, 2}
    fashion = open_source(PartConfig(name="fashion_mnist", root=str(real_data / "fashion_mnist_900"), download=False))
    assert fashion.split_sizes() == {"train": 630, "val": 70, "test": 200}
    assert np.bincount(build(fashion, "test").targets["category"]).tolist() == [20] * 10
