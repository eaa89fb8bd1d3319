"""Actions on a run: the buttons under its name, which depend on its state, and the menu."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs import actions, claims, jobs, resume_and_fork
from mtl_core.runs.store import RunStore
from ui.compare.race_link import race_links
from ui.shell import words
from ui.shell.state import EXPORT, go_to, last_refusal, open_dialog, run_action

FAILS_AGAIN = ("config", "non_finite", "out_of_memory")  # kinds of failure that the same settings probably repeat
MENU = {
    "describe": mark(":material/edit: Name, note, tags"),
    "pin": mark(":material/keep: Pin to the top"),
    "unpin": mark(":material/keep_off: Unpin"),
    "archive": mark(":material/archive: Archive"),
    "unarchive": mark(":material/unarchive: Bring back from the archive"),
    "fork": mark(":material/fork_right: Fork"),
    "clone": mark(":material/content_copy: Clone"),
    "delete": mark(":material/delete: Delete"),
}


def action_bar(store: RunStore, run: Any) -> None:
    """Draw the buttons for the run's state and the menu."""
    status = str(run.status)
    with st.container(key="actions", horizontal=True, vertical_alignment="center", gap="small", width="content"):
        if run.status.is_active():
            _pause_and_stop(run)
        elif status == "queued":
            place_buttons(run, len(store.queued()), f"place.{run.id}")
            stop_button(run, key=f"stop.{run.id}")
        else:
            _resume_fork_and_clone(store, run, status)
        if run.info:
            about = tr("Files of this run: network, metrics, predictions, report.")
            click = {"on_click": open_dialog, "args": (EXPORT, [run.id])}
            st.button(tr("Export"), icon=":material/download:", key=f"export.{run.id}", help=about, **click)
        _menu(store, run)
        race_links([run], is_short=True)


def refusal(run: Any) -> None:
    """Draw why the last action on the run was not possible; otherwise nothing."""
    if last_refusal(run.id):
        st.warning(words.plain(last_refusal(run.id)), icon=":material/block:")


def _pause_and_stop(run: Any) -> None:
    pause_button(run, key=f"pause.{run.id}", primary=True)
    stop_button(run, key=f"stop.{run.id}")


def pause_button(run: Any, key: str, primary: bool = False) -> None:
    """Draw Pause for a running run, "Pausing..." for a pausing one, Resume for a paused one; nothing for a stopping one."""
    status = str(run.status)
    if status == "paused":
        kind = "primary" if primary else "secondary"
        st.button(tr("Resume"), type=kind, icon=":material/play_arrow:", key=key, on_click=run_action, args=(run.id, actions.proceed))
    elif status != "stopping":
        pausing = status == "pausing"
        label = tr("Pausing…") if pausing else tr("Pause")
        st.button(label, icon=":material/pause:", key=key, disabled=pausing, on_click=run_action, args=(run.id, actions.pause))


def stop_button(run: Any, key: str) -> None:
    """Draw Stop; "Stopping..." from the click until the run has saved its state."""
    stopping = str(run.status) == "stopping"
    queued = str(run.status) == "queued"
    label = tr("Stopping…") if stopping else tr("Remove") if queued else tr("Stop")
    icon, about = (":material/close:", tr("Remove this run from the queue")) if queued else (":material/stop_circle:", None)
    st.button(label, icon=icon, key=key, help=about, disabled=stopping, on_click=run_action, args=(run.id, actions.stop))


def give_up_button(run: Any) -> None:
    """Draw the button that marks a hanging run interrupted."""
    label = tr("Mark interrupted")
    st.button(label, icon=":material/power_off:", key=f"give_up.{run.id}", on_click=run_action, args=(run.id, claims.give_up))


def place_buttons(run: Any, waiting: int, key: str) -> None:
    """Draw the buttons that move a queued run: first, earlier, later."""
    place = run.queue_position or 1
    moves = (
        ("first", "vertical_align_top", tr("Move to the front of the queue"), 1),
        ("earlier", "arrow_upward", tr("Move one place forward"), place - 1),
    )
    for name, icon, about, to in (*moves, ("later", "arrow_downward", tr("Move one place back"), place + 1)):
        off = not 1 <= to <= waiting or to == place
        st.button("", icon=f":material/{icon}:", key=f"{key}.{name}", help=about, disabled=off, on_click=run_action, args=(run.id, actions.move, to))


