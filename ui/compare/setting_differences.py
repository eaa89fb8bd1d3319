"""The table of the settings that differ between the selected runs, in words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.config_differences import title_of, value_of
from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from ui.shell import words

NONE = "–"
COMPUTED_ON, PYTORCH = mark("Computed on"), "PyTorch"
ORDER = mark("Order of the tasks")


def differences(chosen: list[Any]) -> None:
    """Draw the table."""
    st.subheader(tr("Settings that differ"), anchor=False)
    if len(chosen) < 2:
        st.caption(tr("Select a second run to see which settings differ."))
        return
    table = config_differences(as_trained(chosen))
    if table.empty:
        st.caption(tr("No setting differs: the selected runs have the same settings."))
        return
    with st.container(key="setting_differences"):  # names of runs are often alike except in their end, so they are wrapped, not cut off
        st.table(in_plain_words(table))


def in_plain_words(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text as Markdown that shows it letter by letter."""
    return table.map(words.plain).rename(columns=words.plain, index=words.plain)


def as_trained(chosen: list[Any]) -> dict[str, dict[str, Any]]:
    """Each run's settings, with the actual device, precision and layout for ``auto``. Once all have started, also machine and PyTorch."""
    found = {_label(run, chosen): {**run.config.to_dict(), **run.computed} for run in chosen}
    if all(run.info for run in chosen):
        for run in chosen:
            versions = run.info.get("versions", {})
            found[_label(run, chosen)] |= {COMPUTED_ON: run.info.get("device_name", ""), PYTORCH: versions.get("torch", "")}
    return found


def _label(run: Any, chosen: list[Any]) -> str:
    name = shown_name(run)
    return name if sum(shown_name(other) == name for other in chosen) == 1 else f"{name} ({run.id[-4:]})"


def config_differences(configs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Table (setting x run, both in words) of the settings that differ. A dash marks a run without the setting; such rows come last.

    A task that some of the runs do not train is one row.
    """
    tasks = list(dict.fromkeys(task for config in configs.values() for task in config.get("tasks", {})))
    partly = [task for task in tasks if any(task not in config.get("tasks", {}) for config in configs.values())]
    flat = {name: _flat(config, partly) for name, config in configs.items()}
    paths = list(dict.fromkeys(path for values in flat.values() for path in values if path != ("name",)))
    rows = {path: {name: _said(path, values) for name, values in flat.items()} for path in paths}
    if not partly:  # another order of the same tasks gives other initial values
        rows[(ORDER,)] = {name: ", ".join(config.get("tasks", {})) for name, config in configs.items()}
    different = [path for path, row in rows.items() if len(set(row.values())) > 1]
    ordered = sorted(different, key=lambda path: path in paths and any(path not in values for values in flat.values()))
    return pd.DataFrame.from_dict({_title(path): rows[path] for path in ordered}, orient="index", columns=list(configs))


def _flat(values: dict[str, Any], partly: list[str], parent: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        path = (*parent, key)
        if parent == ("tasks",) and key in partly:
            found[path] = True
        elif isinstance(value, dict):
            found |= _flat(value, partly, path)
        else:
            found[path] = value
    return found


def _said(path: tuple[str, ...], values: dict[tuple[str, ...], Any]) -> str:
    return value_of(path, values[path]) if path in values else NONE


def _title(path: tuple[str, ...]) -> str:
    return tr(path[0]) if path[0] in (COMPUTED_ON, PYTORCH, ORDER) else title_of(path)
