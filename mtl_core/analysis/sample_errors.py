"""The error of each image's prediction, by which pages sort images; larger is worse. No torch.

Predictions are decoded, targets as in ``mtl_core.data.dataset``. Each task kind defines its error (``sample_errors``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_core.tasks import kind_of
from mtl_core.tasks.metrics.image_errors import SampleErrors

__all__ = ["SampleErrors", "per_sample_errors", "worst_first"]


def per_sample_errors(kind: str, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray | None = None) -> SampleErrors | None:
    """Errors of n images.

    Args:
        kind: name of the task kind.
        labelled: bool (n,), False where the image lacks the target; None where all have it.

    Returns:
        None for a kind that defines no error.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{kind}: expected as many predictions as targets, found {len(predictions)} and {len(targets)}")
    count = len(targets)
    rows = np.arange(count) if labelled is None else np.flatnonzero(labelled)
    found = kind_of(kind).sample_errors(predictions[rows], targets[rows])
    if found is None:
        return None
    values = np.full(count, np.nan, dtype=np.float32)
    values[rows] = found.values
    mistakes = None
    if found.mistakes is not None:
        mistakes = np.zeros(count, dtype=bool)
        mistakes[rows] = found.mistakes
    return replace(found, values=values, mistakes=mistakes)


def worst_first(values: np.ndarray) -> np.ndarray:
    """int64: rows by falling error, equal errors in their order; rows without an error (NaN) are left out."""
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    return order[: int((~np.isnan(values)).sum())]
