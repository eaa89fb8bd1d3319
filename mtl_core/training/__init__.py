"""Training: the loop, evaluation, probes, checkpoints. No torch is imported here: run readers do without it.

``UPDATES`` names the updates: how one batch changes the network. To add one: a file here and a line in this table.
"""

from mtl_core.registry import Registry

UPDATES = Registry(
    "update",
    "mtl_core.updates",
    {"joint": "mtl_core.training.step:JointStep", "task_vectors": "mtl_core.training.task_vectors:TaskVectors"},
)
