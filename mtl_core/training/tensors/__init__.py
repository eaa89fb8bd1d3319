"""Tensors from files: the weights that a network starts from, and a checkpoint's tensors matched to a network."""
