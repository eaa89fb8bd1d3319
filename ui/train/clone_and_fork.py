"""Fork and clone on the Train form: the run that the settings come from.

The address ``?fork=RUN&epoch=K`` starts a fork and ``?clone=RUN`` a clone, each with any number of ``set=key=value``. The session stores
the origin as plain values, with the settings that it replaced.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core import run_names
from mtl_core.config import RunConfig
from mtl_core.language import tr
from mtl_core.runs import resume_and_fork
from ui.shell import state, words
from ui.shell.error_boundary import is_ours
from ui.shell.form_editions import begin_edition, form_key, key_for
from ui.shell.page_address import set_address
from ui.shell.state import hold, run_store, settings, write
from ui.train.preset_changes import changes_in_words, nearest_preset

REPLACED = ("settings", "settings_preset", "tasks_put_aside")  # session keys that a fork or clone replaces


def origin() -> dict[str, Any]:
    """``{"kind": "fork" or "clone", "run", "name", "epoch"}``; empty where the settings come from a preset."""
    return st.session_state.get("origin", {})


def is_fork() -> bool:
    """Whether Train makes a fork."""
    return origin().get("kind") == "fork"


def take_origin() -> None:
    """Start the fork or clone that the address names, and update the address to the current one.

    A late refresh can bring an outdated address. So an address that this session has seen starts nothing, unless a click led to it.
    """
    if is_fork() and _is_gone(origin()["run"]):
        st.session_state["origin_problem"] = tr("The run to fork ({name}) was deleted.", name=origin()["name"])
        restore_settings()
    kind = next((kind for kind in ("clone", "fork") if kind in st.query_params), "")
    by_click = st.session_state.pop("arrived", False)
    if kind:
        changes = st.query_params.get_all("set")
        if _is_new([kind, st.query_params[kind], st.query_params.get("epoch", ""), *changes]) or by_click:
            _apply_origin(kind, st.query_params[kind], st.query_params.get("epoch", ""), changes)
    true = {"fork": origin()["run"], "epoch": str(origin()["epoch"])} if is_fork() else {}
    if true:
        _is_new(["fork", *true.values()])
    set_address({key: true.get(key) for key in ("clone", "set", "fork", "epoch")})


def _is_new(address: list[str]) -> bool:
    """Whether this session sees an address for the first time."""
    seen = st.session_state.setdefault("origins_seen", [])
    if address in seen:
        return False
    seen.append(address)
    return True


def _is_gone(run_id: str) -> bool:
    try:
        run_store().get(run_id)
    except Exception as error:
        if type(error).__name__ != "RunNotFoundError":
            raise
        return True
    return False


def _apply_origin(kind: str, run_id: str, epoch: str, changes: list[str]) -> None:
    """Replace the settings by the run's, with the changes. An error is left in the session."""
    try:
        run = run_store().get(run_id)
        chosen = _epoch_to_fork(run, epoch) if kind == "fork" else None
        config = _without_changes_of(run.config, changes) if chosen is None else resume_and_fork.config_after(run, chosen)
        config = config.with_overrides(changes)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["origin_problem"] = str(error)
        return
    if not origin():
        settings()
        st.session_state["before_origin"] = {key: st.session_state[key] for key in REPLACED}
    state.replace_settings(state.nameless(config.to_dict()), nearest_preset(config))
    st.session_state["origin"] = {"kind": kind, "run": run.id, "name": run.name, "epoch": chosen}
    _leave_some_epochs(run.epochs)


def _without_changes_of(config: RunConfig, assigned: list[str]) -> RunConfig:
    """A config without its live changes of the assigned settings, which would override the assigned values."""
    keys = {each.partition("=")[0].strip() for each in assigned}
    return config.model_copy(update={"changes": [change for change in config.changes if change.key not in keys]})


def _epoch_to_fork(run: Any, asked: str) -> int:
    return resume_and_fork.kept_at(run_store(), run.id, asked or "last").epoch


def _leave_some_epochs(epochs: int) -> None:
    """Raise the epochs of a fork from the last epoch by the length of its parent, so that epochs are left to train."""
    fork_epoch = origin()["epoch"]
    if fork_epoch is not None and settings()["epochs"] <= fork_epoch:
        settings()["epochs"] = min(fork_epoch + epochs, 10_000)


def restore_settings() -> None:
    """End the fork or clone and restore the settings that it replaced."""
    before = st.session_state.pop("before_origin", None) or {}
    st.session_state.pop("origin", None)
    begin_edition()
    for key, value in before.items():
        st.session_state[key] = value
    set_address({"fork": None, "epoch": None})


