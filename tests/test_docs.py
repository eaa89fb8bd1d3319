"""What is not documented, or documented wrongly, fails here. Each test lists all offenders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from docs import architecture, balancing_pages, tables
from docs.__main__ import pages
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.cost import cost_of
from mtl_core.config import RunConfig
from mtl_core.data import DATA_SOURCES
from mtl_core.data.imports import get_imported
from mtl_core.training.check import problems

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
COMMANDS = """\
python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/streamlit run app.py
python3 -m venv .venv && .venv/bin/pip install -r requirements.txt -r requirements-dev.txt && .venv/bin/python -m pytest
"""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_generated_page_is_up_to_date():
    assert [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text] == [], "run: python -m docs"


def test_every_benchmark_that_is_named_is_there():
    """By pages, the product and the tests, as a command or as a file."""
    texts = [*PAGES, *(path for folder in ("mtl_core", "ui", "docs", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py")))]
    named = {
        (command or file, path.relative_to(ROOT).as_posix())
        for path in texts
        for command, file in re.findall(r"\bbenchmarks(?:\.([a-z_]+(?:\.[a-z_]+)*)|/([a-z_/]+)\.py)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 80
    places = {(name, page): ROOT / "benchmarks" / name.replace(".", "/") for name, page in named}
    missing = {names for names, place in places.items() if not place.is_dir() and not place.with_suffix(".py").is_file()}
    assert missing == set()


def test_every_generated_part_stands_somewhere():
    used = {name for page in PAGES for _, name, _ in tables.BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert used == set(tables.TABLES)
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    assert [name for name, text in texts.items() if len(re.findall(r"^<!-- table: ", text, re.MULTILINE)) != len(tables.BLOCK.findall(text))] == []


def test_every_file_says_what_it_is():
    assert [path.relative_to(ROOT).as_posix() for path in architecture.sources() if not architecture.sentence(path)] == []


def test_the_architecture_page_lists_every_file():
    """By its whole path: many base names occur more than once."""
    page = architecture.page()
    listed = re.findall(r"^- \[[^]]+\]\(\.\./([^)]+)\): \S", page, re.MULTILINE)
    there = {path.relative_to(ROOT).as_posix() for path in architecture.sources() if path.name != "__init__.py"}
    tracked = {path.relative_to(ROOT).as_posix() for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*.py")}
    assert sorted(there - set(listed)) == []
    assert sorted(set(listed) - there) == []
    assert len(listed) == len(set(listed))
    assert {path for path in tracked if not path.endswith("__init__.py")} <= set(listed)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", without_code(text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug if slug not in found else f"{slug}-{found[slug]}"] = found.get(slug, 0)
        found[slug] += 1
    return set(found)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere: to no file, or to no heading of one."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or not target.resolve().is_relative_to(ROOT):
            broken.append(f"{page.name}: {link}: no such file")
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            broken.append(f"{page.name}: {link}: no such heading")
    return broken


def test_every_link_leads_somewhere():
    assert [line for page in PAGES for line in broken_links(page)] == []


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A `b`: c, d\n\n```bash\n# no heading\n```\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[1](there.md#a-b-c-d) [2](there.md#twice-1) [3](https://x.example) [4](gone.md) [5](there.md#no-heading) [6](#here)\n```\n[7](no)\n```\n"
    )
    assert [line.split(": ")[1] for line in broken_links(page)] == ["gone.md", "there.md#no-heading", "#here"]


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)\s#]+\.md)[)#]", page.read_text(encoding="utf-8"))
            waiting += [page.parent / link for link in links if not re.match(r"[a-z]+:", link)]
    assert [page.name for page in PAGES if page.resolve() not in reached] == []


def test_the_readme_is_short_and_its_two_commands_are_the_same_as_ever():
    assert len(README.splitlines()) <= 150
    assert [command for command in COMMANDS.splitlines() if f"```bash\n{command}\n```" not in README] == []


def test_the_readme_has_a_picture_that_moves_and_two_more():
    pictures = [ROOT / link for link in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)]
    assert [path.suffix for path in pictures] == [".gif", ".png", ".png"]
    assert [path.name for path in pictures if path.stat().st_size > 2_000_000] == []

    with Image.open(pictures[0]) as moving:
        assert moving.n_frames > 5


def test_the_readmes_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line]) == 8
    exec(compile(code, "README.md", "exec"), {})
    assert "val/digit/accuracy" in capsys.readouterr().out


def test_the_python_page_begins_with_the_same_example_and_the_next_one_runs(home, capsys):
    mine, with_store, compared, *_ = re.findall(r"```python\n(.*?)```", read("docs/python.md"), re.DOTALL)
    assert mine in README
    names: dict[str, Any] = {}
    exec(compile(with_store, "docs/python.md", "exec"), names)
    status, accuracy = capsys.readouterr().out.split()
    assert (status, 0 < float(accuracy) <= 1, (home / "store.sqlite").is_file()) == ("finished", True, True)
    exec(compile(compared, "docs/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+) \{'val/", said, re.MULTILINE) == ["fixed", "pcgrad"]
    assert not names["rows"][names["rows"]["key"] == "conflict/digit/slant"].empty
    recorded = {key.split("/")[0] for key in names["store"].summary(names["run"].id)}
    assert recorded >= {"val", "test", "train", "conflict", "gradient_norm", "gradient_share", "loss_weight"}, "the table of keys is true"


def test_the_config_on_the_command_lines_page_can_be_trained():
    [text] = re.findall(r"```yaml\n(.*?)```", read("docs/cli.md"), re.DOTALL)
    assert problems(RunConfig.from_yaml(text)) == []


def test_the_python_page_imports_a_dataset_of_pictures_and_labels(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, code, _ = re.findall(r"```python\n(.*?)```", read("docs/python.md"), re.DOTALL)
    dataset = [(Image.new("RGB", (16, 16), (10 * n, 0, 0)), ("disc", "ring")[n % 2], n + 0.5) for n in range(20)]
    exec(compile(code, "docs/python.md", "exec"), {"dataset": dataset})
    assert {task.name: task.kind for task in get_imported("mine").tasks} == {"shape": "classification", "size": "regression"}


def test_the_changelog_has_one_fact_on_a_line_under_the_usual_headings():
    lines = read("CHANGELOG.md").splitlines()
    start = lines.index("## [Unreleased]")
    usual = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}
    assert [line for line in lines[start:] if line and not line.startswith(("- ", "## [")) and line not in usual] == []
    releases = "\n".join(lines[start:]).split("\n## ")
    assert [release.splitlines()[0] for release in releases if len(set(usual) & set(release.splitlines())) != release.count("### ")] == []


def test_the_page_on_data_describes_every_data_set():
    said = tables.BLOCK.sub("", read("docs/data.md"))
    assert [name for name in DATA_SOURCES if f"`{name}`" not in said] == [], "describe the data set in docs/data.md, outside its generated table"


@pytest.mark.parametrize("table", [BACKBONES, BALANCERS])
def test_the_changelog_and_guide_know_every_part(table):
    text = " ".join(read(f"docs/{name}") for name in ("train.md", *balancing_pages.INTRODUCTIONS)) + read("CHANGELOG.md")
    missing = [name for name in table if table.load(name).title.lower() not in text.lower()]
    assert missing == [], "name the part by its title in docs/train.md or CHANGELOG.md"


def test_every_method_is_on_one_of_the_pages_with_its_cost():
    methods = [read(f"docs/{name}") for name in balancing_pages.INTRODUCTIONS]
    for name in BALANCERS:
        assert sum(f"| `{name}` |" in page for page in methods) == 1, name
        cost = cost_of(name)
        assert cost is not None, f"{name}: measure its cost with python -m benchmarks.step_time.balancing --methods {name} --write"
        field = BALANCERS.load(name).Options.model_fields.get("gradients")
        measured = {"parameters": cost.parameters, "blocks": cost.blocks, "features": cost.features}
        assert {place for place, known in measured.items() if known} == set(get_args(field.annotation) if field else ["parameters"]), name


def test_every_config_field_says_what_it_is():
    described = RunConfig.model_json_schema()
    for model in (described, *described["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            assert field.get("description") or "$ref" in str(field) or name in ("data", "backbone"), name
