"""Inputs of an export: the run and its store, the chosen network and its predictions. Each is read at its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_core.errors import NotPossibleError
from mtl_core.language import SOURCE
from mtl_core.runs.artifacts import ProbeTargets, probe_epochs, read_probe_targets, read_probes
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore
from mtl_core.tasks import kind_of
from mtl_core.tasks.kind import TaskKind

if TYPE_CHECKING:
    import pandas

    from mtl_core.inference.predictor import Predictor

BATCH = 64  # images predicted at a time
Progress = Callable[[float, str], None]


@dataclass
class ExportSource:
    """A run to export.

    Attributes:
        checkpoint: ``best``, ``best:TASK``, ``last`` or an epoch's number.
        progress: called with the share done (0..1) and a text; an exception from it ends the export.
        language: of the texts for people, a key of ``LANGUAGES``. Files for programs are in English.
    """

    store: RunStore
    run: Run
    checkpoint: str | int = "best"
    progress: Progress = field(default=lambda share, what: None)
    language: str = SOURCE

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.store.folder(self.run.id)

    @property
    def tasks(self) -> dict[str, Any]:
        """``RunStarted.info["tasks"]``. Raises NotPossibleError before training has begun."""
        if not self.run.info:
            raise NotPossibleError(f"run {self.run.id} has not begun to train, so only its settings can be exported")
        return self.run.info["tasks"]

    @cached_property
    def scalars(self) -> pandas.DataFrame:
        """Every recorded value (of repeated steps the later one): step, epoch, key, value, wall_time in seconds."""
        frame = self.store.scalars(self.run.id).drop_duplicates(["key", "step"], keep="last")
        return frame[["step", "epoch", "key", "value", "wall_time"]].reset_index(drop=True)

    @cached_property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Best and last value of every key."""
        return self.store.summary(self.run.id)

    @cached_property
    def predictor(self) -> Predictor:
        """The chosen network."""
        from mtl_core.inference.loading import load

        return load(self.run.id, self.checkpoint, home=self.store.home)

    @cached_property
    def val(self) -> tuple[Any, dict[str, np.ndarray]]:
        """The validation split, and the chosen network's predictions of all its images per task (rows as in ``mtl_core.tasks.kind``)."""
        from mtl_core.data import open_source_of_run
        from mtl_core.data.prepare import prepare

        data = prepare(open_source_of_run(self.run.config, self.folder), self.store.cache).val
        parts: dict[str, list[np.ndarray]] = {}
        for start in range(0, len(data), BATCH):
            self.progress(start / len(data), "predicting the validation images")
            frames = np.ascontiguousarray(data.images[start : start + BATCH].transpose(0, 2, 3, 1))
            for name, values in self.predictor.decode(self.predictor.outputs(frames)).items():
                parts.setdefault(name, []).append(values)
        return data, {name: np.concatenate(values) for name, values in parts.items()}

    @cached_property
    def val_files(self) -> list[str]:
        """The original picture of each validation image of an imported set; empty for other sets."""
        name = self.run.config.imported_set
        if not name:
            return []
        from mtl_core.data.imports.import_library import get_imported
        from mtl_core.data.imports.pinned_set import check_pin

        check_pin(self.folder, name, self.store.home)
        return get_imported(name, self.store.home).files("val")

    @cached_property
    def probes(self) -> tuple[ProbeTargets, dict[str, np.ndarray], int]:
        """Probe images with targets, their predictions at the newest epoch, and that epoch."""
        epochs = probe_epochs(self.folder)
        if not epochs:
            raise NotPossibleError(f"run {self.run.id} has no predictions; the first are saved when it begins to train")
        return read_probe_targets(self.folder), read_probes(self.folder, epochs[-1]), epochs[-1]

    def tasks_with(self, hook: str, what: str) -> list[str]:
        """Names of the run's tasks whose kind gives something (``hook`` of ``TaskKind`` is its own). Raises NotPossibleError where there is none.

        Args:
            what: that is asked for, for the sentence: "boxes or points".
        """
        kinds = {name: kind_of(info["kind"]) for name, info in self.tasks.items()}
        found = [name for name, kind in kinds.items() if not _is_default(kind, hook)]
        if not found:
            had = ", ".join(dict.fromkeys(info["kind"].replace("_", " ") for info in self.tasks.values()))
            raise NotPossibleError(f"run {self.run.id} has no task whose predictions are {what} (its tasks: {had}), so there is nothing to export")
        return found


def _is_default(kind: type, hook: str) -> bool:
    own, default = getattr(kind, hook), getattr(TaskKind, hook)
    return getattr(own, "__func__", own) is getattr(default, "__func__", default)
