"""ConnectedRanks: the ranks of a run that has several processes on one machine, connected by torch.distributed.

Gradients go through NCCL on CUDA devices and through gloo on CPUs; requests and flags always through gloo, so that they need no synchronisation of a
GPU. The processes find each other through a file and listen on the loopback interface only.

There is no default process group: torchmetrics would take it for an evaluation on all ranks, and wait for those that do not take part.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, ProcessGroupGloo

from mtl_core.errors import LostRankError, TrainingError
from mtl_core.ranks import Ranks

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=30)  # a paused run waits in a broadcast; a process that died is noticed at once, by its closed connection


class ConnectedRanks(Ranks):
    """One of several ranks. Every method except ``own`` and ``part`` has to be called on all ranks, in the same order.

    Args:
        meeting: a file that does not exist yet, equal on all ranks.
        device: ``cpu`` or ``cuda``; with ``cuda`` each rank uses the device of its own number.

    Attributes:
        is_apart: this rank works alone at the moment, while the others wait for it or have ended.
    """

    def __init__(self, rank: int, size: int, meeting: Path, device: str = "cpu"):
        self.rank, self.size, self.is_apart = rank, size, False
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        store = dist.FileStore(str(meeting), size)  # pyright: ignore[reportPrivateImportUsage] - torch documents it there
        if device == "cuda":
            torch.cuda.set_device(rank)
        self.words: Any = ProcessGroupGloo(PrefixStore("words", store), rank, size, LONGEST_WAIT)
        self.values: Any = self.words if device == "cpu" else _nccl(PrefixStore("values", store), rank, size)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConnectedRanks:
        return self  # copies of a network are in the same process

    def sum_over(self, tensor: Tensor) -> Tensor:
        total = tensor.detach().clone(memory_format=torch.contiguous_format)
        with _noticed():
            self.values.allreduce([total]).wait()
        return total

    def any_over(self, flags: Sequence[bool]) -> list[bool]:
        counts = torch.tensor(list(flags), dtype=torch.int32)
        with _noticed():
            self.words.allreduce([counts]).wait()
        return [count > 0 for count in counts.tolist()]

    def gather(self, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(self.size)]
        with _noticed():
            self.values.allgather([parts], [tensor.detach().contiguous()]).wait()
        return torch.cat(parts)

    def from_first(self, make: Callable[[], T]) -> T:
        packed = b""
        if self.is_first:
            self.is_apart = True
            try:
                packed = pickle.dumps(make())
            finally:
                self.is_apart = False
        [length] = self.agree_on([len(packed)])
        return pickle.loads(bytes(self.agree_on(packed or bytes(length))))  # written by the first rank just now

    def agree_on(self, numbers: Sequence[int]) -> list[int]:
        if self.is_apart:
            return list(numbers)
        agreed = torch.tensor(list(numbers), dtype=torch.int64)
        with _noticed():
            self.words.broadcast(agreed, 0).wait()
        return agreed.tolist()

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        if not self.is_first:
            self.agree_on([0])
        yield
        if self.is_first:
            self.agree_on([0])

    def check_equal(self, network: nn.Module) -> None:
        own = 0
        for tensor in network.state_dict().values():
            own = zlib.crc32(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy(), own)
        if self.agree_on([own]) != [own]:
            raise TrainingError(
                "the devices' networks have become different: a part of the run (a layer, a method) depends on more than the batch and the run's "
                "random numbers. Train with devices: 1, and report it with the config"
            )

    def part(self) -> None:
        self.is_apart = True


def _nccl(store: PrefixStore, rank: int, size: int) -> Any:
    from torch.distributed.distributed_c10d import ProcessGroupNCCL  # absent from a build of PyTorch for CPUs

    options = ProcessGroupNCCL.Options()
    options._timeout = LONGEST_WAIT
    return ProcessGroupNCCL(store, rank, size, options)


@contextlib.contextmanager
def _noticed() -> Iterator[None]:
    """Turn an error of a connection into LostRankError."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(f"a process of the run does not answer: {str(error).splitlines()[0]}") from error
