"""Checks of a config before a run starts: problems that stop it, and remarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.augmentation import fitting
from mtl_core.data.data_source import DataSource
from mtl_core.data.dataset import Task
from mtl_core.data.preprocessing.preprocessed import Preprocessed
from mtl_core.data.target_geometry import resize_misfits
from mtl_core.errors import ConfigError, Problem
from mtl_core.names import task_name_problem, title_problem
from mtl_core.registry import unknown_task
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training import UPDATES
from mtl_core.training.before_training import memory
from mtl_core.training.build import build_balancer, check_kinds, sized_network, stated
from mtl_core.training.execution import resolve_device
from mtl_core.training.parts import NetworkParts, Parts, balancing_part, network_parts, update_part
from mtl_core.training.run_info import parameter_counts as _count
from mtl_core.training.several_devices.device_count import device_count, device_problems
from mtl_core.training.tensors.starting_weights import weights_problems, weights_remarks

T = TypeVar("T")


def problems(config: RunConfig) -> list[Problem]:
    """Every problem that keeps a config from training on this machine; empty if there is none. Reads no images."""
    found = [Problem("tasks", problem) for name in config.tasks if (problem := task_name_problem(name))]
    if problem := title_problem(config.name, len(config.name)):  # the length is checked by the config itself
        found.append(Problem("name", problem))
    device = _try(lambda: resolve_device(config.device), found)
    balancing, update = _try(lambda: balancing_part(config), found), _try(lambda: update_part(config), found)
    try:
        source = open_source(config.data)
    except ConfigError as error:
        return [*error.problems, *found]
    missing = source.problems()  # called once, because it may check many files
    found += [Problem(f"data.{option}", message) for option, message in missing]
    if missing and not source.tasks():  # missing data have no tasks to check
        return found
    found += _too_few_images(config, source) + _among_others(config, source) + _self_supervised(config, source)
    found += fitting.misfits(config.augmentation, _tasks_of(config, source), source.image_shape()[1:])
    if isinstance(source, Preprocessed):
        steps, old = config.data.preprocessing, source.source.image_shape()[1:]
        found += resize_misfits(steps.resize, _tasks_of(config, source), old, source.image_shape()[1:], {task.name: task for task in source.tasks()})
    network = _try(lambda: _network(config, source), found)
    if network is not None:
        found += weights_problems(config, network.backbone, source.image_shape()[0])
    if device is not None and update is not None:
        found += device_problems(config, device)
    if update is not None:
        found += _accumulation(config)
    if balancing is not None:
        found += _thawing(config, balancing.type)
    if found or device is None or network is None or balancing is None or update is None:
        return found
    if _try(lambda: build_balancer(balancing, len(config.tasks)), found) is None:
        return found
    return [*memory.problems(Parts(config, device, source, network, balancing, update), later=True)]


def network_problems(config: RunConfig, source: DataSource) -> list[Problem]:
    """The problems of a config's backbone and sharing scheme alone, such as images that are too small for them."""
    found: list[Problem] = []
    _try(lambda: _network(config, source), found)
    return found


def parameter_counts(config: RunConfig) -> dict[str, Any]:
    """``{"shared": int, "tasks": {task: int}}`` of the network a config describes.

    Raises:
        ConfigError: the network cannot be built.
    """
    return _count(sized_network(config, network_parts(config), open_source(config.data))[0])


def _try(make: Callable[[], T], found: list[Problem]) -> T | None:
    """The result of ``make``; None where it raises ConfigError, whose problems are added to ``found``."""
    try:
        return make()
    except ConfigError as error:
        found += error.problems
        return None


def _too_few_images(config: RunConfig, source: DataSource) -> list[Problem]:
    images = source.split_sizes()["train"]
    if config.batch_size > images > 0:  # for 0 images the source reports the problem
        return [Problem("batch_size", f"{config.batch_size} is more than the {images} training images; choose at most {images}")]
    return []


def remarks(config: RunConfig) -> list[str]:
    """Remarks on a config that can be trained. Reads no images."""
    source = open_source(config.data)
    found = fitting.remarks(config.augmentation, _tasks_of(config, source), source.image_shape()[0])
    if config.precision == "fp16" and resolve_device(config.device) == "cpu":
        found = [*found, "precision 'fp16' is made for GPUs without bf16. Few processors compute in fp16; on others it is slower than fp32"]
    return [*found, *weights_remarks(config, network_parts(config).backbone)]


