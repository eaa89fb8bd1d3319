"""The tensors of a saved network that a network to be used needs: one rule for resuming, evaluating, predicting and exporting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_core.errors import TrainingError


class OtherNetworkError(TrainingError):
    """A checkpoint's tensors are not those of the network that is to take them."""


def fitting_tensors(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``saved`` that ``wanted`` (a ``state_dict``) names. More may be saved: a fork may leave tasks of its parent out.

    Raises:
        OtherNetworkError: one is missing or of another shape; says which.
    """
    for name, tensor in wanted.items():
        if name not in saved or saved[name].shape != tensor.shape:
            found = f"one of shape {tuple(saved[name].shape)}" if name in saved else "none"
            raise OtherNetworkError(
                f"the checkpoint is of another network: expected '{name}' of shape {tuple(tensor.shape)}, found {found}. "
                "Use it with the data, tasks, backbone and sharing that it was trained with."
            )
    return {name: saved[name] for name in wanted}
