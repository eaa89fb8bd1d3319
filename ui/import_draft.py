"""The import that this session is about to make: plain values in the session, the engine's objects in the background's states."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import streamlit as st

from mtl_core.data.imports import describe, examine, import_dataset, propose
from mtl_core.data.imports.spec import ImportSpec
from ui import background
from ui.paths import is_allowed
from ui.state import run_store

RESIZED = {"stretch": "stretched", "pad": "kept whole, with bars", "crop": "cut off at the longer side"}  # pictures of other proportions


def draft() -> dict[str, Any]:
    """The import that is being made; empty without one.

    ``path``, ``title`` (what the user calls the files), ``uploaded``, ``spec`` (plain; empty before the proposal), ``name``, ``answers`` (question ->
    reading), ``described`` (mark of the sources that ``tasks`` were counted for), ``sheets`` (drawn readings).
    """
    return st.session_state.get("import_draft", {})


def start(path: str, title: str, *, uploaded: bool = False) -> None:
    """Look at a folder or zip, in the background."""
    leave()
    token = uuid.uuid4().hex
    st.session_state["import_draft"] = {
        "token": token,
        "path": path,
        "title": title,
        "uploaded": uploaded,
        "spec": {},
        "name": "",
        "checked": "",
        "answers": {},
        "described": "",
        "sheets": {},
    }

    def work(progress: background.Progress, cancelled: Any) -> Any:
        progress(0.0, "looking at the files")
        return propose(path)

    background.begin(_key("propose"), work)


def leave() -> None:
    """Forget the import that was about to be made."""
    if draft():
        for kind in ("propose", "describe", "check", "import"):
            background.drop(_key(kind))
    st.session_state.pop("import_draft", None)


def _key(kind: str) -> str:
    return f"{kind} {draft()['token']}"


def job_key(kind: str) -> str:
    """Under which the background keeps a work of this draft: ``propose``, ``describe``, ``check``, ``import`` or a drawn reading."""
    return _key(kind)


def result_of(kind: str) -> Any:
    """What it came to; None before its end, and where it failed."""
    state = background.state_of(_key(kind)) if draft() else None
    return state["result"] if state and state["done"] else None


def take_proposal(proposal: Any, name: str) -> None:
    """Begin the form with what the look suggests; once."""
    if not draft()["spec"]:
        draft()["spec"] = proposal.spec.to_dict()
        draft()["name"] = name
        draft()["described"] = sources_mark()


def value(*path: Any) -> Any:
    """A value of the draft's spec."""
    node: Any = draft()["spec"]
    for part in path:
        node = node[part] if isinstance(node, list) else (node or {}).get(part)
    return node


def change(path: tuple[Any, ...], new: Any) -> None:
    """Set a value of the draft's spec."""
    node = draft()["spec"]
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = new


def sources_mark() -> str:
    """Of the settings that decide which tasks there are: the sources, and which files are images."""
    images = {key: draft()["spec"]["images"].get(key) for key in ("folders", "files", "exclude", "exclude_suffixes")}
    return hashlib.sha256(json.dumps([images, draft()["spec"]["sources"]], sort_keys=True).encode()).hexdigest()


def tasks_now(proposal: Any) -> tuple[Any, bool]:
    """What the sources give as they are set now, and whether that is known yet. The last known is given until it is."""
    state = background.state_of(_key("describe"))
    if state is not None and state["done"] and state["result"] is not None and state["result"][0] == sources_mark():
        return state["result"][1], True
    if draft()["described"] == sources_mark():
        return proposal, True
    last = state["result"][1] if state is not None and state["result"] is not None else proposal
    if state is None or (state["done"] and state["asked"] != sources_mark()):
        spec = _spec_or_none()
        if spec is None:
            return last, True  # the settings are wrong; the page says how
        path, mark = draft()["path"], sources_mark()
        background.begin(_key("describe"), lambda progress, cancelled: (mark, describe(path, spec)))["asked"] = mark
    elif state["done"]:
        st.session_state["import_refused"] = state["error"]
        return last, True
    return last, False


def place_of(proposal: Any, source: int) -> int | None:
    """Where a source of the look stands in the settings now; None where it was left out, or reads other files by now."""

    def mark(entry: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(entry.get(key) for key in ("format", "file", "folder", "suffix"))

    looked = [mark({"format": entry.format, **entry.options}) for entry in proposal.spec.sources]
    alike = looked[: source + 1].count(looked[source])  # the first, second ... of those that read the same
    places = [place for place, entry in enumerate(draft()["spec"]["sources"]) if mark(entry) == looked[source]]
    return places[alike - 1] if alike <= len(places) else None


def rename_task(old: str, new: str) -> None:
    """A task has another name: also where the settings speak of it."""
    spec = draft()["spec"]
    if spec.get("tasks") is not None:
        spec["tasks"] = [new if name == old else name for name in spec["tasks"]]
    if old in spec.get("titles", {}):
        spec["titles"][new] = spec["titles"].pop(old)
    if spec["splits"].get("stratify") == old:
        spec["splits"]["stratify"] = new


def fingerprint() -> str:
    """Of the spec: a report holds for the settings it was made under only."""
    return hashlib.sha256(json.dumps(draft()["spec"], sort_keys=True).encode()).hexdigest()


def spec_of() -> ImportSpec:
    """The draft's spec, checked. Raises ConfigError."""
    return ImportSpec.from_dict(draft()["spec"])


def start_check() -> None:
    """Read every file once; nothing is written. Refuses what is wrong with the settings by leaving a sentence."""
    path, spec = draft()["path"], _spec_or_none()
    if spec is None:
        return
    draft()["checked"] = fingerprint()
    background.drop(_key("import"))
    background.begin(_key("check"), lambda progress, cancelled: examine(path, spec, progress, cancelled))


def start_import() -> None:
    """Make the import that was checked."""
    path, spec, examined, name, home = draft()["path"], _spec_or_none(), result_of("check"), draft()["name"].strip(), run_store().home
    if spec is None or examined is None or fingerprint() != draft()["checked"]:
        return

    def work(progress: background.Progress, cancelled: Any) -> str:
        import_dataset(path, spec, name, home=home, checked=examined, progress=progress, cancelled=cancelled)
        return name

    background.begin(_key("import"), work)


def _spec_or_none() -> ImportSpec | None:
    from ui.guard import is_ours

    st.session_state.pop("import_refused", None)
    try:
        if not draft()["uploaded"] and not is_allowed(draft()["path"]):
            raise ValueError(f"'{draft()['path']}' is outside of the folders that the dashboard may read.")
        return spec_of()
    except Exception as error:
        if not is_ours(error) and not isinstance(error, ValueError):
            raise
        st.session_state["import_refused"] = str(error)
        return None
