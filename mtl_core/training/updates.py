"""Updates: how one batch changes the network. To add one: a file here and a line in this table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.registry import Registry, validated

if TYPE_CHECKING:  # torch is not needed to name the updates
    from mtl_core.training.build import Setup

UPDATES = Registry(
    "update",
    "mtl_core.updates",
    {"joint": "mtl_core.training.step:JointStep", "task_vectors": "mtl_core.training.task_vectors:TaskVectors"},
)


def build_update(setup: Setup) -> Any:
    """The config's update; from here on it is part of the setup, and so of the checkpoints."""
    setup.update = UPDATES.load(setup.config.update.name, "update.name")(setup)
    return setup.update


def check_update(config: RunConfig) -> None:
    """Raise ConfigError where the update does not exist, its options are wrong, or it doesn't go together with the rest of the config."""
    update = UPDATES.load(config.update.name, "update.name")
    validated(update.Options, config.update.options, "update")
    found = update.problems(config)
    if found:
        raise ConfigError(found)