def _resume_fork_and_clone(store: RunStore, run: Any, status: str) -> None:
    if status == "finished":
        _train_on(run)
    else:
        same_again = (run.failure or {}).get("kind") in FAILS_AGAIN
        kind = "secondary" if same_again else "primary"
        st.button(tr("Resume"), type=kind, icon=":material/play_arrow:", key=f"resume.{run.id}", on_click=run_action, args=(run.id, _resume))
    kept = resume_and_fork.forkable(store, run.id)
    about = (
        tr("Start a new run from one of its epochs, with other settings.") if kept else tr("The run has no checkpoint of a whole epoch to fork from.")
    )
    st.button(tr("Fork"), icon=":material/fork_right:", key=f"fork.{run.id}", help=about, disabled=not kept, on_click=fork_of, args=(run.id,))
    about = tr("Open the Train form with this run's settings.")
    st.button(tr("Clone"), icon=":material/content_copy:", key=f"clone.{run.id}", help=about, on_click=clone_of, args=(run.id,))


def _resume(store: RunStore, run_id: str) -> None:
    if store.get(run_id).status.is_ended():  # otherwise this is a second click, or another user has already resumed the run
        resume_and_fork.resume(store, run_id)
        jobs.start_worker(store)


def _train_on(run: Any) -> None:
    key = f"train_on.{run.id}"
    with st.popover(tr("Continue training"), icon=":material/play_arrow:", type="primary", key=f"{key}.popover"):
        st.markdown(tr("The run was trained for **{epochs}** {epochs:epoch|epochs}. Enter the total number of epochs.", epochs=run.epochs))
        # Without bounds: the browser does not send a number outside them, and the run would train to the old number.
        st.number_input(tr("Epochs in all"), value=min(2 * run.epochs, 10_000), step=1, key=key, label_visibility="collapsed")
        st.caption(
            tr("The same run continues from its last epoch. The learning rate follows its schedule over the new length, so it may rise at first.")
        )
        st.button(tr("Continue"), type="primary", key=f"{key}.go", width="stretch", on_click=run_action, args=(run.id, _take_epochs))


def _take_epochs(store: RunStore, run_id: str) -> None:
    if store.get(run_id).status.is_ended():
        resume_and_fork.train_on(store, run_id, int(st.session_state[f"train_on.{run_id}"] or 0))
        jobs.start_worker(store)


def fork_of(run_id: str, epoch: int | None = None, *changes: str) -> None:
    """Open the Train form with a fork of this run. ``changes`` are ``key=value``."""
    go_to("train", fork=run_id, **({} if epoch is None else {"epoch": str(epoch)}), **({"set": changes} if changes else {}))


def clone_of(run_id: str, *changes: str) -> None:
    """Open the Train form with this run's settings and ``changes``."""
    go_to("train", clone=run_id, **({"set": changes} if changes else {}))


def _menu(store: RunStore, run: Any) -> None:
    ended = run.status.is_ended()
    entries = ["describe", "unpin" if run.pinned else "pin"]
    if ended:
        entries.append("unarchive" if run.archived else "archive")
    else:  # ended runs have buttons for these
        entries += [*(["fork"] if resume_and_fork.forkable(store, run.id) else []), "clone"]
    key, label = f"more.{run.id}", words.translated(MENU)
    st.menu_button(tr("More"), [*entries, "delete"], key=key, icon=":material/more_horiz:", format_func=label, on_click=_choose, args=(run.id,))


def _choose(run_id: str) -> None:
    choose(st.session_state[f"more.{run_id}"], run_id)


def choose(what: str, run_id: str) -> None:
    """Run the action of a menu entry."""
    if what in ("describe", "delete"):
        open_dialog(what, [run_id])
    elif what == "fork":
        fork_of(run_id)
    elif what == "clone":
        clone_of(run_id)
    elif what in ("pin", "unpin"):
        run_action(run_id, actions.pin, what == "pin")
    elif what:
        run_action(run_id, actions.archive, what == "archive")
