"""Parts of a network as a graph: parameters, users and multiply-adds of each group of parameters, and which parts read which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from mtl_core.backbones.backbone import Backbone
from mtl_core.sharing.model import MultiTaskModel

IMAGES = ""  # name of the images among the parts that are read
PRODUCTS = (torch.mul, torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__)


@dataclass(frozen=True)
class NetworkPart:
    """A group of a network's parameters.

    Attributes:
        name: that of the group.
        users: the tasks whose outputs depend on it, in the network's order.
        parameters: how many; frozen: how many of them are not trained.
        multiply_adds: of convolutions and products of matrices, in a forward pass of one image; ``torch.utils.flop_counter`` counts two
            operations for each.
        reads: names of the parts whose outputs it reads; an empty name for the images.
        is_head: whether it is the head of its task.
    """

    name: str
    users: tuple[str, ...]
    parameters: int
    frozen: int
    multiply_adds: int
    reads: tuple[str, ...]
    is_head: bool = False


def part_graph(model: MultiTaskModel, images: Tensor, rows: Mapping[str, slice] | None = None, count: int | None = None) -> list[NetworkPart]:
    """The parts of a network, from a forward pass in evaluation mode. Parts without parameters are left out.

    What a part reads is what its operations take in. Parameters that stand in no module of a part, such as stitches, compute where they are used. A
    product of two parts' outputs, such as a mask or the weight of an expert, belongs to the part that weights: to the one that reads the other, or
    else to the smaller one.

    Args:
        images: normalised (n, C, H, W), also on the meta device, where nothing is computed.
        rows: the rows that each task reads, as in ``forward``.
        count: images by which multiply-adds are divided; n where it is None. It is less where tasks add views of their own to a batch.
    """
    groups = [group for group in model.groups() if group.parameters]
    sizes = {group.name: sum(parameter.numel() for parameter in group.parameters) for group in groups}
    owners = {id(parameter): group.name for group in groups for parameter in group.parameters}
    reader = _Reader(owners, sizes)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), _places(model, owners, reader), _Counter(reader), reader:
            reader.mark(images, {IMAGES})
            model(images, rows or None)
    finally:
        model.train(was_training)
    heads = {id(parameter) for parameter in model.heads.parameters()}
    order = [IMAGES, *sizes]
    return [
        NetworkPart(
            group.name,
            tuple(task for task in model.tasks if task in group.users),
            sizes[group.name],
            sum(parameter.numel() for parameter in group.parameters if not parameter.requires_grad),
            reader.operations[group.name] // (2 * (len(images) if count is None else count)),
            tuple(sorted(reader.reads.get(group.name, set()), key=order.index)),
            is_head=heads.issuperset(map(id, group.parameters)),
        )
        for group in groups
    ]


@contextmanager
def _places(model: MultiTaskModel, owners: Mapping[int, str], reader: _Reader) -> Iterator[None]:
    """Tell the reader when a module of a single part runs. Stages need not be modules of the network, so they are asked for."""
    backbones = [module for module in model.modules() if isinstance(module, Backbone)]
    modules: set[nn.Module] = {*model.modules(), *(stage for backbone in backbones for stage in backbone.stages)}
    handles = []
    for module in modules:
        names = {owners[id(parameter)] for parameter in module.parameters()}
        if len(names) == 1:
            [name] = names
            handles.append(module.register_forward_pre_hook(lambda *_, name=name: reader.inside.append(name)))
            handles.append(module.register_forward_hook(lambda *_: reader.leave()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Reader(TorchFunctionMode):
    """Follows tensors through a forward pass.

    Args:
        owners: id of a parameter -> name of its part. sizes: name of a part -> number of its parameters.

    Attributes:
        inside: the parts whose modules are running, outermost first.
        reads: part -> names of the parts that it reads.
        operations: part -> floating-point operations; under an empty name those of no part.
    """

    def __init__(self, owners: Mapping[int, str], sizes: Mapping[str, int]):
        super().__init__()
        self.owners, self.sizes = owners, sizes
        self.inside: list[str] = []
        self.reads: dict[str, set[str]] = {}
        self.operations: Counter[str] = Counter()
        self.computing = ""
        self._from: dict[int, frozenset[str]] = {}
        self._kept: list[Tensor] = []  # an id is a tensor's own for as long as it lives
        self._loose: set[str] = set()

    def leave(self) -> None:
        """End the innermost module."""
        self.inside.pop()

    def mark(self, found: Any, names: Iterable[str]) -> None:
        """Note that tensors come from these parts."""
        for tensor in _tensors(found):
            self._from[id(tensor)] = frozenset(names)
            self._kept.append(tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        taken = _tensors((args, kwargs or {}))
        names = frozenset().union(*(self._from.get(id(tensor), frozenset()) for tensor in taken))
        part = self.inside[-1] if self.inside else self._outside(func, taken, names)
        self.computing = part
        found = func(*args, **(kwargs or {}))
        self.computing = ""
        made = _tensors(found)
        if made and part:
            self.reads.setdefault(part, set()).update(names - {part})
            self.mark(made, {part})
        elif made:
            self.mark(made, names)
        return found

    def _outside(self, func: Any, taken: list[Tensor], names: frozenset[str]) -> str:
        """The part that an operation outside all modules of parts belongs to; empty for none."""
        used = {self.owners[id(tensor)] for tensor in taken if id(tensor) in self.owners}
        self._loose |= used
        weighting = used | (names & self._loose if len(names) > 1 else set())
        if len(weighting) == 1:
            return next(iter(weighting))
        if func in PRODUCTS and len(names) == 2 and IMAGES not in names and not used:
            one, other = sorted(names, key=lambda name: self.sizes[name])
            return other if self._reaches(one, other) else one
        return ""

    def _reaches(self, one: str, other: str) -> bool:
        """Whether ``other`` reads ``one``, also through others."""
        seen, waiting = set(), [other]
        while waiting:
            name = waiting.pop()
            if name == one:
                return True
            if name not in seen:
                seen.add(name)
                waiting += self.reads.get(name, set())
        return False


class _Counter(TorchDispatchMode):
    """Counts the operations of what a reader sees, by part."""

    def __init__(self, reader: _Reader):
        super().__init__()
        self.reader = reader

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        found = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.reader.operations[self.reader.computing] += flop_registry[func._overloadpacket](*args, **kwargs, out_val=found)
        return found


def _tensors(nested: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]
