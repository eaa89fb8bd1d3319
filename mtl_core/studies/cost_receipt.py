"""CostReceipt: what one network for several tasks costs at inference, against a network for each task, measured with a study's own networks.

Networks that a study predicts about without training them are measured with random values, because a network's costs do not depend on its values.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from mtl_core.config import RunConfig
from mtl_core.errors import NotPossibleError
from mtl_core.exports.onnx_model import open_session, write_onnx
from mtl_core.exports.tracing import ExportError
from mtl_core.inference.inference_cost import FLOAT, live_bytes_of, multiply_adds_of
from mtl_core.inference.loading import find_model
from mtl_core.inference.model_folder import ModelDescription
from mtl_core.inference.predictor import Predictor
from mtl_core.inference.timing import median_times
from mtl_core.language import tr
from mtl_core.randomness import unnoticed
from mtl_core.runs.store import RunStore
from mtl_core.studies.answer import Answer
from mtl_core.training.build import build_kinds, build_model
from mtl_core.training.execution import device_name
from mtl_core.training.parts import network_parts

BATCHES = (1, 32)  # images
ROUNDS = 15

Told = Callable[[float, str], None]
Times = Mapping[int, float]  # images in a batch -> median milliseconds of a forward pass


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network of the study.

    Attributes:
        label: of its cell.
        parameters: numbers in the network. ``multiply_adds``: for one image, in convolutions and matrix products.
        memory: bytes of the parameters, and of the tensors that live at the same moment at most in a pass over one image.
        file: bytes of its tensors as a safetensors file.
        torch_ms, onnx_ms: by batch; ``onnx_ms`` is empty where ONNX Runtime is not installed or the network cannot be exported.
    """

    label: str
    parameters: int
    multiply_adds: float
    memory: int
    file: int
    torch_ms: Times
    onnx_ms: Times


