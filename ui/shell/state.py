"""State beyond one script run: the process's store, and the session's settings, dialogs and navigation.

Streamlit reloads the modules after a source file is saved, so the session holds plain values only, no objects of our own classes.
"""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from mtl_core.config_sections import BackboneConfig
from mtl_core.language import mark, tr
from mtl_core.presets import Preset, load_presets
from mtl_core.runs import jobs
from mtl_core.runs.sql.run_listing import ListedFacts
from mtl_core.runs.store import RunStore, open_store
from mtl_core.settings import home as home_folder
from mtl_core.settings import problems, remarks
from mtl_core.studies.weight_search import follow_queue
from ui.shell.error_boundary import is_ours
from ui.shell.form_editions import begin_edition
from ui.shell.page_address import forget_address, rerun_page

_log = logging.getLogger(__name__)
MISSING = object()
EXPORT = "export"  # a dialog that the page of a run draws into itself, outside its live part
MOST_TRIES = 5  # attempts to open a page


@st.cache_resource(show_spinner=False)
def start_server() -> bool:
    """Once per server: log the problems of the environment and import PyTorch in the background, which takes seconds."""
    for text in (*map(str, problems()), *remarks()):
        _log.warning("%s", text)
    jobs.warm_up()
    return True


@st.cache_resource(show_spinner=False)
def take_queued_runs(home: str) -> bool:
    """Once per store: start the runs that an earlier server left in the queue."""
    follow_queue()
    jobs.start_worker(run_store())
    return True


def run_store() -> RunStore:
    """The store in the folder that ``MTL_HOME`` names. A store that was put in its place since is opened anew."""
    home = home_folder().as_posix()
    store = _open(home)
    if store.database.is_replaced():
        _open.clear()
        store = _open(home)
    return store


@st.cache_resource(show_spinner=mark("Opening the run store. A store of an earlier version is converted first, which can take minutes."))
def _open(home: str) -> RunStore:
    return open_store()


@st.cache_resource(ttl=5, max_entries=4, show_spinner=False)  # all viewers share it, because a copy of ten thousand runs costs too much
def listing(home: str) -> list[ListedFacts]:
    """The facts about every run that lists and links need, newest first; up to five seconds old."""
    return run_store().facts()


def listing_with(run: Any) -> list[ListedFacts]:
    """``listing`` with this run, even if another process has only just made it."""
    known = listing(run_store().home.as_posix())
    if not any(other.id == run.id for other in known):
        listing.clear()
        known = listing(run_store().home.as_posix())
    return known


@st.cache_resource(show_spinner=False)  # one page asks for them several times, and a copy of all takes milliseconds
def presets() -> dict[str, Preset]:
    """All presets by name, in order. Their files are read once. All viewers share them: nothing in them is to be changed."""
    return {preset.name: preset for preset in load_presets()}


def first_preset() -> Preset:
    """The preset that a fresh form shows."""
    return next(iter(presets().values()))


def settings() -> dict[str, Any]:
    """The Train form's config as plain values; at first those of the first preset."""
    try:  # one lookup: each field of the form asks
        return st.session_state["settings"]
    except KeyError:
        choose_preset(first_preset().name)
        return st.session_state["settings"]


def preset_name() -> str:
    """The preset that the settings started from."""
    settings()
    return st.session_state["settings_preset"]


def choose_preset(name: str, kept: Sequence[str] = ()) -> None:
    """Replace all settings by a preset's.

    Args:
        kept: widgets that the viewer has just used (see ``begin_edition``).
    """
    replace_settings(nameless(presets()[name].config.to_dict()), name, kept)


def replace_settings(values: dict[str, Any], preset: str, kept: Sequence[str] = ()) -> None:
    """Replace all settings, and the preset that they are based on."""
    if "settings" in st.session_state:
        begin_edition(kept=kept)
    st.session_state["settings"] = values
    st.session_state["settings_preset"] = preset
    st.session_state["tasks_put_aside"] = {}


def nameless(values: dict[str, Any]) -> dict[str, Any]:
    """The settings without a name, because a changed run must not have the preset's name."""
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
    """Change one setting and leave the others. A setting of a task that is not chosen is not taken.

    A browser may report the loss weight of a task together with the click that removes the task.
    """
    node = settings()
    if path[0] == "tasks" and path[2:] and path[1] not in node["tasks"]:
        return
    for key in path[:-1]:
        node = node.setdefault(key, {})
    node[path[-1]] = value


def choose_part(path: tuple[str, ...], name: str) -> None:
    """Set the part at a path, with its default options."""
    write(path, BackboneConfig.model_validate({"name": name}).model_dump(mode="json") if path == ("backbone",) else {"name": name})


def keep_task(name: str, chosen: bool, order: list[str]) -> None:
    """Add or remove a task; one that is chosen already stays as it is. The settings of a removed task are kept and restored with it."""
    tasks, aside = settings()["tasks"], st.session_state.setdefault("tasks_put_aside", {})
    if chosen == (name in tasks):
        return
    if chosen:
        tasks[name] = aside.pop(name, {"loss_weight": 1.0})
        place = {task: index for index, task in enumerate(order)}
        settings()["tasks"] = dict(sorted(tasks.items(), key=lambda item: place.get(item[0], len(place))))
    else:
        aside[name] = tasks.pop(name)
        settings()["changes"] = [change for change in settings().get("changes", []) if not change["key"].startswith(f"tasks.{name}.")]


