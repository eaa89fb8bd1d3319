"""Checkpoints: saving the whole state of a run atomically, and restoring it.

``model.safetensors`` holds the network. ``state.pt`` holds optimizer, balancer, random generators and the sums of the curves' unfinished window
(tensors and plain values only, read with ``weights_only``). The optimizer's state is stored by parameter name, and the learning rate follows
from the step (``mtl_core.training.optimizers``). So the same code resumes a run, trains it for more epochs, and starts a fork with other tasks,
balancing or optimizer.
"""

from __future__ import annotations

import copy
import io
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from mtl_core.atomic_files import atomic_folder, write_synced
from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.errors import TrainingError
from mtl_core.training.checkpoint_files import (
    FILES,
    FORMAT,
    DamagedCheckpointError,
    check_files,
    is_kept,
    is_origin,
    name_of,
    named,
    newest_first,
    put_aside,
    read_index,
    read_meta,
    sha256,
    update_index,
)
from mtl_core.training.optimizers import algorithms
from mtl_core.training.setup import Network, Setup
from mtl_core.training.tensors.network_tensors import fitting_tensors

Loaded = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]  # the network's tensors, the rest of the state, meta


def publish(folder: Path, setup: Setup, best: bool, best_of: Collection[str] = (), check_held: Callable[[], None] = lambda: None) -> str:
    """Write a checkpoint under a temporary name, rename it, point the index at it, then drop what the index no longer names.

    Args:
        folder: the run's folder.
        best: this is the best checkpoint so far. ``best_of``: tasks of which it is the best so far.
        check_held: raises if another process has claimed the run. Called before the rename, so that an error changes nothing.

    Returns:
        The checkpoint's path inside the run's folder.
    """
    parent = folder / "checkpoints"
    parent.mkdir(exist_ok=True)
    position = setup.progress.position
    name = name_of(position.epoch, position.step)
    if (parent / name).exists() and name not in named(read_index(folder)):
        shutil.rmtree(parent / name)  # left by a process that ended before it wrote the index; the settings may have changed since (more epochs)
    if not (parent / name).exists():
        with atomic_folder(parent / name) as temporary:
            _write_files(temporary, setup, best, best_of)
            check_held()
    else:
        check_held()
    config = setup.run.config
    keep = position.step_in_epoch == 0 and is_kept(position.epoch, config.epochs, config.keep_checkpoints)
    update_index(folder, name, best=best, best_of=best_of, keep=keep, limit=(config.epochs, config.keep_checkpoints))
    return f"checkpoints/{name}"


def restore(folder: Path, setup: Setup) -> list[str]:
    """Load the newest readable checkpoint into ``setup``, its position included. Does nothing without a checkpoint. Damaged checkpoints are
    renamed, never deleted.

    Returns:
        Remarks for the log.

    Raises:
        TrainingError: no checkpoint can be read, or they belong to another network or a newer version.
    """
    remarks = []
    for name in newest_first(folder):
        try:
            loaded = _load(folder, name, setup.run.execution.device)
        except DamagedCheckpointError as error:
            remarks.append(f"checkpoint {name} is damaged and is kept under a name that ends in .damaged: {error}")
            put_aside(folder, name)
            continue
        if remarks:
            remarks.append(f"the run resumes from the checkpoint before it, {name}")
        return remarks + _put_back(loaded, setup)
    if remarks:
        raise TrainingError(f"none of the run's checkpoints can be read. {'; '.join(remarks)}. Start a new run with the same settings.")
    return []


def load_best(folder: Path, setup: Setup) -> tuple[dict[str, Any], list[str]]:
    """Load the network of the best checkpoint; if the checkpoint is damaged, leave the network unchanged.

    Returns:
        The position of the network's present state, and remarks for the log.
    """
    name = read_index(folder)["best"]
    try:
        check_files(folder, name)
        tensors, meta = _tensors(folder, name, setup.run.execution.device), read_meta(folder, name)
    except DamagedCheckpointError as error:
        put_aside(folder, name)
        remark = f"the best checkpoint, {name}, is damaged and was renamed: {error}. Test is measured with the last state instead"
        return setup.progress.position.as_dict(), [remark]
    _put_back_model(tensors, setup.network)
    return meta["position"], []


