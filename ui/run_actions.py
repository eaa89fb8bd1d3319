"""What can be done with a run in the state it is in: the buttons under its name, and the menu."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.runs import actions, holding, jobs, lineage
from mtl_core.runs.store import RunStore
from ui import words
from ui.race_link import race_links
from ui.state import ask, attempt, go_to, refusal

FAILS_AGAIN = ("config", "non_finite", "out_of_memory")  # kinds of failure that the same settings most likely meet again
MENU = {
    "describe": ":material/edit: Name, note, tags",
    "pin": ":material/keep: Pin to the top",
    "unpin": ":material/keep_off: Unpin",
    "archive": ":material/archive: Archive",
    "unarchive": ":material/unarchive: Bring back from the archive",
    "fork": ":material/fork_right: Fork",
    "clone": ":material/content_copy: Clone",
    "delete": ":material/delete: Delete",
}


def action_bar(store: RunStore, run: Any) -> None:
    """Buttons that fit the run's state, then the menu. What was refused is said below."""
    status = str(run.status)
    with st.container(key="actions", horizontal=True, vertical_alignment="center", gap="small"):
        if run.status.is_active():
            _while_held(run)
        elif status == "queued":
            place_buttons(run, len(store.queued()), f"place.{run.id}")
            stop_button(run, key=f"stop.{run.id}")
        else:
            _ended(store, run, status)
        _menu(store, run)
        race_links([run])
        if status == "paused":
            st.markdown(":small[:gray[It keeps its device and its memory; Stop frees them.]]", width="content")
    if refusal(run.id):
        st.warning(words.plain(refusal(run.id)), icon=":material/block:")


# -- while a process holds it


def _while_held(run: Any) -> None:
    pause_button(run, key=f"pause.{run.id}", primary=True)
    stop_button(run, key=f"stop.{run.id}")


def pause_button(run: Any, key: str, primary: bool = False) -> None:
    """Pause while it runs, "Pausing..." until it waits, Resume while it waits; nothing once it was asked to stop."""
    status = str(run.status)
    if status == "paused":
        kind = "primary" if primary else "secondary"
        st.button("Resume", type=kind, icon=":material/play_arrow:", key=key, on_click=attempt, args=(run.id, actions.proceed))
    elif status != "stopping":
        pausing = status == "pausing"
        label = "Pausing…" if pausing else "Pause"
        st.button(label, icon=":material/pause:", key=key, disabled=pausing, on_click=attempt, args=(run.id, actions.pause))


def stop_button(run: Any, key: str) -> None:
    """Stop, or "Stopping..." from the click until the run has saved its state."""
    stopping = str(run.status) == "stopping"
    label = "Stopping…" if stopping else ("Remove from queue" if str(run.status) == "queued" else "Stop")
    st.button(label, icon=":material/stop_circle:", key=key, disabled=stopping, on_click=attempt, args=(run.id, actions.stop))


def give_up_button(run: Any) -> None:
    """For a run whose trainer is silent."""
    label = "Mark interrupted"
    st.button(label, icon=":material/power_off:", key=f"give_up.{run.id}", on_click=attempt, args=(run.id, holding.give_up))


# -- while it waits


def place_buttons(run: Any, waiting: int, key: str) -> None:
    """Earlier, later and first in line."""
    place = run.queue_position or 1
    moves = (("first", "vertical_align_top", "Make it the next one", 1), ("earlier", "arrow_upward", "One place earlier", place - 1))
    for name, icon, about, to in (*moves, ("later", "arrow_downward", "One place later", place + 1)):
        off = not 1 <= to <= waiting or to == place
        st.button("", icon=f":material/{icon}:", key=f"{key}.{name}", help=about, disabled=off, on_click=attempt, args=(run.id, actions.move, to))


# -- after it has ended


def _ended(store: RunStore, run: Any, status: str) -> None:
    if status == "finished":
        _train_on(run)
    else:
        same_again = (run.failure or {}).get("kind") in FAILS_AGAIN
        kind = "secondary" if same_again else "primary"
        st.button("Resume", type=kind, icon=":material/play_arrow:", key=f"resume.{run.id}", on_click=attempt, args=(run.id, _resume))
    kept = lineage.forkable(store, run.id)
    about = "Go on from one of its epochs with other settings, as a new run." if kept else "No epoch's state is kept to fork from."
    st.button("Fork", icon=":material/fork_right:", key=f"fork.{run.id}", help=about, disabled=not kept, on_click=fork_of, args=(run.id,))
    about = "Take its settings into the Train form."
    st.button("Clone", icon=":material/content_copy:", key=f"clone.{run.id}", help=about, on_click=clone_of, args=(run.id,))


def _resume(store: RunStore, run_id: str) -> None:
    if store.get(run_id).status.is_ended():  # else it is a second click, or someone else was faster: it goes on already
        lineage.resume(store, run_id)
        jobs.start_worker(store)


def _train_on(run: Any) -> None:
    key = f"train_on.{run.id}"
    with st.popover("Continue training", icon=":material/play_arrow:", type="primary", key=f"{key}.popover"):
        st.markdown(f"It was trained for **{run.epochs}** epochs. How many epochs in all?")
        # Without bounds: the browser would keep the number before in place of one outside of them, and train to that.
        st.number_input("Epochs in all", value=min(2 * run.epochs, 10_000), step=1, key=key, label_visibility="collapsed")
        st.caption("The same run goes on from its last epoch. The learning rate follows its schedule over the new length, so it may jump up first.")
        st.button("Continue", type="primary", key=f"{key}.go", width="stretch", on_click=attempt, args=(run.id, _take_epochs))


def _take_epochs(store: RunStore, run_id: str) -> None:
    if store.get(run_id).status.is_ended():
        lineage.train_on(store, run_id, int(st.session_state[f"train_on.{run_id}"] or 0))
        jobs.start_worker(store)


def fork_of(run_id: str, epoch: int | None = None, *changes: str) -> None:
    """To the Train form, as a fork of this run. ``changes`` are ``key=value``."""
    go_to("train", fork=run_id, **({} if epoch is None else {"epoch": str(epoch)}), **({"set": changes} if changes else {}))


def clone_of(run_id: str, *changes: str) -> None:
    """To the Train form, with this run's settings and ``changes``."""
    go_to("train", clone=run_id, **({"set": changes} if changes else {}))


# -- the menu


def _menu(store: RunStore, run: Any) -> None:
    ended = run.status.is_ended()
    entries = ["describe", "unpin" if run.pinned else "pin"]
    if ended:
        entries.append("unarchive" if run.archived else "archive")
    else:  # ended ones have buttons for it
        entries += [*(["fork"] if lineage.forkable(store, run.id) else []), "clone"]
    key, label = f"more.{run.id}", MENU.__getitem__
    st.menu_button("More", [*entries, "delete"], key=key, icon=":material/more_horiz:", format_func=label, on_click=_choose, args=(run.id,))


def _choose(run_id: str) -> None:
    choose(st.session_state[f"more.{run_id}"], run_id)


def choose(what: str, run_id: str) -> None:
    """Do what an entry of the menu says."""
    if what in ("describe", "delete"):
        ask(what, [run_id])
    elif what == "fork":
        fork_of(run_id)
    elif what == "clone":
        clone_of(run_id)
    elif what in ("pin", "unpin"):
        attempt(run_id, actions.pin, what == "pin")
    elif what:
        attempt(run_id, actions.archive, what == "archive")
