"""ONNX: all tasks in one file, any batch size, checked against PyTorch with onnxruntime before it is handed out."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.exports.source import ExportSource
from mtl_core.exports.tracing import ExportError, may_disturb, write_apart

TITLE = "ONNX"
SUMMARY = "All tasks in one file, any batch size; checked to agree with PyTorch to 1e-4. Runs in onnxruntime, browsers, phones."
OPSET = 18


def write(source: ExportSource, folder: Path) -> None:
    """``<run>.onnx``. Raises ExportError where it is further from PyTorch than the tolerance."""
    if may_disturb():
        write_apart(source, "onnx", folder)
        return
    write_onnx(source.predictor, folder / f"{source.run.id}.onnx")


def write_onnx(predictor: Any, path: Path) -> float:
    """One network as ONNX: input ``images`` uint8 (n, C, H, W), outputs as ``mtl_core.exports.graph.Graph`` says; what the tasks mean is in the
    metadata ``mtl_core`` as JSON.

    Returns:
        The largest relative difference to PyTorch that was found.
    """
    import onnx
    import onnxruntime  # noqa: F401  # missing ones are told before the network is traced
    import onnxscript  # noqa: F401
    import torch

    from mtl_core.exports.graph import Graph, example

    graph = Graph(predictor).eval()
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            graph,
            (example(graph, predictor.image_shape, 2),),
            str(path),
            input_names=["images"],
            output_names=list(graph.names),
            dynamic_shapes={"images": {0: torch.export.Dim("n")}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, {"mtl_core": json.dumps(_about(predictor))})
    onnx.save(written, str(path))
    return check(predictor, path)


def check(predictor: Any, path: Path) -> float:
    """Compare a file with the network it was made of, on batches of one and of three. Raises ExportError beyond the tolerance."""
    import onnxruntime
    import torch

    from mtl_core.exports.graph import TOLERANCE, Graph, example, furthest_apart

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph, worst = Graph(predictor).eval(), 0.0
    for count in (1, 3):
        images = example(graph, predictor.image_shape, count)
        with torch.no_grad():
            wanted = graph(images)
        found = session.run(list(graph.names), {"images": images.numpy()})
        worst = max(worst, furthest_apart(wanted, [np.asarray(values) for values in found]))
    if not worst <= TOLERANCE:
        raise ExportError(f"the ONNX file differs from PyTorch by {worst:.2g}, where {TOLERANCE:g} is allowed, so it was not kept")
    return worst


def _about(predictor: Any) -> dict[str, Any]:
    description = predictor.description
    tasks = {name: {**asdict(kind.task), "options": kind.options.model_dump(mode="json")} for name, kind in predictor.kinds.items()}
    place = {"run": description.run, "epoch": description.epoch, "step": description.step}
    return {**place, "image_shape": list(predictor.image_shape), "tasks": tasks}


@contextmanager
def _quiet():
    """The exporter talks in warnings and in its log about its own inside. Filters and levels are the process's: see ``mtl_core.exports.tracing``."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
