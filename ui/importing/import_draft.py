"""The import draft of a session: plain values in the session, engine objects in the states of the background jobs."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import streamlit as st

from mtl_core.data.imports import describe, examine, import_dataset, propose
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.language import mark, tr
from ui.data.set_sending import begin_sending
from ui.shell import page_jobs
from ui.shell.form_editions import begin_edition, form_key
from ui.shell.server_paths import is_allowed
from ui.shell.state import run_store

RESIZED = {
    "stretch": mark("stretched"),
    "pad": mark("padded with bars"),
    "crop": mark("cropped at the longer side"),
}  # images of another aspect ratio


def draft() -> dict[str, Any]:
    """The draft as a dict; empty where no import has been started.

    Keys: ``path``, ``title`` (the user's name of the files), ``uploaded``, ``spec`` (plain; empty before the proposal), ``name``, ``answers``
    (question -> reading), ``described`` (``sources_mark`` of the counted tasks), ``sheets`` (drawn readings).
    """
    return st.session_state.get("import_draft", {})


def start(path: str, title: str, *, uploaded: bool = False) -> None:
    """Start a draft and scan its folder or zip in the background."""
    discard_draft()
    begin_edition("import")
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

    def work(progress: page_jobs.Progress, cancelled: Any) -> Any:
        return propose(path, progress=progress, cancelled=cancelled)

    page_jobs.begin(_key("propose"), work)


def discard_draft() -> None:
    """Delete the draft and cancel its jobs."""
    if draft():
        for key in page_jobs.JOBS.all():
            if key.endswith(draft()["token"]):
                page_jobs.drop(key)
    st.session_state.pop("import_draft", None)


def _key(kind: str) -> str:
    return f"{kind} {draft()['token']}"


def job_key(kind: str) -> str:
    """Key of a background job of this draft: ``propose``, ``describe``, ``check``, ``import`` or a drawn reading."""
    return _key(kind)


def result_of(kind: str) -> Any:
    """Result of a job of this draft; None before its end and after a failure."""
    state = page_jobs.state_of(_key(kind)) if draft() else None
    return state["result"] if state and state["done"] else None


def take_proposal(proposal: Any, name: str) -> None:
    """Fill the form with the proposal of the scan."""
    draft()["spec"] = proposal.spec.to_dict()
    draft()["name"] = name
    draft()["described"] = sources_mark()


def value(*path: Any, default: Any = None) -> Any:
    """A value of the draft's spec; ``default`` where it has none."""
    node: Any = draft()["spec"]
    for part in path:
        node = node[part] if isinstance(node, list) else (node or {}).get(part)
    return default if node is None else node


def field_key(*path: Any) -> str:
    """Key of the widget of a value, of a question or of the name. Another draft, and other sources, have other keys."""
    return form_key(".".join(("import", *map(str, path))), "import")


def change(path: tuple[Any, ...], new: Any) -> None:
    """Set a value of the draft's spec."""
    node = draft()["spec"]
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = new


def take(path: tuple[Any, ...], key: str, default: Any = None) -> None:
    """Take a widget's value, unless the form has been replaced since, or the value is the present one."""
    if key == field_key(*path) and st.session_state[key] not in (None, value(*path, default=default)):
        change(path, st.session_state[key])


def sources_mark() -> str:
    """Checksum of the settings that decide the tasks: the sources, and which files are images."""
    images = {key: draft()["spec"]["images"].get(key) for key in ("folders", "files", "exclude", "exclude_suffixes")}
    return hashlib.sha256(json.dumps([images, draft()["spec"]["sources"]], sort_keys=True).encode()).hexdigest()


def tasks_now(proposal: Any) -> tuple[Any, bool]:
    """Tasks of the sources under the current settings, and whether they are up to date. Until they are counted, the last known ones."""
    state = page_jobs.state_of(_key("describe"))
    if state is not None and state["done"] and state["result"] is not None and state["result"][0] == sources_mark():
        return state["result"][1], True
    if draft()["described"] == sources_mark():
        return proposal, True
    last = state["result"][1] if state is not None and state["result"] is not None else proposal
    if state is None or (state["done"] and state["asked"] != sources_mark()):
        spec = _spec_or_none()
        if spec is None:
            return last, True  # the settings are invalid; the page says why
        path, mark = draft()["path"], sources_mark()
        page_jobs.begin(_key("describe"), lambda progress, cancelled: (mark, describe(path, spec, progress, cancelled)))["asked"] = mark
    elif state["done"]:
        st.session_state["import_refused"] = state["error"]
        return last, True
    return last, False


def place_of(proposal: Any, source: int) -> int | None:
    """Current position of a scanned source in the settings; None where it was removed or now reads other files."""

    def mark(entry: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(entry.get(key) for key in ("format", "file", "folder", "suffix"))

    looked = [mark({"format": entry.format, **entry.options}) for entry in proposal.spec.sources]
    alike = looked[: source + 1].count(looked[source])  # its number among the sources that read the same files
    places = [place for place, entry in enumerate(draft()["spec"]["sources"]) if mark(entry) == looked[source]]
    return places[alike - 1] if alike <= len(places) else None


def rename_task(old: str, new: str) -> None:
    """Rename a task everywhere in the settings."""
    spec = draft()["spec"]
    if spec.get("tasks") is not None:
        spec["tasks"] = [new if name == old else name for name in spec["tasks"]]
    if old in spec.get("titles", {}):
        spec["titles"][new] = spec["titles"].pop(old)
    if spec["splits"].get("stratify") == old:
        spec["splits"]["stratify"] = new


def fingerprint() -> str:
    """Checksum of the spec. A report holds only for the spec it was made with."""
    return hashlib.sha256(json.dumps(draft()["spec"], sort_keys=True).encode()).hexdigest()


def spec_of() -> ImportSpec:
    """The draft's validated spec. Raises ConfigError."""
    return ImportSpec.from_dict(draft()["spec"])


def start_check() -> None:
    """Start the check, which reads every file and writes nothing. Invalid settings leave an error in the session instead."""
    path, spec = draft()["path"], _spec_or_none()
    if spec is None:
        return
    draft()["checked"] = fingerprint()
    page_jobs.drop(_key("import"))
    page_jobs.begin(_key("check"), lambda progress, cancelled: examine(path, spec, progress, cancelled))


def start_import() -> None:
    """Start the import that was checked."""
    path, spec, examined, name, home = draft()["path"], _spec_or_none(), result_of("check"), draft()["name"].strip(), run_store().home
    if spec is None or examined is None or fingerprint() != draft()["checked"]:
        return

    def work(progress: page_jobs.Progress, cancelled: Any) -> str:
        import_dataset(path, spec, name, home=home, checked=examined, progress=progress, cancelled=cancelled, sends=False)
        begin_sending(str(home), name)
        return name

    page_jobs.begin(_key("import"), work)


def _spec_or_none() -> ImportSpec | None:
    from ui.shell.error_boundary import is_ours

    st.session_state.pop("import_refused", None)
    try:
        if not draft()["uploaded"] and not is_allowed(draft()["path"]):
            raise ValueError(tr("'{path}' is outside the folders that the dashboard may read.", path=draft()["path"]))
        return spec_of()
    except Exception as error:
        if not is_ours(error) and not isinstance(error, ValueError):
            raise
        st.session_state["import_refused"] = str(error)
        return None