def banner() -> None:
    """Draw where the settings come from, with a button that restores the settings before."""
    if "origin_problem" in st.session_state:
        st.warning(words.plain(tr(st.session_state.pop("origin_problem"))), icon=":material/search_off:")
    if origin():
        with st.container(key="origin", border=True):
            draw = _fork_banner if is_fork() else _clone_banner
            draw()
    if settings().get("changes"):
        _changes_made_again()


def _clone_banner() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            tr(":material/content_copy: These are the settings of **{name}**. You can change all of them.", name=words.plain(origin()["name"])),
            width="content",
        )
        st.button(tr("Restore my previous settings"), key="leave", type="tertiary", on_click=restore_settings)


def _changes_made_again() -> None:
    """Draw the live changes in the settings, which the run repeats at the same steps, with a button that drops them."""
    with st.container(key="made_again", border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/tune: {words.plain(changes_in_words(settings()))}", width="content")
        st.button(tr("Leave them out"), key="leave_changes", type="tertiary", on_click=write, args=(("changes",), []))


def _fork_banner() -> None:
    kept = resume_and_fork.forkable(run_store(), origin()["run"])
    labels = {checkpoint.epoch: _epoch_label(checkpoint) for checkpoint in kept}
    labels.setdefault(origin()["epoch"], tr("epoch {epoch}", epoch=origin()["epoch"]))
    key = key_for("fork.epoch", origin()["epoch"])
    hold(key, origin()["epoch"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(tr(":material/fork_right: Fork of **{name}** after", name=words.plain(origin()["name"])), width="content")
        st.selectbox(
            tr("Epoch"),
            list(labels),
            list(labels).index(origin()["epoch"]),
            key=key,
            format_func=labels.__getitem__,
            on_change=_take_epoch,
            args=(key,),
            label_visibility="collapsed",
            width=190,
        )
        st.space("stretch")
        st.button(tr("Cancel"), key="leave", icon=":material/close:", type="tertiary", on_click=restore_settings)
    st.caption(tr("A fork is a new run. It starts from this run's checkpoint and trains on with the settings below. The other run does not change."))
    if run_store().get(origin()["run"]).config.changes:
        st.caption(tr("The other run was changed while it trained. The loss weights and the learning rate below are those after this epoch."))


def _epoch_label(checkpoint: Any) -> str:
    marks = [text for text, holds in ((tr("best"), checkpoint.is_best), (tr("last"), checkpoint.is_last)) if holds]
    marks += [tr("best of {task}", task=task) for task in checkpoint.best_of]
    return tr("epoch {epoch}", epoch=checkpoint.epoch) + (f" ({', '.join(marks)})" if marks else "")


def _take_epoch(key: str) -> None:
    if key != form_key("fork.epoch") or st.session_state[key] == origin()["epoch"]:
        return
    before = parent_config().to_dict()
    st.session_state["origin"] = {**origin(), "epoch": st.session_state[key]}
    set_address({"epoch": str(origin()["epoch"])})
    _is_new(["fork", origin()["run"], str(origin()["epoch"])])  # marked as seen, so that it does not reset the form
    _follow_parent(before, parent_config().to_dict())
    _leave_some_epochs(run_store().get(origin()["run"]).epochs)


def _follow_parent(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Update unchanged settings to the parent's values after the newly chosen epoch. Edited settings stay."""
    for task in before["tasks"]:
        for tasks in (settings()["tasks"], st.session_state.get("tasks_put_aside", {})):
            _follow(tasks.get(task, {}), before["tasks"][task], after["tasks"][task], "loss_weight")
    _follow(settings()["optimizer"], before["optimizer"], after["optimizer"], "lr")


def _follow(now: dict[str, Any], before: dict[str, Any], after: dict[str, Any], key: str) -> None:
    if now.get(key) == before[key]:
        now[key] = after[key]


def parent_config() -> RunConfig:
    """The forked run's settings after the epoch, with its live changes up to there."""
    return resume_and_fork.config_after(run_store().get(origin()["run"]), origin()["epoch"])


def fork_name(config: RunConfig) -> str:
    """The changes, the epoch of the fork, and the parent's name."""
    return run_names.fork_name(origin()["name"], parent_config(), config, origin()["epoch"])


def fork_problems(config: RunConfig) -> list[str]:
    """Reasons why the run cannot be forked with these settings; empty where it can."""
    try:
        resume_and_fork.checked_fork(run_store().get(origin()["run"]), origin()["epoch"], config)
    except Exception as error:
        if not is_ours(error):
            raise
        return [str(problem) for problem in getattr(error, "problems", ())] or [
            tr("The run to fork no longer exists. Press 'Cancel' to end the fork.")
        ]
    return []
