"""A run's numbers are its own: whatever else this process does meanwhile, every scalar and weight is the one of the run that trains alone."""

import contextlib
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.writing import export
from mtl_core.inference.loading import load
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from mtl_core.training.build import Setup
from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint
from mtl_core.training.checkpoint_files import FILES, read_index

BEGIN, WAIT = 3, 20  # the step at which everything else has begun, and the one before which it must have ended
PATIENCE = 120

DRAWS = {  # dropout, PCGrad's order of tasks, augmentation and mixing of the batches
    "data": {"name": "digit_scenes", "train_size": 96, "val_size": 16, "test_size": 16, "max_digits": 2, "image_size": 32},
    "tasks": {"present": {}, "count": {}},
    "backbone": {"name": "lenet", "dropout": 0.5},
    "balancing": {"name": "pcgrad"},
    "optimizer": {"name": "adam"},
    "augmentation": {"shift": 3, "brightness": 0.2},
    "epochs": 2,
    "batch_size": 8,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 2,
    "device": "cpu",
    "seed": 4,
}


def train(home, cache, on_event=None, **settings):
    """Scalars and final weights of a run in a store of its own, the store and the run."""
    store = open_store(home)
    store.cache = cache
    run = execute(store, store.create(RunConfig.from_dict({**DRAWS, **settings})).id, on_event=on_event)
    assert run.status == "finished", run.failure
    frame, folder = store.scalars(run.id), store.folder(run.id)
    scalars = {(row.key, row.step): row.value for row in frame.itertuples()}
    return scalars, load_file(folder / "checkpoints" / read_index(folder)["last"] / FILES[0]), store, run


def assert_same(found, expected):
    scalars, weights = expected[:2]
    assert found[0].keys() == scalars.keys()
    np.testing.assert_array_equal([found[0][key] for key in scalars], list(scalars.values()), err_msg=f"of {list(scalars)}")
    assert all(torch.equal(found[1][name], tensor) for name, tensor in weights.items())


def differs(found, expected):
    return any(not torch.equal(found[1][name], tensor) for name, tensor in expected[1].items())


@pytest.fixture(scope="module")
def alone(tmp_path_factory, shared_cache):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield train(tmp_path_factory.mktemp("alone"), shared_cache)
    torch.set_num_threads(before)


class Beside:
    """Work in threads of its own, each of which begins before a step of the watched run and ends after later ones."""

    def __init__(self, **work):
        self.step, self.spans, self.failed = 0, {}, {}
        self.begun, self.done = ({name: threading.Event() for name in work} for _ in range(2))
        self.threads = [threading.Thread(target=self._work, args=(name, what), daemon=True) for name, what in work.items()]

    def _work(self, name, what):
        began = self.step
        self.begun[name].set()
        try:
            what()
            while self.step < began + 4:  # again, until some steps have gone by
                what()
        except BaseException as error:
            self.failed[name] = error
        self.spans[name] = (began, self.step)
        self.done[name].set()

    def on_event(self, event):
        """Of the watched run, in its thread."""
        if type(event).__name__ != "StepScalars":
            return
        self.step = event.step
        if event.step == BEGIN:
            for thread in self.threads:
                thread.start()
            assert all(begun.wait(PATIENCE) for begun in self.begun.values())
        if event.step == WAIT:
            assert all(done.wait(PATIENCE) for done in self.done.values())


def test_a_run_alone_and_beside_everything_else_are_bit_identical(tmp_path, alone, shared_cache, one_thread, monkeypatch):
    def never(*_arguments, **_options):
        raise AssertionError("a network was traced in the process that trains")

    for name in ("torch.export.export", "torch.onnx.export"):
        monkeypatch.setattr(name, never)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    _, _, store, run = alone
    folder, places = store.folder(run.id), iter(range(1000))
    beside = Beside(
        predictions=lambda: load(run.id, home=store.home).predict(pictures),
        evaluation=lambda: evaluate_checkpoint(run.config, folder, shared_cache, read_index(folder)["last"], "val"),
        another_run=lambda: train(tmp_path / f"another-{next(places)}", shared_cache, seed=9, epochs=1),
        model=lambda: export(ExportSource(store, run), ["model"], tmp_path / f"model-{next(places)}"),
        onnx=lambda: export(ExportSource(store, run), ["onnx"], tmp_path / f"onnx-{next(places)}"),
        others=lambda: (torch.manual_seed(1), torch.rand(5), np.random.seed(1)),
    )
    found = train(tmp_path / "watched", shared_cache, beside.on_event)
    assert not beside.failed
    assert all(began <= BEGIN and ended >= began + 4 for began, ended in beside.spans.values()), beside.spans
    assert len(list(tmp_path.glob("onnx-*/*.onnx"))) >= 1
    assert_same(found, alone)


def test_a_run_that_draws_from_the_process_is_seen_to_change(tmp_path, alone, shared_cache, one_thread, monkeypatch):
    monkeypatch.setattr(Setup, "drawing", lambda self: contextlib.nullcontext())

    def draw(event):
        if type(event).__name__ == "StepScalars":
            torch.manual_seed(1)

    assert differs(train(tmp_path, shared_cache, draw), alone)
