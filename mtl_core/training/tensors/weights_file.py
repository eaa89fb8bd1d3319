"""Reader of a user's file of weights: safetensors, or a state dict saved by torch.save. No code in it is run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from mtl_core.errors import ConfigError, Problem

LARGEST_FILE = 4 << 30  # bytes
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which PyTorch files often hold their tensors


def read_tensors_of(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors or PyTorch file. No code in it is run.

    Raises:
        ConfigError: the file is damaged, too large, or holds something else than finite, plain tensors by name. OSError: it cannot be read.
    """
    if not path.is_file():  # a device or pipe may have no end
        raise ConfigError(Problem("backbone.weights_file", f"'{path}' is not an ordinary file. Give the path of a file of weights"))
    if path.stat().st_size > LARGEST_FILE:
        raise ConfigError(Problem("backbone.weights_file", f"'{path}' is larger than {LARGEST_FILE >> 30} GB; expected the weights of one backbone"))
    try:
        if path.suffix.lower() == ".safetensors":
            with safe_open(path, framework="pt") as opened:
                return _usable(load_file(path), path), opened.metadata() or {}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                if sum(entry.file_size for entry in packed.infolist()) > LARGEST_FILE:
                    message = f"'{path}' unpacks to more than {LARGEST_FILE >> 30} GB; expected the weights of one backbone"
                    raise ConfigError(Problem("backbone.weights_file", message))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ConfigError):
        raise
    except Exception as error:  # the unpickler raises many types of errors on damaged or forbidden content
        kind = type(error).__name__ if isinstance(error, SafetensorError) else "not plain tensors"
        message = f"'{path}' cannot be read ({kind}). Expected a safetensors file, or a state dict saved by torch.save, without other objects"
        raise ConfigError(Problem("backbone.weights_file", message)) from None
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    named = loaded.items() if isinstance(loaded, dict) else ()
    tensors = _usable({name: value for name, value in named if isinstance(name, str) and isinstance(value, Tensor)}, path)
    if not tensors:
        raise ConfigError(Problem("backbone.weights_file", f"'{path}' holds no tensors by name; expected a state dict"))
    return tensors, {}


def _usable(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors, contiguous. A view of a few bytes can claim a shape of terabytes, so sizes are counted before anything is copied."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex():
            what = "a complex" if tensor.is_complex() else "a sparse or empty"
            raise _unusable(path, name, f"{what} tensor", "plain numbers")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > LARGEST_FILE:
        message = f"the tensors in '{path}' have more than {LARGEST_FILE >> 30} GB; expected the weights of one backbone"
        raise ConfigError(Problem("backbone.weights_file", message))
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.to(torch.float32)).all():
            raise _unusable(path, name, "values that are not finite as 32-bit numbers (NaN or infinity)", "finite numbers")
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _unusable(path: Path, name: str, found: str, expected: str) -> ConfigError:
    return ConfigError(Problem("backbone.weights_file", f"'{path}': tensor '{name:.80}': expected {expected}, found {found}. Take another file"))
