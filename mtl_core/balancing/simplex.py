"""Task weights on the simplex; only the weights of present tasks change."""

from __future__ import annotations

from torch import Tensor


def among(weights: Tensor, rows: Tensor) -> Tensor:
    """The weights (T,) of the tasks ``rows`` (T',), scaled to sum to 1; equal where they are all 0."""
    chosen = weights[rows]
    total = chosen.sum()
    return chosen / total if total > 0 else chosen.new_full(chosen.shape, 1 / len(chosen))


def put_back(weights: Tensor, rows: Tensor, chosen: Tensor) -> None:
    """Write the weights (T',) of the tasks ``rows`` into ``weights`` (T,), in place; they are scaled to the sum that these tasks had before."""
    share = weights[rows].sum() if len(rows) < len(weights) else 1.0
    weights[rows] = (chosen * share).to(weights)
