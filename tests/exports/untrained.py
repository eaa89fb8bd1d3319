"""A network with random values, to export."""

import torch
from safetensors.torch import save

from mtl_core.inference.model_folder import ModelDescription
from mtl_core.inference.predictor import Predictor
from mtl_core.training.build import build_kinds, build_model
from mtl_core.training.parts import network_parts


def untrained(config, tasks, shape):
    """A network with random values, as if it had been trained: batch statistics are away from 0 and 1."""
    tasks = {name: tasks[name] for name in config.tasks}
    channels = shape[0]
    targets = {task.target: {"mean": 3.0, "std": 1.5, "class_counts": [1] * len(task.classes)} for task in tasks.values()}
    statistics = {"mean": [0.4] * channels, "std": [0.3] * channels, "image_shape": list(shape), "targets": targets}
    torch.manual_seed(0)
    model = build_model(network_parts(config), build_kinds(config, tasks, statistics), statistics)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return Predictor(ModelDescription(config, tasks, statistics), save(model.state_dict()))
