"""The runs of a race: each with its method's name and its line style, their cards, and Stop all."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mtl_core.balancing import BALANCERS
from mtl_core.figures.colours import DASHES, style_at
from mtl_core.language import tr
from mtl_core.part_titles import part_title
from mtl_core.runs import actions, method_race
from mtl_core.runs.store import RunStore
from ui.shell import words
from ui.shell.state import run_action

CARDS = 4  # in a row
STROKES = {"solid": "", "dash": "9,6", "dot": "2,4", "dashdot": "9,4,2,4"}  # Plotly's dashes: line and gap in pixels


@dataclass(frozen=True)
class Entry:
    """One run of a race. ``colour`` is the run's colour on every page; ``dash`` distinguishes its line without colour."""

    run: Any
    method: str
    colour: str
    dash: str


def entries_of(store: RunStore, race_id: str) -> list[Entry]:
    """The runs of a race in the order in which they were queued."""
    runs = method_race.runs_of(store, race_id)
    styles = {run_id: style_at(place) for run_id, place in store.places([run.id for run in runs]).items()}
    titles = [_title(run.config.balancing.name) for run in runs]
    often = Counter(titles)
    names = [title if often[title] == 1 else f"{title} ({run.id[-4:]})" for title, run in zip(titles, runs, strict=True)]
    return [Entry(run, name, styles[run.id][0], DASHES[place % len(DASHES)]) for place, (run, name) in enumerate(zip(runs, names, strict=True))]


def _title(method: str) -> str:
    return tr(part_title("balancing", method, BALANCERS))


def line_sample(entry: Entry) -> str:
    """A sample of the run's line as HTML. It is a striped box, because Streamlit removes SVG from HTML."""
    look = "display:inline-block;width:38px;height:3px;vertical-align:middle;margin-right:.4rem"
    return f'<span style="{look};background:{stripes(entry.colour, STROKES[entry.dash])}"></span>'


def stripes(colour: str, stroke: str) -> str:
    """CSS background of a dash pattern, given as lengths of line and gap in pixels; a solid line for an empty pattern."""
    lengths = [float(part) for part in stroke.replace(",", " ").split() if part.replace(".", "").isdigit()]
    if not lengths:
        return colour
    stops, end = [], 0.0
    for number, length in enumerate(lengths):
        stops.append(f"{'transparent' if number % 2 else colour} {end:g}px {end + length:g}px")
        end += length
    return f"repeating-linear-gradient(90deg,{','.join(stops)})"


def in_a_row(count: int, most: int) -> int:
    """How many of ``count`` boxes stand beside each other: at most ``most``, in rows of nearly equal length, so that none is alone in the last."""
    return math.ceil(count / math.ceil(count / most))


def cards(entries: list[Entry]) -> None:
    """Draw a card per run, with its progress until all have finished. The cards are also the legend of the charts below."""
    bars = not all(str(entry.run.status) == "finished" for entry in entries)
    beside = in_a_row(len(entries), CARDS)
    for start in range(0, len(entries), beside):
        for place, entry in zip(st.columns(beside), entries[start : start + beside], strict=False):
            with place.container(border=True, gap="small", key=f"entry_{entry.run.id}"):
                _card(entry, bars)


def _card(entry: Entry, bar: bool) -> None:
    run = entry.run
    colour, icon = words.STATUS_LOOK[str(run.status)]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(line_sample(entry), width="content")
        st.page_link("pages/run.py", label=f"**{words.plain(entry.method)}**", query_params={"run": run.id})
    st.badge(tr(str(run.status)), icon=icon, color=colour)  # on a line of its own in every card: beside a long name there is no room for it
    if bar:
        st.progress(run.progress)
    st.caption(_how_far(run))


def _how_far(run: Any) -> str:
    status = str(run.status)
    if status == "queued":
        return tr("number {queue_position} in the queue", queue_position=run.queue_position)
    if status == "failed":
        return words.plain(words.shortened(tr((run.failure or {}).get("message", "")), 90)) or tr("the run's page has the reason")
    if run.status.is_active():
        return tr(
            "epoch {epoch} of {epochs} · {time_left}",
            epoch=min(run.epochs, int(run.epoch) + 1),
            epochs=run.epochs,
            time_left=words.time_left(run),
        )
    done = tr("not started") if not run.step else tr("{epoch} of {epochs:,} {epochs:epoch|epochs}", epoch=words.epochs(run.epoch), epochs=run.epochs)
    return tr("{done} in {duration}", done=done, duration=words.duration(run.seconds)) if run.step else done


def whole_race(entries: list[Entry]) -> None:
    """Draw how many runs have ended, the time left, and Stop all; nothing once all have ended."""
    runs = [entry.run for entry in entries]
    going = [run for run in runs if not run.status.is_ended()]
    if not going:
        return
    with st.container(key="race.whole", horizontal=True, vertical_alignment="center", gap="small"):
        left = method_race.seconds_left(runs)
        time_left = tr("{about} left in all (estimate)", about=words.about(left)) if left is not None else tr("time left: measuring")
        st.markdown(
            tr("{ended} of {runs} have ended · :gray[{time_left}]", ended=len(runs) - len(going), runs=len(runs), time_left=time_left),
            width="content",
        )
        st.space("stretch")
        stopping = all(str(run.status) == "stopping" for run in going)
        label = tr("Stopping…") if stopping else tr("Stop all")
        st.button(label, icon=":material/stop_circle:", key="race.stop", disabled=stopping, on_click=_stop_all, args=([run.id for run in going],))


def _stop_all(ids: list[str]) -> None:
    """Stop the queued runs first, so that none of them starts when another run ends."""
    for run_id in reversed(ids):
        run_action(run_id, actions.stop)
