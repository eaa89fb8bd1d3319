"""Evaluation of a run's checkpoint on one split: every task's findings and each image's error."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mtl_core.analysis.evaluation import evaluation_of
from mtl_core.analysis.evaluation.findings import Findings, KindEvaluation
from mtl_core.analysis.sample_errors import SampleErrors, per_sample_errors
from mtl_core.config import RunConfig
from mtl_core.data import open_source_of_run
from mtl_core.data.batches import Batches
from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.randomness import unnoticed
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks.kind import TaskKind
from mtl_core.training.build import build_kinds, build_model, training_data
from mtl_core.training.checkpoint_files import FILES, DamagedCheckpointError, check_files, read_meta
from mtl_core.training.evaluation import scalars_of
from mtl_core.training.execution import Execution, resolve_device
from mtl_core.training.parts import network_parts
from mtl_core.training.setup import evaluation_batch_size, read_targets, views_of
from mtl_core.training.tensors.network_tensors import fitting_tensors

KEPT_BYTES = 32 * 2**20  # per task, for the predictions with the largest errors; enough for every image of most splits


@dataclass
class TaskPass:
    """One task during the pass: ``rows`` of the split, their errors and predictions, batch by batch."""

    kind: TaskKind
    evaluation: KindEvaluation | None
    errors: SampleErrors | None = None
    values: list[np.ndarray] = field(default_factory=list)
    mistakes: list[np.ndarray] = field(default_factory=list)
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    kept: np.ndarray | None = None
    kept_errors: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


def evaluate_checkpoint(
    config: RunConfig, folder: Path, cache: Path, checkpoint: str, split: str, progress: Progress = lambda share, what: None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Predict every image of a split with a checkpoint, in the run's precision and layout, and compute the metrics.

    Of a kind without an evaluation of its own, such as a self-supervised one, these are the numbers that its curves show.

    Args:
        config: the run's config.
        folder: the run's folder.
        cache: folder of prepared data.
        checkpoint: name of one of the run's checkpoints.
        split: train (without augmentation), val or test.
        progress: called with the share done and a text; an exception that it raises ends the evaluation.

    Returns:
        A JSON-able report and arrays, as ``mtl_core.runs.evaluations`` keeps them.

    Raises:
        DamagedCheckpointError: the checkpoint's files are damaged.
        OtherNetworkError: the checkpoint holds another network.
        ConfigError, DataError: the data or a part of the config no longer exist, or other data have the name of the run's set.
    """
    started = time.time()
    data = training_data(config, open_source_of_run(config, folder), cache, lambda share, what: progress(0.0, f"preparing the data: {what}"))
    meta = read_meta(folder, checkpoint)
    if config.backbone.weights != "none":  # images are normalised as the starting weights were trained
        data = replace(data, statistics={**data.statistics, "mean": meta["statistics"]["mean"], "std": meta["statistics"]["std"]})
    execution = Execution(resolve_device(config.device), meta["execution"]["precision"], meta["execution"]["layout"])
    kinds = build_kinds(config, data.tasks, data.statistics)
    model = _loaded(config, folder, checkpoint, kinds, data.statistics, execution)
    dataset = data.split(split)
    passes = {name: TaskPass(kind, evaluation_of(kind)) for name, kind in kinds.items() if not kind.is_self_supervised}
    for task in passes.values():
        if task.evaluation is not None:
            task.evaluation.size = task.kind.image_size
    batches = _batches(config, dataset, kinds, data.statistics, execution)
    if passes:
        _predict(model, execution, batches, dataset, passes, lambda share: progress(share, split))
    progress(1.0, f"{split}: computing the metrics")
    simple = {name: kind for name, kind in kinds.items() if name not in passes or passes[name].evaluation is None}
    scalars: dict[str, float] = {}
    if simple:
        made = frozenset(kind.task.target for kind in kinds.values() if kind.is_self_supervised)  # of every image
        batches.views = views_of(kinds)
        scalars = scalars_of(simple, model, batches, execution, complete=made) or {}
    report, arrays = {}, {}
    for name, kind in kinds.items():
        findings = Findings([(metric, scalars.get(f"{name}/{metric.name}", np.nan)) for metric in kind.metrics]) if name in simple else None
        report[name], arrays[name] = _concluded(passes.get(name) or TaskPass(kind, None), dataset, findings)
    facts = {"split": split, "checkpoint": checkpoint, "epoch": meta["position"]["epoch"], "step": meta["position"]["step"]}
    facts |= {"images": len(dataset), "created_at": time.time(), "seconds": time.time() - started}
    facts |= {"device": execution.device, "precision": execution.precision, "layout": execution.layout}
    return {**facts, "tasks": report}, {f"{task}/{name}": values for task, found in arrays.items() for name, values in found.items()}


