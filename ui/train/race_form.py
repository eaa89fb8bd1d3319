"""The race section of the Train form: queue the same settings with several balancing methods."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from mtl_core.balancing import BALANCERS, RACED_AT_FIRST
from mtl_core.balancing.cost import cost_of
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError
from mtl_core.language import tr
from mtl_core.runs import jobs, method_race
from mtl_core.runs.preset_times import PresetTime, race_time
from ui.shell import state, words
from ui.shell.error_boundary import is_ours
from ui.shell.state import end_request, go_to, hold_first, listing, request_id, run_store, settings, torch_is_ready
from ui.train import train_form


def race_section(ready: bool) -> None:
    """Draw the folded section: methods, estimated time, and the button.

    Args:
        ready: whether the settings were checked and are valid.
    """
    with st.expander(tr("Race several methods"), icon=":material/flag:", key="race.form"):
        if not torch_is_ready():
            return
        st.caption(
            tr(
                "A race trains the same settings and seed once per balancing method and compares the runs on one page. "
                "Each method has its default options; the method of the form has the options set there."
            )
        )
        methods = _methods()
        if len(methods) > 1:
            st.caption(_estimate(methods))
        off = not ready or len(methods) < 2
        label = tr("Race {count} methods", count=len(methods)) if len(methods) > 1 else tr("Choose at least two methods")
        click = {"on_click": _submit, "args": (request_id(),)}
        st.button(label, icon=":material/flag:", width="stretch", disabled=off, key="race.start", **click)
        for problem in st.session_state.pop("race.refused", []):
            st.error(tr(problem), icon=":material/block:")


def _methods() -> list[str]:
    current = settings()["balancing"]["name"]
    first = hold_first("race.methods", list(dict.fromkeys([*([current] if current in BALANCERS else []), *RACED_AT_FIRST])))
    return st.multiselect(
        tr("Methods"),
        [*BALANCERS],
        first,
        key="race.methods",
        format_func=_label,
        max_selections=method_race.MOST,
        filter_mode="contains",
        select_all=False,  # the entry is first in the list, so Enter after typing a name would select all methods
        wrap=True,
        placeholder=tr("Choose balancing methods"),
        help=tr("The number after a method is the measured time of a step relative to fixed weights."),
        persist_state="session",
    )


def _label(name: str) -> str:
    method, cost = BALANCERS.load(name), cost_of(name)
    return " · ".join([tr(method.title), tr(method.family), *([f"{cost.parameters:.1f}x"] if cost else [])])


def _balancing_of(name: str) -> PartConfig:
    own = settings()["balancing"]
    return PartConfig(**own) if own["name"] == name else PartConfig(name=name)


def _estimate(methods: list[str]) -> str:
    """The estimated time of the race: in time where runs of these settings or of the preset say it, else in runs with fixed weights."""
    known = _time_of(run_store().home.as_posix(), json.dumps(settings()), tuple(methods), state.preset_name())
    if known is None:
        together = sum(method_race.relative_cost(_balancing_of(name)) for name in methods)
        return tr("Estimate: one after the other they take about {together:.1f} times as long as one run with fixed weights.", together=together)
    if known.source == "measured":
        return tr("One after the other: {duration}, as the last runs of these methods took in this store.", duration=words.duration(known.high))
    if known.source == "own":
        about = words.about(known.high)
        return tr("One after the other: {about} (estimate from runs in this store and the measured costs of the methods).", about=about)
    between = tr("{low} to {high}", low=words.duration(known.low), high=words.duration(known.high))
    if known.source == "scaled":
        return tr("One after the other: {between} (estimate from the other presets' runs in this store).", between=between)
    return tr("One after the other: {between} (estimate). The first run on this machine measures it.", between=between)


@st.cache_data(ttl=10, max_entries=32, show_spinner=False)  # it reads runs
def _time_of(home: str, settings_as_json: str, methods: tuple[str, ...], preset: str) -> PresetTime | None:
    presets = state.presets()
    try:
        configs = method_race.configs(RunConfig.from_dict(json.loads(settings_as_json)), methods)
    except ConfigError:
        return None
    return race_time([*configs.values()], presets[preset], presets, run_store())


def _submit(request: str) -> None:
    """Start the race. This is a callback, as with Train; a second click sends the same id and opens the same race."""
    config, problems = train_form.check_settings(settings())
    if config is None or problems:
        return
    try:
        refused = _problems(method_race.configs(config, st.session_state["race.methods"]))
        if refused:
            st.session_state["race.refused"] = refused
            return
        started = method_race.start(run_store(), config, st.session_state["race.methods"], request)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["race.refused"] = [str(error)]
        return
    jobs.start_worker(run_store())
    end_request(request)
    listing.clear()
    go_to("race", race=started)


def _problems(configs: dict[str, Any]) -> list[str]:
    """Problems of single methods. The settings themselves were checked before."""
    found = [(method, problem) for method, config in configs.items() for problem in train_form.check_settings(config.to_dict())[1]]
    return [tr("{method}: {problem}", method=words.plain(tr(BALANCERS.load(method).title)), problem=tr(problem)) for method, problem in found]
