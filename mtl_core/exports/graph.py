"""The network as one graph for other programs: uint8 images in, decoded predictions of every task out."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from mtl_core.exports.tracing import ExportError
from mtl_core.inference.predictor import Predictor

INPUT = "images"  # name of the input in exported files
TOLERANCE = 1e-4  # of the difference between an exported network and this one, as a share of the output's scale
ROUNDINGS, MOST = 4, 1e-2  # the most that is allowed where 32 bits are less exact than that


class Graph(nn.Module):
    """uint8 images (n, C, H, W) -> one tensor per name of ``names``; normalisation is inside.

    What is finished, each task kind says (``TaskKind.finished``): ``<task>``, or ``<task>.<part>`` where it has parts. Probabilities (n, K), numbers
    (n,) and maps (n, H, W) in the task's unit; of segmentation (n, K, H, W) logits, whose largest along K is the class; of detection
    ``<task>.boxes`` (n, A, 4) x1, y1, x2, y2 in pixels and ``<task>.scores`` (n, A, K), before suppression; of keypoints (n, P, 3) x and y as
    shares of width and height, and a probability. Others as the head gives it. A task called ``images``, as
    the input is, gives ``images.output``.

    The network's tensors are this module's own, under names of ASCII letters and digits with a number. The tracer writes Python code from the names
    of modules; a task's name is the name of a module, and a task may be called ``class`` or ``é``.
    """

    offset: Tensor

    scale: Tensor

    def __init__(self, predictor: Predictor):
        super().__init__()
        self.kinds = predictor.kinds
        self.network = (predictor.model.eval(),)  # in a tuple it is no module of this one
        self.paths: dict[str, str] = {}  # name of a tensor here -> its path in the network
        for path, values in predictor.model.named_parameters():
            self.register_parameter(self._tensor_name(path), values)
        for path, values in predictor.model.named_buffers():
            self.register_buffer(self._tensor_name(path), values)
        scale, offset = predictor.normalisation
        self.register_buffer("scale", scale.cpu().clone())
        self.register_buffer("offset", offset.cpu().clone())
        with torch.no_grad():
            self.names = tuple(self._outputs_by_name(torch.zeros(1, *predictor.image_shape, dtype=torch.uint8)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self._outputs_by_name(images).values())

    def _tensor_name(self, path: str) -> str:
        """The name of a tensor of the network in this module."""
        name = f"network_{len(self.paths)}_" + re.sub(r"[^0-9A-Za-z]+", "_", path)
        self.paths[name] = path
        return name

    def _outputs_by_name(self, images: Tensor) -> dict[str, Tensor]:
        tensors = {path: getattr(self, name) for name, path in self.paths.items()}
        outputs = functional_call(self.network[0], tensors, (images.to(torch.float32) * self.scale + self.offset,))
        found: dict[str, Tensor] = {}
        for name, kind in self.kinds.items():
            for part, values in kind.finished(outputs[name]).items():
                part = part or ("output" if name == INPUT else "")
                found[f"{name}.{part}" if part else name] = values
        return found


def example(graph: Graph, shape: tuple[int, int, int], count: int) -> Tensor:
    """Example images, uint8 (count, C, H, W), equal at every call."""
    values = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return torch.from_numpy(values)


def largest_difference(wanted: Sequence[Tensor], found: Sequence[np.ndarray]) -> float:
    """The largest |difference| over all outputs, as a share of the output's scale; infinite if a shape or a non-finite value differs.

    The scale of an image's output is the root of the mean of its squared values, or the value itself or 1 where that is more. The rounding error of
    a sum follows the size of what is added, not of the result: a logit near 0 among logits of 50 is no more exact than they are.
    """
    worst = 0.0
    for one, other in zip(wanted, found, strict=True):
        one = one.detach().cpu().numpy().astype(np.float64)
        if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
            return float("inf")
        if one.size:
            finite = np.where(np.isfinite(one), one, 0.0)
            scale = np.sqrt(np.square(finite).mean(axis=tuple(range(1, one.ndim)), keepdims=True))
            worst = max(worst, float(np.nanmax(np.abs(one - other) / np.maximum(np.maximum(1.0, np.abs(one)), scale))))
    return worst


def check_outputs(graph: Graph, images: Tensor, wanted: Sequence[Tensor], found: Sequence[np.ndarray], file: str) -> float:
    """The largest difference between an exported network's outputs and the graph's.

    Args:
        images: uint8 (n, C, H, W). wanted, found: the outputs of the graph and of the exported network for them. file: what was exported.

    Raises:
        ExportError: the difference is larger than allowed.
    """
    worst = largest_difference(wanted, found)
    if worst <= TOLERANCE:
        return worst
    most = allowed_difference(graph, images, wanted)
    if not worst <= most:
        raise ExportError(f"the {file} differs from PyTorch's network by {worst:.2g}, where {most:.2g} is allowed, so it was not kept")
    return worst


def allowed_difference(graph: Graph, images: Tensor, wanted: Sequence[Tensor]) -> float:
    """How much an exported network may differ from this one: ``TOLERANCE``, or the rounding error of this network itself where that is more.

    The rounding error is the difference between its outputs and those that it computes in 64 bits. Probabilities do not show the scale of the logits
    that they were made from, so it is measured. Two programs that add in different orders may both be off by it, in opposite directions, hence
    ``ROUNDINGS`` times; never more than ``MOST``.

    Args:
        images: uint8 (n, C, H, W). wanted: the graph's outputs for them.
    """
    exact = copy.deepcopy(graph).double()
    try:
        with torch.no_grad():
            outputs = exact(images)
    except RuntimeError:  # a module of somebody else that works in 32 bits only
        return TOLERANCE
    rounding = largest_difference(outputs, [values.detach().cpu().numpy().astype(np.float64) for values in wanted])
    return min(max(TOLERANCE, ROUNDINGS * rounding), MOST) if math.isfinite(rounding) else TOLERANCE
