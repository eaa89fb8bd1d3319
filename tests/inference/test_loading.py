"""A run's network outside its run: the same numbers, from the store and from an exported folder, and nothing that is not what was written."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import mtl_core
from mtl_core.backbones.small_cnn import SmallCNN
from mtl_core.errors import ConfigError, DataError, NotPossibleError, RunNotFoundError
from mtl_core.inference.image_reading import ImageFileError
from mtl_core.inference.loading import find_model
from mtl_core.inference.model_folder import ModelFileError, model_files
from mtl_core.inference.predictor import Predictor
from mtl_core.runs.artifacts import read_probe_targets, read_probes


@pytest.fixture
def folder(trained, tmp_path):
    """The run's network as an exported folder."""
    place = tmp_path / "model"
    place.mkdir()
    for name, content in model_files(*find_model(trained.run.id, home=trained.store.home)).items():
        (place / name).write_bytes(content)
    return place


def same(one, other):
    assert one.keys() == other.keys()
    for task in one:
        np.testing.assert_array_equal(one[task], other[task], err_msg=task)


@pytest.mark.parametrize(("checkpoint", "epoch"), [("last", 2), (1, 1), ("2", 2)])
def test_a_loaded_run_predicts_what_the_run_saw(trained, checkpoint, epoch):
    predictor = mtl_core.load(trained.run.id, checkpoint, home=trained.store.home)
    run_folder = trained.store.folder(trained.run.id)
    probes, seen = read_probe_targets(run_folder), read_probes(run_folder, epoch)
    assert (predictor.description.epoch, predictor.description.epoch_is_whole) == (epoch, True)
    for row, prediction in enumerate(predictor.predict(probes.images)):
        for task, values in seen.items():
            np.testing.assert_allclose(prediction.raw[task], values[row], atol=2e-5, err_msg=task)
        same({"segments": prediction["segments"].classes}, {"segments": prediction.raw["segments"]})


@pytest.mark.parametrize(("resized", "how"), [("none", "pad"), ("stretch", "stretch"), ("crop", "crop")])
def test_images_are_brought_to_size_as_the_training_images_were(trained, resized, how):
    description, tensors = find_model(trained.run.id, home=trained.store.home)
    assert description.statistics["resized"] == "none"  # the scenes are made at their size
    assert Predictor(replace(description, statistics={**description.statistics, "resized": resized}), tensors).how == how


def test_run_folder_and_exported_folder_are_the_same_network(trained, folder):
    images = read_probe_targets(trained.store.folder(trained.run.id)).images
    by_id = mtl_core.load(trained.run.id[:-1], home=trained.store.home).predict(images)
    for place in (folder, trained.store.folder(trained.run.id)):
        for one, other in zip(by_id, mtl_core.load(place).predict(images), strict=True):
            same(one.raw, other.raw)


def test_results_are_typed_and_in_the_images_own_pixels(trained):
    predictor = mtl_core.load(trained.run.id, home=trained.store.home)
    image = np.random.default_rng(0).integers(0, 255, (50, 120, 3), dtype=np.uint8)
    prediction = predictor.predict(image)[0]
    assert prediction.size == (50, 120)
    assert prediction.frame.shape == (64, 64, 3)
    assert prediction["segments"].classes.shape == prediction["depth"].values.shape == (50, 120)
    assert prediction["depth"].unit == "m"
    assert prediction["count"].unit == "digits"
    assert prediction["present"].probabilities.shape == (10,)
    assert prediction["count_class"].name in predictor.kinds["count_class"].task.classes
    boxes = prediction["boxes"]
    assert boxes.boxes.shape == (len(boxes.scores), 4)
    assert (boxes.boxes[:, 2] <= 120).all()
    assert (boxes.boxes[:, 3] <= 50).all()
    json.dumps(prediction.to_dict(), allow_nan=False)
    for task in prediction.tasks:
        assert predictor.draw(image, prediction, task, 2).image.shape == (100, 240, 3)


def test_images_of_any_sort_and_batches_of_any_size_give_the_same(trained, tmp_path):
    from PIL import Image

    predictor = mtl_core.load(trained.run.id, home=trained.store.home)
    images = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    sorts = [images[0], Image.fromarray(images[0]), tmp_path / "one.png", (tmp_path / "one.png").read_bytes()]
    whole = [p.raw for p in predictor.predict(sorts)]
    for raw in whole[1:]:
        np.testing.assert_allclose(raw["depth"], whole[0]["depth"], atol=1e-5)
    for one, other in zip(predictor.predict(images), predictor.predict(list(images), batch_size=1), strict=True):
        np.testing.assert_allclose(one.raw["depth"], other.raw["depth"], atol=1e-5)


