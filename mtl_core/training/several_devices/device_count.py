"""How many devices train a run, and what keeps them from it."""

from __future__ import annotations

import torch

from mtl_core.config import RunConfig
from mtl_core.errors import Problem
from mtl_core.machine.device_names import kind_of
from mtl_core.machine.processor_cores import cores
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training import UPDATES
from mtl_core.training.execution import resolve_device


def device_count(config: RunConfig) -> int:
    """The number of processes that train a run: ``devices``, where ``all`` is every GPU, and 1 on a machine without."""
    if config.devices != "all":
        return config.devices
    return torch.cuda.device_count() if resolve_device(config.device) == "cuda" else 1


def device_problems(config: RunConfig, device: str) -> list[Problem]:
    """What keeps a run from several devices; empty for one. ``device``: resolved."""
    count = device_count(config)
    if count == 1:
        return []
    found = [Problem("devices", message) for message in _machine(count, device)]
    if config.batch_size % count:
        below = config.batch_size - config.batch_size % count
        fitting = f"{below} or {below + count}" if below else str(count)
        message = f"{config.batch_size} images cannot be divided equally among {count} devices; choose {fitting}, or other devices"
        found.append(Problem("batch_size", message))
    one = "Leave it out, or set devices to 1"
    if config.augmentation.mixup:
        found.append(Problem("augmentation.mixup", f"it blends images that would be on different devices. {one}"))
    if not getattr(UPDATES.load(config.update.name, "update.name"), "divides_batches", False):
        found.append(Problem("update.name", f"'{config.update.name}' trains on one device only. Take another update, or set devices to 1"))
    for name in config.tasks:
        if name in SELF_SUPERVISED and SELF_SUPERVISED.load(name).images_at_least > 1:
            message = f"it compares all images of a batch with each other, and they would be on different devices. {one}"
            found.append(Problem(f"tasks.{name}", message))
    return found


def device_choices() -> list[int | str]:
    """What a form offers for ``devices`` on this machine: every number of its GPUs and ``all``; 1 alone where there are not several."""
    count = torch.cuda.device_count()
    return [*range(1, count + 1), "all"] if count > 1 else [1]


def _machine(count: int, device: str) -> list[str]:
    if device == "cuda" and count > torch.cuda.device_count():
        return [f"{count} were asked for, but this machine has {torch.cuda.device_count()} CUDA devices; choose at most that many, or 'all'"]
    if device == "cpu" and count > cores():
        return [f"{count} processes were asked for, but there are {cores()} cores; choose at most that many"]
    if kind_of(device) == "cuda" and device != "cuda":
        return [f"{count} were asked for, but '{device}' is one device; set device to 'cuda', which takes the first {count}, or devices to 1"]
    if device not in ("cuda", "cpu"):
        return [f"{count} were asked for, but '{device}' has one device; choose 1, or another device"]
    return []
