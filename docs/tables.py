"""Writes the generated parts of pages that people write: between ``<!-- table: NAME -->`` and ``<!-- end of table -->``.

    python -m docs

writes them with all other pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mtl_core import settings
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientAggregator
from mtl_core.catalogue import REGISTRIES, described
from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from mtl_core.errors import ConfigError
from mtl_core.language import mark, speaking, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.article_questions import QUESTIONS
from mtl_core.lessons.article_sections import ANNOUNCED, SECTIONS
from mtl_core.presets import load_presets

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^(<!-- table: ([a-z-]+) -->\n).*?^(<!-- end of table -->)$", re.DOTALL | re.MULTILINE)
SIDE = 64  # pixels of the images with which backbones are counted; every one takes them
NOT_LISTED = ("balancing-gradients.md", "balancing-loss-weighting.md", "importing.md", "architecture.md", "cli.md")


def pages() -> dict[Path, str]:
    """Every page with a generated part, with the text that it should have."""
    found = {}
    for path in (ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8") if path.name not in NOT_LISTED else ""
        if BLOCK.search(text):
            found[path] = BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block[2]]()}\n\n{block[3]}", text)
    return found


def overview() -> str:
    """What a run can be made of: a row for each sort of part."""
    kinds = [entry for entry in _own("tasks") if entry not in _own("self_supervised")]
    methods = {gradients: [] for gradients in (False, True)}
    for entry in _own("balancing"):
        methods[issubclass(BALANCERS.load(entry["name"]), GradientAggregator)].append(entry)
    rows = [
        (mark("task kinds"), kinds, "docs/data.md#data-sets"),
        (mark("self-supervised tasks"), _own("self_supervised"), "docs/self-supervised.md"),
        (mark("data sets"), _own("data"), "docs/data.md#data-sets"),
        (mark("balancing: loss weighting"), methods[False], "docs/balancing-loss-weighting.md"),
        (mark("balancing: gradients"), methods[True], "docs/balancing-gradients.md"),
        (mark("sharing schemes"), _own("sharing"), "docs/sharing.md"),
        (mark("backbones"), _own("backbones"), "docs/train.md#what-the-tasks-share"),
        (mark("updates"), _own("updates"), "docs/task-vectors.md"),
        (mark("import formats"), _own("import_formats"), "docs/importing.md"),
        (mark("exports"), _own("exports"), "docs/export.md"),
    ]
    lines = ["| | | |", "|---|---|---|"]
    lines += [f"| [{tr(name)}]({page}) | {len(entries)} | {', '.join(_short(name, entry) for entry in entries)} |" for name, entries, page in rows]
    return "\n".join(lines)


def overview_in_chinese() -> str:
    """The same for ``README.zh.md``."""
    with speaking("zh"):
        return overview()


def variables() -> str:
    """Every environment variable."""
    rows = [f"| `{variable.name}` | {variable.about} | {variable.default} |" for variable in settings.VARIABLES]
    return "\n".join(["| variable | sets | where it is not set |", "|---|---|---|", *rows])


def data_sets() -> str:
    """Every data set with its tasks, as its options are by default."""
    lines = ["| name | data set | tasks | |", "|---|---|---|---|"]
    for entry in _own("data"):
        try:
            tasks = ", ".join(f"{task.name} ({task.kind})" for task in open_source(PartConfig(name=entry["name"])).offered_tasks())
        except ConfigError:  # it has options without a default
            tasks = ""
        tasks = tasks or "what the files hold"
        lines.append(f"| `{entry['name']}` | {entry['title']} | {tasks} | {entry['summary']} |")
    return "\n".join(lines)


def backbones() -> str:
    """Every backbone with its options."""
    return _with_options("backbone", "backbones")


@cache
def backbone_sizes() -> str:
    """What every backbone is, with its default options, on colour images of ``SIDE`` pixels."""
    from mtl_core.training.before_training.backbone_table import sizes, weights_of  # here, because only this table computes

    rows = [f"| backbone | parameters | multiply-adds, {SIDE} x {SIDE} | smallest image | published weights |", "|---|---|---|---|---|"]
    for entry in _own("backbones"):
        backbone = BACKBONES.load(entry["name"])
        options = backbone.Options()
        parameters, operations = sizes(backbone, options, (3, SIDE, SIDE))
        smallest = next(side for side in range(1, SIDE + 1) if not backbone.problem(options, (3, side, side)))
        published = weights_of(backbone, options)
        weights = f"{published.trained_on}; {published.megabytes:.0f} MB; {published.licence}" if published else "none"
        if need := backbone.unpublished(options):
            weights += f" ({need})"
        rows.append(f"| `{entry['name']}` | {parameters:,} | {operations:,} | {smallest} | {weights} |")
    return "\n".join(rows)


def sharing_schemes() -> str:
    """Every sharing scheme with its options."""
    return _with_options("sharing", "sharing")


def _with_options(setting: str, sort: str) -> str:
    lines = ["| setting | name | | options |", "|---|---|---|---|"]
    for entry in _own(sort):
        options = "; ".join(f"`{own['name']}`: {own['type']} {own['range']}".strip() for own in entry["options"])
        lines.append(f"| `{setting}` | `{entry['name']}` | {entry['title']}. {entry['summary']} | {options} |")
    return "\n".join(lines)


def exports() -> str:
    """Every export format."""
    return "\n".join(["| format | what it is |", "|---|---|", *(f"| `{entry['name']}` | {entry['summary']} |" for entry in _own("exports"))])


def presets() -> str:
    """What there is to start from."""
    rows = [f"| `{preset.name}` | {preset.title} | {preset.shows} | {preset.measured} |" for preset in load_presets()]
    return "\n".join(["| preset | | what it shows | measured |", "|---|---|---|---|", *rows])


def lessons() -> str:
    """Every lesson with its aim and the time of its trainings."""
    rows = ["| lesson | | aim | s of one CPU core |", "|---|---|---|---|"]
    for entry in _own("lessons"):
        lesson = LESSONS.load(entry["name"])
        rows.append(f"| `{entry['name']}` | {entry['title']} | {lesson().text().aim} | {lesson.seconds[0]} + {lesson.seconds[1]} |")
    return "\n".join(rows)


def article() -> str:
    """Every section of the article, with what shows it here."""
    rows = ["| section | it says | here | lesson | read |", "|---|---|---|---|---|"]
    for section in (*SECTIONS, *ANNOUNCED):
        lesson = f"`{section.lesson}`" if section.lesson else ""
        read = f"[{section.document.rpartition('/')[2].partition('#')[0]}]({section.document})" if section.document else ""
        rows.append(f"| {section.number} {section.title} | {section.says} | {section.here} | {lesson} | {read} |")
    return "\n".join(rows)


def article_questions() -> str:
    """Every question with its answer, and the runs that it comes from."""
    rows = ["| question | answer | lesson | numbers | how |", "|---|---|---|---|---|"]
    for question in QUESTIONS:
        lesson = f"`{question.lesson}`" if question.lesson else ""
        table = f"[{question.table}]({_benchmark(question.table)})" if question.table else ""
        how = f"[{question.document.partition('#')[0]}]({question.document})" if question.document else ""
        rows.append(f"| {question.asked} | {question.answer} | {lesson} | {table} | {how} |")
    return "\n".join(rows)


def _benchmark(heading: str) -> str:
    """Address of the section of ``benchmarks/README.md`` whose heading is this, up to a colon.

    Raises:
        KeyError: there is none.
    """
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    whole = {line.partition(":")[0]: line for line in headings}[heading]
    return f"../benchmarks/README.md#{re.sub(r'[^a-z0-9 _-]', '', whole.lower()).replace(' ', '-')}"


@cache
def _own(sort: str) -> list[dict[str, Any]]:
    """Parts of one sort that belong to this project: what else is installed here is nothing for its pages, nor are parts that need such a package."""
    optional = REGISTRIES[sort].needs if sort in REGISTRIES else {}
    return [entry for entry in described(sort) if entry["source"].startswith("mtl_core.") and entry["name"] not in optional]


def _short(sort: str, entry: dict[str, Any]) -> str:
    """The name in the table of everything: an export's as it is typed, all others' titles without what stands in brackets."""
    return f"`{entry['name']}`" if sort == "exports" else re.split(r" \(|（", tr(entry["title"]))[0]


TABLES: dict[str, Callable[[], str]] = {
    "overview": overview,
    "overview-zh": overview_in_chinese,
    "variables": variables,
    "data-sets": data_sets,
    "backbones": backbones,
    "backbone-sizes": backbone_sizes,
    "sharing": sharing_schemes,
    "exports": exports,
    "presets": presets,
    "lessons": lessons,
    "article": article,
    "article-questions": article_questions,
}
