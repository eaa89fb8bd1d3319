"""Preview: a few images of an import with their targets, prepared as the import prepares them, to compare the readings of a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.imports.checking.scan import examine
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.imports.spec import ImportSpec


@dataclass(frozen=True)
class Preview:
    """Prepared images with their targets and tasks.

    Attributes:
        keys: one per row of ``data``; images that cannot be read are left out.
        refused: sentences about targets of these images that are not used.
    """

    keys: tuple[str, ...]
    data: MultiTaskDataset
    tasks: tuple[Task, ...]
    refused: tuple[str, ...]


def preview(path: str | Path, spec: ImportSpec, keys: Sequence[str], cancelled: Callable[[], bool] | None = None) -> Preview:
    """Prepare the images ``keys`` and their targets in memory; nothing is written.

    Raises:
        DataError: the path or a source cannot be read. ConfigError: a source's options are wrong. Cancelled: ``cancelled`` returned True.
    """
    examined = examine(path, spec, cancelled=cancelled, only=keys)
    try:
        source = PreparedSource(examined)
        data = source.build("train", lambda share, what: None)
        refused = tuple(f"{finding.file}: {finding.message}" for finding in examined.report.findings if finding.outcome == "skipped")
        return Preview(tuple(examined.facts), data, source.tasks(), refused)
    finally:
        examined.tree.close()
