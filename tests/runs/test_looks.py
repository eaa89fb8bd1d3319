"""Every look at a run's test images is written down, and stays written."""

from __future__ import annotations

import numpy as np

from mtl_core.config_sections import DataConfig
from mtl_core.data import open_source
from mtl_core.runs.evaluations import write_evaluation
from mtl_core.runs.looks import looks, looks_at_data, note_look, note_look_at_data


def report(split: str) -> dict:
    return {"checkpoint": "epoch_0002_step_00000010", "epoch": 2, "split": split, "tasks": {}}


def test_an_evaluation_of_test_is_one(tmp_path):
    write_evaluation(tmp_path, "run", report("val"), {"a": np.zeros(1)})
    assert looks(tmp_path) == []
    write_evaluation(tmp_path, "run", report("test"), {"a": np.zeros(1)})
    [look] = looks(tmp_path)
    assert (look.what, look.epoch) == ("evaluated", 2)
    for path in (tmp_path / "evaluations").iterdir():
        path.unlink()
    assert len(looks(tmp_path)) == 1  # what was seen was seen


def test_predictions_of_test_by_an_earlier_version_count(tmp_path):
    for split in ("val", "test"):
        folder = tmp_path / "predictions" / f"{split}_epoch_0003_step_00000030"
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
    assert [(look.what, look.epoch) for look in looks(tmp_path)] == [("predicted", 3)]
    note_look(tmp_path, "predicted", 3)
    assert len(looks(tmp_path)) == 1


def test_a_damaged_line_hides_no_other(tmp_path):
    note_look(tmp_path, "predicted", 1)
    with (tmp_path / "looks_at_test.jsonl").open("a") as file:
        file.write("{half\n")
    note_look(tmp_path, "evaluated", 2)
    assert [look.epoch for look in looks(tmp_path)] == [1, 2]


def test_who_looks_through_a_data_set_looks_at_the_test_images_of_every_run_on_it(tmp_path):
    assert looks_at_data(tmp_path, {"name": "digits"}) == []
    note_look_at_data(tmp_path, {"name": "digits"})
    [at] = looks_at_data(tmp_path, {"name": "digits"})
    note_look_at_data(tmp_path, {"name": "digits"})
    assert looks_at_data(tmp_path, {"name": "digits"}) == [at], "once a day"
    of_a_run = DataConfig.model_validate({"name": "digits", "seed": 0, "preprocessing": {"denoise": {"name": "median"}}})
    assert looks_at_data(tmp_path, of_a_run.model_dump(mode="json")) == [at], "the same images, whatever the run does to them"
    assert looks_at_data(tmp_path, {"name": "digits", "seed": 1}) == [], "other images are in test"
    assert looks_at_data(tmp_path, {"name": "digit_scenes"}) == []


def test_a_data_set_that_is_gone_keeps_its_looks(tmp_path):
    note_look_at_data(tmp_path, {"name": "imported", "set": "gone"})
    assert len(looks_at_data(tmp_path, {"name": "imported", "set": "gone", "preprocessing": {}})) == 1
    assert looks_at_data(tmp_path, {"name": "imported", "set": "another"}) == []


def test_a_damaged_line_hides_no_other_of_the_data_set(tmp_path):
    (tmp_path / "looks_at_test.jsonl").write_text('{half\n[1]\n{"data": 3, "at": 1}\n')
    note_look_at_data(tmp_path, {"name": "digits"})
    assert len(looks_at_data(tmp_path, {"name": "digits"})) == 1


def test_predictions_of_the_test_split_are_one(trained):
    import shutil
    import tempfile
    from pathlib import Path

    from mtl_core.inference.loading import load
    from mtl_core.inference.split_predictions import predict_split
    from mtl_core.training.build import training_data
    from mtl_core.training.checkpoint_files import kept_checkpoints

    run, store = trained.run, trained.store
    data = training_data(run.config, open_source(run.config.data), store.cache)
    name = kept_checkpoints(store.folder(run.id))[0].name
    folder = Path(tempfile.mkdtemp())
    try:
        predictor = load(run.id, home=store.home)
        predict_split(predictor, data.val, "val", name, folder, lambda share, what: None)
        assert looks(folder) == []
        predict_split(predictor, data.test, "test", name, folder, lambda share, what: None)
        assert [look.what for look in looks(folder)] == ["predicted"]
    finally:
        shutil.rmtree(folder)