def test_loading_moves_no_random_number(trained):
    import torch

    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    mtl_core.load(trained.run.id, home=trained.store.home)
    assert torch.rand(1) == wanted


def test_what_is_not_there_is_named(trained, tmp_path):
    home = trained.store.home
    with pytest.raises(RunNotFoundError, match="no run 'nothing'"):
        mtl_core.load("nothing", home=home)
    with pytest.raises(RunNotFoundError, match=r"folder without model\.json"):
        mtl_core.load(tmp_path, home=home)
    with pytest.raises(NotPossibleError, match=r"Kept epochs: 1, 2"):
        mtl_core.load(trained.run.id, 7, home=home)
    with pytest.raises(ConfigError, match="'best', 'best:TASK', 'last' or the number"):
        mtl_core.load(trained.run.id, "newest", home=home)
    with pytest.raises(ConfigError, match="pad, stretch, crop"):
        mtl_core.load(trained.run.id, home=home, fit="squeeze")
    with pytest.raises(DataError, match=r"found float64 of shape \(3,\)"):
        mtl_core.load(trained.run.id, home=home).predict([np.array([1.0, 2.0, 3.0])])
    with pytest.raises(ImageFileError, match="does not exist"):
        mtl_core.load(trained.run.id, home=home).predict("missing.png")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def test_a_changed_bit_is_found(folder, trained, tmp_path):
    flip(folder / "model.safetensors")
    with pytest.raises(ModelFileError, match="not what was written: expected SHA-256"):
        mtl_core.load(folder)
    copy = tmp_path / "run"
    shutil.copytree(trained.store.folder(trained.run.id), copy)
    flip(next(copy.glob("checkpoints/*_step_00000006/model.safetensors")))
    with pytest.raises(ModelFileError, match="not what was written"):
        mtl_core.load(copy, "last")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": {}}, "which is missing"),
        ({"format": 99}, "newer version"),
        ({"statistics": None}, "no description"),
        ({"tasks": []}, "is not described"),
        ({"config": {"data": 3}}, "no description"),
        ({"epoch": "many"}, "no description"),
        ({"statistics.mean": None}, "statistics.mean: expected 3 finite numbers"),
        ({"statistics.std": [0.1]}, "statistics.std: expected 3 finite numbers"),
        ({"statistics.mean": [0.1, 0.1, float("nan")]}, "statistics.mean: expected 3 finite numbers"),
        ({"statistics.targets": [1]}, "statistics.targets: expected an object"),
        ({"statistics.targets": {"count": 3}}, "statistics.targets: expected an object"),
        ({"statistics.placed": "x"}, "statistics.placed: expected an object or null"),
        ({"statistics.placed": {"how": "pad", "bars": "mean", "shape": None, "levels": None}}, r"statistics\.placed\.shape: expected"),
        ({"statistics.placed": {"how": "pad", "bars": "mean", "shape": [3, 10**9, 8], "levels": None}}, r"statistics\.placed\.shape: expected"),
        ({"statistics.placed": {"how": "x", "bars": "mean", "shape": [3, 8, 8], "levels": None}}, "expected the way of resizing"),
        ({"statistics.placed": {"how": "pad", "bars": "mean", "shape": [3, 8, 8], "levels": [9, 1]}}, "levels: expected two rising numbers"),
        ({"statistics.targets": {}}, "expected 'mean' and 'std'"),
        ({"tasks.0.classes": [1, None]}, "expected class names"),
        ({"tasks.0.classes": "abc"}, "expected class names"),
        ({"tasks.0.unit": 5}, "expected class names and a unit"),
    ],
)
def test_a_description_that_lies_is_refused(folder, change, message):
    values = json.loads((folder / "model.json").read_text())
    for path, value in change.items():
        *above, key = (int(part) if part.isdigit() else part for part in path.split("."))
        place = values
        for part in above:
            place = place[part]
        place[key] = value
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=message):
        mtl_core.load(folder)


