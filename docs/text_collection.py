"""Finds the texts for people in the source.

The screen's files name each text by ``tr`` or ``mark``. The engine's files have plain English: of these, every text is taken that stands where a
text for people stands (an error's message, a title, the description of an option), or that reads like a sentence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from mtl_core.tasks import TASK_KINDS
from mtl_core.training import UPDATES

ROOT = Path(__file__).parents[1]
SCREEN = ("app.py", "pages", "ui", "docs/tables.py")
ENGINE = ("mtl_core",)
LOG = ("mtl_core/runs/sql/event_writer.py",)  # its lines of a run's log are named by ``mark``; its other texts are for the database
PRESETS = "mtl_core/presets"
NOT_SHOWN = ("mtl_core/cli", "mtl_core/runs/sql", "mtl_core/exports/script.py", "mtl_core/language.py")  # the command line and the database
TITLES = {"unit", "family", "title", "description", "summary", "help", "label", "text", "reason", "cure", "note", "unit_title", "question", "plural"}
ASKED = ("tr", "mark")
_CODE = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|FROM|WHERE)\b|[;{]\s*[\w-]+:\s|</|/>|^\s*[<#.\[]|^--|\w\(\)|=\{|^(import|from) ")
_WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? [A-Za-z(]{2,}|[a-z]{2,} \{|\} [a-z]{2,}")


def texts() -> dict[str, list[tuple[str, int]]]:
    """English text -> the places (file, line) that have it, in the order of the files."""
    found: dict[str, list[tuple[str, int]]] = {}
    for folder in (*SCREEN, *LOG, *ENGINE):
        for path in _files(folder, "py"):
            name = path.relative_to(ROOT).as_posix()
            if folder in LOG or not name.startswith(NOT_SHOWN):
                for text, line in _texts_of(ast.parse(path.read_text(encoding="utf-8")), of_engine=folder in ENGINE):
                    found.setdefault(text, []).append((name, line))
        if folder in ENGINE:
            for name in (*TASK_KINDS, *UPDATES):
                found.setdefault(name.replace("_", " "), []).append(("mtl_core/registry.py", 0))
        for path in _files(folder, "html"):
            for text, line in page_texts(path.read_text(encoding="utf-8")):
                found.setdefault(text, []).append((path.relative_to(ROOT).as_posix(), line))
    for path in _files(PRESETS, "yaml"):
        for text in preset_texts(path.read_text(encoding="utf-8")):
            found.setdefault(text, []).append((path.relative_to(ROOT).as_posix(), 1))
    return found


def _files(place: str, ending: str) -> list[Path]:
    """The files of this ending in a folder, or the place itself if it is such a file."""
    path = ROOT / place
    return sorted(path.rglob(f"*.{ending}")) if path.is_dir() else [path] if path.suffix == f".{ending}" else []


def _texts_of(tree: ast.Module, of_engine: bool) -> Iterator[tuple[str, int]]:
    yield from asked_texts(tree)
    if of_engine:
        for find in (engine_texts, metric_titles, option_texts):
            yield from find(tree)


def preset_texts(page: str) -> list[str]:
    """What a preset's file says to people."""
    values = yaml.safe_load(page)
    return [values[key] for key in ("title", "group", "shows", "measured")]


def asked_texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The first argument of every ``tr`` and ``mark`` that is a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKED and node.args:
            text = node.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value:
                yield text.value, text.lineno


def page_texts(page: str) -> Iterator[tuple[str, int]]:
    """The texts of a jinja2 page: ``{{ tr("...") }}``."""
    for match in re.finditer(r"""\btr\(\s*"((?:[^"\\]|\\.)*)\"""", page):
        yield match[1].replace('\\"', '"'), page.count("\n", 0, match.start()) + 1


def engine_texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The texts of an engine's file, with the values of an f-string as places in braces."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) and not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        parent = parents.get(node)
        if isinstance(parent, ast.Expr | ast.JoinedStr | ast.Compare | ast.Subscript) or _is_asked(parent):
            continue
        text = template(node)
        if _is_shown(text, node, parents):
            yield text, node.lineno


def option_texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The labels of the options that forms show, made from their names, and the texts of their choices (``ui/shell/model_forms.py``)."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Call)):
            continue
        if not isinstance(node.value.func, ast.Name) or node.value.func.id != "Field":
            continue
        yield node.target.id.replace("_", " ").capitalize(), node.lineno
        words = [text for part in ast.walk(node.value) if isinstance(part, ast.Dict) for text in _words_of(part)]
        yield from words
        for part in ast.walk(node.annotation) if not words else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.search("[A-Za-z]", part.value):
                yield part.value.replace("_", " "), node.lineno


def metric_titles(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The title of each ``Metric``, its second argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Metric" and len(node.args) > 1:
            title = node.args[1]
            if isinstance(title, ast.Constant | ast.JoinedStr):
                yield template(title), title.lineno


def _words_of(found: ast.Dict) -> Iterator[tuple[str, int]]:
    for key, value in zip(found.keys, found.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "words" and isinstance(value, ast.Dict):
            yield from ((text.value, text.lineno) for text in value.values if isinstance(text, ast.Constant) and isinstance(text.value, str))


def template(node: ast.JoinedStr | ast.Constant) -> str:
    """A constant, or an f-string with a name in braces for each value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    made, names = "", {}
    for part in node.values:
        if isinstance(part, ast.Constant):
            made += str(part.value).replace("{", "{{").replace("}", "}}")
        elif isinstance(part, ast.FormattedValue):
            made += "{" + names.setdefault(ast.dump(part), _new_name(part.value, names)) + "}"
    return made


def _new_name(value: ast.expr, names: dict[str, str]) -> str:
    """What a value is called: the last word of the expression, with a number if that is taken."""
    words = [node.id if isinstance(node, ast.Name) else node.attr for node in ast.walk(value) if isinstance(node, ast.Name | ast.Attribute)]
    name = next((word.strip("_") for word in words if word.strip("_") and word not in ("len", "str", "words", "plain", "listed")), "value")
    taken, number = set(names.values()), 2
    while (made := name if number == 2 else f"{name}_{number - 1}") in taken:
        number += 1
    return made


def _is_asked(parent: ast.AST | None) -> bool:
    return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id in ASKED


def _is_shown(text: str, node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    fixed = re.sub(r"\{\w+\}", " ", text)
    if not re.search(r"[A-Za-z]{2,}", fixed) or _CODE.search(text):
        return False
    return _is_titled(node, parents) or bool(_WORDS.search(text))


def _is_titled(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the text is the value of ``title=...`` and its kind, as an argument, an attribute of a class or in a dictionary."""
    parent = parents.get(node)
    if isinstance(parent, ast.keyword):
        return parent.arg in TITLES
    if isinstance(parent, ast.Assign | ast.AnnAssign):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        return any(isinstance(target, ast.Name) and target.id.lower() in TITLES for target in targets)
    if isinstance(parent, ast.Dict):
        key = next((key for key, value in zip(parent.keys, parent.values, strict=True) if value is node), None)
        return isinstance(key, ast.Constant) and key.value in TITLES
    return False
