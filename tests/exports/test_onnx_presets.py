"""ONNX of every preset's network, and of one on photographs that are not square: within 1e-4 of PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.dataset import Task
from mtl_core.data.imports import examine, import_dataset, propose
from mtl_core.data.prepare import prepare
from mtl_core.exports import coco_results, predictions_csv
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.graph import TOLERANCE, Graph, largest_difference
from mtl_core.exports.onnx_model import write_onnx
from mtl_core.inference.loading import load
from mtl_core.presets import load_presets
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from tests.exports.untrained import untrained


def _parts(config):
    """What there is to convert: backbone, sharing scheme, and what each task's head is for."""
    kinds = {task.name: task.kind for task in open_source(config.data).tasks()}
    return {config.backbone.name, config.sharing.name, *((kinds.get(name, name), str(task.model_extra)) for name, task in config.tasks.items())}


PRESETS = {preset.name: preset for preset in load_presets()}
PARTS = {name: _parts(preset.config) for name, preset in PRESETS.items()}
WIDE = next(name for name, preset in PRESETS.items() if preset.config.data.name == "oxford_pets")  # has a test of its own


def fewest(parts):
    """Few of the presets, beside the one of Pets, that together have each part of any: again and again the one with most of what is missing."""
    chosen, missing = [], set().union(*parts.values()) - parts[WIDE]
    while missing:
        chosen.append(max(parts, key=lambda name: len(parts[name] & missing)))
        missing -= parts[chosen[-1]]
    return chosen


@pytest.mark.parametrize("preset", [PRESETS[name] for name in fewest(PARTS)], ids=lambda preset: preset.name)
def test_every_part_of_the_presets_networks(preset, tmp_path):
    """Backbones, sharing schemes and heads: presets that differ in balancing, sizes or data have the same layers."""
    source = open_source(preset.config.data)
    predictor = untrained(preset.config, {task.name: task for task in source.tasks()}, source.image_shape())
    assert write_onnx(predictor, tmp_path / "model.onnx") <= TOLERANCE


def test_pets_as_photographs_that_are_not_square(tmp_path):
    """Breed (classification), trimap (segmentation), head box (detection), in colour: the presets' network of Pets, on wider images than theirs."""
    tasks = {
        "breed": Task("breed", "classification", "breed", ("a", "b", "c")),
        "trimap": Task("trimap", "segmentation", "trimap", ("pet", "background", "border")),
        "head": Task("head", "detection", "head", ("cat", "dog")),
    }
    config = PRESETS[WIDE].config
    assert {(task.kind, "{}") for task in tasks.values()} <= PARTS[WIDE]
    predictor = untrained(config, tasks, (3, 64, 96))
    assert write_onnx(predictor, tmp_path / "model.onnx") <= TOLERANCE
    prediction = predictor.predict(np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8))[0]
    assert prediction["trimap"].classes.shape == (375, 500)


@pytest.mark.data
def test_pets_imported_trained_and_asked_about_real_photographs(real_data, home, tmp_path):
    """The set as a user has it on disk: breed, trimap and head box in one network, compared on all of its validation pictures."""
    folder = real_data / "oxford_pets_3breeds"
    spec = propose(folder).spec
    import_dataset(folder, spec, "pets", checked=examine(folder, spec))
    tasks = {name: {} for name in ("breed", "trimap", "head")}
    config = {"data": {"name": "imported", "set": "pets"}, "tasks": tasks, "backbone": {"name": "small_cnn", "width": 8}, "epochs": 1}
    store = open_store(home)
    run = execute(store, store.create(RunConfig.from_dict({**config, "device": "cpu", "precision": "fp32", "layout": "contiguous"})).id)
    assert run.status == "finished", run.failure
    predictor = load(run.id, "best", home=home)
    assert write_onnx(predictor, tmp_path / "pets.onnx") <= TOLERANCE == 1e-4
    images = np.asarray(prepare(open_source(run.config.data), store.cache).val.images)
    assert len(images) > 10
    graph = Graph(predictor).eval()
    with torch.no_grad():
        wanted = graph(torch.from_numpy(images.copy()))
    found = onnxruntime.InferenceSession(str(tmp_path / "pets.onnx"), providers=["CPUExecutionProvider"]).run(list(graph.names), {"images": images})
    assert set(graph.names) == {"breed", "trimap", "head.boxes", "head.scores"}
    assert largest_difference(wanted, found) <= TOLERANCE
    source = ExportSource(store, run)
    predictions_csv.write(source, tmp_path)
    coco_results.write(source, tmp_path)
    breeds = pd.read_csv(tmp_path / f"{run.id}-breed-predictions.csv")
    assert breeds["target"].str.lower().tolist() == [Path(file).stem.rsplit("_", 1)[0].lower() for file in breeds["file"]]  # Abyssinian_12.jpg
    told = json.loads((tmp_path / f"{run.id}-head-targets.json").read_text())
    assert {image["source_file"] for image in told["images"]} <= set(breeds["file"])
