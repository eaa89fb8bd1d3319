"""What was changed from a preset or from another run: as the run's name, and as the command that does the same."""

from __future__ import annotations

import json
import shlex
from typing import Any

import yaml

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from ui import state, words

LONGEST_NAME = 120
MOST_SETS = 8  # with more of them the YAML is easier to read than the command


def automatic_name(config: RunConfig) -> str:
    """The preset's title with what was changed in it; a title made from the settings where the data set is another one."""
    preset = state.presets()[state.preset_name()]
    if config.data.name != preset.config.data.name:
        return config.title()
    return with_changes(preset.title, preset.config, config)


def with_changes(title: str, before: RunConfig, after: RunConfig) -> str:
    """A title, the first two things that were changed, and how many more were."""
    gone = [task for task in before.tasks if task not in after.tasks]
    changes = assignments(state.nameless(before.to_dict()), state.nameless(after.to_dict()))
    changes = [f"without {', '.join(gone)}"] * bool(gone) + [change for change in changes if change not in {f"tasks.{task}=null" for task in gone}]
    more = f" · + {len(changes) - 2} more" if len(changes) > 2 else ""
    return words.shortened(" · ".join([title, *changes[:2]]), LONGEST_NAME - len(more)) + more


def as_command(config: RunConfig, preset: str, yaml_at: str) -> str:
    """The command line that does the same as Train: a preset with few settings changed, else a file of the settings.

    A run that got the preset's title by itself is left to the preset's own name.

    Args:
        yaml_at: where on the screen the settings stand as YAML.
    """
    start, values = state.presets()[preset].config, config.to_dict()
    if config.name == state.presets()[preset].title:
        values["name"] = start.name
    changes = assignments(start.to_dict(), values)
    try:
        same = len(changes) <= MOST_SETS and start.with_overrides(changes).to_dict() == values
    except ConfigError:
        same = False
    if not same:
        return f"# save {yaml_at} as run.yaml, then:\npython -m mtl_core train run.yaml"
    return _with_sets(f"python -m mtl_core train --preset {preset}", changes)


def as_fork_command(config: RunConfig, parent: RunConfig, run_id: str, epoch: int) -> str:
    """The command line that makes the same fork."""
    return _with_sets(f"python -m mtl_core fork {run_id} --epoch {epoch}", assignments(parent.to_dict(), config.to_dict()))


def nearest_preset(config: RunConfig) -> str:
    """The preset with the fewest differences."""
    values = state.nameless(config.to_dict())
    presets = state.presets()
    return min(presets, key=lambda name: len(assignments(state.nameless(presets[name].config.to_dict()), values)))


def _with_sets(command: str, changes: list[str]) -> str:
    return " \\\n  --set ".join([command, *(shlex.quote(change) for change in changes)])


def assignments(old: dict[str, Any], new: dict[str, Any], parents: tuple[str, ...] = ()) -> list[str]:
    """``key=value`` for every difference; ``null`` removes a task. Another part is written out whole, name first."""
    result = []
    if parents and "name" in new and old.get("name") != new["name"]:
        old = {}
    for key in [*new, *(key for key in old if key not in new)]:
        path = (*parents, key)
        before, after = old.get(key), new.get(key)
        if isinstance(after, dict):
            result += assignments(before if isinstance(before, dict) else {}, after, path)
        elif key not in old or before != after:
            result.append(f"{'.'.join(path)}={_as_yaml(after)}")
    return result


def _as_yaml(value: Any) -> str:
    """On one line, as ``--set`` reads it; a text is quoted only where it would be read as something else, such as ``a: b``."""
    if isinstance(value, str):
        try:
            if yaml.safe_load(value) == value:
                return value
        except yaml.YAMLError:
            pass
    return json.dumps(value, ensure_ascii=False)