def _tasks_of(config: RunConfig, source: DataSource) -> list[Task]:
    """The run's tasks, with the geometry from the config where the data set states none."""
    return [stated(task, config.tasks[task.name]) for task in source.tasks() if task.name in config.tasks]


def _among_others(config: RunConfig, source: DataSource) -> list[Problem]:
    """Problems of ``data.partition.among``: names of tasks that the data set does not have."""
    partition, known = config.data.partition, [task.name for task in source.tasks()]
    unknown = [name for name in partition.among if name not in known and name not in SELF_SUPERVISED] if partition.kind == "disjoint" else []
    return [Problem("data.partition.among", unknown_task(name, known, config.data.own_name)) for name in unknown]


def _self_supervised(config: RunConfig, source: DataSource) -> list[Problem]:
    """Problems of settings that do not apply to self-supervised tasks, whose targets are made from the pixels."""
    known = [task.name for task in source.tasks()]
    made = [name for name in config.tasks if name in SELF_SUPERVISED and name not in known]
    message = "it needs no labels, so label_fraction does not apply; leave label_fraction at 1"
    found = [Problem(f"tasks.{name}.label_fraction", message) for name in made if config.tasks[name].label_fraction < 1]
    if made and config.augmentation.mixup:
        message = f"{', '.join(made)} would be learnt from images laid over each other, not from images. Switch it off or leave out the task"
        found.append(Problem("augmentation.mixup", message))
    return found


def _accumulation(config: RunConfig) -> list[Problem]:
    """What keeps a batch from passing through the network in parts; empty for one part."""
    if config.accumulate == 1:
        return []
    found, count = [], device_count(config)
    if config.batch_size % (count * config.accumulate) and not config.batch_size % count:
        equal = count * config.accumulate
        below = config.batch_size - config.batch_size % equal
        fitting = f"{below} or {below + equal}" if below else str(equal)
        images, parts = config.batch_size, config.accumulate
        message = f"{images} images cannot be divided into {parts} equal parts; choose a batch_size of {fitting}, or another number of parts"
        if count > 1:
            message = f"{images} images cannot be divided into {parts} equal parts on each of {count} devices; choose a batch_size of {fitting}"
        found.append(Problem("accumulate", message))
    if not getattr(UPDATES.load(config.update.name, "update.name"), "accumulates", False):
        message = f"'{config.update.name}' takes a batch through the network as a whole. Take another update, or set accumulate to 1"
        found.append(Problem("update.name", message))
    for name in config.tasks:
        if name in SELF_SUPERVISED and SELF_SUPERVISED.load(name).images_at_least > 1:
            message = "it compares all images of a batch with each other, and they would be in different parts. Leave it out, or set accumulate to 1"
            found.append(Problem(f"tasks.{name}", message))
    return found


def _thawing(config: RunConfig, method: type[Balancer]) -> list[Problem]:
    """The problem of a backbone that is trained later under a method that stores gradients of what is trained."""
    if config.backbone.freeze_epochs is None or config.backbone.freeze == "none" or not getattr(method, "jacobians_kept", 0):
        return []
    message = f"'{config.balancing.name}' stores the tasks' gradients from step to step, so what is trained cannot change"
    message += ". Leave it empty, or take another method"
    return [Problem("backbone.freeze_epochs", message)]


def _network(config: RunConfig, source: DataSource) -> NetworkParts:
    """The network's parts, checked by a forward pass of shapes in training mode. An error of torch becomes a problem of the config."""
    check_kinds(config, source)
    network = network_parts(config)
    try:
        memory.network_sizes(config, network, source)
    except (RuntimeError, ValueError) as error:
        size = "x".join(str(side) for side in source.image_shape()[1:])
        reason = str(error).splitlines()[0]
        raise ConfigError(
            Problem(
                "backbone",
                f"'{config.backbone.name}' with these options cannot take batches of {config.batch_size} images of {size} pixels ({reason}). "
                "Take a larger batch, larger images or fewer stages",
            )
        ) from None
    return network
