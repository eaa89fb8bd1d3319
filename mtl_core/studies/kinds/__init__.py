"""Kinds of studies. To add one: a file here and a line in this table."""

from mtl_core.registry import Registry

STUDY_KINDS = Registry(
    "kind of study",
    "mtl_core.study_kinds",
    {
        "share": "mtl_core.studies.kinds.share:Share",
        "methods": "mtl_core.studies.kinds.methods:Methods",
        "together": "mtl_core.studies.kinds.together:Together",
        "weights": "mtl_core.studies.kinds.weights:Weights",
        "labels": "mtl_core.studies.kinds.labels:Labels",
        "axes": "mtl_core.studies.kinds.axes:Axes",
    },
)
