"""Heads: the tasks' own modules by task name. Any task name works, also names of torch's attributes such as ``type`` or ``values``."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Generic, TypeVar, cast

from torch import nn

Each = TypeVar("Each", bound=nn.Module)  # class of the tasks' modules


class Heads(nn.Module, Generic[Each]):
    """Modules by task name.

    A module of torch cannot be registered under the name of an attribute. Such a task's module is registered as ``<name>_`` instead. Every other
    module is registered under the task's name, so that the tensors in checkpoints and exported folders keep their names.

    Args:
        modules: task name -> module.
    """

    def __init__(self, modules: Mapping[str, Each]):
        super().__init__()
        self._registered: dict[str, str] = {}
        for name in modules:
            key = name
            while hasattr(nn.ModuleDict, key) or hasattr(Heads, key) or key in vars(self) or (key != name and key in modules):
                key += "_"
            self._registered[name] = key
        for name, module in modules.items():
            self.add_module(self._registered[name], module)

    def __getitem__(self, task: str) -> Each:
        return cast("Each", self._modules[self._registered[task]])

    def __contains__(self, task: object) -> bool:
        return task in self._registered

    def __iter__(self) -> Iterator[str]:
        return iter(self._registered)

    def __len__(self) -> int:
        return len(self._registered)

    def values(self) -> list[Each]:
        """The modules, in the tasks' order."""
        return [self[name] for name in self]

    def items(self) -> ItemsView[str, Each]:
        """(task name, module), in the tasks' order."""
        return {name: self[name] for name in self}.items()
