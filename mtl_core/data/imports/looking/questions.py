"""Questions of an import: a guess with an alternative is asked. Both readings are named, and the user chooses.

A format's ``guess`` adds a ``Question`` to its ``Guess``. ``propose`` numbers the sources and collects the questions. The page shows pictures for
each reading; the command line takes ``--answer NAME=READING``. ``answer`` writes the chosen reading into the description as ordinary options.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtl_core.data.imports.spec import ImportSpec
from mtl_core.errors import DataError
from mtl_core.registry import unknown_name


@dataclass(frozen=True)
class Reading:
    """One answer to a question.

    Attributes:
        name: short and stable, for the command line, such as ``shares``.
        title: its meaning, such as "shares of the picture's sides".
        changes: dotted path -> value. In the question of a source the path starts at the source's options (``box_unit``, ``columns.0.kind``), in a
            question of the whole set at the description (``splits.how``, ``images.exclude``).
    """

    name: str
    title: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """An ambiguity in the files.

    Attributes:
        name: short and stable, unique in a proposal once ``propose`` has numbered it, such as ``unlisted``.
        text: one sentence that ends in a question mark.
        readings: at least two.
        taken: name of the reading in the proposed description until the user answers; '' if none is preferred.
        evidence: findings for each reading, with numbers.
        examples: at most six image keys on which the readings differ, to draw.
        source: index into ``spec.sources``; None for the whole set. ``propose`` sets it.
    """

    name: str
    text: str
    readings: tuple[Reading, ...]
    taken: str = ""
    evidence: str = ""
    examples: tuple[str, ...] = ()
    source: int | None = None

    def reading(self, name: str) -> Reading:
        """The reading named ``name``.

        Raises:
            DataError: no such reading; the message lists them.
        """
        for reading in self.readings:
            if reading.name == name:
                return reading
        raise DataError(f"question '{self.name}': {unknown_name('reading', name, [reading.name for reading in self.readings])}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        plain = {name: getattr(self, name) for name in ("name", "text", "taken", "evidence", "source")}
        readings = [{"name": reading.name, "title": reading.title, "changes": dict(reading.changes)} for reading in self.readings]
        return {**plain, "readings": readings, "examples": list(self.examples)}


@dataclass(frozen=True)
class FileNote:
    """The look's result for a file, or for several similar files.

    Attributes:
        files: a name below the path, or a pattern such as ``scans/*.heic``.
        count: number of files.
        read: whether the files are read.
        reason: the format they are read as; or why they are not read, and what to do.
    """

    files: str
    count: int
    read: bool
    reason: str


def answer(spec: ImportSpec, question: Question, reading: str) -> ImportSpec:
    """``spec`` with a question answered: the reading's changes are written into it.

    Raises:
        DataError: no such reading. ConfigError: the changed description is invalid.
    """
    values = spec.to_dict()
    for path, value in question.reading(reading).changes.items():
        parts = path.split(".")
        node = values if question.source is None else values["sources"][question.source]
        for part in parts[:-1]:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        last: Any = int(parts[-1]) if isinstance(node, list) else parts[-1]
        node[last] = copy.deepcopy(value)
    return ImportSpec.from_dict(values)
