"""Training: the loop, evaluation, probes, checkpoints. Imports no torch, so that pages that only read runs stay light.

``UPDATES`` names the updates: how one batch changes the network. To add one: a file here and a line in this table.
"""

from mtl_core.registry import Registry

UPDATES = Registry(
    "update",
    "mtl_core.updates",
    {"joint": "mtl_core.training.step:JointStep", "task_vectors": "mtl_core.training.task_vectors:TaskVectors"},
)

JOINT, TASK_VECTORS = "joint", "task_vectors"  # one step for all tasks; a copy of the shared network for each task
