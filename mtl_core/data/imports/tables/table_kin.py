"""Tables that belong together or contradict each other: lists of one class each, and second tables of the same images."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from mtl_core.data.imports.formats import Guess
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.column_words import PART_WORDS
from mtl_core.data.imports.tables.table_opening import Opened
from mtl_core.data.imports.tables.table_options import MISSING, Column
from mtl_core.names import suggested_task_name

_SHARED = 0.5  # a table of more than this share of another's images describes the same images again


def without_overlap(tables: list[Opened]) -> list[list[Opened]]:
    """Tables of one header in groups whose tables name different images, as those of parts do."""
    groups: list[tuple[set[str], list[Opened]]] = []
    for table in tables:
        keys = {key for key in table.keys if key}
        group = next((group for group in groups if len(group[0] & keys) <= _SHARED * min(len(group[0]), len(keys))), None)
        if group is None:
            groups.append((set(keys), [table]))
        else:
            group[0].update(keys)
            group[1].append(table)
    return [group for _, group in groups]


def is_list_of_one_class(table: Opened) -> bool:
    """Whether a table without header says of each image whether it has one class, as Pascal VOC's ``aeroplane_train.txt`` does: 1, -1, or 0."""
    if table.options.header or len(table.names) != 2 or table.options.image_column != table.names[0]:
        return False
    cells = {row[1].strip() for _, row in table.rows}
    return {"1", "-1"} <= cells | {"1"} and "-1" in cells and cells <= {"1", "+1", "-1", "0"}


def class_of_list(table: Opened) -> Column:
    """The column of such a list: a task of two classes with the file's name, without words such as 'train'."""
    words = re.split(r"([-_. ])", PurePosixPath(table.options.file).stem)
    kept = [word for word in words if word.lower() not in PART_WORDS or len(word) < 3]
    name = suggested_task_name("".join(kept).strip("-_. ") or PurePosixPath(table.options.file).stem)
    named = {"1": "yes", "+1": "yes", "-1": "no"}
    return Column(column=table.names[1], task=name, kind="classification", classes=["no", "yes"], names=named, missing=[*MISSING, "0"])


def ask_second_table(guesses: list[Guess], first: Opened, second: Opened, taken_names: set[str]) -> None:
    """Give the tasks of a second table of the same images names of their own, and ask whether they count."""
    rows = {key: cells for key, (_, cells) in zip(first.keys, first.rows, strict=True) if key}
    shared = [(key, cells) for key, (_, cells) in zip(second.keys, second.rows, strict=True) if key in rows]
    place = second.names.index(second.options.image_column)
    bare = [(key, [c.strip() for n, c in enumerate(cells) if n != place]) for key, cells in shared]
    other = [key for key, cells in bare if cells != [c.strip() for n, c in enumerate(rows[key]) if n != place]]
    stem = PurePosixPath(second.options.file).stem
    for guess in guesses:
        if guess.options.get("file") != second.options.file:
            continue
        own: dict[str, Any] = {}
        out: dict[str, Any] = {}
        for what in ("columns", "indicators"):
            for number, entry in enumerate(guess.options.get(what, ())):
                if entry["kind"] == "left_out":
                    continue
                entry["task"] = _free(f"{entry['task']}_{stem}", taken_names)
                own |= {f"{what}.{number}.task": entry["task"], f"{what}.{number}.kind": entry["kind"]}
                out[f"{what}.{number}.kind"] = "left_out"
        if guess.options.get("box"):
            guess.options["box_task"] = _free(f"{guess.options.get('box_task', 'box')}_{stem}", taken_names)
            own |= {"box": guess.options["box"], "box_task": guess.options["box_task"]}
            out["box"] = []
        if not own:
            continue
        guess.questions = [_without(question, set(own)) for question in guess.questions]
        readings = (Reading("own", f"tasks of their own, with '{stem}' in the name", own), Reading("left_out", "left out", out))
        text = f"'{second.options.file}' has the columns of '{first.options.file}', and rows of the same images. What are its labels?"
        evidence = f"{len(shared):,} of its rows name images of '{first.options.file}'; {len(other):,} of them have other cells there"
        guess.questions.append(Question("second_table", text, readings, "own" if other else "left_out", evidence, tuple(dict.fromkeys(other))[:6]))
        if not other:
            for path, value in out.items():
                _set(guess.options, path, value)
        guess.labelled = {}


def _free(name: str, taken: set[str]) -> str:
    made = base = suggested_task_name(name)
    number = 2
    while made in taken:
        made, number = f"{base}_{number}", number + 1
    taken.add(made)
    return made


def _set(options: dict[str, Any], path: str, value: Any) -> None:
    node: Any = options
    *above, last = path.split(".")
    for part in above:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[last] = value


def _without(question: Question, paths: set[str]) -> Question:
    """The question without changes of tasks' names, which are new."""
    names = {path for path in paths if path.endswith(".task")}
    readings = (replace(r, changes={path: value for path, value in r.changes.items() if path not in names}) for r in question.readings)
    return replace(question, readings=tuple(readings))
