"""Descriptions of an import that people bring: what is not one is refused in words, and no object is made from it."""

from __future__ import annotations

import pytest

from mtl_core.data.imports import ImportSpec
from mtl_core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("!!python/object/apply:os.system ['touch /tmp/x']", "not valid YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("sources: [", "not valid YAML"),
        ("- 1", "must be a mapping"),
        ("images: {size: [1, 1]}", "8 to 1024"),
        ("images: {siez: [64, 64]}", "did you mean 'size'"),
        ("splits: {val_share: .nan}", "val_share"),
        ("sources: [{file: a.csv}]", "sources.0.format"),
        ("[" * 50_000, "not usable YAML|not valid YAML"),
    ],
)
def test_descriptions_that_are_refused(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ImportSpec.from_yaml(text)
