"""Presets: complete example configs. Each is one YAML file in this folder; the number in its file name sets its place in the list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.registry import unknown_name

_FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is four times as fast; a PyYAML without it has only its own


@dataclass(frozen=True)
class Preset:
    """A config with its purpose.

    Attributes:
        name: name on the command line.
        title: title on screen.
        group: what the preset is about, in words; the Train page shows one group at a time.
        shows: what the run demonstrates.
        measured: training time and the machine on which it was measured.
    """

    name: str
    title: str
    group: str
    shows: str
    measured: str
    config: RunConfig


def load_presets() -> list[Preset]:
    """All presets in order; the first one is meant for beginners."""
    return [_read(path) for path in sorted(_FOLDER.glob("*.yaml"))]


def get_preset(name: str) -> Preset:
    """The preset called ``name``.

    Raises:
        ConfigError: there is no such preset; the message lists the names.
    """
    presets = {preset.name: preset for preset in load_presets()}
    if name not in presets:
        raise ConfigError(unknown_name("preset", name, presets))
    return presets[name]


def _read(path: Path) -> Preset:
    values = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    config = RunConfig.from_dict(values.pop("config"))
    return Preset(name=path.stem.partition("-")[2], config=config, **values)
