"""Starting weights: read once when a run starts, from files, packages, addresses and other runs; never by a check, a resume or a prediction."""

from __future__ import annotations

import hashlib
import os
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

import mtl_core
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.events import Control, StepScalars
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from mtl_core.training.build import build
from mtl_core.training.check import problems
from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint
from mtl_core.training.checkpoint_files import read_index, read_meta
from mtl_core.training.parts import resolve
from mtl_core.training.tensors import starting_weights as module
from mtl_core.training.tensors import weights_file
from mtl_core.training.tensors.starting_weights import starting_weights
from mtl_core.training.trainer import train

SMALL = {"width": 8, "stages": 2}

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "device": "cpu",
}


def config_of(weights=None, **changes):
    return RunConfig.from_dict({**CONFIG, "backbone": {"name": "small_cnn", **SMALL, **(weights or {})}, **changes})


def silent(share, text):
    pass


def begun(config, tmp_path, cache):
    """The setup of a run that starts with a config."""
    folder = tmp_path / "runs" / "this"
    folder.mkdir(parents=True, exist_ok=True)
    parts = resolve(config)
    weights = starting_weights(parts, folder, cache, silent)
    return build(parts, cache, weights=weights), weights


WRITTEN = {
    "own names": lambda tensors, path: save_file(tensors, path.with_suffix(".safetensors")) or path.with_suffix(".safetensors"),
    "a checkpoint's names": lambda tensors, path: torch.save({f"backbone.{name}": tensor for name, tensor in tensors.items()}, path) or path,
    "inside a state dict": lambda tensors, path: torch.save({"epoch": 3, "state_dict": tensors}, path) or path,
    "without counters": lambda tensors, path: torch.save({name: tensor for name, tensor in tensors.items() if tensor.ndim}, path) or path,
}


@pytest.mark.parametrize("write", list(WRITTEN.values()), ids=list(WRITTEN))
def test_a_file_gives_the_backbone_its_values(write, tensors, tmp_path, shared_cache):
    path = write(tensors, tmp_path / "weights.pth")
    setup, weights = begun(config_of({"weights": "file", "weights_file": str(path)}), tmp_path, shared_cache)
    found = setup.network.model.backbone.state_dict()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors if tensors[name].ndim)
    assert weights.origin == {"from": "file", "name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert "does not say how its images were normalised" in weights.remarks[0]
    plain = build(resolve(config_of()), shared_cache)
    assert setup.run.data.statistics["mean"] == plain.run.data.statistics["mean"]
    heads = zip(setup.network.model.heads.parameters(), plain.network.model.heads.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in heads)  # nothing else is drawn otherwise


@pytest.mark.parametrize("scheme", ["branched", "separate", "cross_stitch", "ple"])
def test_every_copy_of_a_stage_begins_with_them(scheme, tensors, tmp_path, shared_cache):
    from mtl_core.sharing.frozen_parts import placed_stages

    save_file(tensors, tmp_path / "weights.safetensors")
    config = config_of({"weights": "file", "weights_file": str(tmp_path / "weights.safetensors")}, sharing={"name": scheme})
    placed = placed_stages(begun(config, tmp_path, shared_cache)[0].network.model)
    assert len(placed) > len(SMALL)
    for _, stage in placed:
        assert all(torch.equal(value, tensors[f"{stage.name}.{name}"]) for name, value in stage.state_dict().items())


def test_the_normalisation_travels_with_checkpoint_resume_evaluation_and_export(tensors, tmp_path, home, shared_cache):
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path, metadata={"mean": "[0.25]", "std": "[0.125]"})
    store = open_store(home)
    store.cache = shared_cache
    run = execute(store, store.create(config_of({"weights": "file", "weights_file": str(path)})).id)
    assert run.status == "finished", run.failure
    os.remove(path)  # from here on, nothing may need it
    assert run.info["weights"]["name"] == "weights.safetensors"
    folder = store.folder(run.id)
    meta = read_meta(folder, read_index(folder)["best"])
    assert (meta["statistics"]["mean"], meta["statistics"]["std"]) == ([0.25], [0.125])
    predictor = mtl_core.load(run.id, home=home)
    assert predictor.description.statistics["weights"]["from"] == "file"
    assert float(predictor.normalised(torch.full((1, 8, 8, 1), 255, dtype=torch.uint8).numpy())[0, 0, 0, 0]) == pytest.approx(6.0)
    best = read_index(folder)["best"]
    report, _ = evaluate_checkpoint(run.config, folder, shared_cache, best, "val")
    curves = store.scalars(run.id)
    curve = curves[curves["key"] == "val/digit/accuracy"]["value"].iloc[-1]
    assert report["tasks"]["digit"]["values"][0]["value"] == pytest.approx(curve)
    longer = run.config.with_overrides(["epochs=2"])
    assert any(isinstance(event, StepScalars) for event in train(longer, folder, shared_cache, Control()))


def best_tensors(folder):
    return load_file(folder / "checkpoints" / read_index(folder)["best"] / "model.safetensors")


