"""What a network's predictions on one split are worth, one file per task kind. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

EVALUATIONS = Registry(
    "evaluation of a task kind",
    "mtl_core.evaluations",
    {
        "classification": "mtl_core.analysis.evaluation.classification:ClassificationEvaluation",
        "multi_label": "mtl_core.analysis.evaluation.multi_label:MultiLabelEvaluation",
        "regression": "mtl_core.analysis.evaluation.regression:RegressionEvaluation",
        "segmentation": "mtl_core.analysis.evaluation.segmentation:SegmentationEvaluation",
        "depth": "mtl_core.analysis.evaluation.depth:DepthEvaluation",
        "normals": "mtl_core.analysis.evaluation.normals:NormalsEvaluation",
        "detection": "mtl_core.analysis.evaluation.detection:DetectionEvaluation",
    },
)
