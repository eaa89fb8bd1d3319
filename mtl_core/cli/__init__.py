"""The command line's commands. ``mtl_core.__main__`` puts them together; no torch is imported until something trains."""
