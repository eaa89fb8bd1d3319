"""The command line's commands. ``mtl_core.__main__`` registers them. No module here imports torch before a command needs it."""
