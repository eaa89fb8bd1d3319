"""A model's folder: ``model.safetensors`` (tensors) and ``model.json`` (the rest, with the SHA-256 of the first). Imports no torch, runs no code.

``config.yaml`` beside them is the run's config, for people and for training again; loading does not read it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.data.dataset import Task
from mtl_core.errors import ConfigError, DataError
from mtl_core.tasks import kind_of

FORMAT = 1
DESCRIPTION, TENSORS, CONFIG = "model.json", "model.safetensors", "config.yaml"
LARGEST_SIDE = 4096  # pixels; a description from elsewhere must not make a network of any size


class ModelFileError(DataError):
    """A model's files are missing, damaged or inconsistent."""


@dataclass(frozen=True)
class ModelDescription:
    """All data needed to build a network and to decode its outputs.

    Attributes:
        config: the run's config.
        tasks: the run's tasks by name, in its order.
        statistics: ``PreparedData.statistics`` of the training split: normalisation of images, mean and std of numbers.
        run: id and name of its run; empty if unknown.
        epoch, step: position of the checkpoint in training.
        epoch_is_whole: True if the checkpoint is from the end of epoch ``epoch``, False if it is from within the next one.
    """

    config: RunConfig
    tasks: dict[str, Task]
    statistics: dict[str, Any]
    run: dict[str, str] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    epoch_is_whole: bool = True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the network's input."""
        return tuple(self.statistics["image_shape"])

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-able values."""
        tasks = [asdict(task) for task in self.tasks.values()]
        place = {"run": self.run, "epoch": self.epoch, "step": self.step, "epoch_is_whole": self.epoch_is_whole}
        return {"format": FORMAT, **place, "config": self.config.to_dict(), "tasks": tasks, "statistics": self.statistics}


def model_files(description: ModelDescription, tensors: bytes) -> dict[str, bytes]:
    """The contents of the folder's files by name."""
    whole = {**description.to_dict(), "sha256": {TENSORS: hashlib.sha256(tensors).hexdigest()}}
    return {
        TENSORS: tensors,
        DESCRIPTION: json.dumps(whole, indent=1, allow_nan=False).encode(),
        CONFIG: description.config.to_yaml().encode(),
    }


def read_model(folder: Path) -> tuple[ModelDescription, bytes]:
    """Description and tensors (the content of a safetensors file) of a model's folder.

    Raises:
        ModelFileError: a file is missing, damaged or changed; the message names it.
    """
    path = folder / DESCRIPTION
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"'{path}' cannot be read ({error}); expected the description of an exported model. Export the run again.") from None
    description = _parse_description(values, path)
    wanted = values.get("sha256", {}).get(TENSORS) if isinstance(values.get("sha256"), dict) else None
    return description, read_tensors(folder / TENSORS, wanted)


