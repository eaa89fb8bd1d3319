"""Guess of indicator columns (yes and no): one classification if each row has exactly one yes, else one multi-label task."""

from __future__ import annotations

from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.column_words import CLASSES, means
from mtl_core.data.imports.tables.table_options import NO, YES, Indicators
from mtl_core.names import suggested_task_name

_STYLES = (
    frozenset({"0", "1", "0.0", "1.0"}),
    frozenset({"-1", "1", "-1.0", "1.0"}),
    frozenset({"true", "false"}),
    frozenset({"yes", "no"}),
    frozenset({"x"}),
)
_UNSURE = frozenset({"0", "1", "-1", "0.0", "1.0", "-1.0"})
_LEAST = 3  # columns of yes and no that make a task of several labels


def indicator_groups(columns: dict[str, list[str]], taken: set[str]) -> list[tuple[Indicators, list[Question]]]:
    """Groups of indicator columns, with their questions.

    Args:
        columns: name -> cells.
        taken: columns with another use.
    """
    candidates = [name for name, cells in columns.items() if name not in taken and not means(name, CLASSES) and _style(cells) is not None]
    found: list[tuple[Indicators, list[Question]]] = []
    run = _one_hot_run(candidates, columns)
    if run:
        found.append((Indicators(columns=run, kind="classification", **_named(run, "class", columns)), []))
        candidates = [name for name in candidates if name not in run]
    varied = [name for name in candidates if len({cell.lower() for cell in columns[name]}) > 1]
    if len(varied) >= _LEAST or (len(candidates) >= _LEAST and varied and len(candidates) == len(columns) - len(taken)):
        group = Indicators(columns=candidates, kind="multi_label", **_named(candidates, "labels", columns))
        found.append(_with_questions(group, columns))
    return found


def _style(cells: list[str]) -> frozenset[str] | None:
    """The spelling of yes and no; None if the cells are not yes and no."""
    different = {cell.strip().lower() for cell in cells} - {""}
    if not different:
        return None
    return next((style for style in (*_STYLES, _UNSURE) if different <= style), None)


def _yes(cell: str) -> bool:
    return cell.strip().lower() in YES


def _one_hot_run(names: list[str], columns: dict[str, list[str]]) -> list[str]:
    """The longest run of columns with exactly one yes in each filled row; at least two columns, each with a yes."""
    marks = {name: [_yes(cell) for cell in columns[name]] for name in names}
    rows = [any(columns[name][n].strip() for name in names) for n in range(len(next(iter(columns.values()), [])))]
    best: list[str] = []
    for start in range(len(names)):
        sums = [0] * len(rows)
        for end in range(start, len(names)):
            sums = [total + mark for total, mark in zip(sums, marks[names[end]], strict=True)]
            if max(sums, default=0) > 1:
                break
            run = names[start : end + 1]
            used = sum(any(marks[name]) for name in run)
            if used >= 2 and len(run) > len(best) and all(total == 1 for total, says in zip(sums, rows, strict=True) if says):
                best = run
    return best


def _named(names: list[str], task: str, columns: dict[str, list[str]]) -> dict:
    """Options with task and class names. A common prefix, as pandas' get_dummies writes it, is the task's name."""
    before = names[0][: next((n for n, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), min(map(len, names)))]
    cut = max(before.rfind(mark) for mark in "_.: -=")
    if cut > 0 and all(len(name) > cut + 1 for name in names):
        return {"task": suggested_task_name(before[:cut]), "classes": [name[cut + 1 :].strip() for name in names]}
    return {"task": task if task not in columns else f"{task}_of_columns", "classes": list(names)}


def _with_questions(group: Indicators, columns: dict[str, list[str]]) -> tuple[Indicators, list[Question]]:
    rows = list(zip(*(columns[name] for name in group.columns), strict=True))
    said = [row for row in rows if any(cell.strip() for cell in row)]
    several = sum(sum(map(_yes, row)) > 1 for row in said)
    nothing = sum(not any(map(_yes, row)) for row in said)
    kind = "indicators.0.kind"
    questions = [
        Question(
            "indicators",
            f"Are the {len(group.columns)} columns of yes and no ({_some(group.columns)}) labels of one task, or tasks of their own?",
            (
                Reading("one_task", "one task in which an image may have several labels", {kind: "multi_label"}),
                Reading("own_tasks", "a task of yes and no for each column", {kind: "separate"}),
            ),
            "one_task",
            f"{several:,} of {len(said):,} rows say yes in several columns, {nothing:,} in none",
        )
    ]
    cells = {cell.strip().lower() for row in said for cell in row} - {""}
    unsure = {"-1", "-1.0"} & cells if {"0", "0.0"} & cells else set()
    blanks = sum(not cell.strip() for row in said for cell in row)
    no = [word for word in NO if word not in unsure]
    if unsure:
        count = sum(cell.strip() in unsure for row in said for cell in row)
        questions.append(_unsure(sorted(unsure), no, count, "There are cells of 0, 1 and -1. What does -1 mean?"))
        group = group.model_copy(update={"no": no})
    elif blanks and cells & set(no):
        text = "Some cells of these columns are empty in rows that say yes or no elsewhere. What do they mean?"
        questions.append(_unsure([""], [word for word in no if word], blanks, text, "means_no"))
    return group, questions


def _unsure(words: list[str], no: list[str], count: int, text: str, taken: str = "unlabelled") -> Question:
    yes_path, no_path = "indicators.0.yes", "indicators.0.no"
    readings = (
        Reading("unlabelled", "not known: an image with such a cell has no label", {yes_path: list(YES), no_path: no}),
        Reading("means_no", "no", {yes_path: list(YES), no_path: [*no, *words]}),
        Reading("means_yes", "yes", {yes_path: [*YES, *words], no_path: no}),
    )
    return Question("unsure", text, readings, taken, f"{count:,} cells")


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
