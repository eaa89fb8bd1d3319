"""Facts that a run records when it starts: device, sizes, and the meaning of each task's metrics."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import torch
import torchvision

from mtl_core.sharing.model import trained
from mtl_core.training.evaluation import selecting_tasks
from mtl_core.training.execution import device_name
from mtl_core.training.setup import Setup


def run_info(setup: Setup) -> dict[str, Any]:
    """JSON-able facts that pages show about a run: device, sizes, and the meaning of each task's metrics."""
    run, network = setup.run, setup.network
    name = device_name(run.execution.device)
    return {
        "device": run.execution.device,
        "device_name": f"{run.ranks.size} × {name}" if run.ranks.size > 1 else name,
        "precision": run.execution.precision,
        "layout": run.execution.layout,
        **({"devices": run.ranks.size} if run.ranks.size > 1 else {}),
        "parameters": parameter_counts(network.model),
        **({"weights": run.data.statistics["weights"]} if "weights" in run.data.statistics else {}),
        "tasks_share": network.model.tasks_share(),
        "heads": getattr(setup.update, "heads", network.balancer.heads),
        "images": {name: len(run.data.split(name)) for name in ("train", "val", "test")},
        "image_shape": list(run.data.statistics["image_shape"]),
        "steps_per_epoch": run.steps_per_epoch,
        "selecting_tasks": selecting_tasks(run.config, run.kinds),
        "tasks": {name: _task_info(kind) for name, kind in run.kinds.items()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__},
    }


def parameter_counts(model: Any) -> dict[str, Any]:
    """Counts of trained parameters in the shared part and in each task's own; with frozen parameters, their count too."""
    frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    return {
        "shared": sum(parameter.numel() for parameter in trained(model.shared_parameters())),
        "tasks": {task: sum(parameter.numel() for parameter in trained(model.task_parameters(task))) for task in model.tasks},
        **({"frozen": frozen} if frozen else {}),
    }


def _task_info(kind: Any) -> dict[str, Any]:
    task = kind.task
    metrics = {
        m.name: {"title": m.title, "unit": task.unit if m.unit == "unit" else m.unit, "higher_is_better": m.higher_is_better} for m in kind.metrics
    }
    loss = {"loss": {"title": "Loss", "unit": "", "higher_is_better": False}}
    return {
        **asdict(task),
        "classes": list(task.classes),
        "main_metric": kind.metrics[0].name,
        "selection_metric": kind.selection_metric,
        "metrics": metrics | loss,
    }
