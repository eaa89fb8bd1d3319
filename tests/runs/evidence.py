"""What must be true of a run's rows and files, whatever was done to the process that trained it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from mtl_core.config import RunConfig
from mtl_core.runs.artifacts import probe_epochs, read_probes
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import RunStore, open_store
from mtl_core.training.checkpoint_files import named, read_index

SMALL = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}, "slant": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "schedule": {"name": "constant", "warmup_fraction": 0},
    "epochs": 6,
    "batch_size": 32,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
}
SCENES = {  # with pictures, and a network that has normalisation
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 24, "test_size": 24, "max_digits": 2},
    "tasks": {"present": {}, "count": {}, "boxes": {}, "segments": {}},
    "backbone": {"name": "small_cnn", "width": 8},
}
KINDS = {
    "plain": {},
    "scheduled": {"schedule": {"name": "cosine", "warmup_fraction": 0.1}},
    "uncertainty": {"balancing": {"name": "uncertainty"}},
    "dwa": {"balancing": {"name": "dwa"}},
    "pcgrad": {"balancing": {"name": "pcgrad"}},
}

Rows = dict[tuple[str, int], float]


def small(kind: str = "plain", **changes: Any) -> RunConfig:
    """A run of about a second whose every number can be compared."""
    return RunConfig.from_dict({**SMALL, **KINDS[kind], **changes})


BRIEF_STEPS = 9  # of an epoch


def brief(kind: str = "plain", **changes: Any) -> RunConfig:
    """``small`` in larger batches: for tests that do not depend on where in an epoch something happens."""
    return small(kind, **{"batch_size": 128, **changes})


class Wholes:
    """Runs that nothing happens to, each trained once, in a store of their own."""

    def __init__(self, home: Path):
        self.store = open_store(home)
        self._trained: dict[str, str] = {}

    def of(self, config: RunConfig) -> str:
        """The id of the undisturbed run with this config."""
        key = config.to_yaml()
        if key not in self._trained:
            self._trained[key] = execute(self.store, self.store.create(config).id).id
        return self._trained[key]

    def assert_same(self, store: RunStore, run_id: str) -> None:
        """A finished run is what it would have been undisturbed."""
        assert_same(store, run_id, self.of(store.get(run_id).config), self.store)


def rows_of(store: RunStore, run_id: str) -> Rows:
    """Every scalar by key and step; fails where one is there twice."""
    frame = store.scalars(run_id)
    assert not frame.duplicated(["key", "step"]).any(), "a row is doubled"
    return {(row.key, row.step): row.value for row in frame.itertuples()}


def weights_of(folder: Path, which: str = "last") -> dict[str, np.ndarray]:
    """The network of a run's last, best or previous checkpoint."""
    return load_file(folder / "checkpoints" / read_index(folder)[which] / "model.safetensors")


def assert_whole(store: RunStore) -> None:
    """The database is sound for a connection that knows nothing of the ones before."""
    connection = sqlite3.connect(store.home / "store.sqlite")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def assert_kept(before: Rows, after: Rows) -> None:
    """Every row that was seen is there with the same value."""
    lost = [key for key in before if key not in after or after[key] != before[key]]
    assert not lost, f"{len(lost)} committed rows are lost or other ones: {lost[:3]}"


def assert_same(store: RunStore, run_id: str, reference: str, of: RunStore | None = None) -> None:
    """Two finished runs are bit-identical: all scalars, the last and the best network, what was predicted. ``of`` is the other's store."""
    other_store = of or store
    run, other = store.get(run_id), other_store.get(reference)
    assert (run.status, run.step, run.epoch) == (other.status, other.step, other.epoch), run.failure
    rows, others = rows_of(store, run_id), rows_of(other_store, reference)
    assert rows.keys() == others.keys()
    assert [key for key in rows if rows[key] != others[key]] == []
    folder, other_folder = store.folder(run_id), other_store.folder(reference)
    for which in ("last", "best"):
        _assert_equal_arrays(weights_of(folder, which), weights_of(other_folder, which))
    assert probe_epochs(folder) == probe_epochs(other_folder)
    for epoch in probe_epochs(folder):
        _assert_equal_arrays(read_probes(folder, epoch), read_probes(other_folder, epoch))
    index, other_index = read_index(folder), read_index(other_folder)  # the one before the last may have been saved at a pause
    names = ("last", "best", "kept", "best_of")
    assert [index.get(name) for name in names] == [other_index.get(name) for name in names]
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"index.json", *named(index)}, "something was left"


def _assert_equal_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name].tobytes() != expected[name].tobytes()] == []
