"""A finished run's checkpoint, measured closely, gives the numbers of its curves; what is kept can be read back."""

import json

import numpy as np
import pytest

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.runs.evaluations import evaluations, write_evaluation
from mtl_core.runs.executor import execute
from mtl_core.runs.store import open_store
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training import checkpoint_evaluation
from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint
from mtl_core.training.checkpoint_files import find_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with one short run of every kind of task that the scenes have."""
    store = open_store(tmp_path_factory.mktemp("evaluated"))

    data = {"name": "digit_scenes", "train_size": 32, "val_size": 70, "test_size": 10, "image_size": 32}  # two batches of val
    names = [task.name for task in open_source(PartConfig(**data)).tasks()]
    tasks = {name: {} for name in names}
    shape = {"data": data, "tasks": tasks, "backbone": {"name": "small_cnn", "width": 8}, "epochs": 2, "batch_size": 16}
    config = RunConfig.from_dict({**shape, "device": "cpu", "precision": "fp32", "layout": "contiguous"})
    run = store.create(config)
    return store, execute(store, run.id)


def last(store, run, split):
    frame = store.scalars(run.id)
    rows = frame[frame["key"].str.startswith(f"{split}/")].sort_values("row")
    return rows


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_numbers_are_those_of_the_curves(trained, split):
    store, run = trained
    assert run.status == "finished", run.failure
    checkpoint = find_checkpoint(store.folder(run.id), "best")
    report, arrays = evaluate_checkpoint(run.config, store.folder(run.id), store.cache, checkpoint.name, split)
    rows = last(store, run, split)
    if split == "val":
        rows = rows[rows["epoch"] == checkpoint.epoch]
    recorded = dict(zip(rows["key"], rows["value"], strict=True))
    compared = 0
    for task, found in report["tasks"].items():
        for entry in found["values"]:
            key = f"{split}/{task}/{entry['name']}"
            if key in recorded:
                assert entry["value"] == pytest.approx(recorded[key], abs=2e-5), key  # curves sum up in float32
                compared += 1
        assert arrays[f"{task}/errors"].shape == (report["images"],)
    assert compared >= 8
    json.dumps(report, allow_nan=False)


@pytest.fixture(scope="module")
def self_supervised(tmp_path_factory):
    """A store with a run of every self-supervised task beside one that reads a target."""
    store = open_store(tmp_path_factory.mktemp("self_supervised"))
    data = {"name": "digit_scenes", "train_size": 32, "val_size": 70, "test_size": 10, "image_size": 32}
    tasks = {name: {} for name in ("count", *SELF_SUPERVISED)}
    shape = {"data": data, "tasks": tasks, "backbone": {"name": "small_cnn", "width": 8}, "epochs": 1, "batch_size": 16}
    return store, execute(store, store.create(RunConfig.from_dict({**shape, "device": "cpu", "precision": "fp32", "layout": "contiguous"})).id)


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("which", ["trained", "self_supervised"])
def test_a_kind_without_an_evaluation_of_its_own_has_the_numbers_of_its_curves(request, monkeypatch, which, split):
    """Self-supervised kinds, and kinds of other packages: here every kind."""
    store, run = request.getfixturevalue(which)
    assert run.status == "finished", run.failure
    monkeypatch.setattr(checkpoint_evaluation, "evaluation_of", lambda kind: None)
    checkpoint = find_checkpoint(store.folder(run.id), "best")
    report, _ = evaluate_checkpoint(run.config, store.folder(run.id), store.cache, checkpoint.name, split)
    assert list(report["tasks"]) == list(run.config.tasks)
    rows = last(store, run, split)
    rows = rows[rows["epoch"] == checkpoint.epoch] if split == "val" else rows
    recorded = {key: value for key, value in zip(rows["key"], rows["value"], strict=True) if not key.endswith("/loss")}
    found = {f"{split}/{task}/{entry['name']}": entry["value"] for task, about in report["tasks"].items() for entry in about["values"]}
    assert {key: value for key, value in found.items() if value is not None} == recorded
    assert all(about["values"] and about["labelled"] for about in report["tasks"].values())
    json.dumps(report, allow_nan=False)


def test_the_command_names_every_task(self_supervised, monkeypatch, capsys):
    store, run = self_supervised
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["evaluate", run.id]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{task} (" in said for task in run.config.tasks)
    assert said.count("metric") >= len(run.config.tasks)


def test_kept_and_read_back(trained, monkeypatch, capsys):
    store, run = trained
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["evaluate", run.id[:18], "--json", "--split", "val"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    (kept,) = [e for e in evaluations(store.folder(run.id)) if e.split == "val"]
    assert kept.report == report
    for task, about in report["tasks"].items():
        arrays = kept.arrays(task)
        cells = kept.cells(task, arrays)
        if cells is not None:
            assert cells.matrix().shape == (len(about["cells"]["rows"]), len(about["cells"]["columns"]))
    assert main(["evaluate", run.id]) == 0
    assert "labelled images" in capsys.readouterr().out
    assert len(list((store.folder(run.id) / "evaluations").glob("*.npz"))) == 1, "the older arrays are gone"
    assert not any(e.split == "test" for e in evaluations(store.folder(run.id))), "test is touched only when it is asked for"
    assert main(["evaluate", run.id, "--checkpoint", "77"]) == 2
    assert "has no state of epoch 77. Kept epochs: 1, 2" in capsys.readouterr().err


def test_the_worst_predictions_are_kept_where_room_is_short(trained, monkeypatch):
    store, run = trained
    monkeypatch.setattr(checkpoint_evaluation, "KEPT_BYTES", 20 * 32 * 32)  # twenty masks
    checkpoint = find_checkpoint(store.folder(run.id), "last")
    report, arrays = evaluate_checkpoint(run.config, store.folder(run.id), store.cache, checkpoint.name, "val")
    task = next(name for name, found in report["tasks"].items() if found["kind"] == "segmentation")
    errors, kept = arrays[f"{task}/errors"], arrays[f"{task}/kept"]
    assert len(kept) == len(arrays[f"{task}/predictions"]) == 20
    assert np.sort(errors[kept])[0] >= np.sort(np.delete(errors, kept))[-1]


def test_a_damaged_file_is_a_sentence(tmp_path):
    with pytest.raises(NotPossibleError, match="has no checkpoint: one is saved after each epoch"):
        find_checkpoint(tmp_path, "best")
    report = {"checkpoint": "epoch_0001_step_00000002", "split": "val", "tasks": {}, "created_at": 1.0}
    written = write_evaluation(tmp_path, "a run", report, {"task/errors": np.zeros(3)})
    assert evaluations(tmp_path)[0].report == written.report
    next((tmp_path / "evaluations").glob("*.npz")).write_bytes(b"torn")
    with pytest.raises(StoreError, match="Evaluate the checkpoint again"):
        evaluations(tmp_path)[0].arrays("task")
    (tmp_path / "evaluations" / "epoch_0001_step_00000002_val.json").write_text("{")
    assert evaluations(tmp_path) == []