def _loaded(
    config: RunConfig, folder: Path, checkpoint: str, kinds: dict[str, TaskKind], statistics: dict[str, Any], execution: Execution
) -> MultiTaskModel:
    check_files(folder, checkpoint, FILES[:1])
    with unnoticed():  # the random values are replaced by the trained ones
        model = build_model(network_parts(config), kinds, statistics)
    path = folder / "checkpoints" / checkpoint / FILES[0]
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise DamagedCheckpointError(f"'{path}' cannot be read ({str(error).splitlines()[0]})") from None
    model.load_state_dict(fitting_tensors(tensors, model.state_dict()))
    return model.to(execution.device).to(memory_format=execution.memory_format).eval()


def _batches(config: RunConfig, dataset: MultiTaskDataset, kinds: dict[str, TaskKind], statistics: dict[str, Any], execution: Execution) -> Batches:
    """The batches of ``Run.evaluation_batches``, so that the numbers equal those of the curves."""
    size = evaluation_batch_size(config)
    return Batches(dataset, read_targets(kinds), statistics, size, execution.device, channels_last=execution.layout == "channels_last")


@torch.no_grad()
def _predict(model: Any, execution: Execution, batches: Batches, dataset: MultiTaskDataset, passes: dict[str, TaskPass], progress: Any) -> None:
    for number, batch in enumerate(batches.epoch(0)):
        progress(number / len(batches))
        with execution.autocast():
            outputs = model(batch.images)
        rows = batch.index.numpy()
        for name, task in passes.items():
            _add(task, task.kind.decode(outputs[name]), dataset, rows)


def _add(task: TaskPass, predictions: np.ndarray, dataset: MultiTaskDataset, rows: np.ndarray) -> None:
    target = task.kind.task.target
    targets, labelled = dataset.targets[target][rows], dataset.labelled[target][rows]
    if task.evaluation is not None and labelled.any():
        task.evaluation.update(predictions[labelled], targets[labelled], rows[labelled])
    errors = per_sample_errors(task.kind.task.kind, predictions, targets, labelled)
    if errors is None:
        return
    task.errors = errors
    task.values.append(errors.values)
    if errors.mistakes is not None:
        task.mistakes.append(errors.mistakes)
    if task.kind.keeps_halves and predictions.dtype == np.float32:
        predictions = predictions.astype(np.float16)
    task.rows = np.concatenate([task.rows, rows])
    task.kept = predictions if task.kept is None else np.concatenate([task.kept, predictions])
    task.kept_errors = np.concatenate([task.kept_errors, np.nan_to_num(errors.values, nan=-1.0)])
    if task.kept.nbytes > 2 * KEPT_BYTES:
        _drop_the_best(task, task.kept)


def _drop_the_best(task: TaskPass, kept: np.ndarray) -> None:
    """Keep the predictions with the largest errors, in the order of the split."""
    most = max(1, KEPT_BYTES // max(1, kept[0].nbytes))
    chosen = np.sort(np.argsort(-task.kept_errors, kind="stable")[:most])
    task.rows, task.kept, task.kept_errors = task.rows[chosen], kept[chosen], task.kept_errors[chosen]


def _concluded(task: TaskPass, dataset: MultiTaskDataset, findings: Findings | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What is stored of a task; ``findings`` of a kind without an evaluation of its own."""
    own = task.kind.task
    if findings is None:
        assert task.evaluation is not None
        findings = task.evaluation.compute()
    values = [_described(metric, own.unit) | {"value": _plain(value)} for metric, value in findings.values]
    class_values = [_described(metric, own.unit) | {"values": [_plain(value) for value in numbers]} for metric, numbers in findings.class_values]
    cells, errors = findings.cells, task.errors
    report = {
        "kind": own.kind,
        "title": own.title,
        "classes": list(own.classes),
        "unit": own.unit,
        "labelled": len(dataset) if task.kind.is_self_supervised else int(dataset.labelled[own.target].sum()),
        "values": values,
        "class_values": class_values,
        "cells": {"rows": list(cells.rows), "columns": list(cells.columns), "counted": cells.counted} if cells else None,
        "errors": {"title": errors.title, "unit": own.unit if errors.unit == "unit" else errors.unit} if errors else None,
    }
    arrays = dict(findings.arrays)
    if cells:
        arrays["cells"] = cells.entries.astype(np.int32)
    if task.kept is not None:
        if task.kept.nbytes > KEPT_BYTES:
            _drop_the_best(task, task.kept)
        arrays |= {"errors": np.concatenate(task.values), "kept": task.rows, "predictions": task.kept}
        if task.mistakes:
            arrays["mistakes"] = np.concatenate(task.mistakes)
    return report, arrays


def _described(metric: Any, unit: str) -> dict[str, Any]:
    metric = replace(metric, unit=unit if metric.unit == "unit" else metric.unit)
    return {"name": metric.name, "title": metric.title, "unit": metric.unit, "higher_is_better": metric.higher_is_better}


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
