"""Report: the findings of a check, file by file: usable, repaired (how), skipped (why). A check prepares nothing."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from mtl_core.csv_text import safe_cell
from mtl_core.data.dataset import Task
from mtl_core.data.imports.checking.finding_kinds import Group, group_of
from mtl_core.data.imports.looking.questions import Question

Outcome = Literal["repaired", "skipped", "note"]
ROWS_KEPT = 20_000  # most findings that are listed; more are only counted, to bound the memory


@dataclass(frozen=True)
class Finding:
    """One finding about one file.

    Attributes:
        outcome: ``repaired``: changed and used; ``skipped``: not used; ``note``: used unchanged, but unusual.
        kind: short stable name of the finding's type, such as ``box_cut`` or ``box_empty``; ``finding_kinds.KINDS`` has its words.
        file: name below the path, with the line if that helps (``a.csv:17``).
        message: a sentence with the expected and found values and the action taken.
        task: name of its task; empty for the image itself or the whole set.
    """

    outcome: Outcome
    kind: str
    file: str
    message: str
    task: str = ""


class Findings:
    """Collects findings: the first ``ROWS_KEPT`` are listed, all are counted."""

    def __init__(self) -> None:
        self.rows: list[Finding] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()  # (outcome, kind, task) -> how many

    def add(self, outcome: Outcome, kind: str, file: str, message: str, task: str = "") -> None:
        """Add a finding."""
        self.counts[outcome, kind, task] += 1
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(Finding(outcome, kind, _printable(file), _printable(message), task))

    def take(self, others: Findings) -> None:
        """Add all findings of another collection."""
        self.counts.update(others.counts)
        self.rows += others.rows[: max(0, ROWS_KEPT - len(self.rows))]

    def mark(self) -> tuple[int, Counter[tuple[str, str, str]]]:
        """The current position, for ``back_to``."""
        return len(self.rows), self.counts.copy()

    def back_to(self, mark: tuple[int, Counter[tuple[str, str, str]]]) -> None:
        """Remove the findings added since ``mark``."""
        del self.rows[mark[0] :]
        self.counts = mark[1].copy()

    @property
    def left_out(self) -> int:
        """Number of findings that are counted but not listed."""
        return sum(self.counts.values()) - len(self.rows)


def _printable(text: str) -> str:
    """Text without control characters, which file names may contain, and cut to a bounded length."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= 600 else text[:597] + "..."


@dataclass(frozen=True)
class TaskSummary:
    """A task's numbers in the check.

    Attributes:
        task: name, kind, classes, unit as training will see them.
        labelled: split -> images that have this target.
        class_counts: class -> images (classification, multi_label), boxes (detection); empty for other kinds.
        lowest, highest: range of the values of regression; None for other kinds.
    """

    task: Task
    labelled: dict[str, int]
    class_counts: dict[str, int] = field(default_factory=dict)
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class Leak:
    """The same picture in two parts of the data, which makes results on the second part too good.

    Attributes:
        splits: the two parts.
        files: the two files, whose pixels are equal.
    """

    splits: tuple[str, str]
    files: tuple[str, str]


@dataclass(frozen=True)
class Report:
    """The content of a folder or zip, read by a spec.

    Attributes:
        images: number of usable images.
        found: number of image files read.
        repaired, skipped: numbers of images, each counted once.
        split_sizes: images per split.
        image_shape: (C, H, W) after preparation.
        original_sizes: (width, height) -> images, the most frequent twenty.
        tasks: in the spec's order.
        findings: the listed findings; ``left_out`` more are only in ``counts``.
        counts: {"outcome/kind": number}, over all findings.
        leaks: at most 200; ``leak_count`` is the true number.
        problems: sentences with the reasons why the import is refused; empty if it can be made.
        bytes_prepared: size of the prepared data on disk.
        digest: hash of everything that the prepared data depend on.
        questions: questions that came up only when every file was read; ``questions.answer`` writes a reading into the spec.
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

    def groups(self) -> Counter[Group]:
        """Number of findings of each group, over all of them."""
        found: Counter[Group] = Counter()
        for key, count in self.counts.items():
            outcome, kind = key.split("/")
            found[group_of(outcome, kind)] += count
        return found

    def csv_lines(self) -> Iterator[str]:
        """The findings as CSV, a line at a time, for a download. A cell that a spreadsheet would read as a formula starts with a '."""
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