@dataclass(frozen=True)
class CostReceipt:
    """One network against several.

    Attributes:
        shared: the network of the comparison's cell.
        apart: the networks of its baselines. ``others``: the other networks that the tasks can be divided among, for studies of groups.
        untrained: labels of those that were measured with random values.
        seed: of all of them.
        device: where it was measured. ``threads``: of PyTorch.
        without_onnx: why there are no times of ONNX Runtime; empty where there are.
    """

    shared: NetworkCost
    apart: tuple[NetworkCost, ...]
    seed: int
    device: str
    threads: int
    without_onnx: str = ""
    others: tuple[NetworkCost, ...] = ()
    untrained: tuple[str, ...] = ()

    def all_apart(self) -> NetworkCost:
        """The networks of the baselines together: sums; for memory the parameters of all and the largest pass."""
        passes = max(each.memory - FLOAT * each.parameters for each in self.apart)
        parameters = sum(each.parameters for each in self.apart)
        times = [
            {batch: sum(each[batch] for each in kind) for batch in kind[0]} if all(kind) else {}
            for kind in ([one.torch_ms for one in self.apart], [one.onnx_ms for one in self.apart])
        ]
        adds, size = sum(each.multiply_adds for each in self.apart), sum(each.file for each in self.apart)
        return NetworkCost(tr("{count} networks", count=len(self.apart)), parameters, adds, FLOAT * parameters + passes, size, *times)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with ``all_apart``."""
        return {**asdict(self), "all_apart": asdict(self.all_apart())}


def measure_receipt(store: RunStore, answer: Answer, progress: Told = lambda share, text: None) -> CostReceipt:
    """Measure the networks of the first seed of which every run has finished, on this machine's processor, in turn.

    Raises:
        NotPossibleError: the study compares single networks, or no seed has all of its runs.
    """
    study, trained = answer.study, answer.measured_networks
    if not trained:
        raise NotPossibleError("the study compares single networks; only one that compares a network with several others has such costs")
    networks = [*(cell for cell in study.cells if cell.key in trained), *study.untrained_cells]
    labels = {cell.key: cell.label for cell in networks}
    seed = answer.whole_seed(trained)
    if seed is None:
        raise NotPossibleError("no seed of the study has finished in every network; wait until one has")
    cells = [*trained, *(cell.key for cell in study.untrained_cells)]
    configs = {cell.key: cell.config for cell in study.untrained_cells}
    found, predictors, description = {}, {}, None
    for number, cell in enumerate(cells):
        progress(number / (2 * len(cells)), f"reading {labels[cell]}")
        if cell in configs:
            assert description is not None  # a network that was trained comes first
            own, tensors = _untrained(description, configs[cell])
        else:
            own, tensors = description, tensors = find_model(answer.run_ids[cell, seed], home=store.home)
        predictors[cell] = Predictor(own, tensors)
        found[cell] = replace(_counted(predictors[cell], labels[cell]), file=len(tensors))
    with tempfile.TemporaryDirectory(prefix="mtl-cost-") as folder:
        sessions, missing = _sessions(predictors, Path(folder))
        works = {("torch", cell, batch): _pass(predictor, batch) for cell, predictor in predictors.items() for batch in BATCHES}
        works |= {("onnx", cell, batch): _run(session, predictors[cell], batch) for cell, session in sessions.items() for batch in BATCHES}
        with torch.no_grad():
            times = median_times(works, ROUNDS, "cpu", lambda share, text: progress(0.5 + share / 2, text))
    for cell in cells:
        by_kind = {kind: {batch: times[kind, cell, batch] for batch in BATCHES if (kind, cell, batch) in times} for kind in ("torch", "onnx")}
        found[cell] = replace(found[cell], torch_ms=by_kind["torch"], onnx_ms=by_kind["onnx"])
    compared = len(study.compared_networks) or 1 + len(study.base.tasks)  # of untrained networks each task alone comes first
    shared, *apart = (found[cell] for cell in cells[:compared])
    others, untrained = tuple(found[cell] for cell in cells[compared:]), tuple(labels[cell] for cell in configs)
    return CostReceipt(shared, tuple(apart), seed, device_name("cpu"), torch.get_num_threads(), missing, others, untrained)


def _untrained(trained: ModelDescription, config: RunConfig) -> tuple[ModelDescription, bytes]:
    """A network for some of a trained network's tasks, with random values."""
    own = replace(trained, config=config, tasks={name: task for name, task in trained.tasks.items() if name in config.tasks}, run={})
    with unnoticed():
        model = build_model(network_parts(config), build_kinds(config, own.tasks, own.statistics), own.statistics)
    return own, save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})


def _counted(predictor: Predictor, label: str) -> NetworkCost:
    model, work = predictor.model, _pass(predictor, 1)
    images = torch.zeros(1, *predictor.image_shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    with torch.no_grad():
        return NetworkCost(label, parameters, multiply_adds_of(work), FLOAT * parameters + live_bytes_of(work, model, images), 0, {}, {})


def _pass(predictor: Predictor, batch: int) -> Callable[[], Any]:
    images = torch.zeros(batch, *predictor.image_shape)
    return lambda: predictor.model(images)


def _sessions(predictors: Mapping[str, Predictor], folder: Path) -> tuple[dict[str, Any], str]:
    """Cell -> session of ONNX Runtime for every network, or none and the reason."""
    try:
        sessions = {}
        for number, (cell, predictor) in enumerate(predictors.items()):
            path = folder / f"{number}.onnx"
            write_onnx(predictor, path)
            sessions[cell] = open_session(path)
    except ModuleNotFoundError as error:
        return {}, f"'{error.name}' is not installed; pip install -r requirements-export.txt installs ONNX Runtime"
    except ExportError as error:
        return {}, str(error)
    return sessions, ""


def _run(session: Any, predictor: Predictor, batch: int) -> Callable[[], Any]:
    images = np.zeros((batch, *predictor.image_shape), np.uint8)
    return lambda: session.run(None, {"images": images})