def hold(key: str, value: Any) -> Any:
    """Set a widget's value and return it. It is set only if it differs, because setting it again would overwrite text that is being typed.

    Pass the same value to the widget as its default. A script run that is interrupted may have set the value without sending it to the browser,
    which would then show the widget's default and report it as the viewer's choice.
    """
    st.session_state.pop(f"{key}.taken", None)
    if st.session_state.get(key, MISSING) != value:
        st.session_state[key] = copy.deepcopy(value)
    return value


def is_choice(key: str, shown: Any) -> bool:
    """In ``on_change`` of a widget that is held: whether the viewer chose another value than the one that was shown or taken last.

    After a click that leaves the page, the browser may report once more what the widget showed.
    """
    value = st.session_state[key]
    if value == st.session_state.get(f"{key}.taken", shown):
        return False
    st.session_state[f"{key}.taken"] = value  # a second choice may come before the widget is drawn with the first
    return True


def hold_first(key: str, value: Any, allowed: Any = None) -> Any:
    """``hold`` for a widget that keeps its own value: ``value`` is set only at first, and if the kept one is no longer ``allowed``."""
    kept = st.session_state.get(key, MISSING)
    return hold(key, value if kept is MISSING or (allowed is not None and kept not in allowed) else kept)


def wait_for(what: str) -> None:
    """Have the status bar rerun the page: when ``torch`` or ``data`` is ready, or at every poll for ``work``."""
    waiting = st.session_state.setdefault("waiting", [])
    if what not in waiting:
        waiting.append(what)


def torch_is_ready(place: Any = st) -> bool:
    """Whether PyTorch is loaded; if not, draw a line that says so."""
    if jobs.warmed():
        return True
    wait_for("torch")
    place.caption(tr(":material/hourglass_top: Loading PyTorch. This part of the page appears in a few seconds."))
    return False


# Callbacks of clicks run before the page is drawn, so they leave notes in the session on which the next script run acts.
def run_action(run_id: str, action: Callable[..., Any], *args: Any) -> Any:
    """Run an action on a run of the store; whether it was done. A refusal is stored as a sentence for ``last_refusal``, not raised.

    Not typed as bool, because Streamlit's type of a callback is a function that returns nothing.
    """
    st.session_state.pop("refused", None)
    try:
        action(run_store(), run_id, *args)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["refused"] = {"run": run_id, "text": str(error)}
        return False
    listing.clear()  # the run may have another name now, or be deleted
    return True


def last_refusal(run_id: str) -> str:
    """Why the last action on this run was refused, in the reader's language; empty if it was not."""
    refused = st.session_state.get("refused") or {}
    return tr(refused.get("text", "")) if refused.get("run") == run_id else ""


def go_to(page: str, **query: Any) -> None:
    """Open another page at the next rerun."""
    st.session_state["go_to"] = {"page": page, "query": query, "tries": 0}


def open_asked_page(page: str) -> None:
    """Open the page that a click asked for, if any.

    A refresh of the old page can come at the same moment, and Streamlit then takes the page and address of the later request. So the note stays
    until the page is reached.

    Args:
        page: the page that is about to be drawn.
    """
    target = st.session_state.get("go_to")
    if not target:
        return
    there = page == target["page"] and all(st.query_params.get_all(key) == _listed(value) for key, value in target["query"].items())
    if there or target["tries"] >= MOST_TRIES:
        st.session_state.pop("go_to")
        st.session_state["arrived"] = True
        return
    _switch()


def _switch() -> None:
    target = st.session_state["go_to"]
    st.session_state["go_to"] = {**target, "tries": target["tries"] + 1}
    st.switch_page(f"pages/{target['page']}.py", query_params=target["query"])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def open_dialog(kind: str, run_ids: list[str]) -> None:
    """Open a dialog on these runs. The whole page draws it, so that no refresh of a fragment can close it."""
    st.session_state["dialog"] = {"kind": kind, "runs": run_ids, "page": st.session_state.get("page", "")}


def begin_page(page: str) -> None:
    """At the start of a full script run: record the page, and whether it draws a dialog."""
    dialog = st.session_state.get("dialog")
    if dialog and dialog["page"] != page:
        st.session_state.pop("dialog")
    if st.session_state.get("page") != page:
        st.session_state.pop("refused", None)
    st.session_state["page"] = page
    forget_address()
    st.session_state["dialog_drawn"] = "dialog" in st.session_state


def whole_page_if_asked() -> None:
    """At the end of a fragment: rerun the whole page if a click needs it."""
    if "go_to" in st.session_state:
        _switch()
    if ("dialog" in st.session_state) != st.session_state.get("dialog_drawn", False):
        rerun_page()


def request_id() -> str:
    """Id of the form's next request. A second click on the same drawing sends the same id and gets the same run."""
    return st.session_state.setdefault("request_id", uuid.uuid4().hex)


def end_request(request: str) -> None:
    """End a request: the next drawing of the form gets a new id."""
    if st.session_state.get("request_id") == request:
        st.session_state.pop("request_id")
