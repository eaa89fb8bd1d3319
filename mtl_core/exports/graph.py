"""The network as one graph for other programs: uint8 images in, decoded predictions of every task out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mtl_core.inference.predictor import Predictor

TOLERANCE = 1e-4  # of |difference| / max(1, |value|) between an exported network and this one


class Graph(nn.Module):
    """uint8 images (n, C, H, W) -> one tensor per name of ``names``; normalisation is inside.

    What is finished, each task kind says (``TaskKind.finished``): ``<task>``, or ``<task>.<part>`` where it has parts. Probabilities (n, K), numbers
    (n,) and maps (n, H, W) in the task's unit; of segmentation (n, K, H, W) logits, whose largest along K is the class; of detection
    ``<task>.boxes`` (n, A, 4) x1, y1, x2, y2 in pixels and ``<task>.scores`` (n, A, K), before suppression; of keypoints (n, P, 3) x and y as
    shares of width and height, and a probability. Others as the head gives it.
    """

    offset: Tensor

    scale: Tensor

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
            for part, values in kind.finished(outputs[name]).items():
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