def test_a_checkpoint_whose_statistics_lie_is_refused(trained, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained.store.folder(trained.run.id), copy)
    path = next(copy.glob("checkpoints/*_step_00000006/meta.json"))
    values = json.loads(path.read_text())
    values["statistics"]["std"] = None
    path.write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=r"statistics\.std: expected 3 finite numbers"):
        mtl_core.load(copy, "last")


def test_no_network_of_any_size_is_built_for_a_stranger(folder):
    values = json.loads((folder / "model.json").read_text())
    values["statistics"]["image_shape"] = [3, 10**6, 10**6]
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="image_shape: expected"):
        mtl_core.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensor: tensor * float("nan"), "not finite"),
        (lambda tensor: tensor + float("inf"), "not finite"),
        (lambda tensor: tensor.to(torch.int32), "found torch.int32"),
        (lambda tensor: tensor.to(torch.complex64), "found torch.complex64"),
    ],
)
def test_tensors_that_no_network_has_are_refused(folder, change, message):
    tensors = {name: change(each) if each.is_floating_point() else each for name, each in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors")
    values = json.loads((folder / "model.json").read_text())
    values["sha256"] = {"model.safetensors": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()}
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=message):
        mtl_core.load(folder)


def test_tensors_of_another_network_are_refused(folder):
    values = json.loads((folder / "model.json").read_text())
    values["config"]["backbone"]["width"] = 16
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="of another network: expected 'backbone"):
        mtl_core.load(folder)


def test_checkpoints_without_statistics_ask_the_prepared_data(trained, tmp_path, monkeypatch):
    """Those of earlier versions."""
    copy = tmp_path / "home" / "runs" / trained.run.id
    shutil.copytree(trained.store.folder(trained.run.id), copy)
    (tmp_path / "home" / "data").symlink_to(trained.store.cache)
    for path in copy.glob("checkpoints/*/meta.json"):
        meta = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in meta.items() if key not in ("statistics", "described_tasks")}))
    images = read_probe_targets(copy).images
    for one, other in zip(mtl_core.load(copy).predict(images), mtl_core.load(trained.run.id, home=trained.store.home).predict(images), strict=True):
        same(one.raw, other.raw)


def test_what_is_no_image_is_refused_in_words(trained):
    predictor = mtl_core.load(trained.run.id, home=trained.store.home)
    with pytest.raises(DataError, match=r"found \(3, 64, 64\)\. Channels come last"):  # not three grey images
        predictor.predict(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(DataError, match=r"found \(3, 64, 64\)\. Channels come last"):
        predictor.predict(torch.zeros(3, 64, 64))
    with pytest.raises(DataError, match=r"found float32 of shape \(3, 64, 64\), with channels first; put them last"):
        predictor.predict(torch.zeros(2, 3, 64, 64))
    with pytest.raises(DataError, match=r"found float64 of shape \(8, 8, 3\), with values outside 0\.\.1"):
        predictor.predict(np.full((8, 8, 3), np.nan))
    with pytest.raises(DataError, match="found int"):
        predictor.predict(3)
    prediction = predictor.predict(np.zeros((64, 64, 3), np.uint8))[0]
    assert repr(prediction).startswith("<prediction of an image of 64 x 64 pixels: present (multi_label), ")
    assert "every kind, epoch" in repr(predictor)
    with pytest.raises(KeyError, match="did you mean 'boxes'"):
        prediction["box"]


def test_tensors_are_read_as_arrays_are(trained):
    predictor = mtl_core.load(trained.run.id, home=trained.store.home)
    pixels = np.random.default_rng(0).random((2, 48, 64, 3), np.float32)
    tensor = torch.tensor(pixels, requires_grad=True)
    for tensors, arrays, count in ((tensor, pixels, 2), (list(tensor), list(pixels), 2), (tensor[0], pixels[0], 1)):
        found = predictor.predict(tensors)
        assert len(found) == count
        for one, other in zip(found, predictor.predict(arrays), strict=True):
            same(one.raw, other.raw)


def test_nothing_pretrained_is_loaded_to_predict(trained, monkeypatch):
    monkeypatch.setattr(SmallCNN, "load_pretrained", lambda *arguments: pytest.fail("the checkpoint has the numbers"))
    assert mtl_core.load(trained.run.id, home=trained.store.home).model.tasks == tuple(trained.run.config.tasks)
