"""Reading a run's folder, also when it is damaged, and writing without ever leaving half a file."""

import numpy as np
import pytest

from mtl_core.atomic_files import write_text
from mtl_core.errors import StoreError
from mtl_core.runs.artifacts import probe_epochs, read_probe_targets, read_probes


@pytest.fixture
def probes(tmp_path):
    folder = tmp_path / "probes"
    folder.mkdir()
    images, box = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3), np.ones((2, 1, 5), np.float32)
    arrays = {"images": images, "index": np.array([4, 9]), "target/box": box, "labelled/box": np.array([True, False])}
    np.savez(folder / "targets.npz", **arrays)
    np.savez(folder / "epoch_0010.npz", box=box * 2)
    np.savez(folder / "epoch_0000.npz", box=box)
    (folder / ".epoch_0011.npz.tmp").write_bytes(b"half")
    return folder


def test_what_was_saved_is_read(tmp_path, probes):
    assert probe_epochs(tmp_path) == [0, 10]
    found = read_probe_targets(tmp_path)
    assert found.images.shape == (2, 2, 2, 3)
    assert found.index.tolist() == [4, 9]
    assert list(found.targets) == list(found.labelled) == ["box"]
    assert found.labelled["box"].tolist() == [True, False]
    assert read_probes(tmp_path, 10)["box"].tolist() == (np.ones((2, 1, 5)) * 2).tolist()


def test_nothing_saved_yet(tmp_path):
    assert probe_epochs(tmp_path) == []
    with pytest.raises(StoreError, match=r"targets.npz' does not exist"):
        read_probe_targets(tmp_path)
    with pytest.raises(StoreError, match=r"epoch_0003.npz' does not exist"):
        read_probes(tmp_path, 3)


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_damaged_file_is_named(tmp_path, probes, content):
    path = probes / "epoch_0010.npz"
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with pytest.raises(StoreError, match=r"epoch_0010.npz' cannot be read.*damaged"):
        read_probes(tmp_path, 10)


def test_pickled_content_is_refused(tmp_path, probes):
    np.savez(probes / "epoch_0002.npz", box=np.array([{"surprise": 1}], dtype=object))
    with pytest.raises(StoreError, match="cannot be read"):
        read_probes(tmp_path, 2)


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a.txt", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]
