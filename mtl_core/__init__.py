"""Train several vision tasks in one network and see what happens. Works from Python, the command line and the dashboard."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import ``mtl_core.load`` at its first use, because it imports torch."""
    if name == "load":
        from importlib import import_module

        return import_module("mtl_core.inference.loading").load
    raise AttributeError(f"module 'mtl_core' has no attribute '{name}'")
