"""Execution of a model: device, precision, memory layout, and the allocator's settings."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.errors import DeviceError, Problem
from mtl_core.machine.device_names import device_named, kind_of

WORTH_IT = 0.95  # a setting must take less than this share of the best earlier time, or noise would decide
HOPELESS, HOPELESS_SECONDS = 4, 1.0  # a candidate whose first step, to warm up, takes so many times the fastest first one, and so long, has no second
BEHIND, SHORT_SECONDS = 1.5, 0.05  # a candidate whose best step so far takes so many times the fastest's, and so long, is not timed again
ROUNDS = 3  # timed steps of a candidate that stays in the comparison
FEWEST_IMAGES, ENOUGH_SECONDS = 8, 0.04  # on a CPU, a timed step has at least so many images, and as many as take about so long
SHORTEST_SECONDS = 1e-6  # a step that a coarse clock measures as 0 counts as so long; Windows counts processor time in steps of 16 ms


Step = Callable[[nn.Module, "Execution"], None]  # one forward and backward pass of the given model


@dataclass(frozen=True)
class Execution:
    """Precision (fp32, or bf16 or fp16 by autocast) and memory layout (contiguous or channels_last) of a run."""

    device: str
    precision: str
    layout: str

    def autocast(self) -> contextlib.AbstractContextManager:
        """The autocast context of the model's forward pass; one without effect in fp32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        half = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(torch.device(self.device).type, half)

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of the images and of the model's convolutions."""
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format


def devices_here() -> list[str]:
    """The devices of this machine that PyTorch can use, the best first: ``cuda`` and ``cuda:1`` and so on, ``mps``, ``cpu``."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = ["cuda", *(f"cuda:{number}" for number in range(1, count))] if count else []
    return [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def resolve_device(name: str) -> str:
    """``auto`` -> the best device of this machine; any other name is checked. ``cuda:0`` is ``cuda``.

    Raises:
        DeviceError: this machine does not have the device.
    """
    available = devices_here()
    if name == "auto":
        return available[0]
    if device_named(name) not in available:
        found = ", ".join(available)
        raise DeviceError(
            Problem("device", f"'{name}' was asked for, but this machine (or its PyTorch build) has only: {found}. Set device to auto or {found}")
        )
    return device_named(name)


def device_name(device: str) -> str:
    """The device's name for display: the GPU's product name, ``CPU (x86_64), 2 threads``, ``Apple GPU (MPS)``."""
    if kind_of(device) == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({platform.processor() or platform.machine()}), {threads} {'thread' if threads == 1 else 'threads'}"


def choose(config: RunConfig, device: str, model: nn.Module, step_on: Callable[[int], Step], images: int, memory: Path) -> Execution:
    """Choose precision and layout where the config says ``auto``, by timing a few steps. The file ``memory`` caches the choice.

    Args:
        model: timed on copies; not changed.
        step_on: gives a step on that many images of a batch.
        images: the images of the whole batch.
    """
    precisions = [config.precision] if config.precision != "auto" else ["fp32", "bf16"]
    has_maps = any(isinstance(module, nn.Conv2d) for module in model.modules())
    layouts = [config.layout] if config.layout != "auto" else ["contiguous", "channels_last"] if has_maps else ["contiguous"]
    candidates = [Execution(device, precision, layout) for precision in precisions for layout in layouts]
    if len(candidates) == 1:
        return candidates[0]
    key = _key(config, device)
    remembered = _read(memory).get(key)
    if remembered in [asdict(candidate) for candidate in candidates]:
        return Execution(**remembered)
    with _one_thread(device):
        chosen = _fastest(candidates, model, step_on, images)
    _remember(memory, key, chosen)
    return chosen


def tune_allocator() -> None:
    """Keep glibc from returning memory and faulting it in again at every step (a quarter of the time at 64 x 64). No effect without glibc."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(mmap_threshold, 32 * 2**20)  # the largest value that glibc accepts


