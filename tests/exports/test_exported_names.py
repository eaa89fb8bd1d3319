"""Every name that a task can have is exported: words of Python, the exporter's own names, letters that Python writes in another way."""

import json
import re
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.data.dataset import Task
from mtl_core.exports import torch_program
from mtl_core.exports.graph import TOLERANCE, Graph, example, largest_difference
from mtl_core.exports.onnx_model import write_onnx
from mtl_core.names import task_name_problem
from tests.exports.untrained import untrained

WORDS = ("class", "None", "for")  # Python has a meaning for them; class folders are a task 'class' unless someone renames it
INNER = ("images", "scale", "offset", "linear", "model", "n", "network_0_backbone")  # names that the exporter or the graph uses
WRITTEN = ("\ufb01", "e\u0301", "\u00b2", "\u732b", "1st", "a-b", "a b")  # Python writes the first two in another way


@pytest.fixture(scope="module")
def predictor():
    names = (*WORDS, *INNER, *WRITTEN)
    assert not any(task_name_problem(name) for name in names)
    tasks = {
        name: Task(name, "classification", name, ("x", "y")) if number % 2 else Task(name, "regression", name) for number, name in enumerate(names)
    }
    config = {"data": {"name": "digits"}, "tasks": {name: {} for name in names}, "backbone": {"name": "small_cnn", "width": 8}}
    return untrained(RunConfig.from_dict(config), tasks, (1, 16, 16))


def outputs(predictor):
    graph = Graph(predictor).eval()
    images = example(graph, predictor.image_shape, 5)
    with torch.no_grad():
        return graph, images, graph(images)


def test_the_graph_computes_what_the_network_does(predictor):
    graph, images, found = outputs(predictor)
    with torch.no_grad():
        wanted = predictor.model(images.float() * graph.scale + graph.offset)
    assert len(found) == len(predictor.kinds) == len(set(graph.names))
    for (name, kind), values in zip(predictor.kinds.items(), found, strict=True):
        assert torch.equal(values, kind.finished(wanted[name])[""]), name


def test_onnx(predictor, tmp_path):
    assert write_onnx(predictor, tmp_path / "model.onnx") <= TOLERANCE
    written = onnx.load(str(tmp_path / "model.onnx"))
    onnx.checker.check_model(written, full_check=True)
    graph, images, wanted = outputs(predictor)
    assert [value.name for value in written.graph.input] == ["images"]
    assert [value.name for value in written.graph.output] == [name if name != "images" else "images.output" for name in predictor.kinds]
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    found = dict(zip(graph.names, session.run(None, {"images": images.numpy()}), strict=True))
    assert largest_difference(wanted, [np.asarray(found[name]) for name in graph.names]) <= TOLERANCE
    about = json.loads(session.get_modelmeta().custom_metadata_map["mtl_core"])
    assert {key.split(".")[0] for key in found} == set(about["tasks"])  # as the page on exports reads them


def test_torch_program(predictor, tmp_path):
    torch_program.write(SimpleNamespace(predictor=predictor, run=SimpleNamespace(id="run")), tmp_path)
    _, images, wanted = outputs(predictor)
    program = torch.export.load(tmp_path / "run.pt2")
    assert largest_difference(wanted, [values.detach().numpy() for values in program.module()(images)]) <= TOLERANCE
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in program.state_dict)
