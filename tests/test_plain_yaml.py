"""YAML that people paste or bring: what it may hold, and that a few lines can neither stall nor fill the process."""

import os
from itertools import pairwise

import numpy as np
import pytest
import yaml

from mtl_core.config import RunConfig
from mtl_core.data.imports import ImportSpec
from mtl_core.errors import ConfigError
from mtl_core.plain_yaml import DEEPEST, LONGEST, read_yaml, write_yaml
from mtl_core.presets import load_presets

LEVELS = "abcdefghi"
BOMB = "a: &a [x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(LEVELS))


@pytest.mark.parametrize("read", [read_yaml, RunConfig.from_yaml, ImportSpec.from_yaml], ids=["text", "config", "import"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "aliases"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: {<<: {b: 1}}\nc: {<<: *a}", "aliases"),
        ("[" * (DEEPEST + 1), "nested deeper than 40 levels"),
        ("x: " + "9" * 20_000, "digits"),
        ("epochs: 0x" + "f" * 5_000, "digits"),
        ("seed: " + "1:" * 5_000 + "1", "digits"),
        ("0x" + "f" * 900 + ": 1", "digits"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: 1\na: 2\n", "'a' occurs twice, in lines 1 and 2"),
        ("a: {b: 1, b: 2}", "'b' occurs twice, in line 1"),
    ],
    ids=["bomb", "alias", "merge", "deep", "digits", "base 16", "base 60", "a key", "object", "twice", "twice inside"],
)
def test_a_text_is_refused_before_it_is_expanded(read, text, said):
    with pytest.raises(ConfigError, match=said) as refused:
        read(text)
    assert len(str(refused.value)) < 300


def test_depth_and_length_are_bounded_exactly():
    deep = "[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1)
    found = read_yaml(deep)
    for _ in range(DEEPEST - 1):
        [found] = found
    assert found == 1
    assert read_yaml("#" * LONGEST) is None
    with pytest.raises(ConfigError, match="at most 262,144 are read"):
        read_yaml("#" * (LONGEST + 1))


def test_a_long_file_is_not_read_whole(tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text("# " + "x" * LONGEST)
    with pytest.raises(ConfigError, match="at most"):
        RunConfig.from_file(path)


def test_an_error_repeats_the_beginning_of_a_value_only():
    with pytest.raises(ConfigError) as refused:
        RunConfig.from_yaml(f"data: {{name: digits}}\ntasks: {{digit: {{}}}}\nbackbone: {{name: small_cnn}}\nepochs: [{', '.join(['1'] * 15_000)}]")
    assert str(refused.value).startswith("epochs: expected a whole number, found [1, 1, 1, 1, 1, 1, ...]")
    assert len(str(refused.value)) < 200
    with pytest.raises(ConfigError) as refused:
        RunConfig.from_yaml("\n".join(f"k{number}: 1" for number in range(2_000)))
    assert "has 1,953 more problems like these" in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        RunConfig.from_yaml("k" * 200_000 + ": 1")
    assert len(str(refused.value)) < 2_000


def test_a_file_of_ones_own_may_have_aliases_but_no_bomb(tmp_path):
    assert read_yaml("a: &x {lr: 1}\nb: {<<: *x, c: 2}\n", aliases=True) == {"a": {"lr": 1}, "b": {"lr": 1, "c": 2}}
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMB)
    with pytest.raises(ConfigError, match="more than 20,000 values"):
        RunConfig.from_file(path)


def test_keys_are_the_same_where_they_are_read_as_the_same():
    assert read_yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}
    assert read_yaml("null: a\n'null': b\n~x: c\n") == {None: "a", "null": "b", "~x": "c"}
    for text, key in (("1: a\n0x1: b\n", "0x1"), ("'a': 1\na: 2\n", "a"), ("1: a\ntrue: b\n", "true"), ("~: a\nnull: b\n", "null")):
        with pytest.raises(ConfigError, match=f"'{key}' occurs twice, in lines 1 and 2"):
            read_yaml(text)


def test_a_merged_map_may_be_changed_wherever_it_stands():
    text = "a: &a {lr: 1}\nx: {y: &b {<<: *a, lr: 2}}\nc: {<<: *b}\n"
    assert read_yaml(text, aliases=True) == {"a": {"lr": 1}, "x": {"y": {"lr": 2}}, "c": {"lr": 2}}


PIECES = [*"aZ01.: #-'\"\n\t名é\u2028😀{],&*!|>%@~\\\x07\xa0\ufeff", ": ", "  ", "true", "null", "1e5", "1_000", "0x1", "a rather long word "]


def test_what_is_written_is_what_pyyaml_writes_and_is_read_again():
    """Libyaml, which is faster, is not to be seen in a file."""
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(PIECES, random.integers(1, 40 if number % 4 else 4))) for number in range(400)]
    made = [{"name": text, text: [text, {"k": text}], "n": [0.1, -0.0, 1e22]} for text in texts]
    values = [*(preset.config.to_dict() for preset in load_presets()), *made, {"folder": os.fsdecode(b"a\x80b")}]
    for value in values:
        text = write_yaml(value)
        assert text == yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        assert read_yaml(text) == value
