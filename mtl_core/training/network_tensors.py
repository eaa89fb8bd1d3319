"""Matching of a checkpoint's tensors to a network. Resuming, evaluating, predicting and exporting use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_core.errors import TrainingError


class OtherNetworkError(TrainingError):
    """A checkpoint's tensors do not fit the network."""


def fitting_tensors(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of ``saved`` that ``wanted`` (a ``state_dict``) names. ``saved`` may hold more: a fork may leave out tasks of its parent.

    Raises:
        OtherNetworkError: a tensor is missing or has another shape; the message names it.
    """
    for name, tensor in wanted.items():
        if name not in saved or saved[name].shape != tensor.shape:
            found = f"one of shape {tuple(saved[name].shape)}" if name in saved else "none"
            raise OtherNetworkError(
                f"the checkpoint is of another network: expected '{name}' of shape {tuple(tensor.shape)}, found {found}. "
                "Use it with the data, tasks, backbone and sharing that it was trained with."
            )
    return {name: saved[name] for name in wanted}
