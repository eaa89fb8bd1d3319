"""The page of a race: its runs side by side, while they train and after they have ended."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.machine.device_names import kind_of
from mtl_core.run_names import name_without_method
from mtl_core.runs.method_race import race_in
from ui.compare.race_charts import draw_charts
from ui.compare.race_entries import Entry, cards, entries_of, whole_race
from ui.compare.race_outcome import outcome
from ui.compare.race_table import results, table_of
from ui.drawing.run_charts import view_controls
from ui.run.run_page import refresh_seconds
from ui.shell import words
from ui.shell.error_boundary import worded
from ui.shell.live_part import end_live_part, live_part
from ui.shell.run_picker import draw_picker
from ui.shell.state import hold_first, listing, run_store
from ui.status.status_bar import polling_strip

USUAL_LAYOUT = "contiguous"
NOTHING_YET = mark("A race trains the same settings and seed once per balancing method. This page compares curves, loss weights, results and times.")


def races() -> dict[str, str]:
    """Id -> title of every race in the store, the newest first."""
    found: dict[str, str] = {}
    for run in listing(run_store().home.as_posix()):
        race_id = race_in(run.tags)
        if race_id:
            # What tells races apart comes first, because a narrow box cuts off the end.
            found.setdefault(race_id, f"{race_id}  ·  {words.moment(run.created_at)}  ·  {run.common}")
    return found


def no_race(asked: str) -> None:
    """Draw the page without a race: what will appear, and a link to the Train page."""
    polling_strip()
    st.title(tr("Race"), anchor=False)
    if asked:
        st.error(
            tr("There is no race '{asked}' in this store. Its runs may have been deleted, or their race tag removed.", asked=words.plain(asked)),
            icon=":material/search_off:",
        )
    else:
        st.info(tr("There is no race yet. {nothing_yet}", nothing_yet=tr(NOTHING_YET)), icon=":material/info:")
    st.page_link("pages/train.py", label=tr("Open Train and its “Race several methods”"), icon=":material/flag:")


def show_race(race_id: str) -> None:
    """Draw a race as one fragment (``ui.shell.live_part``). It refreshes while a run is active."""
    entries = entries_of(run_store(), race_id)
    live_part(_race, None if _has_ended(entries) else _every(entries), race_id)


def _has_ended(entries: list[Entry]) -> bool:
    return all(entry.run.status.is_ended() for entry in entries)


def _every(entries: list[Entry]) -> float:
    """Seconds between refreshes: those of the active run that refreshes least often."""
    return max((refresh_seconds(entry.run) for entry in entries if entry.run.status.is_active()), default=2.0)


@worded
def _race(every: float | None, race_id: str) -> None:
    entries = entries_of(run_store(), race_id)
    with st.container():
        _draw(race_id, entries)
    ended = _has_ended(entries)
    end_live_part(every, is_as_drawn=ended if every is None else not ended and _every(entries) <= every)


def _draw(race_id: str, entries: list[Entry]) -> None:
    if not entries:
        st.info(tr("The runs of this race were deleted."), icon=":material/info:")
        return
    over = _has_ended(entries)
    _heading(race_id, entries, over)
    table, better = table_of(run_store(), entries)
    if over:
        st.info(outcome(entries, table, better), icon=":material/flag:")
        results(entries, table, better)
    whole_race(entries)
    cards(entries)
    view = view_controls(tr("Curves"), tr("on val, after each epoch; the boxes above show the line of each method"))
    kinds = {"metric": tr("main metric"), "loss": tr("loss")}
    kept: dict[str, Any] = {"label_visibility": "collapsed", "persist_state": "session"}
    shown = hold_first("race.what", "metric")
    st.segmented_control(tr("What is shown"), list(kinds), default=shown, key="race.what", format_func=words.text_of(kinds), required=True, **kept)
    draw_charts(run_store(), race_id, entries, view)
    if not over:
        results(entries, table, better)


def _heading(race_id: str, entries: list[Entry], over: bool) -> None:
    runs = [entry.run for entry in entries]
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(tr("Race of {runs} {runs:method|methods}", runs=len(runs)), anchor=False, width="content")
            st.badge(race_id, color="violet")
        _picker(race_id)
    st.markdown(f"{words.plain(name_without_method(runs[0].config))} :gray[· {_what_is_compared(entries, over)}]")


def _what_is_compared(entries: list[Entry], over: bool) -> str:
    """What the race compares. Names other differences, as after tagging other runs, live changes, or on other devices.

    Args:
        over: whether its outcome stands below, which says how much it proves.
    """
    runs = [entry.run for entry in entries]
    left_out = ("name", "balancing", "device", "precision", "layout")
    settings = [{key: value for key, value in run.config.to_dict().items() if key not in left_out} for run in runs]
    if any(other != settings[0] for other in settings[1:]):
        return tr(
            "these runs differ in more than their method; the Compare page lists the differences.{computed_differently}",
            computed_differently=_computed_differently(entries),
        )
    one_seed = "" if over else tr("One seed proves little: small differences mean nothing until other seeds confirm them.")
    same = tr("same settings, same seed ({seed})", seed=runs[0].config.seed)
    if differently := _computed_differently(entries):
        return tr("{same}, but{differently} {one_seed}", same=same, differently=differently, one_seed=one_seed).rstrip()
    begun = [how_computed(run) for run in runs if run.info]
    computed = tr(", all in {how}", how=begun[0]) if begun else ""
    return tr("{same}{computed}, only the balancing differs. {one_seed}", same=same, computed=computed, one_seed=one_seed).rstrip()


def _computed_differently(entries: list[Entry]) -> str:
    """Device, precision and layout of each run, where they differ among the started runs; else empty."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        if entry.run.info:
            groups.setdefault(how_computed(entry.run), []).append(words.plain(entry.method))
    if len(groups) < 2:
        return ""
    each = tr("; ").join(tr("{methods} in {how}", methods=tr(", ").join(methods), how=how) for how, methods in groups.items())
    return tr(" these runs used different devices or number formats: {each}. This may cause part of the differences.", each=each)


def how_computed(run: Any) -> str:
    """Such as ``bf16, channels last on cpu``; the usual layout is not named. A GPU has its product's name: two of one kind are no difference."""
    computed, device = run.computed, run.computed["device"]
    if kind_of(device) == "cuda":
        device = words.plain(run.info.get("device_name") or device)
    layout = "" if computed["layout"] == USUAL_LAYOUT else tr(", ") + tr(computed["layout"].replace("_", " "))
    return tr("{precision}{layout} on {device}", precision=computed["precision"], layout=layout, device=device)


def _picker(race_id: str) -> None:
    names = races()
    if len(names) < 2 or race_id not in names:
        return
    draw_picker(tr("Race"), names, race_id, f"picked_race.{race_id}", lambda picked: {"race": picked} if picked in races() else {}, 360)
