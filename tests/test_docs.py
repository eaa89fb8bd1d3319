"""What is not documented fails here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs import balancing_pages, import_page
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.cost import cost_of
from mtl_core.config import RunConfig
from mtl_core.data import DATA_SOURCES
from mtl_core.presets import get_preset

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = [path for folder in ("pages", "ui", "mtl_core") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_has_its_line(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "a file says in its first line what it is"
    if path.name != "__init__.py":
        assert re.search(rf"^\s+{re.escape(path.name)}\s+\S", README, re.MULTILINE), "README's tree has a line for every file"


@pytest.mark.parametrize("name", [*DATA_SOURCES])
def test_the_guide_names_every_data_set(name):
    assert f"`{name}`" in (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", [BACKBONES, BALANCERS])
def test_the_changelog_and_guide_know_every_part(table):
    """The guide by itself, or on the pages about balancing that it points to."""
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    pages = [ROOT / "docs" / name for name in balancing_pages.INTRODUCTIONS]
    assert all(f"({page.name})" in guide for page in pages)
    text = " ".join([guide, *(path.read_text(encoding="utf-8") for path in (*pages, ROOT / "CHANGELOG.md"))])
    for name in table:
        assert table.load(name).title.lower() in text.lower(), name


@pytest.mark.parametrize("name", balancing_pages.INTRODUCTIONS)
def test_the_pages_about_balancing_are_up_to_date(name):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == balancing_pages.page(name), "run: python -m docs.balancing_pages"


def test_every_method_is_on_one_of_the_pages_with_its_cost():
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in balancing_pages.INTRODUCTIONS]
    for name in BALANCERS:
        assert sum(f"| `{name}` |" in page for page in pages) == 1, name
        cost = cost_of(name)
        assert cost is not None, f"{name}: run benchmarks/balancing.py --write"
        assert (cost.features is not None) == ("gradients" in BALANCERS.load(name).Options.model_fields), name


def test_every_config_field_says_what_it_is():
    described = RunConfig.model_json_schema()
    for model in (described, *described["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in str(field) or name in ("data", "backbone"), name


def test_the_readmes_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    exec(compile(code, "README.md", "exec"), {})
    assert "val/digit/accuracy" in capsys.readouterr().out
    assert get_preset("digits-quick")


def test_the_page_on_importing_lists_every_key_of_a_description():
    assert import_page.PAGE.read_text(encoding="utf-8") == import_page.page(), "run: python -m docs.import_page"