def test_another_run_gives_its_backbone_and_is_recorded(home, shared_cache):
    store = open_store(home)
    store.cache = shared_cache
    first = execute(store, store.create(config_of(data={"name": "digits", "preprocessing": {"standardise": "none"}})).id)
    other = {"weights": "run", "weights_run": first.id, "freeze": "all"}
    second = execute(store, store.create(config_of(other, tasks={"slant": {}})).id)
    assert second.status == "finished", second.failure
    assert second.info["weights"]["run"] == first.id
    assert second.info["parameters"]["shared"] == 0
    one, two = (best_tensors(store.folder(run.id)) for run in (first, second))
    assert all(torch.equal(one[name], two[name]) for name in one if name.startswith("backbone."))
    assert mtl_core.load(second.id, home=home).description.statistics["mean"] == [0.0]
    wide = execute(store, store.create(config_of({**other, "width": 16})).id)
    assert wide.status == "failed"
    assert "Take the same name and options" in str(wide.failure)
    missing = execute(store, store.create(config_of({"weights": "run", "weights_run": "20200101-000000-aaaa"})).id)
    assert "there is no run '20200101-000000-aaaa'" in str(missing.failure)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop("stages.1.0.weight"), "expected a tensor 'stages.1.0.weight', found none among"),
        (lambda tensors: tensors.update({"stages.0.0.weight": torch.zeros(8, 3, 3, 3)}), "of shape (8, 1, 3, 3), found (8, 3, 3, 3)"),
    ],
)
def test_a_file_of_another_network_is_refused_in_words(change, said, tensors, tmp_path, shared_cache):
    change(tensors)
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(ConfigError) as refused:
        begun(config_of({"weights": "file", "weights_file": str(tmp_path / "weights.safetensors")}), tmp_path, shared_cache)
    assert said in str(refused.value)


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


def test_no_code_of_a_file_is_run(tmp_path, monkeypatch, shared_cache):
    monkeypatch.setenv("TRAP", str(tmp_path / "trapped"))
    torch.save({"stages.0.0.weight": Trap()}, tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match="not plain tensors"):
        begun(config_of({"weights": "file", "weights_file": str(tmp_path / "weights.pt")}), tmp_path, shared_cache)
    assert not (tmp_path / "trapped").exists()


STRANGE = {
    "a view of a few bytes that claims terabytes": (lambda t: {"w": torch.zeros(1).expand(10**6, 10**6)}, "more than 4 GB"),
    "sparse": (lambda t: {"w": torch.eye(3).to_sparse()}, "expected plain numbers, found a sparse or empty tensor"),
    "without values": (lambda t: {"w": torch.zeros(3, device="meta")}, "found a sparse or empty tensor"),
    "complex": (lambda t: {"w": torch.zeros(3, dtype=torch.complex64)}, "found a complex tensor"),
    "NaN": (lambda t: {**t, "stages.0.0.weight": torch.full((8, 1, 3, 3), float("nan"))}, "'stages.0.0.weight': expected finite numbers"),
    "too large for 32 bits": (lambda t: {"w": torch.full((3,), 1e300, dtype=torch.float64)}, "not finite as 32-bit numbers"),
    "whole numbers": (lambda t: {**t, "stages.0.0.weight": torch.ones(8, 1, 3, 3).int()}, "as floating-point numbers, found int32"),
    "numbers for names": (lambda t: {1: torch.zeros(2)}, "holds no tensors by name"),
    "a list": (lambda t: [torch.zeros(2)], "holds no tensors by name"),
}


@pytest.mark.parametrize(("make", "said"), STRANGE.values(), ids=STRANGE)
def test_a_strangers_tensors_are_refused_in_words(make, said, tensors, tmp_path, shared_cache):
    torch.save(make(tensors), tmp_path / "weights.pt")
    with pytest.raises(ConfigError) as refused:
        begun(config_of({"weights": "file", "weights_file": str(tmp_path / "weights.pt")}), tmp_path, shared_cache)
    assert said in str(refused.value)


def test_a_file_that_unpacks_to_more_than_it_may_and_a_device_without_end_are_refused(tmp_path, monkeypatch):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "weights.pt")
    monkeypatch.setattr(weights_file, "LARGEST_FILE", (tmp_path / "weights.pt").stat().st_size)
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(ConfigError, match="unpacks to more than"):
        module._of_file(tmp_path / "bomb.pt", 1)
    (tmp_path / "endless.pt").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="not an ordinary file"):
        module._of_file(tmp_path / "endless.pt", 1)


@pytest.mark.parametrize(
    ("mean", "std"),
    [("[NaN]", "[1]"), ("[0.5]", "[0]"), ("[0.5, 0.5]", "[1, 1]"), ("[0.5]", "[-1]"), ("[" * 5000, "[1]"), ("0.5", "1"), ("[1e999]", "[1]")],
)
def test_a_normalisation_that_cannot_be_is_not_taken(mean, std, tensors, tmp_path):
    save_file(tensors, tmp_path / "weights.SAFETENSORS", {"mean": mean, "std": std})
    weights = module._of_file(tmp_path / "weights.SAFETENSORS", 1)
    assert (weights.mean, weights.std, len(weights.remarks)) == ([], [], 1)


def test_problems_are_told_before_a_run(tmp_path):
    def said(weights, **changes):
        return [(problem.field, problem.message) for problem in problems(config_of(weights, **changes))]

    [(field, message)] = said({"weights": "file", "weights_file": str(tmp_path / "none.pt")})
    assert (field, "there is no file" in message) == ("backbone.weights_file", True)
    [(_, message)] = said({"weights": "file", "weights_file": str(tmp_path / "weights.txt")})
    assert "ends with .safetensors, .pt, .pth" in message
    [(field, message)] = said({"weights": "pretrained"})
    assert (field, "no published weights for 'small_cnn'" in message) == ("backbone.weights", True)
    with pytest.raises(ConfigError, match="weights_file is empty"):
        config_of({"weights": "file"})
