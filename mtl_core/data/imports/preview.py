"""A few images of an import with their targets, made exactly as the import would make them: to look at a reading before it is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.imports.examine import examine
from mtl_core.data.imports.source import PreparedSource
from mtl_core.data.imports.spec import ImportSpec


@dataclass(frozen=True)
class Preview:
    """Images with targets, and the tasks that the targets are of.

    Attributes:
        keys: one per row of ``data``; images that cannot be read are left out.
        refused: sentences on targets of these images that are not used.
    """

    keys: tuple[str, ...]
    data: MultiTaskDataset
    tasks: tuple[Task, ...]
    refused: tuple[str, ...]


def preview(path: str | Path, spec: ImportSpec, keys: Sequence[str]) -> Preview:
    """Prepare the images ``keys`` and their targets in memory; nothing is written.

    Raises:
        DataError: the path or a source cannot be read. ConfigError: a source's options are wrong.
    """
    examined = examine(path, spec, only=keys)
    try:
        source = PreparedSource(examined)
        data = source.build("train", lambda share, what: None)
        refused = tuple(f"{finding.file}: {finding.message}" for finding in examined.report.findings if finding.outcome == "skipped")
        return Preview(tuple(examined.facts), data, source.tasks(), refused)
    finally:
        examined.tree.close()
