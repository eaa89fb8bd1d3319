"""ONNX export: all tasks in one file, any batch size. onnxruntime's outputs are compared with PyTorch's before the file is published."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.tracing import may_disturb_runs, write_in_process

TITLE = "ONNX"
SUMMARY = "All tasks in one file, any batch size; checked to agree with PyTorch. Runs in onnxruntime, browsers, phones."
OPSET = 18
INNER = "inner/"  # begins the names of values that are neither input nor output; no task's name has a '/'


def write(source: ExportSource, folder: Path) -> None:
    """``<run>.onnx``. Raises ExportError if its outputs differ from PyTorch's by more than the tolerance."""
    if may_disturb_runs():
        write_in_process(source, "onnx", folder)
        return
    write_onnx(source.predictor, folder / f"{source.run.id}.onnx")


def write_onnx(predictor: Any, path: Path) -> float:
    """Write a network as ONNX: input ``images`` uint8 (n, C, H, W), outputs as in ``mtl_core.exports.graph.Graph``. The metadata entry ``mtl_core``
    describes the tasks as JSON.

    Returns:
        The largest measured relative difference to PyTorch.
    """
    import onnx
    import onnxruntime  # noqa: F401  # missing ones are told before the network is traced
    import onnxscript  # noqa: F401
    import torch

    from mtl_core.exports.graph import INPUT, Graph, example

    graph = Graph(predictor).eval()
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            graph,
            (example(graph, predictor.image_shape, 2),),
            str(path),
            input_names=[INPUT],
            output_names=[f"{INNER}output_{number}" for number in range(len(graph.names))],
            dynamic_shapes={INPUT: {0: torch.export.Dim("n")}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    written = onnx.load(str(path))
    _name_outputs(written.graph, graph.names)
    onnx.helper.set_model_props(written, {"mtl_core": json.dumps(_about(predictor))})
    onnx.save(written, str(path))
    return check(predictor, path)


def _name_outputs(graph: Any, names: Sequence[str]) -> None:
    """Give the outputs of an ONNX graph their names. Inner values that the exporter has called so get other names: a task may be called ``scale``."""
    inner = [*(value.name for value in graph.initializer), *(name for node in graph.node for name in node.output)]
    renamed = {name: INNER + name for name in inner if name in names}
    renamed |= {output.name: name for output, name in zip(graph.output, names, strict=True)}
    _rename(graph, renamed)


def _rename(graph: Any, renamed: dict[str, str]) -> None:
    """Rename values of an ONNX graph and of the graphs of its branches and loops."""
    for value in [*graph.initializer, *graph.value_info, *graph.output]:
        value.name = renamed.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for branch in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _rename(branch, renamed)


def check(predictor: Any, path: Path) -> float:
    """Compare a file with its network on batches of one and of three images. Raises ExportError beyond the tolerance."""
    import torch

    from mtl_core.exports.graph import INPUT, Graph, check_outputs, example

    session = open_session(path)
    graph, worst = Graph(predictor).eval(), 0.0
    for count in (1, 3):
        images = example(graph, predictor.image_shape, count)
        with torch.no_grad():
            wanted = graph(images)
        found = session.run(list(graph.names), {INPUT: images.numpy()})
        worst = max(worst, check_outputs(graph, images, wanted, [np.asarray(values) for values in found], "ONNX file"))
    return worst


def open_session(path: Path) -> Any:
    """The session of ONNX Runtime for a file, on the processor, with as many threads as PyTorch has."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _about(predictor: Any) -> dict[str, Any]:
    description = predictor.description
    tasks = {name: {**asdict(kind.task), "options": kind.options.model_dump(mode="json")} for name, kind in predictor.kinds.items()}
    place = {"run": description.run, "epoch": description.epoch, "step": description.step}
    return {**place, "image_shape": list(predictor.image_shape), "tasks": tasks}


@contextmanager
def _quiet():
    """Silence the exporter's internal warnings and log lines. Filters and levels belong to the whole process: see ``mtl_core.exports.tracing``."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
