"""Resolved configs: each named part is looked up once and its options are checked. Code that builds a run takes these parts, not names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import GradientCombination
from mtl_core.config import RunConfig
from mtl_core.config_sections import BackboneConfig, PartConfig
from mtl_core.data import open_source
from mtl_core.data.data_source import DataSource
from mtl_core.errors import ConfigError, Problem
from mtl_core.registry import Registry, validated
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training import UPDATES
from mtl_core.training.execution import resolve_device


@dataclass(frozen=True)
class Part:
    """A class that a config names, and its checked options."""

    name: str
    type: Any
    options: Any


@dataclass(frozen=True)
class NetworkParts:
    """Backbone and sharing scheme of a network. Needs no data set, because a trained network is also used without one."""

    backbone: Part
    sharing: Part


@dataclass(frozen=True)
class Parts:
    """All parts that a config names, except the tasks, which ``build_kinds`` looks up when the data set's tasks are known.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``; available on this machine.
        source: the data set, not prepared.
    """

    config: RunConfig
    device: str
    source: DataSource
    network: NetworkParts
    balancing: Part
    update: Part


def resolve(config: RunConfig, device: str = "") -> Parts:
    """Look up everything that a config names on this machine.

    Args:
        device: what ``auto`` stands for; empty for the best device of this machine.

    Raises:
        ConfigError: a part does not exist, its options are wrong, or it does not fit the rest of the config.
        DeviceError: this machine does not have the device.
    """
    device = resolve_device(device if device and config.device == "auto" else config.device)
    return Parts(config, device, open_source(config.data), network_parts(config), balancing_part(config), update_part(config))


def network_parts(config: RunConfig) -> NetworkParts:
    """Backbone and sharing scheme. Raises ConfigError where one does not exist or its options are wrong."""
    beside = tuple(BackboneConfig.model_fields)
    return NetworkParts(_part(BACKBONES, config.backbone, "backbone", beside), _part(SHARING_SCHEMES, config.sharing, "sharing"))


def balancing_part(config: RunConfig) -> Part:
    """The balancing method.

    Raises:
        ConfigError: the method does not exist, its options are wrong, it needs features that the sharing scheme does not have, or it cannot work
            block by block.
    """
    found = _part(BALANCERS, config.balancing, "balancing")
    where = getattr(found.options, "gradients", "parameters")
    if where == "features" and not SHARING_SCHEMES.load(config.sharing.name, "sharing.name").has_shared_features:
        fitting = ", ".join(name for name in SHARING_SCHEMES if SHARING_SCHEMES.load(name).has_shared_features)
        message = f"'features' needs one set of features that all tasks read, which the sharing scheme '{config.sharing.name}' does not have"
        raise ConfigError(Problem("balancing.gradients", f"{message}. Take 'parameters', or another sharing scheme ({fitting})"))
    if where == "blocks":
        _check_blocks(found.type, config)
    return found


def _check_blocks(method: Any, config: RunConfig) -> None:
    """Raise ConfigError where a method cannot work block by block with this config."""
    if not issubclass(method, GradientCombination) or method.aggregate is not GradientCombination.aggregate:
        message = f"'blocks' needs a method that asks for the gradients' scalar products only, and '{config.balancing.name}' asks for the gradients"
        raise ConfigError(Problem("balancing.gradients", f"{message}. Take 'parameters'"))
    if config.accumulate > 1:
        message = f"'blocks' needs the whole batch in one pass, and accumulate is {config.accumulate}"
        raise ConfigError(Problem("balancing.gradients", f"{message}. Take accumulate: 1, or 'parameters', or 'features'"))


def update_part(config: RunConfig) -> Part:
    """The update. Raises ConfigError if it does not exist, its options are wrong, or it does not fit the rest of the config."""
    found = _part(UPDATES, config.update, "update")
    if problems := found.type.problems(config):
        raise ConfigError(problems)
    return found


def _part(registry: Registry, part: PartConfig, field: str, beside: Iterable[str] = ()) -> Part:
    found = registry.load(part.name, f"{field}.name")
    return Part(part.name, found, validated(found.Options, part.options, field, beside))