def _fastest(candidates: list[Execution], model: nn.Module, step_on: Callable[[int], Step], images: int) -> Execution:
    """The candidate with the fastest of three steps, after one to warm up. Candidates take turns, so that other load slows all alike.

    The run waits for the answer, so a step has as few images as tell the candidates apart (``_images_to_time``). Most of the time goes to candidates
    that are out of the question, such as bf16 on a processor without fast instructions for it. So a candidate that is far behind is not timed again,
    and a precision that is far behind in one layout is not tried in the next: a layout changes what a precision is worth by a fifth at most.
    """
    first: dict[Execution, float] = {}
    found: dict[Execution, list[float]] = {}
    timed: dict[Execution, nn.Module] = {}
    step = step_on(_images_to_time(candidates[0], model, step_on, images))
    for candidate in candidates:
        if any(other.precision == candidate.precision and _is_behind(other, found, alike=True) for other in found):
            continue
        timed[candidate] = copy.deepcopy(model).to(memory_format=candidate.memory_format)
        first[candidate] = _time(candidate, timed[candidate], step)
        is_hopeless = first[candidate] > max(HOPELESS_SECONDS, HOPELESS * min(first.values()))
        found[candidate] = [first[candidate] if is_hopeless else _time(candidate, timed[candidate], step)]
    for _ in range(ROUNDS - 1):
        going = [candidate for candidate in found if not _is_behind(candidate, found)]
        for candidate in going if len(going) > 1 else []:
            found[candidate].append(_time(candidate, timed[candidate], step))
    seconds = {candidate: min(times) for candidate, times in found.items() if not _is_behind(candidate, found)}
    best, *others = seconds
    for candidate in others:
        if seconds[candidate] < WORTH_IT * seconds[best]:  # not <=, or of two steps of 0 seconds the later would win
            best = candidate
    return best


def _one_thread(device: str) -> contextlib.AbstractContextManager:
    """On a CPU, have this thread compute alone. With two threads each layer waits for the slower one, so the time depends on other programs: beside a
    load of 7 the same bf16 step took 0.05 to 0.34 s of a processor with two threads and 0.06 s with one. Other threads keep their number of threads,
    on which the rounding of sums depends.
    """
    if device != "cpu":
        return contextlib.nullcontext()
    torch.get_num_threads()  # PyTorch sets a thread's number when it is first asked, and would replace the limit
    return ThreadpoolController().select(user_api="openmp").limit(limits=1)


def _images_to_time(plain: Execution, model: nn.Module, step_on: Callable[[int], Step], images: int) -> int:
    """How many images of a batch a timed step has: on a CPU as many as take about ``ENOUGH_SECONDS``; on a GPU all, because a few leave it idle."""
    if plain.device != "cpu" or images <= FEWEST_IMAGES:
        return images
    seconds = _time(plain, copy.deepcopy(model), step_on(FEWEST_IMAGES))
    return min(images, max(FEWEST_IMAGES, int(FEWEST_IMAGES * ENOUGH_SECONDS / max(seconds, SHORTEST_SECONDS))))


def _is_behind(candidate: Execution, found: Mapping[Execution, list[float]], alike: bool = False) -> bool:
    """Whether a candidate is far behind the fastest one.

    Args:
        alike: compare only with candidates of the same layout.
    """
    seconds = {other: min(times) for other, times in found.items() if not alike or other.layout == candidate.layout}
    return seconds[candidate] > max(BEHIND * min(seconds.values()), SHORT_SECONDS)


def _time(execution: Execution, model: nn.Module, step: Step) -> float:
    """Seconds of one step: of this thread's processor time on a CPU, where other programs change the clock's by a factor; else by the clock."""
    clock = time.thread_time if execution.device == "cpu" else time.perf_counter
    start = clock()
    step(model, execution)
    wait_for_device(execution.device)
    return clock() - start


def wait_for_device(device: str) -> None:
    """Synchronise: return when the device has finished its queued work."""
    if kind_of(device) == "cuda":
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _key(config: RunConfig, device: str) -> str:
    """Cache key of the fastest setting: the machine and everything that shapes the network and its batch."""
    shape = config.model_dump(mode="json", include={"data", "tasks", "backbone", "sharing", "batch_size", "precision", "layout"})
    if config.accumulate > 1:
        shape["accumulate"] = config.accumulate
    for task in shape["tasks"].values():
        task.pop("loss_weight")
        if not task["frozen"]:
            task.pop("frozen")
    shape["backbone"] = {**config.backbone.network(), **({"freeze": shape["backbone"]["freeze"]} if config.backbone.freeze != "none" else {})}
    machine = [torch.__version__, torch.get_num_threads(), device_name(device), platform.node()]
    return hashlib.sha256(json.dumps([shape, machine], sort_keys=True).encode()).hexdigest()[:16]


def _read(memory: Path) -> dict[str, dict[str, str]]:
    try:
        remembered = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no file yet, or a damaged one: measure again
    return remembered if isinstance(remembered, dict) else {}


def _remember(memory: Path, key: str, chosen: Execution) -> None:
    with contextlib.suppress(OSError):  # in a read-only folder the next run measures again
        write_text(memory, json.dumps({**_read(memory), key: asdict(chosen)}, indent=1))
