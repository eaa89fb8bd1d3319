"""Task kinds. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

TASK_KINDS = Registry(
    "task kind",
    "mtl_core.task_kinds",
    {
        "classification": "mtl_core.tasks.classification:Classification",
        "multi_label": "mtl_core.tasks.multi_label:MultiLabel",
        "detection": "mtl_core.tasks.detection:Detection",
        "segmentation": "mtl_core.tasks.segmentation:Segmentation",
        "depth": "mtl_core.tasks.depth:Depth",
        "regression": "mtl_core.tasks.regression:Regression",
    },
)
