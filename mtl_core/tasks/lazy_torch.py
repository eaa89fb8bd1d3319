"""Lazy import of torch: the module is imported at the first use. Code that only reads runs imports a kind's file without importing torch.

A kind's file uses ``from mtl_core.tasks.lazy_torch import torch`` in place of ``import torch``, and imports heads and measurements inside methods.
A kind in a package of its own may import torch as usual: pages that read its runs then load it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
else:

    class _Lazy:
        def __getattr__(self, name: str) -> Any:
            return getattr(import_module("torch"), name)

    torch = _Lazy()

__all__ = ["torch"]
