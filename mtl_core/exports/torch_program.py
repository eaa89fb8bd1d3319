"""``torch.export``: the network as a PyTorch program that runs without this project's code."""

from __future__ import annotations

import warnings
from pathlib import Path

from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.tracing import may_disturb_runs, write_in_process

TITLE = "PyTorch program (torch.export)"
SUMMARY = "A .pt2 file for torch.export.load: the same graph as the ONNX file, any batch size."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>.pt2``, compared with the network. Raises ExportError if its outputs differ."""
    if may_disturb_runs():
        write_in_process(source, "torch_export", folder)
        return
    import torch

    from mtl_core.exports.graph import Graph, check_outputs, example

    predictor = source.predictor
    graph = Graph(predictor).eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        images = example(graph, predictor.image_shape, 2)
        program = torch.export.export(graph, (images,), dynamic_shapes={"images": {0: torch.export.Dim("n")}})
        path = folder / f"{source.run.id}.pt2"
        torch.export.save(program, path)
        images = example(graph, predictor.image_shape, 3)
        found = [values.numpy() for values in program.module()(images)]
        check_outputs(graph, images, graph(images), found, "PyTorch program")
