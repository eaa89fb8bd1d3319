"""What lives longer than one script run: the process's store, and this session's settings (plain values only).

Saving a source file makes Streamlit load the modules anew, so nothing here keeps objects of our own classes in the session.
"""

from __future__ import annotations

import copy
import os
from typing import Any

import streamlit as st

from mtl_core.presets import Preset, load_presets
from mtl_core.runs import jobs
from mtl_core.runs.store import RunStore, open_store

MISSING = object()


@st.cache_resource(show_spinner=False)
def start_server() -> bool:
    """Once per server: PyTorch takes seconds to import, so it starts now, behind the page."""
    jobs.warm_up()
    return True


@st.cache_resource(show_spinner=False)
def take_queued_runs(home: str) -> bool:
    """Once per store: runs that were left waiting when a server ended begin now."""
    jobs.start_worker(run_store())
    return True


def run_store() -> RunStore:
    """The store that ``MTL_HOME`` names now."""
    return _open(os.environ.get("MTL_HOME", ""))


@st.cache_resource(show_spinner=False)
def _open(home: str) -> RunStore:
    return open_store()


@st.cache_data(show_spinner=False)
def presets() -> dict[str, Preset]:
    """All presets by name, in order. Their files are read once."""
    return {preset.name: preset for preset in load_presets()}


def settings() -> dict[str, Any]:
    """The Train form's config as plain values; begins with the first preset."""
    if "settings" not in st.session_state:
        choose_preset(next(iter(presets())))
    return st.session_state["settings"]


def preset_name() -> str:
    """The preset that the settings began from."""
    settings()
    return st.session_state["settings_preset"]


def choose_preset(name: str) -> None:
    """Replace all settings by a preset's."""
    st.session_state["settings"] = nameless(presets()[name].config.to_dict())
    st.session_state["settings_preset"] = name
    st.session_state["tasks_put_aside"] = {}


def nameless(values: dict[str, Any]) -> dict[str, Any]:
    """The same settings without a name: a run that is changed after choosing a preset must not carry the preset's."""
    return {**values, "name": ""}


def read(path: tuple[str, ...], default: Any = None) -> Any:
    """The setting at a path of keys."""
    node: Any = settings()
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return default
        node = node[key]
    return node


def write(path: tuple[str, ...], value: Any) -> None:
    """Change one setting and leave the others."""
    node = settings()
    for key in path[:-1]:
        node = node.setdefault(key, {})
    node[path[-1]] = value


def choose_part(path: tuple[str, ...], name: str) -> None:
    """Another part in this place; its options begin at their defaults."""
    write(path, {"name": name})


def keep_task(name: str, chosen: bool, order: list[str]) -> None:
    """Add or remove a task. A removed one's settings are put aside and come back with it."""
    tasks, aside = settings()["tasks"], st.session_state.setdefault("tasks_put_aside", {})
    if chosen:
        tasks[name] = aside.pop(name, {"loss_weight": 1.0})
        place = {task: index for index, task in enumerate(order)}
        settings()["tasks"] = dict(sorted(tasks.items(), key=lambda item: place.get(item[0], len(place))))
    elif name in tasks:
        aside[name] = tasks.pop(name)


def hold(key: str, value: Any) -> None:
    """Give a widget its value. Only when it differs: a value set anew would overwrite what is being typed."""
    if st.session_state.get(key, MISSING) != value:
        st.session_state[key] = copy.deepcopy(value)


def wait_for(what: str) -> None:
    """Have the strip draw the page anew when this is ready: ``torch`` or ``data``."""
    waiting = st.session_state.setdefault("waiting", [])
    if what not in waiting:
        waiting.append(what)


def torch_is_ready(place: Any = st) -> bool:
    """False, with an honest line on screen, while PyTorch is being loaded."""
    if jobs.warmed():
        return True
    wait_for("torch")
    place.caption(":material/hourglass_top: Starting: loading PyTorch. This appears in a few seconds.")
    return False
