"""``parts`` lists everything that is registered, as the code has it."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from mtl_core.__main__ import main
from mtl_core.catalogue import EXPORT_FORMATS, REGISTRIES, SORTS, default_in_words, described, option
from mtl_core.config_sections import AugmentationConfig
from mtl_core.exports import EXPORTS
from mtl_core.registry import Registry

CODE = Path(__file__).parents[2] / "mtl_core"


class Sample(BaseModel):
    whole: int = Field(3000, ge=1, le=100000, description="A number.")
    share: float = Field(0.5, gt=0, lt=1)
    step: int = Field(64, multiple_of=32)
    choice: Literal["dark", "any"] = "dark"
    maybe: float | None = None
    sizes: list[Annotated[int, Field(ge=1)]] = Field([64, 32], min_length=1, max_length=8)
    text: str = Field("", max_length=20)
    switch: bool = True
    names: dict[int, str] = Field(default_factory=dict)
    given: int


def test_every_registry_of_the_code_is_listed():
    """Found by their definitions, so that a new one cannot be forgotten."""
    defined = [
        (".".join(path.relative_to(CODE.parent).with_suffix("").parts).removesuffix(".__init__"), name)
        for path in sorted(CODE.rglob("*.py"))
        for name in re.findall(r"^([A-Z_]+)(?:: Registry)? = Registry\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    registries = [getattr(import_module(module), name) for module, name in defined]
    assert len(registries) > 8
    assert {registry.group for registry in registries} == {registry.group for registry in REGISTRIES.values()}


def test_the_command_names_its_sorts(capsys):
    assert main(["parts", "--help"]) == 0
    assert f"Sorts: {', '.join(SORTS)}." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("sort", SORTS)
def test_every_part_has_what_a_reader_needs(sort):
    found = described(sort)
    assert [entry["name"] for entry in found] == list(EXPORTS if sort == EXPORT_FORMATS else REGISTRIES[sort])
    for entry in found:
        assert entry["title"], entry["name"]
        assert entry["summary"], entry["name"]
        assert not entry["problem"]
        for own in entry["options"]:
            assert own["type"], (entry["name"], own)
            assert own["description"], (entry["name"], own)


def test_every_option_of_an_augmentation_is_listed_once():
    listed = [own["name"] for entry in described("augmentations") for own in entry["options"]]
    assert sorted(listed) == sorted(AugmentationConfig.model_fields)


@pytest.mark.parametrize(
    ("name", "kind", "limits", "default", "smallest", "largest"),
    [
        ("whole", "whole number", "from 1 to 100,000", "3,000", 1, 100000),
        ("share", "number", "above 0 below 1", "0.5", 0, 1),
        ("step", "whole number", "in steps of 32", "64", None, None),
        ("choice", "dark, any", "", "dark", None, None),
        ("maybe", "number or nothing", "", "nothing", None, None),
        ("sizes", "list of whole number", "at least 1 of them at most 8 of them", "[64, 32]", None, None),
        ("text", "text", "at most 20 characters", "empty", None, None),
        ("switch", "true, false", "", "true", None, None),
        ("names", "whole number: text", "", "{}", None, None),
        ("given", "whole number", "", "must be given", None, None),
    ],
)
def test_an_option_in_words(name, kind, limits, default, smallest, largest):
    found = option(name, Sample.model_fields[name])
    assert (found["type"], found["range"], default_in_words(found)) == (kind, limits, default)
    assert (found["minimum"], found["maximum"]) == (smallest, largest)
    json.dumps(found, allow_nan=False)


def test_the_command_prints_what_was_asked_for(capsys):
    assert main(["parts", "backbones", "sharing"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"backbones ({len(list(REGISTRIES['backbones']))})" in lines
    assert "  small_cnn: Small CNN" in lines
    assert "      width: whole number from 8 to 256; default 32" in lines
    assert not [line for line in lines if line.startswith("balancing")]


def test_json_holds_every_sort(capsys):
    assert main(["parts", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == SORTS
    width = next(own for entry in found["backbones"] if entry["name"] == "small_cnn" for own in entry["options"] if own["name"] == "width")
    assert (width["default"], width["minimum"], width["maximum"]) == (32, 8, 256)


def test_an_unknown_sort_ends_with_2(capsys):
    assert main(["parts", "backbone"]) == 2
    assert "unknown sort of part 'backbone'; did you mean 'backbones'?" in capsys.readouterr().err


def test_a_part_of_a_package_that_cannot_be_loaded_says_why(monkeypatch):
    broken = Registry("backbone", "mtl_core.backbones", {"mine": "no_such_package.backbone:Mine"})
    monkeypatch.setitem(REGISTRIES, "backbones", broken)
    (entry,) = described("backbones")
    assert "cannot be loaded (ModuleNotFoundError" in entry["problem"]
