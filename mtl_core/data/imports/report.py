"""Report: what a check found, file by file: usable, repaired (how), skipped (why). Nothing is prepared by it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from mtl_core.csv_text import safe_cell
from mtl_core.data.dataset import Task
from mtl_core.data.imports.questions import Question

Outcome = Literal["repaired", "skipped", "note"]
ROWS_KEPT = 20_000  # findings listed one by one; more are only counted, so that memory stays bounded


@dataclass(frozen=True)
class Finding:
    """One thing worth saying about one file.

    Attributes:
        outcome: ``repaired``: used, changed as said; ``skipped``: not used; ``note``: used as it is, but odd.
        kind: short stable name of the sort of thing, such as ``truncated`` or ``box_empty``.
        file: name below the path, with the place in it where that helps (``a.csv:17``).
        message: a sentence: what was expected, what was found, what was done.
        task: the task it is about; empty for the image itself or the whole set.
    """

    outcome: Outcome
    kind: str
    file: str
    message: str
    task: str = ""


class Findings:
    """Findings as they are made: the first ``ROWS_KEPT`` in full, all of them counted."""

    def __init__(self) -> None:
        self.rows: list[Finding] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()  # (outcome, kind, task) -> how many

    def add(self, outcome: Outcome, kind: str, file: str, message: str, task: str = "") -> None:
        """Take one down."""
        self.counts[outcome, kind, task] += 1
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(Finding(outcome, kind, _printable(file), _printable(message), task))

    def take(self, others: Findings) -> None:
        """All of another's, as if they had been added here."""
        self.counts.update(others.counts)
        self.rows += others.rows[: max(0, ROWS_KEPT - len(self.rows))]

    def mark(self) -> tuple[int, Counter[tuple[str, str, str]]]:
        """Where they stand now, for ``back_to``."""
        return len(self.rows), self.counts.copy()

    def back_to(self, mark: tuple[int, Counter[tuple[str, str, str]]]) -> None:
        """Forget what was added since ``mark``."""
        del self.rows[mark[0] :]
        self.counts = mark[1].copy()

    @property
    def left_out(self) -> int:
        """How many are counted but not listed."""
        return sum(self.counts.values()) - len(self.rows)


def _printable(text: str) -> str:
    """No control characters (a file's name may hold some) and no endless names."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= 600 else text[:597] + "..."


@dataclass(frozen=True)
class TaskSummary:
    """One task as the check found it.

    Attributes:
        task: name, kind, classes, unit as training will see them.
        labelled: split -> images that have this target.
        class_counts: class -> images (classification, multi_label), boxes (detection); empty for other kinds.
        lowest, highest: of regression's values; None for other kinds.
    """

    task: Task
    labelled: dict[str, int]
    class_counts: dict[str, int] = field(default_factory=dict)
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class Leak:
    """The same picture in two parts of the data: results on the second would be too good.

    Attributes:
        splits: the two parts.
        files: the two files, pixel by pixel the same.
    """

    splits: tuple[str, str]
    files: tuple[str, str]


@dataclass(frozen=True)
class Report:
    """What is in a folder or zip under a spec.

    Attributes:
        images: usable images.
        found: image files looked at.
        repaired, skipped: images, each counted once.
        split_sizes: images per split.
        image_shape: (C, H, W) after preparation.
        original_sizes: (width, height) -> images, the most frequent twenty.
        tasks: in the spec's order.
        findings: row by row; ``left_out`` more are only in ``counts``.
        counts: {"outcome/kind": how many}, over all findings.
        leaks: at most 200; ``leak_count`` is the true number.
        problems: what keeps the import from being made, as sentences; empty when it can be.
        bytes_prepared: size of the prepared data on disk.
        digest: of everything the prepared data depend on.
        questions: what only reading every file shows and the description leaves open; ``questions.answer`` writes a reading into it.
    """

    images: int
    found: int
    repaired: int
    skipped: int
    split_sizes: dict[str, int]
    image_shape: tuple[int, int, int]
    original_sizes: dict[tuple[int, int], int]
    tasks: tuple[TaskSummary, ...]
    findings: tuple[Finding, ...]
    left_out: int
    counts: dict[str, int]
    leaks: tuple[Leak, ...]
    leak_count: int
    problems: tuple[str, ...]
    bytes_prepared: int
    digest: str
    questions: tuple[Question, ...] = ()

    def csv_lines(self) -> Iterator[str]:
        """The findings as CSV, a line at a time, for a download. A cell that a spreadsheet would take for a formula gets a ' before it."""
        yield _csv_line(("outcome", "kind", "task", "file", "message"))
        for row in self.findings:
            yield _csv_line((row.outcome, row.kind, row.task, row.file, row.message))
        if self.left_out:
            yield _csv_line(("note", "more", "", "", f"{self.left_out:,} more findings are counted but not listed"))

    def to_csv(self) -> str:
        """All lines of ``csv_lines``."""
        return "".join(self.csv_lines())

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        tasks = [
            {
                "name": summary.task.name,
                "kind": summary.task.kind,
                "classes": list(summary.task.classes),
                "unit": summary.task.unit,
                "labelled": summary.labelled,
                "class_counts": summary.class_counts,
                "lowest": summary.lowest,
                "highest": summary.highest,
            }
            for summary in self.tasks
        ]
        plain = ("images", "found", "repaired", "skipped", "split_sizes", "left_out", "counts", "leak_count", "bytes_prepared", "digest")
        return {
            **{name: getattr(self, name) for name in plain},
            "image_shape": list(self.image_shape),
            "original_sizes": [{"width": w, "height": h, "images": count} for (w, h), count in self.original_sizes.items()],
            "tasks": tasks,
            "findings": [vars(row) for row in self.findings],
            "leaks": [{"splits": list(leak.splits), "files": list(leak.files)} for leak in self.leaks],
            "problems": list(self.problems),
        }


def _csv_line(cells: tuple[str, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue()
