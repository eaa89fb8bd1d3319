"""Task kinds. To add one: a file here and a line in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtl_core.errors import ConfigError
from mtl_core.registry import Registry

if TYPE_CHECKING:
    from mtl_core.data.dataset import Task
    from mtl_core.tasks.contents import TargetLayout
    from mtl_core.tasks.kind import TaskKind

# Self-supervised kinds make their targets from the pixels: such a task fits any data set, under its own name.
SELF_SUPERVISED = Registry(
    "self-supervised task",
    "mtl_core.self_supervised_tasks",
    {
        "reconstruction": "mtl_core.tasks.pretext.reconstruction:Reconstruction",
        "rotation": "mtl_core.tasks.pretext.rotation:Rotation",
        "jigsaw": "mtl_core.tasks.pretext.jigsaw:Jigsaw",
        "colourisation": "mtl_core.tasks.pretext.colourisation:Colourisation",
        "contrastive": "mtl_core.tasks.pretext.contrastive:Contrastive",
    },
)

TASK_KINDS = Registry(
    "task kind",
    "mtl_core.task_kinds",
    {
        "classification": "mtl_core.tasks.classification:Classification",
        "multi_label": "mtl_core.tasks.multi_label:MultiLabel",
        "detection": "mtl_core.tasks.detection:Detection",
        "segmentation": "mtl_core.tasks.segmentation:Segmentation",
        "depth": "mtl_core.tasks.depth:Depth",
        "normals": "mtl_core.tasks.normals:Normals",
        "keypoints": "mtl_core.tasks.keypoints:Keypoints",
        "regression": "mtl_core.tasks.regression:Regression",
        **SELF_SUPERVISED.table,
    },
)


def kind_of(name: str) -> type[TaskKind]:
    """The class of a kind, for code that reads runs; ``TaskKind`` itself, which counts and compares nothing, if the kind is no longer installed."""
    from mtl_core.tasks.kind import TaskKind

    try:
        return TASK_KINDS.load(name) if name in TASK_KINDS else TaskKind
    except ConfigError:
        return TaskKind


def layout_of(kind: str, task: Task, size: tuple[int, int]) -> TargetLayout:
    """The layout of one row of targets at an image size (height, width), of a kind whose targets are stored."""
    layout = kind_of(kind).layout(task, size)
    assert layout is not None
    return layout
