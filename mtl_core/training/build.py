"""From a config to everything a run needs: data, task kinds, model, balancer, optimizer, schedule."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.config_sections import TaskConfig
from mtl_core.data import open_source
from mtl_core.data.batches import Batch, Batches
from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.data.partition import partitioned
from mtl_core.data.prepare import prepare
from mtl_core.data.preprocessing.preprocessed import Preprocessed
from mtl_core.data.preprocessing.standardise import standardised
from mtl_core.data.source import DataSource, Progress
from mtl_core.errors import ConfigError, Problem
from mtl_core.events import Settle
from mtl_core.randomness import Generators, draws, unnoticed
from mtl_core.registry import unknown_name, validated
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.model import MultiTaskModel
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from mtl_core.tasks.kind import TaskKind
from mtl_core.tasks.self_supervised import SEEN_IMAGES, SelfSupervised, with_views
from mtl_core.training.execution import Execution, choose, resolve_device
from mtl_core.training.losses import task_losses
from mtl_core.training.optimizers import build_scheduler, optimizer_of
from mtl_core.training.window import Window

TRAIN_PART = 128  # training images on which the metrics are measured too, to show the gap to val


@dataclass
class Setup:
    """Everything that a run's loop works with."""

    config: RunConfig
    data: PreparedData
    kinds: dict[str, TaskKind]
    model: MultiTaskModel
    balancer: Balancer
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    execution: Execution
    train_batches: Batches
    loss_weights: Tensor
    complete: frozenset[str]  # targets that every image of every split has
    window: Window
    random: Generators  # of everything that is drawn while it trains
    weighted: list[bool] = field(default_factory=list)  # whose loss weight is above 0 now
    update: Any = None  # what does a step, see mtl_core.training.updates; made of the rest

    def drawing(self) -> contextlib.AbstractContextManager:
        """The context of a step: what the network draws, or a balancing method from elsewhere, comes from this run's generators."""
        return self.random.drawing() if self.draws else contextlib.nullcontext()

    @cached_property
    def draws(self) -> bool:
        """Whether a step may draw without asking for the generators itself. The context costs a little at each call of torch."""
        return draws(self.model) or self.balancer.may_draw()

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the training split."""
        return len(self.train_batches)

    def weigh(self, loss_weights: Sequence[float]) -> None:
        """Train with these loss weights (T,) from the next step on."""
        self.loss_weights.copy_(self.loss_weights.new_tensor(loss_weights))  # in place: the curves' window reads the same tensor
        self.weighted = [weight > 0 for weight in loss_weights]
        self.balancer.use_loss_weights(self.loss_weights)

    def trained_at(self, step: int) -> list[bool]:
        """Which tasks are trained in a step (1 is the first)."""
        return self.config.trains((step - 1) // self.steps_per_epoch + 1)

    def evaluation_batches(self, dataset: MultiTaskDataset) -> Batches:
        """The images of ``dataset`` in order, as they are."""
        return Batches(
            dataset,
            targets=read_targets(self.kinds),
            statistics=self.data.statistics,
            batch_size=min(max(self.config.batch_size, 64), 256),  # large enough to be fast, small enough to stop between two
            device=self.execution.device,
            seed=0,
            shuffle=False,
            augmentation=None,
            channels_last=self.execution.layout == "channels_last",
            drop_last=False,
            views=views_of(self.kinds),
        )


def build(config: RunConfig, cache: Path, progress: Progress | None = None, settle: Settle | None = None) -> Setup:
    """Prepare the data (once; it is kept in ``cache``) and make everything else from the config's seed.

    Args:
        progress: told how far the preparation is; what it raises ends it.
        settle: asked where the config leaves precision or layout to ``auto``, see ``Control.settle``.

    Raises:
        ConfigError, DataError: something in the config does not exist or does not fit.
    """
    device = resolve_device(config.device)
    data = training_data(config, cache, progress)
    kinds = build_kinds(config, data.tasks, data.statistics)
    for kind in kinds.values():
        if kind.is_self_supervised:
            kind.measure(np.asarray(data.train.images[evenly_spaced_rows(data.train, SEEN_IMAGES)]))
    random = Generators(config.seed, device)
    with random.drawing():
        model = build_model(config, kinds, data.statistics)
        for backbone in (module for module in model.modules() if isinstance(module, Backbone)):
            backbone.load_pretrained(cache, progress)
    model = model.to(device)
    train_batches = _train_batches(config, data, kinds, Execution(device, "fp32", "contiguous"))
    with unnoticed():  # the steps that are timed may draw
        execution = _choose_execution(config, device, model, kinds, train_batches, cache, progress)
    if settle and "auto" in (config.precision, config.layout):
        execution = Execution(device, *settle(execution.precision, execution.layout))
    model = model.to(memory_format=execution.memory_format)
    with random.drawing():
        balancer = build_balancer(config).to(device)
    balancer.generators = random
    model.split_features = balancer.at_features  # only now: what was timed above is a plain backward pass
    optimizer = optimizer_of(config, model, balancer)
    train_batches = _train_batches(config, data, kinds, execution)
    scheduler = build_scheduler(config.schedule, optimizer, config.epochs * len(train_batches))
    loss_weights = torch.ones(len(kinds), device=device)
    random.seed(config.seed)  # what the network was made with does not move where training begins
    made = {kind.task.target for kind in kinds.values() if kind.is_self_supervised}
    complete, window = complete_targets(data) | made, Window(kinds, loss_weights)
    setup = Setup(config, data, kinds, model, balancer, optimizer, scheduler, execution, train_batches, loss_weights, complete, window, random)
    setup.weigh([task.loss_weight for task in config.tasks.values()])
    return setup


def training_data(config: RunConfig, cache: Path, progress: Progress | None = None) -> PreparedData:
    """The data as a run sees them: prepared, standardised as the config says, and with the labels that it leaves each task.

    Raises:
        ConfigError: a task is left without any label to learn from.
    """
    source = open_source(config.data)
    data = prepare(source, cache, progress)
    statistics = standardised(data.statistics, config.data.preprocessing.standardise)
    # What is blanked out or hidden has the mean colour, whatever standardisation subtracts.
    # For whoever shows the network pictures of other sizes: what the data set did to its pictures, before preprocessing.
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


def build_kinds(config: RunConfig, tasks: dict[str, Task], statistics: dict[str, Any]) -> dict[str, TaskKind]:
    """The config's tasks, in its order. A name that the data set does not offer may be that of a self-supervised task.

    Raises:
        ConfigError: a task that neither has, options that are wrong, or images that a self-supervised task can't learn from.
    """
    kinds, found = {}, []
    for name, task_config in config.tasks.items():
        if name not in tasks and name not in SELF_SUPERVISED:
            message = unknown_name(f"task of data set '{config.data.name}'", name, [*tasks, *SELF_SUPERVISED])
            raise ConfigError(Problem(f"tasks.{name}", message))
        kind_class = TASK_KINDS.load(tasks[name].kind if name in tasks else name, f"tasks.{name}")
        options = validated(kind_class.Options, task_config.options, f"tasks.{name}", beside=TaskConfig.model_fields)
        if name not in tasks:
            found += _misfits(name, kind_class, options, config, tuple(statistics["image_shape"]))
        kinds[name] = kind_class(stated(tasks[name], task_config) if name in tasks else kind_class.task_of(name, options), options, statistics)
    if found:
        raise ConfigError(found)
    return kinds


def _misfits(name: str, kind_class: type[SelfSupervised], options: Any, config: RunConfig, image_shape: tuple[int, ...]) -> list[Problem]:
    reason = kind_class.misfit(options, image_shape)
    found = [Problem(f"tasks.{name}", reason)] if reason else []
    if config.batch_size < kind_class.images_at_least:
        message = f"{name} compares the images of a batch, so it needs at least {kind_class.images_at_least}, found {config.batch_size}"
        found.append(Problem("batch_size", message))
    return found


def sized_network(config: RunConfig, source: DataSource) -> tuple[MultiTaskModel, dict[str, TaskKind]]:
    """The network of a config on the meta device, sizes without numbers, and its tasks. Nothing is measured or drawn: torch's one random generator
    stays where a run that trains in this process has it.

    Raises:
        ConfigError: it cannot be built.
    """
    kinds, statistics = _unmeasured(config, source)
    with torch.device("meta"):
        return build_model(config, kinds, statistics), kinds


def check_kinds(config: RunConfig, source: DataSource) -> None:
    """Raise ConfigError where a task cannot be learnt from this source, as ``build_kinds`` says."""
    _unmeasured(config, source)


def _unmeasured(config: RunConfig, source: DataSource) -> tuple[dict[str, TaskKind], dict[str, Any]]:
    tasks = {task.name: task for task in source.tasks()}
    targets = {task.target: {"mean": 0.0, "std": 1.0, "class_counts": [1] * len(task.classes)} for task in tasks.values()}
    statistics = {"image_shape": source.image_shape(), "targets": targets}
    return build_kinds(config, tasks, statistics), statistics


def read_targets(kinds: Mapping[str, TaskKind]) -> list[str]:
    """Names of the target arrays that these tasks read from the data set."""
    return sorted({kind.task.target for kind in kinds.values() if not kind.is_self_supervised})


def views_of(kinds: Mapping[str, TaskKind]) -> Callable[[Batch, int, int, int], Batch] | None:
    """What gives a batch the views of the self-supervised tasks; None where there are none."""
    if not any(kind.is_self_supervised for kind in kinds.values()):
        return None
    return lambda batch, seed, epoch, step: with_views(batch, kinds, seed, epoch, step)


def build_model(config: RunConfig, kinds: dict[str, TaskKind], statistics: dict[str, Any]) -> MultiTaskModel:
    """Backbone, heads and the way they are joined, with random initial values.

    Raises:
        ConfigError: a task needs feature maps and the backbone gives none, or the backbone cannot take the images.
    """
    backbone_class = BACKBONES.load(config.backbone.name, "backbone.name")
    misfits = [name for name, kind in kinds.items() if kind.needs_map and not backbone_class.gives_map]
    if misfits:
        fitting = ", ".join(name for name in BACKBONES if BACKBONES.load(name).gives_map)
        raise ConfigError(
            Problem(
                f"tasks.{name}",
                f"{kinds[name].title.lower()} needs to know where things are, but the backbone '{config.backbone.name}' gives one vector per image. "
                f"Choose another backbone ({fitting}) or leave this task out",
            )
            for name in misfits
        )
    options, shape = validated(backbone_class.Options, config.backbone.options, "backbone"), tuple(statistics["image_shape"])
    if problem := backbone_class.problem(options, shape):
        raise ConfigError(Problem("backbone", problem))
    scheme = SHARING_SCHEMES.load(config.sharing.name, "sharing.name")
    return scheme(lambda: backbone_class(options, shape), kinds, validated(scheme.Options, config.sharing.options, "sharing"))


def build_balancer(config: RunConfig) -> Balancer:
    """The config's balancing method.

    Raises:
        ConfigError: it does not exist, its options are wrong, or it wants features that the sharing scheme does not have.
    """
    balancer_class = BALANCERS.load(config.balancing.name, "balancing.name")
    balancer = balancer_class(validated(balancer_class.Options, config.balancing.options, "balancing"), len(config.tasks))
    if balancer.at_features and not SHARING_SCHEMES.load(config.sharing.name, "sharing.name").has_shared_features:
        fitting = ", ".join(name for name in SHARING_SCHEMES if SHARING_SCHEMES.load(name).has_shared_features)
        message = f"'features' needs one set of features that all tasks read, which the sharing scheme '{config.sharing.name}' does not have"
        raise ConfigError(Problem("balancing.gradients", f"{message}. Take 'parameters', or another sharing scheme ({fitting})"))
    return balancer


def evenly_spaced_rows(dataset: MultiTaskDataset, count: int) -> np.ndarray:
    """Indices of at most ``count`` images spread over a data set, always the same ones."""
    return np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)


def measured_rows(data: MultiTaskDataset, kinds: Mapping[str, TaskKind], count: int) -> np.ndarray:
    """Indices of images spread over a data set so that each task's target is known of ``count`` of them, or of all it has; ascending.

    Where every image has every target these are ``evenly_spaced_rows``.
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


def _train_batches(config: RunConfig, data: PreparedData, kinds: dict[str, TaskKind], execution: Execution) -> Batches:
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
        # A last batch of one image would make batch normalisation meaningless. What is left out differs at each epoch.
        drop_last=config.batch_size <= len(data.train),
        views=views_of(kinds),
        tasks={**data.tasks, **{name: kind.task for name, kind in kinds.items()}},
    )


def _choose_execution(
    config: RunConfig, device: str, model: MultiTaskModel, kinds: dict[str, TaskKind], train_batches: Batches, cache: Path, progress: Progress | None
) -> Execution:
    batch: Batch = next(iter(train_batches.epoch(0)))
    made = frozenset(kind.task.target for kind in kinds.values() if kind.is_self_supervised)

    def step(timed: nn.Module, execution: Execution) -> None:
        images = batch.images.contiguous(memory_format=execution.memory_format)
        with execution.autocast():
            outputs = timed(images, batch.parts)
        losses, _ = task_losses(kinds, outputs, batch, made)
        if losses.requires_grad:  # else no image of this batch has any target
            losses.sum().backward()
        timed.zero_grad()
        if progress:
            progress(1.0, "measuring which precision and layout are fastest here")

    return choose(config, device, model, step, cache / "execution.json")
