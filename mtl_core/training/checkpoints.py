"""Checkpoints: published whole or not at all. The best on val and the last are kept.

``checkpoints/index.json`` names them; each is a folder with ``model.safetensors`` (the network), ``state.pt`` (optimizer, schedule, balancer,
random generator, the curves' open window; tensors and plain values only, read with ``weights_only``) and ``meta.json``.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from mtl_core.config import RunConfig
from mtl_core.errors import TrainingError
from mtl_core.training.build import Setup

INDEX = "index.json"


def publish(folder: Path, setup: Setup, position: dict[str, Any], best: bool) -> str:
    """Write a checkpoint under a temporary name, rename it, point the index at it, then drop what the index no longer names.

    Args:
        folder: the run's folder.
        position: JSON-able; where the run stands.
        best: it is the best so far.

    Returns:
        The checkpoint's path inside the run's folder.
    """
    parent = folder / "checkpoints"
    parent.mkdir(exist_ok=True)
    name = f"epoch_{position['epoch']:04d}_step_{position['step']:08d}"
    if not (parent / name).exists():
        temporary = parent / f".{name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        _write_files(temporary, setup, position)
        os.replace(temporary, parent / name)
        _sync_folder(parent)
    index = read_index(folder)
    index["last"] = name
    if best or "best" not in index:
        index["best"] = name
    _replace_text(parent / INDEX, json.dumps(index))
    _drop_unnamed(parent, set(index.values()))
    return f"checkpoints/{name}"


def read_index(folder: Path) -> dict[str, str]:
    """``{"best": name, "last": name}``; empty where no checkpoint was published."""
    try:
        return json.loads((folder / "checkpoints" / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TrainingError(f"the list of checkpoints '{folder / 'checkpoints' / INDEX}' cannot be read: {error}") from None


def restore(folder: Path, setup: Setup) -> dict[str, Any] | None:
    """Put the last checkpoint's state into ``setup``.

    Returns:
        The position given to ``publish``; None where there is no checkpoint.
    """
    name = read_index(folder).get("last")
    if name is None:
        return None
    load_model(folder, "last", setup)
    state = torch.load(folder / "checkpoints" / name / "state.pt", map_location=setup.execution.device, weights_only=True)
    setup.optimizer.load_state_dict(state["optimizer"])
    setup.scheduler.load_state_dict(state["scheduler"])
    setup.balancer.load_state_dict(state["balancer"])
    setup.window.load_state_dict(state["window"])
    torch.set_rng_state(state["generator"].cpu())
    return _meta(folder, name)["position"]


def as_begun(folder: Path, config: RunConfig) -> RunConfig:
    """The config with precision and layout as the run's last checkpoint was trained, so that ``auto`` cannot change within a run."""
    name = read_index(folder).get("last")
    return config if name is None else config.model_copy(update=_meta(folder, name)["execution"])


def _meta(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "checkpoints" / name / "meta.json").read_text(encoding="utf-8"))


def load_model(folder: Path, which: str, setup: Setup) -> None:
    """Put the network of the ``best`` or ``last`` checkpoint into ``setup.model``."""
    path = folder / "checkpoints" / read_index(folder)[which] / "model.safetensors"
    setup.model.load_state_dict(load_file(path, device=setup.execution.device))


def _write_files(folder: Path, setup: Setup, position: dict[str, Any]) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in setup.model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    state = {
        "optimizer": setup.optimizer.state_dict(),
        "scheduler": setup.scheduler.state_dict(),
        "balancer": setup.balancer.state_dict(),
        "generator": torch.get_rng_state(),
        "window": setup.window.state_dict(),
    }
    torch.save(state, folder / "state.pt")
    execution = {"precision": setup.execution.precision, "layout": setup.execution.layout}
    (folder / "meta.json").write_text(json.dumps({"position": position, "execution": execution}), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and needs no sync of one
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_unnamed(parent: Path, named: set[str]) -> None:
    for path in parent.iterdir():
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)
