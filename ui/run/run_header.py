"""The top of a run's page: name and state, lineage, actions, progress."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import lesson_of, shown_name
from mtl_core.runs.sql.run_listing import ListedFacts
from mtl_core.runs.store import RunStore
from ui.learn.lesson_of_run import is_of_lesson, lesson_line
from ui.run.alerts_panel import alerts_popover
from ui.run.failure_card import goes_on
from ui.run.run_actions import action_bar, refusal
from ui.shell import words
from ui.shell.run_picker import run_picker
from ui.shell.state import listing_with
from ui.status.gauge_bar import gauge_history

SHOWN_CHILDREN = 5


def header(store: RunStore, run: Any) -> None:
    """Draw the header. Its height changes only with the run's state."""
    colour, icon = words.STATUS_LOOK[str(run.status)]
    known = listing_with(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(words.plain(shown_name(run)), anchor=False, width="content")
            st.badge(tr(str(run.status)), icon=icon, color=colour)
            if run.pinned:
                st.badge(tr("pinned"), icon=":material/keep:", color="gray")
            if run.archived:
                st.badge(tr("archived"), icon=":material/archive:", color="gray")
            of_lesson = lesson_of(run.tags) is not None
            for tag in run.tags:
                if not (of_lesson and is_of_lesson(tag)):
                    st.badge(words.plain(tag), color="violet")
            if subtitle := run.subtitle:  # on the title's line, because a line of its own pushes the predictions off the screen
                st.caption(words.plain(subtitle), width="content")
        run_picker(known, run.id, width=340)
    lesson_line(store, run)
    _lineage(run, known)
    if run.note:
        st.caption(words.plain(run.note).replace("\n", "  \n"))
    with st.container(key="state", horizontal=True, vertical_alignment="center", gap="small"):
        _progress(store, run)
        action_bar(store, run)
        if not run.status.is_ended() or store.alerts(run_id=run.id):
            alerts_popover(store, run)
        if run.info:
            with st.popover(tr("Details"), icon=":material/info:"):
                _facts(run)
                if run.status.is_active():
                    gauge_history(store, run.id)
    refusal(run)


def _lineage(run: Any, known: Sequence[ListedFacts]) -> None:
    """Draw links to the run's parent and to its forks."""
    children = [other for other in known if other.parent == run.id]
    if not run.parent and not children:
        return
    with st.container(key="lineage", horizontal=True, vertical_alignment="center", gap="xsmall"):
        if run.parent:
            parent = next((other for other in known if other.id == run.parent), None)
            st.markdown(tr(":gray[:material/fork_right: forked from]"), width="content")
            if parent:
                _link(parent)
            else:
                st.markdown(tr(":gray[a run that was deleted]"), width="content")
            st.markdown(tr(":gray[after epoch {parent_epoch}]", parent_epoch=run.parent_epoch), width="content")
        if children:
            st.markdown(tr(":gray[:material/alt_route: fork:]") if len(children) == 1 else tr(":gray[:material/alt_route: forks:]"), width="content")
            for child in children[:SHOWN_CHILDREN]:
                _link(child)
            if len(children) > SHOWN_CHILDREN:
                st.markdown(tr(":gray[and {count} more]", count=len(children) - SHOWN_CHILDREN), width="content")


def _link(other: ListedFacts) -> None:
    st.page_link("pages/run.py", label=words.plain(words.shortened_inside(shown_name(other), 60)), query_params={"run": other.id})


def header_values(run: Any) -> dict[str, dict[str, Any]]:
    """What a live page changes in place in ``header``: CSS class -> text, and length of a bar in percent. ``run`` is active and has begun."""
    return {"texts": {"run-progress": _progress_text(run), "fact-speed": _speed(run), "fact-time": words.duration(run.seconds)}, "bars": _bars(run)}


def _progress(store: RunStore, run: Any) -> None:
    if run.status.is_active():
        # HTML of our own, because the browser may not change the elements of Streamlit.
        text, width = html.escape(_progress_text(run)), _bars(run)["run-progress-bar"]
        about = f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{width:g}" aria-label="{html.escape(tr("Progress"), quote=True)}"'
        bar = f'<div class="bar" role="progressbar" {about}><b class="run-progress-bar" style="width:{width:g}%"></b></div>'
        st.html(f'<div class="progress"><div class="run-progress">{text}</div>{bar}</div>')
    elif str(run.status) == "queued":
        st.caption(f"{words.in_line(run)} {goes_on(store, run)}".strip())
    elif str(run.status) == "finished":
        epochs = tr("1 epoch") if run.epochs == 1 else tr("{epochs} epochs", epochs=run.epochs)
        done = {"epochs": epochs, "step": run.step, "duration": words.duration(run.seconds)}
        if run.parent:
            st.caption(tr("{epochs}, {step:,} {step:step|steps}; trained here from epoch {begin} on, in {duration}", **done, begin=run.parent_epoch))
        else:
            st.caption(tr("{epochs}, {step:,} {step:step|steps} in {duration}", **done))


def _progress_text(run: Any) -> str:
    if not run.info:
        return words.time_left(run)
    epoch = min(run.epochs, int(run.epoch) + 1)
    return tr(
        "epoch {epoch} of {epochs} · step {step:,} of {steps:,} · {time_left}",
        epoch=epoch,
        epochs=run.epochs,
        step=run.step,
        steps=run.steps_total or 0,
        time_left=words.time_left(run),
    )


def _bars(run: Any) -> dict[str, float]:
    return {"run-progress-bar": round(100 * run.progress, 1)}


def _speed(run: Any) -> str:
    unknown = "–" if run.status.is_ended() else tr("measuring")
    return tr("{speed:.1f} steps/s", speed=run.steps_per_second) if run.steps_per_second else unknown


def _facts(run: Any) -> None:
    info = run.info
    counts = info["parameters"]
    total = counts["shared"] + sum(counts["tasks"].values())
    images = info["images"]
    frozen = tr(" · {count} frozen", count=words.count(counts["frozen"])) if counts.get("frozen") else ""
    facts = {
        tr("Device"): info.get("device_name") or info["device"],
        tr("Numerical precision"): info["precision"],
        tr("Parameters"): tr("{count} ({shared:.0%} shared)", count=words.count(total), shared=counts["shared"] / max(1, total)) + frozen,
        tr("Images"): tr("{train:,} train · {val:,} val · {test:,} test", train=images["train"], val=images["val"], test=images["test"]),
        tr("Speed"): _speed(run),
        tr("Time"): words.duration(run.seconds),
    }
    if begun := info.get("weights"):
        facts[tr("Starts from")] = f"{begun.get('name', '')} ({begun['run']})" if begun.get("from") == "run" else begun.get("name", "")
    fed = {tr("Speed"): "fact-speed", tr("Time"): "fact-time"}
    cells = "".join(
        f'<div><div class="fact-name">{name}</div><div class="{fed.get(name, "fact")}">{html.escape(str(value))}</div></div>'
        for name, value in facts.items()
    )
    st.html(f'<div class="facts">{cells}</div>')
