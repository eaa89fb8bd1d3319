"""What a run needs of a node: cores, GPUs and memory, from its config."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import import_module

from mtl_core import settings
from mtl_core.config import RunConfig
from mtl_core.errors import MTLError
from mtl_core.machine.device_names import kind_of
from mtl_core.runs.cluster.cluster_state import Needs, Node

PROGRAM = 1 << 30  # bytes: Python, PyTorch, and what a run keeps of its data
_logger = logging.getLogger(__name__)


def needs_of(config: RunConfig, nodes: Sequence[Node]) -> Needs:
    """Cores, GPUs and memory of a run on these nodes.

    Each of the run's devices takes ``MTL_THREADS`` cores, one if that is not set. ``auto`` takes a GPU where a node has one. The memory of a run on
    processors is the estimate that training checks before it starts; a run on a GPU asks for the program's memory only.
    """
    most = max((node.gpus for node in nodes), default=0)
    on_gpu = kind_of(config.device) == "cuda" or (config.device == "auto" and most > 0)
    count = config.devices if config.devices != "all" else max(most, 1) if on_gpu else 1
    memory = PROGRAM + (0 if on_gpu else count * _estimated(config))
    return Needs(count * (settings.threads() or 1), count if on_gpu else 0, memory)


def _estimated(config: RunConfig) -> int:
    """Bytes that training takes on a processor; 0 if the estimate fails, because the run itself then says what is wrong."""
    try:
        parts = import_module("mtl_core.training.parts").resolve(config.with_overrides(["device=cpu"]))
        return int(import_module("mtl_core.training.before_training.memory").estimate(parts).total(config.batch_size))
    except (MTLError, OSError, RuntimeError, ValueError) as error:
        _logger.warning("the memory of a run cannot be estimated: %s", error)
        return 0
