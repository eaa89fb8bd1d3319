"""Differences between a config and a preset or another run, as part of a run's name and as a command."""

from __future__ import annotations

import json
import shlex
from typing import Any

import yaml

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from ui.shell import state, words

LONGEST_NAME = 120
MOST_CHANGES = 4  # live changes that are named one by one
MOST_SETS = 8  # with more changes, YAML is easier to read than the command


def automatic_name(config: RunConfig) -> str:
    """The preset's title followed by the changes. With another data set than the preset's, a title made from the settings."""
    preset = state.presets()[state.preset_name()]
    if config.data.name != preset.config.data.name:
        return config.title()
    return with_changes(preset.title, preset.config, config)


def with_changes(title: str, before: RunConfig, after: RunConfig) -> str:
    """A title, the first two changes in words, and the number of further ones. Live changes that the run repeats are not part of a name."""
    changes = differences_in_words({**state.nameless(before.to_dict()), "changes": []}, {**state.nameless(after.to_dict()), "changes": []})
    more = f" · + {len(changes) - 2} more" if len(changes) > 2 else ""
    return words.shortened(" · ".join([title, *changes[:2]]), LONGEST_NAME - len(more)) + more


def differences_in_words(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The differences of two configs (plain values) in words, without config keys or JSON. A replaced task or part is named once."""
    gone, added = ([task for task in one["tasks"] if task not in other["tasks"]] for one, other in ((old, new), (new, old)))
    said = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(added)}"] * bool(added)
    changed = differences(old, new)
    parts = [path[:-1] for path, _ in changed if path[-1] == "name"]
    for path, value in changed:
        if path[0] == "tasks" and path[1] in (*gone, *added):
            continue
        if path[:-1] not in parts or path[-1] == "name":
            said.append(_difference_in_words(path, value))
    return said


def _difference_in_words(path: tuple[str, ...], value: Any) -> str:
    """Such as ``boxes ×5``, ``7 epochs``, ``learning rate 0.01``, ``train size 1000``, ``no flip``."""
    of_task = f"{path[1]} " if path[0] == "tasks" else ""
    if of_task and path[2:] == ("loss_weight",):
        return f"{of_task}×{value:g}"
    if path == ("epochs",):
        return f"{value} epoch{'' if value == 1 else 's'}"
    if path[-1] == "name":
        return f"{of_task}{_spoken(path[-2])} {_spoken(value)}" if path != ("data", "name") else _spoken(value)
    key = of_task + {"lr": "learning rate"}.get(path[-1], _spoken(path[-1]))
    if isinstance(value, bool):
        return key if value else f"no {key}"
    if value is None or value in ([], "", {}):
        return f"no {key}"
    if isinstance(value, list):
        return f"{key} {', '.join(map(str, value))}" if all(isinstance(each, int | float | str) for each in value) else f"other {key}"
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"


def _spoken(text: Any) -> str:
    return str(text).replace("_", " ")


def changes_in_words(values: dict[str, Any]) -> str:
    """The live changes of a config (plain values) as a sentence, such as ``This run repeats 2 live changes: step 42 boxes 1 → 1.05, ...``."""
    made = sorted(values["changes"], key=lambda change: change["step"])
    now = {"optimizer.lr": values["optimizer"]["lr"]}
    now |= {f"tasks.{task}.loss_weight": options.get("loss_weight", 1.0) for task, options in values["tasks"].items()}
    said = []
    for change in made:
        what = "learning rate" if change["key"] == "optimizer.lr" else change["key"].removeprefix("tasks.").removesuffix(".loss_weight")
        before = now.get(change["key"])
        said.append(f"step {change['step']} {what} {'' if before is None else f'{before:g} → '}{change['value']:g}")
        now[change["key"]] = change["value"]
    more = f", and {len(said) - MOST_CHANGES} more" if len(said) > MOST_CHANGES else ""
    how_many = "1 live change" if len(said) == 1 else f"{len(said)} live changes"
    return f"This run repeats {how_many}: {', '.join(said[:MOST_CHANGES])}{more}."


def as_command(config: RunConfig, preset: str, yaml_at: str) -> str:
    """The command line that starts the same run: a preset with ``--set`` for up to ``MOST_SETS`` changes, else a YAML file.

    A run with the preset's title as its automatic name keeps the preset's own name.

    Args:
        yaml_at: the place on the screen that shows the settings as YAML.
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
    """The command line that makes the same fork.

    Args:
        parent: the parent's config after ``epoch``, from which the command starts (``lineage.config_after``).
    """
    return _with_sets(f"python -m mtl_core fork {run_id} --epoch {epoch}", assignments(parent.to_dict(), config.to_dict()))


def nearest_preset(config: RunConfig) -> str:
    """The preset with the fewest differences."""
    values = state.nameless(config.to_dict())
    presets = state.presets()
    return min(presets, key=lambda name: len(assignments(state.nameless(presets[name].config.to_dict()), values)))


def _with_sets(command: str, changes: list[str]) -> str:
    return " \\\n  --set ".join([command, *(shlex.quote(change) for change in changes)])


def assignments(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """``key=value`` for every difference; ``null`` removes a task. A replaced part is written in full, its name first."""
    return [f"{'.'.join(path)}={_as_yaml(value)}" for path, value in differences(old, new)]


def differences(old: dict[str, Any], new: dict[str, Any], parents: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Path of keys and new value of every difference; the value is None for a removed key. A replaced part is listed in full, its name first."""
    result: list[tuple[tuple[str, ...], Any]] = []
    if parents and "name" in new and old.get("name") != new["name"]:
        old = {}
    for key in [*new, *(key for key in old if key not in new)]:
        path = (*parents, key)
        before, after = old.get(key), new.get(key)
        if isinstance(after, dict):
            result += differences(before if isinstance(before, dict) else {}, after, path)
        elif key not in old or before != after:
            result.append((path, after))
    return result


def _as_yaml(value: Any) -> str:
    """A value on one line as ``--set`` reads it. A text is quoted only where YAML would read it as something else, such as ``a: b``."""
    if isinstance(value, str):
        try:
            if yaml.safe_load(value) == value:
                return value
        except yaml.YAMLError:
            pass
    return json.dumps(value, ensure_ascii=False)
