"""Names of parts and of what is learnt in the reader's language: every scheme's are known. A new scheme's that are not fail here."""

from __future__ import annotations

import re

import pytest
import torch

from mtl_core.analysis.part_words import part_words
from mtl_core.language import speaking
from mtl_core.sharing import SHARING_SCHEMES
from tests.sharing.test_part_graph import SHAPE, model_of

TASKS = ("a", "b")
STAYS = re.compile(r"[ab]|stem")  # names of tasks, and of a module that is called so everywhere


@pytest.mark.parametrize("scheme", list(SHARING_SCHEMES))
def test_every_name_is_translated(scheme):
    model = model_of(scheme, TASKS).eval()
    names = [group.name for group in model.groups()]
    for matrix in model.learnt(torch.rand(2, *SHAPE)):
        names += [matrix.name, *matrix.rows, *matrix.columns]
    with speaking("zh"):
        english = [name for name in names if not STAYS.fullmatch(name) and part_words(name) == name]
    assert english == [], "add them to mtl_core/analysis/part_words.py"
