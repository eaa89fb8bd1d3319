"""Matching of a checkpoint's tensors to a network. Resuming, evaluating, predicting and exporting use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtl_core.errors import TrainingError


class OtherNetworkError(TrainingError):
    """A checkpoint's tensors do not fit the network."""


def fitting_tensors(saved: Mapping[str, Any], wanted: Mapping[str, Any], new: Sequence[str] = ()) -> dict[str, Any]:
    """The tensors of ``saved`` that ``wanted`` (a ``state_dict``) names. ``saved`` may hold more: a fork may leave out tasks of its parent.

    Args:
        new: beginnings of the names of tensors that ``saved`` does not have, such as ``heads.depth.``; they keep the values of ``wanted``.

    Raises:
        OtherNetworkError: a tensor is missing or has another shape; the message names it.
    """
    own = {name: tensor for name, tensor in wanted.items() if name.startswith(tuple(new))}
    for name, tensor in wanted.items():
        if name in own:
            continue
        if name not in saved or saved[name].shape != tensor.shape:
            found = f"one of shape {tuple(saved[name].shape)}" if name in saved else "none"
            raise OtherNetworkError(
                f"the checkpoint is of another network: expected '{name}' of shape {tuple(tensor.shape)}, found {found}. "
                "Use it with the data, tasks, backbone and sharing that it was trained with."
            )
        if (saved[name].is_floating_point(), saved[name].is_complex()) != (tensor.is_floating_point(), tensor.is_complex()):
            raise OtherNetworkError(f"the checkpoint is of another network: expected '{name}' as {tensor.dtype}, found {saved[name].dtype}")
    return {name: own.get(name, saved.get(name)) for name in wanted}
