"""Proposal: what a look at a folder or zip suggests. Everything in it can be corrected in ``spec`` before the check."""

from __future__ import annotations

from dataclasses import dataclass

from mtl_core.data.imports.questions import FileNote, Question
from mtl_core.data.imports.spec import ImportSpec


@dataclass(frozen=True)
class ProposedTask:
    """A task that the files seem to hold.

    Attributes:
        name, kind, classes, unit: as the task would be.
        source: index into ``spec.sources``.
        labelled: images (or rows, boxes' files) seen with it; an estimate before the check.
        note: why it was taken for this, or what to look at; may be empty.
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
    """The first rows of a CSV as guessed, to show and to correct (options ``delimiter``, ``encoding``, ``image_column``, ``columns`` of its source).

    Attributes:
        source: index into ``spec.sources``.
        columns: names; rows: the first twenty, as text.
    """

    source: int
    file: str
    delimiter: str
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Proposal:
    """What ``propose`` found.

    Attributes:
        spec: complete, ready for ``check``.
        images: image files (or pictures in idx files) seen.
        tasks: what can be learnt from them.
        tables: every CSV among the sources.
        notes: sentences on what was guessed and why.
        questions: what the files leave open. ``spec`` holds each question's ``taken`` reading; ``questions.answer`` writes another into it.
        files: what is read and what is not, file by file or pattern by pattern, with the reason.
    """

    spec: ImportSpec
    images: int
    tasks: tuple[ProposedTask, ...]
    tables: tuple[CsvTable, ...]
    notes: tuple[str, ...]
    questions: tuple[Question, ...] = ()
    files: tuple[FileNote, ...] = ()
