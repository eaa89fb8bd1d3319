"""Differences between a config and a preset or another run: as a command, and live changes as a sentence."""

from __future__ import annotations

import json
import shlex
from typing import Any

import yaml

from mtl_core.config import RunConfig
from mtl_core.config_differences import differences
from mtl_core.errors import ConfigError
from mtl_core.language import HalfUp, tr
from ui.shell import state

MOST_CHANGES = 4  # live changes that are named one by one
MOST_SETS = 8  # with more changes, YAML is easier to read than the command


def changes_in_words(values: dict[str, Any]) -> str:
    """The live changes of a config (plain values) as a sentence, such as ``This run repeats 2 live changes: step 42 boxes 1 → 1.05, ...``."""
    made = sorted(values["changes"], key=lambda change: change["step"])
    now = {"optimizer.lr": values["optimizer"]["lr"]}
    now |= {f"tasks.{task}.loss_weight": options.get("loss_weight", 1.0) for task, options in values["tasks"].items()}
    said = []
    for change in made:
        what = tr("learning rate") if change["key"] == "optimizer.lr" else change["key"].removeprefix("tasks.").removesuffix(".loss_weight")
        before = now.get(change["key"])
        values_said = f"{HalfUp(change['value']):g}" if before is None else f"{HalfUp(before):g} → {HalfUp(change['value']):g}"
        said.append(tr("step {step} {what} {values}", step=change["step"], what=what, values=values_said))
        now[change["key"]] = change["value"]
    first = tr(", ").join(said[:MOST_CHANGES])
    if len(said) == 1:
        return tr("This run repeats 1 live change: {changes}.", changes=first)
    if len(said) <= MOST_CHANGES:
        return tr("This run repeats {count} live changes: {changes}.", count=len(said), changes=first)
    return tr("This run repeats {count} live changes: {changes}, and {more} more.", count=len(said), changes=first, more=len(said) - MOST_CHANGES)


def as_command(config: RunConfig, preset: str, yaml_at: str) -> str:
    """The command line that starts the same run: a preset with ``--set`` for up to ``MOST_SETS`` changes, else a YAML file.

    A run without a typed name keeps the preset's own name.

    Args:
        yaml_at: the place on the screen that shows the settings as YAML.
    """
    start, values = state.presets()[preset].config, config.to_dict()
    if not config.name:
        values["name"] = start.name
    changes = assignments(start.to_dict(), values)
    try:
        same = len(changes) <= MOST_SETS and start.with_overrides(changes).to_dict() == values
    except ConfigError:
        same = False
    if not same:
        return f"# {tr('save {yaml_at} as run.yaml, then:', yaml_at=yaml_at)}\npython -m mtl_core train run.yaml"
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


def _as_yaml(value: Any) -> str:
    """A value on one line as ``--set`` reads it. A text is quoted only where YAML would read it as something else, such as ``a: b``."""
    if isinstance(value, str):
        try:
            if yaml.safe_load(value) == value:
                return value
        except yaml.YAMLError:
            pass
    return json.dumps(value, ensure_ascii=False)
