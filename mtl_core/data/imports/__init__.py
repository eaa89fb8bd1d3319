"""Import of a user's own pictures, in any usual format. The order of the calls::

    proposal = propose(path)                            # guesses from few files, with reasons
    proposal.questions, proposal.files                  # open questions; the files that are read or not, with reasons
    spec = answer(proposal.spec, question, "shares")    # corrected by the user, or read by ImportSpec.from_yaml
    examined = examine(path, spec, progress, cancelled) # reads every file once; nothing is written
    examined.report                                     # ``check(path, spec)`` gives only this
    import_dataset(path, spec, "cells", checked=examined, progress=..., cancelled=...)
    imported()                                          # the sets there are; a RunConfig's ``data: {name: imported, set: cells}``
    delete("cells")

Functions that need the store take ``home`` (default: MTL_HOME). ``cancelled`` is called between files; if it returns True, the call raises
``Cancelled`` and leaves nothing behind. To add a format: a file in ``formats`` and a line in ``formats.format.FORMATS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtl_core.data.imports.checking.check_report import Finding, Leak, Report, TaskSummary
from mtl_core.data.imports.checking.scan import Examined, examine
from mtl_core.data.imports.import_library import ImportedSet, get_imported, imported, name_problem
from mtl_core.data.imports.importing import delete, import_dataset
from mtl_core.data.imports.looking.first_look import describe, propose
from mtl_core.data.imports.looking.import_preview import preview
from mtl_core.data.imports.looking.proposal import CsvTable, Proposal, ProposedTask
from mtl_core.data.imports.looking.questions import FileNote, Question, Reading, answer
from mtl_core.data.imports.reading_progress import Cancelled
from mtl_core.data.imports.spec import ImageSpec, ImportSpec, SourceSpec, SplitSpec

__all__ = [
    "Cancelled",
    "CsvTable",
    "Examined",
    "FileNote",
    "Finding",
    "ImageSpec",
    "ImportSpec",
    "ImportedSet",
    "Leak",
    "Proposal",
    "ProposedTask",
    "Question",
    "Reading",
    "Report",
    "SourceSpec",
    "SplitSpec",
    "TaskSummary",
    "answer",
    "check",
    "delete",
    "describe",
    "examine",
    "get_imported",
    "import_dataset",
    "imported",
    "name_problem",
    "preview",
    "propose",
]


def check(
    path: str | Path, spec: ImportSpec, progress: Callable[[float, str], None] | None = None, cancelled: Callable[[], bool] | None = None
) -> Report:
    """The report of ``examine``: usable, repaired and skipped files. Nothing is written. Raises the errors of ``examine``."""
    examined = examine(path, spec, progress, cancelled)
    examined.tree.close()
    return examined.report
