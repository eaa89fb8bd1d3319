import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mtl_core.data.data_source import DataSource, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.prepare import prepare
from mtl_core.data.prepared_identity import data_hash
from mtl_core.errors import DataError, StoreError


class BrightnessOptions(SourceOptions):
    first: int = 0
    pixels: int = 4


class Brightness(DataSource):
    """Images of one brightness each, which is also what is to be learnt. Counts how often it was built."""

    title, summary, Options = "Brightness", "", BrightnessOptions
    built: ClassVar[list[str]] = []
    during_test_split = staticmethod(lambda: None)

    def tasks(self):
        return (Task("level", "regression", "level", unit="levels"),)

    def image_shape(self):
        return (1, self.options.pixels, self.options.pixels)

    def split_sizes(self):
        return {"train": 4, "val": 2, "test": 2}

    def build(self, split, progress):
        if split == "test":
            self.during_test_split()
        self.built.append(split)
        levels = self.options.first + np.arange(self.split_sizes()[split], dtype=np.uint8)
        images = np.ones((len(levels), *self.image_shape()), np.uint8) * levels[:, None, None, None]
        progress(1.0, "made")
        return MultiTaskDataset(images, {"level": levels.astype(np.float32)}, {"level": levels % 2 == 0})


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(Brightness, "built", [])
    return Brightness(BrightnessOptions())


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "data"


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_the_second_time_it_is_only_opened(source, cache):
    first, second = prepare(source, cache), prepare(source, cache)
    assert source.built == ["train", "val", "test"]
    assert len(entries(cache)) == 1
    for prepared in (first, second):
        assert isinstance(prepared.train.images, np.memmap)
        assert not prepared.train.images.flags.writeable
        assert prepared.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
        assert prepared.split("val").targets["level"].tolist() == [0, 1]
        assert prepared.test.labelled["level"].tolist() == [True, False]
        assert list(prepared.tasks) == ["level"]
    assert first.statistics == second.statistics
    assert first.statistics["targets"] == {"level": {"mean": 1.0, "std": 1.0}}  # of 0 and 2, the labelled ones
    assert first.statistics["mean"] == pytest.approx([1.5 / 255])


def test_other_options_are_other_data(source, cache):
    prepare(source, cache)
    other = prepare(Brightness(BrightnessOptions(first=10)), cache)
    assert other.train.images[0, 0, 0, 0] == 10
    assert len(entries(cache)) == 2


