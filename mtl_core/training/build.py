"""Builds everything a run needs from a config's parts: data, task kinds, model, balancer, optimizer, update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mtl_core.backbones import BACKBONES
from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.config_sections import TaskConfig
from mtl_core.data.batches import Batch, Batches, part_of, parts_of
from mtl_core.data.data_source import DataSource
from mtl_core.data.data_source import Progress as Told
from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.data.partition import partitioned
from mtl_core.data.prepare import prepare
from mtl_core.data.preprocessing.preprocessed import Preprocessed
from mtl_core.data.preprocessing.standardise import standardised
from mtl_core.errors import ConfigError, Problem
from mtl_core.events import Settle
from mtl_core.randomness import Generators, unnoticed
from mtl_core.ranks import ALONE, Ranks
from mtl_core.registry import unknown_task, validated
from mtl_core.sharing.frozen_parts import first_backbone, freeze
from mtl_core.sharing.loss_scale import LossScale
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from mtl_core.tasks.kind import TaskKind
from mtl_core.tasks.pretext.self_supervised import SEEN_IMAGES, SelfSupervised, self_supervised
from mtl_core.training.execution import Execution, Step, choose
from mtl_core.training.losses import task_losses
from mtl_core.training.optimizers import LearningRate, optimizer_of, schedule_of
from mtl_core.training.parts import NetworkParts, Part, Parts
from mtl_core.training.setup import Network, Progress, Run, Setup, read_targets, views_of
from mtl_core.training.several_devices.whole_batch import use_whole_batch
from mtl_core.training.step_averages import Window
from mtl_core.training.tensors.starting_weights import StartingWeights, fitting

TRAIN_PART = 128  # training images on which the metrics are measured too, to show the gap to val


def build(
    parts: Parts,
    cache: Path,
    progress: Told | None = None,
    settle: Settle | None = None,
    weights: StartingWeights | None = None,
    ranks: Ranks = ALONE,
) -> Setup:
    """Prepare the data (once; ``cache`` keeps them) and build everything else from the config's seed.

    Args:
        progress: called with the share done and a text; an exception that it raises ends the preparation.
        settle: chooses precision and layout where the config says ``auto``, see ``Control.settle``.
        weights: what the backbone begins with, and how its images are normalised; None for random values and the data set's normalisation.
        ranks: the processes that train the run together.

    Raises:
        ConfigError, DataError: something in the config does not fit the data.
    """
    config, device = parts.config, parts.device
    with ranks.first_before_others():
        data = training_data(config, parts.source, cache, progress)
    if weights is not None:
        data = replace(data, statistics=weights.normalised(data.statistics))
    kinds = build_kinds(config, data.tasks, data.statistics)
    for kind in self_supervised(kinds).values():
        kind.measure(np.asarray(data.train.images[evenly_spaced_rows(data.train, SEEN_IMAGES)]))
    if ranks.size > 1 and config.batch_size > len(data.train):  # a batch that is not full could not be divided
        raise ConfigError(Problem("batch_size", f"{config.batch_size} is more than the {len(data.train)} training images; choose at most that many"))
    random = Generators(config.seed, device, ranks)
    with random.drawing():
        model = build_model(parts.network, kinds, data.statistics)
        with ranks.first_before_others():
            model.load_pretrained(cache, progress)
    if weights is not None and weights.tensors is not None:
        model.begin_with(fitting(weights.tensors, first_backbone(model), weights.origin.get("name", "")))
    freeze(model, config, epoch=1)
    model = model.to(device)

    def fastest() -> Execution:
        batches = _train_batches(config, data, kinds, Execution(device, "fp32", "contiguous"), ranks)
        with unnoticed():  # the timed steps may draw random numbers
            execution = _choose_execution(config, device, model, kinds, batches, cache, progress)
        if settle and "auto" in (config.precision, config.layout):
            return Execution(device, *settle(execution.precision, execution.layout))
        return execution

    execution = ranks.from_first(fastest)
    model = model.to(memory_format=execution.memory_format)
    use_whole_batch(model, ranks, random)
    with random.drawing():
        balancer = build_balancer(parts.balancing, len(kinds)).to(device)
    balancer.generators, balancer.ranks = random, ranks
    if execution.precision == "fp16":
        model.scaling = LossScale()
        model.scaling.watch(model.parameters())
    model.split_features = balancer.at_features  # set after the timing, which runs plain backward passes
    train_batches = _train_batches(config, data, kinds, execution, ranks)
    made = {kind.task.target for kind in kinds.values() if kind.is_self_supervised}
    run = Run(config, data, kinds, execution, train_batches, complete_targets(data) | made, ranks)
    rate = LearningRate(schedule_of(config.schedule, config.epochs * len(train_batches)), config.optimizer.lr)
    loss_weights = torch.ones(len(kinds), device=device)
    network = Network(model, balancer, optimizer_of(config, model, balancer), rate, loss_weights, [1.0] * len(kinds))
    random.seed(config.seed)  # training starts from the same random state whatever the construction drew
    network.weigh([task.loss_weight for task in config.tasks.values()])
    update = parts.update.type(run, network, parts.update.options)
    return Setup(run, network, Progress(Window(tuple(kinds), loss_weights), random), update)


def training_data(config: RunConfig, source: DataSource, cache: Path, progress: Told | None = None) -> PreparedData:
    """The prepared data of a run: standardised and with each task's share of the labels, as the config says.

    Raises:
        ConfigError: a task has no labelled training image.
    """
    data = prepare(source, cache, progress)
    statistics = standardised(data.statistics, config.data.preprocessing.standardise)
    # Blanked and hidden pixels have the mean colour, whatever standardisation subtracts.
    # Prediction on pictures of other sizes needs the data set's own resizing, before preprocessing.
    base = source.source if isinstance(source, Preprocessed) else source
    placed = {"how": base.resized, "bars": base.bars, "shape": list(base.image_shape()), "levels": base.levels}
    data = replace(data, statistics={**statistics, "resized": source.resized, "placed": placed, "mean_colour": data.statistics["mean"]})
    data = partitioned(data, config.data.partition, {name: task.label_fraction for name, task in config.tasks.items()})
    empty = [name for name in config.tasks if name in data.tasks and not data.train.labelled[data.tasks[name].target].any()]
    if empty:
        message = "no training image has a target for it; leave the task out, or divide the images among fewer tasks"
        raise ConfigError(Problem(f"tasks.{name}", message) for name in empty)
    return data


def stated(task: Task, config: TaskConfig) -> Task:
    """The task with the geometry that the config states, where the data set states none."""
    return replace(task, geometry=config.geometry) if config.geometry and not task.geometry else task


def build_kinds(config: RunConfig, tasks: Mapping[str, Task], statistics: dict[str, Any]) -> dict[str, TaskKind]:
    """The kinds of the config's tasks, in the config's order. A name that the data set does not have may name a self-supervised task.

    Raises:
        ConfigError: a task's name is unknown, its options are wrong, or a self-supervised task cannot learn from these images.
    """
    kinds, found = {}, []
    for name, task_config in config.tasks.items():
        if name not in tasks and name not in SELF_SUPERVISED:
            message = unknown_task(name, [*tasks, *SELF_SUPERVISED], config.data.own_name)
            raise ConfigError(Problem(f"tasks.{name}", message))
        kind_class = TASK_KINDS.load(tasks[name].kind if name in tasks else name, f"tasks.{name}")
        options = validated(kind_class.Options, task_config.options, f"tasks.{name}", beside=TaskConfig.model_fields)
        if name not in tasks:
            found += _misfits(name, kind_class, options, config, tuple(statistics["image_shape"]))
        kinds[name] = kind_class(stated(tasks[name], task_config) if name in tasks else kind_class.task_of(name, options), options, statistics)
    if found:
        raise ConfigError(found)
    return kinds


def _misfits(name: str, kind_class: type[SelfSupervised], options: Any, config: RunConfig, image_shape: tuple[int, int, int]) -> list[Problem]:
    reason = kind_class.misfit(options, image_shape)
    found = [Problem(f"tasks.{name}", reason)] if reason else []
    if config.batch_size < kind_class.images_at_least:
        message = f"{name} compares the images of a batch, so it needs at least {kind_class.images_at_least}, found {config.batch_size}"
        found.append(Problem("batch_size", message))
    return found


def sized_network(config: RunConfig, parts: NetworkParts, source: DataSource, device: str = "meta") -> tuple[MultiTaskModel, dict[str, TaskKind]]:
    """The network of a config on the meta device (shapes without values) and its task kinds. There it draws nothing: torch's global random generator
    keeps its state for a run that trains in this process. On another device it has random values.

    Raises:
        ConfigError: it cannot be built.
    """
    kinds, statistics = _unmeasured(config, source)
    with torch.device(device):
        model = build_model(parts, kinds, statistics)
    freeze(model, config, epoch=1)
    return model, kinds


def check_kinds(config: RunConfig, source: DataSource) -> None:
    """Raise ConfigError where ``build_kinds`` would for this source."""
    _unmeasured(config, source)


def _unmeasured(config: RunConfig, source: DataSource) -> tuple[dict[str, TaskKind], dict[str, Any]]:
    tasks = {task.name: task for task in source.tasks()}
    targets = {task.target: {"mean": 0.0, "std": 1.0, "class_counts": [1] * len(task.classes)} for task in tasks.values()}
    statistics = {"image_shape": source.image_shape(), "targets": targets}
    return build_kinds(config, tasks, statistics), statistics


def build_model(parts: NetworkParts, kinds: dict[str, TaskKind], statistics: dict[str, Any]) -> MultiTaskModel:
    """The network of backbone, heads and sharing scheme, with random initial values.

    Raises:
        ConfigError: a task needs feature maps and the backbone has none, or the images do not fit the backbone.
    """
    backbone_class, options = parts.backbone.type, parts.backbone.options
    misfits = [name for name, kind in kinds.items() if kind.needs_map and not backbone_class.gives_map]
    if misfits:
        fitting = ", ".join(name for name in BACKBONES if BACKBONES.load(name).gives_map)
        raise ConfigError(
            Problem(
                f"tasks.{name}",
                f"{kinds[name].title.lower()} needs to know where things are, but the backbone '{parts.backbone.name}' gives one vector per image. "
                f"Choose another backbone ({fitting}) or leave this task out",
            )
            for name in misfits
        )
    shape = tuple(statistics["image_shape"])
    if problem := backbone_class.problem(options, shape):
        raise ConfigError(Problem("backbone", problem))
    return parts.sharing.type(lambda: backbone_class(options, shape), kinds, parts.sharing.options)


def build_balancer(part: Part, task_count: int) -> Balancer:
    """The balancing method in its initial state."""
    return part.type(part.options, task_count)


def evenly_spaced_rows(dataset: MultiTaskDataset, count: int) -> np.ndarray:
    """Indices of at most ``count`` images spread evenly over a data set; the same indices in every call."""
    return np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)


def measured_rows(data: MultiTaskDataset, kinds: Mapping[str, TaskKind], count: int) -> np.ndarray:
    """Ascending indices of images spread over a data set. Each task has ``count`` labelled images among them, or all that it has.

    Where every image has every target the result is ``evenly_spaced_rows``.
    """
    targets = read_targets(kinds)
    needs_none = any(kind.is_self_supervised for kind in kinds.values()) or not targets
    chosen = set(evenly_spaced_rows(data, count).tolist()) if needs_none else set()
    for target in targets:
        known = np.flatnonzero(data.labelled[target])
        chosen |= set(known[np.linspace(0, len(known) - 1, min(count, len(known))).round().astype(int)].tolist())
    return np.array(sorted(chosen), dtype=int)


def rows_of(dataset: MultiTaskDataset, rows: Iterable[int]) -> MultiTaskDataset:
    """Some images of a data set, copied into memory."""
    chosen = np.asarray(list(rows))
    return MultiTaskDataset(
        dataset.images[chosen],
        {name: values[chosen] for name, values in dataset.targets.items()},
        {name: flags[chosen] for name, flags in dataset.labelled.items()},
    )


def complete_targets(data: PreparedData) -> frozenset[str]:
    """Targets that no image of any split lacks."""
    splits = (data.train, data.val, data.test)
    return frozenset(name for name in data.train.targets if all(bool(split.labelled[name].all()) for split in splits))


def _train_batches(config: RunConfig, data: PreparedData, kinds: dict[str, TaskKind], execution: Execution, ranks: Ranks) -> Batches:
    return Batches(
        data.train,
        targets=read_targets(kinds),
        statistics=data.statistics,
        batch_size=config.batch_size,
        device=execution.device,
        seed=config.seed,
        shuffle=True,
        augmentation=config.augmentation,
        channels_last=execution.layout == "channels_last",
        # A last batch of one image would make batch normalisation meaningless. Each epoch leaves out other images.
        drop_last=config.batch_size <= len(data.train),
        views=views_of(kinds),
        tasks={**data.tasks, **{name: kind.task for name, kind in kinds.items()}},
        ranks=ranks,
    )


def _choose_execution(
    config: RunConfig, device: str, model: MultiTaskModel, kinds: dict[str, TaskKind], train_batches: Batches, cache: Path, progress: Told | None
) -> Execution:
    whole = _labelled_batch(train_batches, kinds, config.accumulate)
    made = frozenset(kind.task.target for kind in kinds.values() if kind.is_self_supervised)

    def step_on(count: int) -> Step:
        # Without a target there is no backward pass. Mixup names partners in the whole batch.
        start = min(int(_labelled_rows(whole, kinds).int().argmax()), len(whole.index) - count)
        batch = replace(part_of(whole, slice(start, start + count)), mix=None)

        def step(timed: nn.Module, execution: Execution) -> None:
            images = batch.images.contiguous(memory_format=execution.memory_format)
            with execution.autocast():
                outputs = timed(images, batch.parts)
            losses, _ = task_losses(kinds, outputs, batch, made)
            if losses.requires_grad:  # else no batch of the first epoch has any target
                losses.sum().backward()
            timed.zero_grad()
            if progress:
                progress(1.0, "measuring which precision and layout are fastest here")

        return step

    return choose(config, device, model, step_on, len(whole.index), cache / "execution.json")


def _labelled_batch(batches: Batches, kinds: dict[str, TaskKind], accumulate: int) -> Batch:
    """The first batch of an epoch that has a target of any task; where gradients accumulate, its first such part. If there is none, the first one."""
    first: Batch | None = None
    for batch in batches.epoch(0):
        for own in parts_of(len(batch.index), accumulate):
            part = part_of(batch, own) if accumulate > 1 else batch
            if bool(_labelled_rows(part, kinds).any()):
                return part
            first = first or part
    assert first is not None  # a split has at least one batch
    return first


def _labelled_rows(batch: Batch, kinds: dict[str, TaskKind]) -> torch.Tensor:
    """Which images have a target of any task: bool (n,). Self-supervised tasks make one of every image."""
    if any(kind.is_self_supervised for kind in kinds.values()):
        return torch.ones(len(batch.index), dtype=torch.bool)
    return torch.stack([batch.labelled[kind.task.target] for kind in kinds.values()]).any(dim=0)