def as_begun(folder: Path, config: RunConfig) -> RunConfig:
    """The config with the precision and layout of the run's last checkpoint, so that ``auto`` cannot change within a run."""
    for name in newest_first(folder):
        try:
            execution = read_meta(folder, name)["execution"]
        except DamagedCheckpointError:
            continue
        return config.model_copy(update={key: execution[key] for key in ("precision", "layout") if getattr(config, key) == "auto"})
    return config


def _load(folder: Path, name: str, device: str) -> Loaded:
    """The whole content of a checkpoint, read and checked before any of it is used."""
    path = folder / "checkpoints" / name
    check_files(folder, name)
    tensors = _tensors(folder, name, device)
    try:
        state = torch.load(path / FILES[1], map_location=device, weights_only=True)
    except _UNREADABLE as error:
        raise _damaged(path, error) from None
    except Exception as error:  # the unpickler raises many types of errors on damaged bytes
        raise DamagedCheckpointError(f"'{path / FILES[1]}' cannot be read ({type(error).__name__})") from None
    return tensors, state, read_meta(folder, name)


_UNREADABLE = (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError)


def _tensors(folder: Path, name: str, device: str) -> dict[str, Any]:
    """The network's tensors in a checkpoint whose files were checked."""
    path = folder / "checkpoints" / name
    try:
        return load_file(path / FILES[0], device=device)
    except _UNREADABLE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DamagedCheckpointError:
    return DamagedCheckpointError(f"'{path}' cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})")


def _put_back(loaded: Loaded, setup: Setup) -> list[str]:
    """Load a checkpoint's state into ``setup``. Returns remarks on parts that do not fit a fork's config and start afresh."""
    tensors, state, meta = loaded
    run, network, progress = setup.run, setup.network, setup.progress
    remarks = []
    added = [name for name in run.kinds if name not in meta.get("tasks", list(run.kinds))]
    _put_back_model(tensors, network, added)
    remarks += [f"the task '{name}' is new: its own part begins with random values" for name in added]
    same_tasks = meta.get("tasks", list(run.kinds)) == list(run.kinds)
    same_balancing = meta.get("balancing", run.config.balancing.name) == run.config.balancing.name
    if same_tasks:
        progress.window.load_state_dict(state["window"])
    goes_on = same_tasks and same_balancing and _put_back_balancer(state, meta, run.config, network.balancer)
    if not goes_on and network.balancer.has_state():
        remarks.append(f"the balancing method '{run.config.balancing.name}' starts without its saved state")
    if same_tasks and meta.get("update", "joint") == run.config.update.name:
        setup.update.load_state_dict(state.get("update", {}))
    if meta.get("optimizer", run.config.optimizer.name) == run.config.optimizer.name:
        _put_back_optimizer(state, network, goes_on)
    else:
        remarks.append(f"the optimizer '{run.config.optimizer.name}' starts without its saved state")
    # Earlier versions saved the state of torch's global generators; the run's own generators continue from it.
    earlier = {"cpu": state.get("generator"), "cuda": state.get("device_generator")}
    progress.random.restore(state["random"] if "random" in state else {kind: kept for kind, kept in earlier.items() if kept is not None})
    progress.position.move_to(meta["position"])
    if "best_of" not in meta["position"] and meta["position"]["epoch"] and not is_origin(meta):
        progress.position.best_of = None  # earlier versions did not record each task's best value, so later epochs have nothing to beat
    return remarks


def _put_back_model(tensors: dict[str, Any], network: Network, added: Sequence[str] = ()) -> None:
    new = [f"{part}.{task}." for part in network.model.parts_by_task for task in added]
    network.model.load_state_dict(fitting_tensors(tensors, network.model.state_dict(), new))


