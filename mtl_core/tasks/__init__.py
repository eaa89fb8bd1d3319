"""Task kinds. To add one: a file here and a line in a table."""

from mtl_core.registry import Registry

# Targets made from the pixels: such a task fits any data set, under its own name.
SELF_SUPERVISED = Registry(
    "self-supervised task",
    "mtl_core.self_supervised_tasks",
    {
        "reconstruction": "mtl_core.tasks.reconstruction:Reconstruction",
        "rotation": "mtl_core.tasks.rotation:Rotation",
        "jigsaw": "mtl_core.tasks.jigsaw:Jigsaw",
        "colourisation": "mtl_core.tasks.colourisation:Colourisation",
        "contrastive": "mtl_core.tasks.contrastive:Contrastive",
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
        "regression": "mtl_core.tasks.regression:Regression",
        **SELF_SUPERVISED.table,
    },
)
