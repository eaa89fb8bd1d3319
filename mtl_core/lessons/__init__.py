"""Lessons of the Learn page, in the order in which they are taught. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

LESSONS = Registry(
    "lesson",
    "mtl_core.lessons",
    {
        "one_task": "mtl_core.lessons.one_task:OneTask",
        "helping_tasks": "mtl_core.lessons.helping_tasks:HelpingTasks",
        "fighting_tasks": "mtl_core.lessons.fighting_tasks:FightingTasks",
        "loss_scales": "mtl_core.lessons.loss_scales:LossScales",
        "weights_by_hand": "mtl_core.lessons.weights_by_hand:WeightsByHand",
        "learnt_weights": "mtl_core.lessons.learnt_weights:LearntWeights",
        "conflicting_gradients": "mtl_core.lessons.conflicting_gradients:ConflictingGradients",
        "sharing_depth": "mtl_core.lessons.sharing_depth:SharingDepth",
        "missing_labels": "mtl_core.lessons.missing_labels:MissingLabels",
        "self_supervision": "mtl_core.lessons.self_supervision:SelfSupervision",
        "overfitting": "mtl_core.lessons.overfitting:Overfitting",
        "several_seeds": "mtl_core.lessons.several_seeds:SeveralSeeds",
    },
)
