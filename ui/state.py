"""What lives longer than one script run: the process's store, and this session's settings (plain values only).

Saving a source file makes Streamlit load the modules anew, so nothing here keeps objects of our own classes in the session.
"""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import Callable
from typing import Any

import streamlit as st

from mtl_core.presets import Preset, load_presets
from mtl_core.runs import jobs
from mtl_core.runs.store import RunStore, open_store
from mtl_core.settings import home as home_folder
from mtl_core.settings import problems, remarks
from ui.guard import is_ours

_log = logging.getLogger(__name__)
MISSING = object()
MOST_TRIES = 5  # to reach a page


@st.cache_resource(show_spinner=False)
def start_server() -> bool:
    """Once per server: PyTorch takes seconds to import, so it starts now, behind the page."""
    for text in (*map(str, problems()), *remarks()):
        _log.warning("%s", text)
    jobs.warm_up()
    return True


@st.cache_resource(show_spinner=False)
def take_queued_runs(home: str) -> bool:
    """Once per store: runs that were left waiting when a server ended begin now."""
    jobs.start_worker(run_store())
    return True


def run_store() -> RunStore:
    """The store that ``MTL_HOME`` names now."""
    return _open(home_folder().as_posix())


@st.cache_resource(show_spinner=False)
def _open(home: str) -> RunStore:
    return open_store()


@st.cache_data(ttl=5, max_entries=4, show_spinner=False)  # a live page asks every few seconds, for each viewer
def listing(home: str) -> list[dict[str, Any]]:
    """What lists and links need to know of every run in the store, newest first, as plain values; up to five seconds old."""
    return [_as_plain(run) for run in run_store().runs()]


def listing_with(run: Any) -> list[dict[str, Any]]:
    """The same; this run is among them, also where another process has made it just now."""
    known = listing(run_store().home.as_posix())
    return known if any(other["id"] == run.id for other in known) else [_as_plain(run), *known]


def _as_plain(run: Any) -> dict[str, Any]:
    fields = ("id", "name", "created_at", "pinned", "archived", "parent", "tags")
    return {field: getattr(run, field) for field in fields}


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
        settings()["changes"] = [change for change in settings().get("changes", []) if not change["key"].startswith(f"tasks.{name}.")]


def hold(key: str, value: Any) -> Any:
    """Give a widget its value, and give it back. Only when it differs: a value set anew would overwrite what is being typed.

    The widget must get the same value as its default. A run that another one cuts short may have set the value without the browser hearing of it;
    the browser would show the widget's own default then, and report it as the viewer's choice.
    """
    if st.session_state.get(key, MISSING) != value:
        st.session_state[key] = copy.deepcopy(value)
    return value


def hold_first(key: str, value: Any, allowed: Any = None) -> Any:
    """The same for a widget that keeps its own value: the first one is given, also in place of one that is no longer ``allowed``."""
    kept = st.session_state.get(key, MISSING)
    return hold(key, value if kept is MISSING or (allowed is not None and kept not in allowed) else kept)


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


# -- clicks: callbacks run before the page is drawn, in a fragment or not, so they leave notes that the next run acts on


def attempt(run_id: str, action: Callable[..., Any], *args: Any) -> bool:
    """Do something with a run of the store. A refusal is kept as a sentence for ``refusal``, not raised."""
    st.session_state.pop("refused", None)
    try:
        action(run_store(), run_id, *args)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["refused"] = {"run": run_id, "text": str(error)}
        return False
    listing.clear()  # it may have another name now, or be gone
    return True


def refusal(run_id: str) -> str:
    """Why the last thing that was asked of this run was not done; empty when it was."""
    refused = st.session_state.get("refused") or {}
    return refused.get("text", "") if refused.get("run") == run_id else ""


def go_to(page: str, **query: Any) -> None:
    """Open another page as soon as this one is drawn anew."""
    st.session_state["go_to"] = {"page": page, "query": query, "tries": 0}


def follow(page: str) -> None:
    """To the page that a click asked for, if one did.

    A refresh of the old page may be asked for at the same moment, and Streamlit then takes the page and address of whichever came last. So the note
    stays until the page was reached.

    Args:
        page: the one that is about to be drawn.
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


def ask(kind: str, run_ids: list[str]) -> None:
    """Open a dialog on these runs. It is drawn by the whole page, so that no refresh of a part of it can close it."""
    st.session_state["dialog"] = {"kind": kind, "runs": run_ids, "page": st.session_state.get("page", "")}


def begin_page(page: str) -> None:
    """Once per full run: which page it is, and whether it draws the dialog that was asked for."""
    dialog = st.session_state.get("dialog")
    if dialog and dialog["page"] != page:
        st.session_state.pop("dialog")
    if st.session_state.get("page") != page:
        st.session_state.pop("refused", None)
    st.session_state["page"] = page
    st.session_state.pop("address", None)
    st.session_state["dialog_drawn"] = "dialog" in st.session_state


def end_page() -> None:
    """Once per full run that came to its end: the address under which the page was drawn."""
    st.session_state["address"] = st.query_params.to_dict()


def set_address(**query: str | None) -> None:
    """Change parameters of the address from inside a fragment; None takes one away. The page counts as drawn under the new address."""
    for key, value in query.items():
        if value is None:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != value:
            st.query_params[key] = value
    if "address" in st.session_state:
        st.session_state["address"] = st.query_params.to_dict()


def find_back() -> None:
    """In the page's poller: draw the page anew where the browser shows another address than the one it was drawn under.

    A refresh that the page before had asked for can come right after this page. Streamlit (1.67) then takes back the address and drops all of this
    page but the poller (seen in Chromium on a busy machine). Twice in a row, because the address may only be on its way.
    """
    address = st.session_state.get("address")
    if address is None or address == st.query_params.to_dict():
        st.session_state["astray"] = 0
        return
    st.session_state["astray"] = times = st.session_state.get("astray", 0) + 1
    if times in (2, 4, 6):  # and no further: something else is wrong
        st.switch_page(f"pages/{st.session_state['page']}.py", query_params=address)


def whole_page_if_asked() -> None:
    """At the end of a fragment: a click in it may need more than the fragment."""
    if "go_to" in st.session_state:
        _switch()
    if ("dialog" in st.session_state) != st.session_state.get("dialog_drawn", False):
        st.rerun()


def request_id() -> str:
    """What the form's next click asks with: a second click of the same drawing asks with the same, and gets the same run."""
    return st.session_state.setdefault("request_id", uuid.uuid4().hex)


def used(request: str) -> None:
    """The next drawing of the form asks for another run."""
    if st.session_state.get("request_id") == request:
        st.session_state.pop("request_id")
