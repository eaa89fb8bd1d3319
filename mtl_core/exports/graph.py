"""The network as one graph for other programs: uint8 images in, decoded predictions of every task out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtl_core.inference.predictor import Predictor
from mtl_core.tasks.kind import TaskKind

TOLERANCE = 1e-4  # of |difference| / max(1, |value|) between an exported network and this one


class Graph(nn.Module):
    """uint8 images (n, C, H, W) -> one tensor per name of ``names``; normalisation is inside.

    ============== ===========================================================================================
    kind           outputs
    ============== ===========================================================================================
    classification ``<task>`` (n, K) probabilities
    multi_label    ``<task>`` (n, K) probabilities
    regression     ``<task>`` (n,) in the task's unit
    segmentation   ``<task>`` (n, K, H, W) logits: the class is the largest along K
    depth          ``<task>`` (n, H, W) in the task's unit
    detection      ``<task>.boxes`` (n, A, 4) x1, y1, x2, y2 in pixels and ``<task>.scores`` (n, A, K), before suppression
    any other      ``<task>``, the head's raw output; ``<task>.<part>`` if the output has parts
    ============== ===========================================================================================
    """

    def __init__(self, predictor: Predictor):
        super().__init__()
        self.model, self.kinds = predictor.model, predictor.kinds
        scale, offset = predictor.normalisation
        self.register_buffer("scale", scale.cpu().clone())
        self.register_buffer("offset", offset.cpu().clone())
        with torch.no_grad():
            self.names = tuple(self._outputs_by_name(torch.zeros(1, *predictor.image_shape, dtype=torch.uint8)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self._outputs_by_name(images).values())

    def _outputs_by_name(self, images: Tensor) -> dict[str, Tensor]:
        outputs = self.model(images.to(torch.float32) * self.scale + self.offset)
        found: dict[str, Tensor] = {}
        for name, kind in self.kinds.items():
            for part, values in _FINISHED.get(kind.task.kind, _parts)(kind, outputs[name]).items():
                found[f"{name}.{part}" if part else name] = values
        return found


def example(graph: Graph, shape: tuple[int, int, int], count: int) -> Tensor:
    """Example images, uint8 (count, C, H, W), equal at every call."""
    values = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return torch.from_numpy(values)


def largest_difference(wanted: tuple[Tensor, ...], found: list[np.ndarray]) -> float:
    """The largest |difference| / max(1, |value|) over all outputs; infinite if a shape or a non-finite value differs."""
    worst = 0.0
    for one, other in zip(wanted, found, strict=True):
        one = one.detach().cpu().numpy().astype(np.float64)
        if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
            return float("inf")
        if one.size:
            worst = max(worst, float(np.nanmax(np.abs(one - other) / np.maximum(1.0, np.abs(one)))))
    return worst


def _softmax(kind: TaskKind, output: Tensor) -> dict[str, Tensor]:
    return {"": output.softmax(1)}


def _sigmoid(kind: TaskKind, output: Tensor) -> dict[str, Tensor]:
    return {"": output.sigmoid()}


def _in_units(kind: Any, output: Tensor) -> dict[str, Tensor]:
    return {"": output[:, 0] * kind.std + kind.mean}


def _candidates(kind: Any, output: dict[str, Tensor]) -> dict[str, Tensor]:
    """Candidate boxes as in ``Detection.boxes``: from distances to the sides in strides; the score is the geometric mean of class and centre-ness."""
    x, y, stride = output["places"].unbind(1)
    left, top, right, bottom = (output["bbox_regression"] * stride[:, None]).unbind(2)
    height, width = kind.image_size
    sides = ((x - left).clamp(0, width), (y - top).clamp(0, height), (x + right).clamp(0, width), (y + bottom).clamp(0, height))
    scores = (output["cls_logits"].sigmoid() * output["bbox_ctrness"].sigmoid()).sqrt()
    return {"boxes": torch.stack(sides, dim=2), "scores": scores}


def _parts(kind: TaskKind, output: Any) -> dict[str, Tensor]:
    return output if isinstance(output, dict) else {"": output}


_FINISHED: dict[str, Callable[[Any, Any], dict[str, Tensor]]] = {
    "classification": _softmax,
    "multi_label": _sigmoid,
    "regression": _in_units,
    "depth": _in_units,
    "detection": _candidates,
}
