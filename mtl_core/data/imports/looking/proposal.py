"""Proposal: the guessed description of a folder or zip. Everything in it can be corrected in ``spec`` before the check."""

from __future__ import annotations

from dataclasses import dataclass

from mtl_core.data.imports.looking.questions import FileNote, Question
from mtl_core.data.imports.spec import ImportSpec


@dataclass(frozen=True)
class ProposedTask:
    """A task that the files seem to hold.

    Attributes:
        name, kind, classes, unit: those of the task.
        source: index into ``spec.sources``.
        labelled: number of images (or rows, or files of boxes) with this target; an estimate before the check.
        note: reason of the guess, or what to check; may be empty.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    unit: str
    source: int
    labelled: int
    note: str = ""


@dataclass(frozen=True)
class CsvTable:
    """The first rows of a table as guessed. Options ``delimiter``, ``encoding``, ``image_column`` and ``columns`` of its source correct it.

    Attributes:
        source: index into ``spec.sources``.
        columns: names of the columns; rows: the first twenty, as text.
    """

    source: int
    file: str
    delimiter: str
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Proposal:
    """The result of ``propose``.

    Attributes:
        spec: complete, ready for ``check``.
        images: number of image files (or pictures in idx files).
        tasks: the tasks that the files have targets for.
        tables: every table among the sources.
        notes: sentences on the guesses and their reasons.
        questions: open questions. ``spec`` holds each question's ``taken`` reading; ``questions.answer`` writes another into it.
        files: notes on the files that are read or not, by file or pattern, with the reason.
    """

    spec: ImportSpec
    images: int
    tasks: tuple[ProposedTask, ...]
    tables: tuple[CsvTable, ...]
    notes: tuple[str, ...]
    questions: tuple[Question, ...] = ()
    files: tuple[FileNote, ...] = ()