def _put_back_balancer(state: dict[str, Any], meta: dict[str, Any], config: RunConfig, balancer: Balancer) -> bool:
    """Load the balancer's state. False if an earlier version stored another state for this method."""
    fresh = copy.deepcopy(balancer.state_dict())
    try:
        balancer.load_state_dict({"_extra_state": {}, **state["balancer"]})  # the first version stored none for most methods
    except (RuntimeError, KeyError, TypeError, AttributeError):
        balancer.load_state_dict(fresh)
        return False
    # The state is in units of the loss weights at that step. ``Changes`` then sets this config's weights, which may differ in a fork.
    # Earlier versions did not save the weights: they are assumed to be this config's.
    at_step = config.at_step(meta["position"]["step"])
    kept = state.get("loss_weights", [task.loss_weight for task in at_step.tasks.values()])
    balancer.loss_weights = balancer.loss_weights.new_tensor(kept)
    return True


def _put_back_optimizer(state: dict[str, Any], network: Network, with_balancer: bool) -> None:
    """Load each parameter's state by its name. Parameters that are not in the checkpoint, and those of a new balancer, start without state."""
    now, rules = _parameter_names(network), algorithms(network.optimizer)
    before = state.get("optimizer_names", now)
    old = state["optimizer"]["state"]
    old_rules = state.get("optimizer_rules", rules[:1] * len(before))
    place = {name: number for number, name in enumerate(before)}
    ours = {number: name for number, name in enumerate(now) if with_balancer or not name.startswith("balancer.")}
    known = ((number, place[name]) for number, name in ours.items() if place.get(name) in old)
    kept = {number: old[there] for number, there in known if rules[number] == old_rules[there]}
    # Earlier versions stored a balancing method's learnt numbers, one per task, in one vector under another path.
    vectors = {name.rpartition(".")[2]: there for name, there in place.items() if name.startswith("balancer.")}
    for number, name in ours.items():
        *path, row = name.split(".")
        there = vectors.get(path[-1]) if path and path[0] == "balancer" and row.isdigit() and number not in kept else None
        if there in old and rules[number] == old_rules[there]:
            kept[number] = {key: value[int(row)].clone() if torch.is_tensor(value) and value.ndim else value for key, value in old[there].items()}
    # Learning rate, decay and momentum come from the config; only the accumulated state comes from the checkpoint.
    network.optimizer.load_state_dict({"state": kept, "param_groups": network.optimizer.state_dict()["param_groups"]})


def _parameter_names(network: Network) -> list[str]:
    """Names of the optimizer's parameters, in its own order."""
    names = {id(parameter): name for name, parameter in network.model.named_parameters()}
    names |= {id(parameter): f"balancer.{name}" for name, parameter in network.balancer.named_parameters()}
    return [names[id(parameter)] for group in network.optimizer.param_groups for parameter in group["params"]]


def _write_files(folder: Path, setup: Setup, best: bool, best_of: Collection[str]) -> None:
    run, network, progress = setup.run, setup.network, setup.progress
    tensors = {name: tensor.contiguous() for name, tensor in network.model.state_dict().items()}
    write_synced(folder / FILES[0], save(tensors))
    state = {
        "optimizer": network.optimizer.state_dict(),
        "optimizer_names": _parameter_names(network),
        "optimizer_rules": algorithms(network.optimizer),
        "update": setup.update.state_dict(),
        "balancer": network.balancer.state_dict(),
        "loss_weights": network.balancer.loss_weights.tolist(),
        "random": progress.random.state(),
        "window": progress.window.state_dict(),
    }
    buffer = io.BytesIO()  # torch's own file writing hides the cause of an error, and a full disk must be recognised
    torch.save(state, buffer)
    write_synced(folder / FILES[1], buffer.getbuffer())
    meta = {
        "format": FORMAT,
        "position": progress.position.as_dict(),
        "best": best,
        "best_of": list(best_of),
        "steps_per_epoch": run.steps_per_epoch,
        "tasks": list(run.kinds),
        "balancing": run.config.balancing.name,
        "optimizer": run.config.optimizer.name,
        "update": run.config.update.name,
        "execution": {"precision": run.execution.precision, "layout": run.execution.layout},
        "sha256": {file: sha256(folder / file) for file in FILES},
        # The network can then be used without its data set.
        "statistics": run.data.statistics,
        "described_tasks": [asdict(kind.task) for kind in run.kinds.values()],
        "chosen_sharing": network.model.chosen(),
    }
    write_synced(folder / "meta.json", json.dumps(meta).encode())
