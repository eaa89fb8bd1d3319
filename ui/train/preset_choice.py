"""The presets of the Train form: a group at a time, what the chosen one shows, and how long it takes here."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import language, tr
from mtl_core.runs.preset_times import time_in_store
from ui.shell import state
from ui.shell.form_editions import form_key, key_for
from ui.shell.state import hold, hold_first, run_store, settings
from ui.shell.words import duration, plain
from ui.train import clone_and_fork, data_form


@st.cache_data(ttl=10, max_entries=32, show_spinner=False)  # it reads all runs of presets
def _time_of(home: str, name: str, language: str) -> str:
    """How long the preset's run takes, as a sentence in this language, which is the session's."""
    presets = state.presets()
    found = time_in_store(run_store(), presets[name], presets)
    if found is None:
        return tr("Measured training time: {measured}. Other machines differ.", measured=tr(presets[name].measured))
    if found.source == "measured":
        return tr("Training time: {duration}, as its last run in this store took.", duration=duration(found.high))
    between = tr("{low} to {high}", low=duration(found.low), high=duration(found.high))
    if found.source == "scaled":
        return tr("Training time: {between} (estimate from the other presets' runs in this store).", between=between)
    measured = tr(presets[name].measured)
    return tr("Training time: {between} (estimate; it took {measured}). The first run measures it here.", between=between, measured=measured)


def preset_section() -> None:
    """Draw the presets. The chosen one is lit; choosing one replaces all settings."""
    presets = state.presets()
    preset = presets[state.preset_name()]
    lit, group = _lit_preset(), _preset_group(preset.group)
    shown = lit if preset.group == group else None
    key = form_key(_key_of(group))  # a key per group: what a browser reports of one group names nothing of another
    if st.session_state.get(key):  # None: the viewer has clicked on the lit preset, and it keeps the keyboard's focus
        key = key_for(_key_of(group), shown)  # of an unlit preset a late report would count as a click, and undo all changes
    hold(key, shown)
    st.pills(
        tr("Preset"),
        [name for name in presets if presets[name].group == group],
        default=shown,
        key=key,
        format_func=lambda name: tr(presets[name].title),
        on_change=_take_preset,
        args=(key,),
        label_visibility="collapsed",
        wrap=True,
    )
    if lit:
        title = "" if shown else tr("**{title}.** ", title=plain(tr(preset.title)))
        time = plain(_time_of(run_store().home.as_posix(), preset.name, language()))
        st.markdown(f"{title}{tr(preset.shows)}  \n:small[:gray[:material/timer: {time}]]")
    if state.nameless(settings()) != state.nameless(preset.config.to_dict()):
        title = plain(tr(preset.title))
        based = (
            tr("Based on “{title}”, changed.", title=title)
            if lit
            else tr("Based on “{title}”, changed. The preset's description and measured time do not apply.", title=title)
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":small[:orange[:material/edit: {based}]]", width="content")
            st.button(tr("Back to the preset"), key="reset", type="tertiary", on_click=state.choose_preset, args=(preset.name,))


def runs_unchecked() -> bool:
    """Whether the settings are a preset's that needs no weights of others. They need no check, for which PyTorch would have to be loaded.

    A fork is always checked.
    """
    if clone_and_fork.is_fork() or _lit_preset() is None or settings()["backbone"].get("weights", "none") != "none":
        return False
    source = data_form.offered_source()
    return source is not None and not source.problems()


def _preset_group(chosen: str) -> str:
    """Draw the groups of presets and give the shown one: that of the chosen preset until the viewer looks at another."""
    groups = list(dict.fromkeys(preset.group for preset in state.presets().values()))
    key = form_key("preset_group")
    shown = hold_first(key, chosen, groups)
    return (
        st.segmented_control(tr("Presets about"), groups, default=shown, key=key, required=True, format_func=tr, label_visibility="collapsed")
        or chosen
    )


def _key_of(group: str) -> str:
    return f"preset.{group}"


def _lit_preset() -> str | None:
    """The preset whose settings hold, whatever the seed. Unlit, its description no longer applies and a click on it restores it."""
    preset = state.presets()[state.preset_name()]
    before = state.nameless(preset.config.to_dict())
    return preset.name if {**state.nameless(settings()), "seed": before["seed"]} == before else None


def _take_preset(key: str) -> None:
    """Take the clicked preset. A click on the lit preset deselects it and changes nothing; 'Back to the preset' undoes changes."""
    chosen = st.session_state[key]
    group = _key_of(state.presets()[chosen].group) if chosen else ""
    if chosen and key == form_key(group) and chosen != _lit_preset():
        state.choose_preset(chosen, kept=(group, "preset_group"))