def test_progress_rises_to_one(source, cache):
    told = []
    prepare(source, cache, lambda share, what: told.append((share, what)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told == [
        (pytest.approx(0.49), "train: made"),
        (pytest.approx(0.735), "val: made"),
        (pytest.approx(0.98), "test: made"),
        (1.0, "data ready"),
    ]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_nothing_half_written_stays_when_building_fails(source, cache, monkeypatch, interruption):
    def fail():
        raise interruption("in the middle")

    monkeypatch.setattr(Brightness, "during_test_split", staticmethod(fail))
    with pytest.raises(interruption):
        prepare(source, cache)
    assert entries(cache) == []
    monkeypatch.setattr(Brightness, "during_test_split", staticmethod(lambda: None))
    assert len(prepare(source, cache).train) == 4


def test_what_a_killed_process_left_is_swept(source, cache):
    script = f"""
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("brightness", {str(Path(__file__))!r})
module = importlib.util.module_from_spec(spec)
sys.modules["brightness"] = module
spec.loader.exec_module(module)
module.Brightness.during_test_split = staticmethod(lambda: os._exit(9))
module.prepare(module.Brightness(module.BrightnessOptions()), module.Path({str(cache)!r}))
"""
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60)
    assert killed.returncode == 9
    [left] = entries(cache)
    assert (cache / left / "val" / "images.npy").exists()
    assert len(prepare(source, cache).train) == 4
    assert left not in entries(cache)
    assert len(entries(cache)) == 1


def test_two_at_once_agree_on_one_folder(source, cache, monkeypatch):
    def other_is_faster():
        monkeypatch.setattr(Brightness, "during_test_split", staticmethod(lambda: None))
        prepare(Brightness(BrightnessOptions()), cache)  # must not sweep the folder that is being made

    monkeypatch.setattr(Brightness, "during_test_split", staticmethod(other_is_faster))
    prepared = prepare(source, cache)
    assert source.built == ["train", "val", "train", "val", "test", "test"]
    assert prepared.test.targets["level"].tolist() == [0, 1]
    assert len(entries(cache)) == 1


def truncate_images(folder: Path):
    path = folder / "train" / "images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def add_a_byte(folder: Path):
    with (folder / "train" / "images.npy").open("ab") as file:
        file.write(b"x")


def lose_a_file(folder: Path):
    (folder / "test" / "labelled.level.npy").unlink()


def garble_meta(folder: Path):
    (folder / "meta.json").write_text('{"bytes": ')


def garble_header(folder: Path):
    path = folder / "val" / "target.level.npy"
    path.write_bytes(b"\0" * path.stat().st_size)


def empty_folder(folder: Path):
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("damage", [truncate_images, add_a_byte, lose_a_file, garble_meta, garble_header, empty_folder])
def test_a_damaged_folder_is_made_again(source, cache, damage):
    prepare(source, cache)
    [name] = entries(cache)
    damage(cache / name)
    assert prepare(source, cache).val.targets["level"].tolist() == [0, 1]
    assert len(source.built) == 6
    assert entries(cache) == [name]


def test_meta_is_plain_json(source, cache):
    prepare(source, cache)
    meta = json.loads((cache / entries(cache)[0] / "meta.json").read_text())
    [task] = meta["tasks"]
    assert (task["name"], task["kind"], task["classes"], task["unit"]) == ("level", "regression", [], "levels")
    assert meta["bytes"]["train/images.npy"] == 128 + 4 * 16


def test_a_cache_that_cannot_be_written_is_named(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"the folder for prepared data '.*file/data' can't be written: .*set MTL_HOME to another folder"):
        prepare(source, tmp_path / "file" / "data")


def test_a_full_disk_is_named_and_nothing_stays(cache):
    resource = pytest.importorskip("resource")  # a limit on the size of files fails like a full disk; POSIX only
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = Brightness(BrightnessOptions(pixels=256))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"the disk is full: preparing the data in '.*data' failed"):
            prepare(source, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert entries(cache) == []
    assert len(prepare(source, cache).train) == 4


def test_an_unreadable_source_is_not_taken_for_a_full_cache(source, cache, monkeypatch):
    def fail():
        raise PermissionError(13, "Permission denied", "pictures/1.png")

    monkeypatch.setattr(Brightness, "during_test_split", staticmethod(fail))
    with pytest.raises(DataError, match=r"the test part of 'Brightness' can't be read: .*pictures/1\.png"):
        prepare(source, cache)


def test_python_objects_are_refused(source, cache, monkeypatch):
    def objects(self, split, progress):
        images = np.zeros((4, 1, 4, 4), np.uint8)
        return MultiTaskDataset(images, {"level": np.array([None] * 4)}, {"level": np.ones(4, bool)})

    monkeypatch.setattr(Brightness, "build", objects)
    monkeypatch.setattr("mtl_core.data.prepare.measure", lambda data, tasks: {})
    with pytest.raises(DataError, match=r"'target\.level' holds Python objects"):
        prepare(source, cache)
    assert entries(cache) == []


def test_two_threads_make_the_data_once(source, cache, monkeypatch):
    """The second waits for the first and reads what it made."""
    building, go_on, waiting = threading.Event(), threading.Event(), threading.Event()

    def slowly():
        building.set()
        assert go_on.wait(30)

    monkeypatch.setattr(Brightness, "during_test_split", staticmethod(slowly))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(prepare, source, cache)
        assert building.wait(30)
        second = pool.submit(prepare, source, cache, lambda share, what: waiting.set())
        assert waiting.wait(30)
        go_on.set()
        assert len(first.result(30).train) == len(second.result(30).train) == 4
    assert source.built == ["train", "val", "test"]


def test_the_hash_of_the_data_names_their_folder_and_follows_the_options(tmp_path):
    first, again, other = (Brightness(BrightnessOptions(first=first)) for first in (0, 0, 5))
    prepare(first, tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"brightness-{data_hash(first)[:16]}"]
    assert len(data_hash(first)) == 64
    assert data_hash(first) == data_hash(again) != data_hash(other)