def read_tensors(path: Path, sha256: str | None, *, unchecked: bool = False) -> bytes:
    """A safetensors file's content. It is read once, so that the hashed content is the content in use.

    Args:
        sha256: the expected SHA-256; None is an error, unless ``unchecked`` (our first checkpoints had no SHA-256).

    Raises:
        ModelFileError: the file is missing, or its SHA-256 differs.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"'{path}' cannot be read: {error.strerror or error}") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 != found and not (unchecked and sha256 is None):
        expected = f"SHA-256 {sha256}" if sha256 else "a SHA-256 beside it, which is missing"
        raise ModelFileError(f"'{path}' is not what was written: expected {expected}, found {found}. It is damaged or was changed; get it again.")
    return content


def tasks_of(values: list[Mapping[str, Any]]) -> dict[str, Task]:
    """Tasks by name, from the values that ``dataclasses.asdict`` wrote to JSON."""
    known = Task.__dataclass_fields__
    tasks = [Task(**{key: _plain(value) for key, value in each.items() if key in known}) for each in values]
    return {task.name: task for task in tasks}


def statistics_problem(statistics: Any, tasks: Mapping[str, Task]) -> str:
    """What is wrong with the statistics that a network would be built and fed with, as a sentence; empty where nothing is."""
    channels = statistics["image_shape"][0]
    for key in ("mean", "std"):
        if not _are_numbers(statistics[key], channels):
            return f"statistics.{key}: expected {channels} finite numbers, found {statistics[key]!r:.60}"
    targets = statistics["targets"]
    if not isinstance(targets, dict) or not all(isinstance(each, dict) for each in targets.values()):
        return f"statistics.targets: expected an object of objects, found {targets!r:.60}"
    placed = statistics.get("placed")
    if not isinstance(placed, dict | None):
        return f"statistics.placed: expected an object or null, found {placed!r:.60}"
    if placed and (problem := _placed_problem(placed)):
        return f"statistics.placed.{problem}"
    for task in tasks.values():
        own = targets.get(task.target, {})
        if kind_of(task.kind).standardises and not _are_numbers([own.get("mean"), own.get("std")], 2):
            return f"statistics.targets.{task.target}: expected 'mean' and 'std' as finite numbers, found {own!r:.60}"
        if not isinstance(task.classes, tuple) or not all(isinstance(name, str) for name in (task.unit, *task.classes)):
            return f"tasks.{task.name}: expected class names and a unit that are text, found {task.classes!r:.60}, {task.unit!r:.60}"
    return ""


def _placed_problem(placed: dict[str, Any]) -> str:
    """What is wrong with the description of how a data set placed its pictures, beginning with the key; empty where nothing is."""
    if placed.get("how") not in ("none", "pad", "stretch", "crop") or placed.get("bars") not in ("mean", "black"):
        return f"how, bars: expected the way of resizing and the colour of the bars, found {placed.get('how')!r:.40}, {placed.get('bars')!r:.40}"
    shape, levels = placed.get("shape"), placed.get("levels")
    sides = shape[1:] if isinstance(shape, list | tuple) and len(shape) == 3 and shape[0] in (1, 3) else ()
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in sides):
        return f"shape: expected (1 or 3, up to {LARGEST_SIDE}, up to {LARGEST_SIDE}), found {shape!r:.60}"
    if levels is not None and not (_are_numbers(list(levels) if isinstance(levels, tuple) else levels, 2) and levels[0] < levels[1]):
        return f"levels: expected two rising numbers or null, found {levels!r:.60}"
    return ""


def _are_numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _plain(value: Any) -> Any:
    return tuple(_plain(each) for each in value) if isinstance(value, list | tuple) else value


def _parse_description(values: Any, path: Path) -> ModelDescription:
    try:
        written = int(values["format"])
        if written > FORMAT:
            raise ModelFileError(f"'{path}' was written by a newer version of the program (format {written}, this one reads up to {FORMAT}).")
        statistics = values["statistics"]
        channels, height, width = statistics["image_shape"]
        if channels not in (1, 3) or not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in (height, width)):
            raise ValueError(f"image_shape: expected (1 or 3, up to {LARGEST_SIDE}, up to {LARGEST_SIDE}), found {statistics['image_shape']}")
        config, tasks = RunConfig.from_dict(values["config"]), tasks_of(values["tasks"])
        missing = [name for name in config.tasks if name not in tasks]
        if missing:
            raise ValueError(f"tasks: the config's '{missing[0]}' is not described")
        if problem := statistics_problem(statistics, {name: tasks[name] for name in config.tasks}):
            raise ValueError(problem)
        place = {key: int(values.get(key, 0)) for key in ("epoch", "step")}
        run = {str(key): str(value) for key, value in dict(values.get("run", {})).items()}
        return ModelDescription(config, tasks, statistics, run, **place, epoch_is_whole=bool(values.get("epoch_is_whole", True)))
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        what = f"it has no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"'{path}' is no description of a model that this version can read: {what}") from None
