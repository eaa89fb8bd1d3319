"""ConFIG (Liu, Chu and Thuerey 2024, Conflict-free Training, https://arxiv.org/abs/2408.11104, eq. 2), from the Gramian."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import cosines


class ConFIG(GramianAggregator):
    """The direction with the same cosine to every task's gradient; its length is the sum of the gradients' components along it.

    The paper's pseudoinverse of the unit gradients U (T', P) is computed as U' (U U')^+ from the cosines: the same vector without a
    singular value decomposition of a matrix with P columns. A task with a zero gradient gets coefficient 0.
    """

    title: ClassVar[str] = "ConFIG"
    summary: ClassVar[str] = "The direction at the same angle to every task's gradient; its length is the sum of the gradients' components along it."
    paper: ClassVar[Paper] = Paper(
        "ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks",
        "Liu, Chu and Thuerey",
        2024,
        "https://arxiv.org/abs/2408.11104",
        "eq. 2",
    )
    formula: ClassVar[str] = "d = (sum_i g_i . e) e,   e = U^+ 1 / |U^+ 1|,  U the unit gradients"
    when_to_use: ClassVar[str] = "As IMTL-G, whose direction it shares; its step grows with the gradients that agree with it."
    pareto_stationary: ClassVar[bool] = True
    scale_invariant: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        cosine, norms = cosines(gramian.numpy())
        is_there = norms > 0
        weights = np.zeros(len(norms))
        # 1e-6: below it a singular value is the rounding of the float32 scalar products
        weights[is_there] = np.linalg.pinv(cosine[np.ix_(is_there, is_there)], rcond=1e-6, hermitian=True).sum(axis=1)
        length = np.sqrt(max(weights @ cosine @ weights, 0.0))
        if length == 0:
            return torch.zeros(len(norms))
        reach = norms @ cosine @ weights / length
        return torch.from_numpy(np.where(is_there, reach / length * weights / np.where(is_there, norms, 1.0), 0.0))
