"""The cost receipt: one network against a network for each task, measured with the networks of a study."""

import json

import pytest

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.errors import NotPossibleError
from mtl_core.runs.executor import execute
from mtl_core.runs.store import open_store
from mtl_core.studies import cost_receipt
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.cost_receipt import BATCHES, measure_receipt
from mtl_core.training.checkpoint_files import find_checkpoint

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [8]},
    "epochs": 1,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
    "conflict_every": 0,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a study of which the first seed has finished in all networks, and the second in none."""
    store = open_store(tmp_path_factory.mktemp("receipt") / "home")
    made = studies.create(store, studies.draft("share", RunConfig.from_dict(CONFIG), {}, range(2)))
    studies.start(store, made.id)
    for (_, seed), run in studies.runs_of(store, made).items():
        if seed == 0:
            assert execute(store, run.id).status == "finished"
    return store, made


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(cost_receipt, "ROUNDS", 1)


def test_numbers_of_small_networks(trained, quick):
    """8x8 grey digits, 8 hidden neurons: 64*8 + 8 shared numbers; heads of 8*10 + 10 and 8*1 + 1."""
    store, made = trained
    told = []
    receipt = measure_receipt(store, answer_of(store, made), lambda share, text: told.append(share))
    digit, ink = receipt.apart
    assert (receipt.seed, receipt.shared.label, digit.label, ink.label) == (0, "all tasks in one network", "digit alone", "ink alone")
    assert [each.parameters for each in (receipt.shared, digit, ink)] == [520 + 90 + 9, 520 + 90, 520 + 9]
    assert [each.multiply_adds for each in (receipt.shared, digit, ink)] == [512 + 80 + 8, 512 + 80, 512 + 8]
    assert receipt.all_apart().parameters == 2 * 520 + 90 + 9
    assert receipt.all_apart().multiply_adds == 2 * 512 + 80 + 8
    run = studies.runs_of(store, made)["joint", 0]
    folder = store.folder(run.id)
    assert receipt.shared.file == (folder / "checkpoints" / find_checkpoint(folder, "best").name / "model.safetensors").stat().st_size
    assert told == sorted(told)
    assert told[-1] <= 1
    for each in (receipt.shared, digit, ink, receipt.all_apart()):
        assert set(each.torch_ms) == set(BATCHES)
        assert all(value > 0 for value in each.torch_ms.values())
        assert set(each.onnx_ms) == (set() if receipt.without_onnx else set(BATCHES))
    assert receipt.all_apart().torch_ms[1] == digit.torch_ms[1] + ink.torch_ms[1]


def test_without_onnx_runtime_the_reason_is_said(trained, quick, monkeypatch):
    def missing(predictor, path):
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr(cost_receipt, "write_onnx", missing)
    store, made = trained
    receipt = measure_receipt(store, answer_of(store, made))
    assert "'onnxruntime' is not installed" in receipt.without_onnx
    assert receipt.shared.onnx_ms == receipt.all_apart().onnx_ms == {}


def test_what_cannot_be_measured_is_refused_in_words(store, base):
    made = studies.create(store, studies.draft("share", base, {}, range(2)))
    with pytest.raises(NotPossibleError, match="no seed of the study has finished"):
        measure_receipt(store, answer_of(store, made))
    methods = studies.create(store, studies.draft("methods", base, {"options": {"methods": ["pcgrad"], "sweep": 0}}, range(2)))
    assert methods.compared_networks == []
    with pytest.raises(NotPossibleError, match="compares single networks"):
        measure_receipt(store, answer_of(store, methods))


def test_the_command(trained, quick, monkeypatch, capsys):
    store, made = trained
    monkeypatch.setenv("MTL_HOME", str(store.home))
    measured = []

    def measure_once(*arguments):
        measured.append(measured[0] if measured else measure_receipt(*arguments))
        return measured[-1]

    monkeypatch.setattr(cost_receipt, "measure_receipt", measure_once)
    assert main(["study", "cost", made.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["all_apart"]["parameters"] == 2 * 520 + 90 + 9
    assert main(["study", "cost", made.id]) == 0
    said = capsys.readouterr().out
    assert "2 networks" in said
    assert "PyTorch, 32 images (ms)" in said
    assert len(measured) == 2
