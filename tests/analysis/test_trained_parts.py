"""The sentence on what of a network is trained."""

import pytest

from mtl_core.analysis.trained_parts import trained_in_words
from mtl_core.config import RunConfig

HEADS = "the heads and own modules of digit, ink and slant"


def said(backbone=None, frozen=(), **changes):
    tasks = {name: {"frozen": name in frozen} for name in ("digit", "ink", "slant")}
    values = {"data": {"name": "digits"}, "tasks": tasks, "backbone": {"name": "small_cnn", **(backbone or {})}, "epochs": 10, **changes}
    return trained_in_words(RunConfig.from_dict(values)).removeprefix("What is trained: ")


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ({}, "the backbone"),
        ({"freeze": "all"}, "not the backbone"),
        ({"freeze": "stages"}, "the backbone without its first stage"),
        ({"freeze": "stages", "freeze_stages": 2}, "the backbone without its first 2 stages"),
        ({"freeze": "all", "freeze_epochs": 3}, "the backbone, from epoch 4"),
        ({"freeze": "stages", "freeze_stages": 2, "freeze_epochs": 3}, "the backbone, its first 2 stages from epoch 4"),
        ({"freeze": "all", "freeze_epochs": 10}, "not the backbone"),
        ({"lr_factor": 0.1}, "the backbone (at 0.1 times the learning rate)"),
        (
            {"lr_factor": 0.1, "layer_decay": 0.8},
            "the backbone (at 0.1 times the learning rate, each stage at 0.8 times the rate of the stage after it)",
        ),
    ],
)
def test_the_backbone_in_words(backbone, expected):
    assert said(backbone) == f"{expected}; {HEADS}."


def test_frozen_tasks_are_named():
    own = "Frozen: the head and own modules of"
    assert said(frozen=("ink",)) == f"the backbone; the heads and own modules of digit and slant. {own} ink."
    assert said({"freeze": "all"}, ("ink", "slant")) == f"not the backbone; the head and own modules of digit. {own} ink and slant."
    assert said(frozen=("digit", "ink", "slant")) == f"the backbone. {own} digit, ink and slant."
