"""No module but a task kind's own asks for a kind by its name: everything else asks the kind (``mtl_core.tasks.kind``). Other parts likewise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.data import DATA_SOURCES
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.tasks import TASK_KINDS
from mtl_core.training import UPDATES

ROOT = Path(__file__).parents[1]
OWN = "mtl_core/tasks/"
# Who states the kind of the tasks that it makes. A name there says what a task is; nothing is decided by it.
SAYS_THE_KIND = {
    "mtl_core/data/imports/formats/": "an import format names the kind of the task that it proposes, and what a picture file holds",
    "mtl_core/data/imports/tables/": "a table's columns are proposed as kinds",
    "mtl_core/presets/": "a preset names self-supervised tasks",
    "mtl_core/lessons/": "a lesson states its runs as a preset does",
    **{f"{TABLE.partition(':')[0].replace('.', '/')}.py": "a data source states the kinds of its tasks" for TABLE in DATA_SOURCES.table.values()},
    "mtl_core/data/sources/digit_pixels.py": "tasks that several digit sources share",
    "mtl_core/data/sources/idx_sets.py": "parent of data sources",
}
# Where a word that is also a kind means something else.
OTHER_MEANING = {
    "mtl_core/data/target_geometry.py": ("depth", "normals"),  # geometries of targets, which a config may name
    "mtl_core/data/moves.py": ("depth",),  # the same
    "mtl_core/data/imports/looking/picture_contents.py": ("depth", "normals"),  # what a picture file looks like
    "mtl_core/data/imports/looking/pairing.py": ("depth", "normals"),  # the same
    "mtl_core/data/imports/looking/first_look.py": ("depth",),  # the format of that name
    "mtl_core/data/imports/checking/dense.py": ("depth",),  # the name of a finding
    "mtl_core/data/imports/checking/finding_kinds.py": ("depth",),  # the same
}
SETTINGS = {"rotation"}  # an augmentation of that name stands in every config, so the word says nothing
NAMES = sorted(set(TASK_KINDS) - SETTINGS)


@cache
def _strings(path: Path) -> frozenset[str]:
    """Strings of a module, or words in quotes of a script."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return frozenset(node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return frozenset(found.group(2) for found in re.finditer(r"""(?=(["'`])(\w+)\1)""", text))


def _quoted(path: Path, names: Iterable[str] = NAMES) -> set[str]:
    """Names, of kinds by default, that stand in quotes, by themselves."""
    return _strings(path) & set(names)


def _files() -> list[Path]:
    found = [path for folder in ("mtl_core", "ui", "pages", "docs") for ending in ("*.py", "*.js") for path in (ROOT / folder).rglob(ending)]
    ours = [path for path in found if not path.name.endswith(".min.js")]  # the others are other projects' scripts
    return sorted([*ours, ROOT / "app.py", ROOT / "serve.py"])


def test_no_module_asks_for_a_kind_by_its_name():
    places = {path.relative_to(ROOT).as_posix(): path for path in _files()}
    found = {
        place: sorted(words)
        for place, path in places.items()
        if not place.startswith((OWN, *SAYS_THE_KIND)) and (words := _quoted(path) - set(OTHER_MEANING.get(place, ())))
    }
    assert found == {}, "ask the kind (mtl_core/tasks/kind.py) instead"


def test_the_lists_of_exceptions_are_needed():
    for place, words in OTHER_MEANING.items():
        assert set(words) <= _quoted(ROOT / place), f"{place} says {words} no more: take it off the list"


@pytest.mark.parametrize("text", ['kind == "detection"', "{'depth': 1}[kind]", 'task.kind in ("regression",)'])
def test_the_search_finds_what_it_is_for(tmp_path, text):
    for ending in ("py", "js"):
        path = tmp_path / f"asks.{ending}"
        path.write_text(text)
        assert _quoted(path)


# Names of other parts, and where they may stand in quotes: in their package, in presets, and in the schema of a config, which states the defaults.
OTHER_PARTS = {
    "mtl_core/balancing/": BALANCERS,
    "mtl_core/sharing/": SHARING_SCHEMES,
    "mtl_core/backbones/": BACKBONES,
    "mtl_core/training/": UPDATES,
}
WORDS_OF_THE_LANGUAGE = {"mean", "config", "random", "separate", "joint"}  # names of parts that also mean something else
MAY_NAME_THEM = ("mtl_core/presets/", "mtl_core/lessons/", "mtl_core/config.py")  # a lesson states its runs as a preset does


def test_no_module_asks_for_another_part_by_its_name():
    found = []
    for path in _files():
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(MAY_NAME_THEM):
            continue
        names = {name for package, registry in OTHER_PARTS.items() if not place.startswith(package) for name in registry}
        found += [(place, name) for name in sorted(_quoted(path, names - WORDS_OF_THE_LANGUAGE))]
    assert found == []
