"""The choice of a config part by name, with its options as a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.registry import Registry
from ui.shell import state
from ui.shell.form_editions import form_key, key_for
from ui.shell.model_forms import options_form
from ui.shell.state import hold, read, torch_is_ready
from ui.train.folded_section import folded_section

FEW_OPTIONS = 3  # more options are folded


def part_chooser(
    label: str,
    registry: Registry,
    key: str,
    *,
    titled: bool = False,
    default: str = "",
    columns: int = 2,
    changed: Any = None,
    own_forms: Mapping[str, Callable[[], None]] | None = None,
    label_of: Callable[[Any], str] = lambda part: tr(part.title),
    about: Callable[[str, Any], str] = lambda _, part: tr(part.summary),
    first: Sequence[str] = (),
    without: tuple[str, ...] = (),
) -> None:
    """Draw the choice of a part, its summary and its options. Parts that import torch show titles and options once torch is loaded.

    Args:
        key: dotted key of the part in the settings.
        titled: whether the parts can be loaded without torch.
        default: the part where the settings name none.
        changed: called after the choice of another part.
        own_forms: part's name -> function that draws its options in place of the generated form.
        label_of: the part's class -> its text in the list, in the reader's language.
        about: name and class of the chosen part -> text below it, likewise.
        first: parts that head the list, marked with a star, which ``label`` explains.
        without: options that are drawn elsewhere.
    """
    from mtl_core.runs.jobs import warmed

    loadable = titled or warmed()
    path = tuple(key.split("."))
    current = read((*path, "name"), default)
    names = list(dict.fromkeys([*(name for name in first if name in registry), *registry, current]))
    base = f"set.{key}.name.{'titled' if loadable else 'named'}"  # a key of its own: with the same key the box would keep the plain name as its text
    widget = key_for(base, current)
    hold(widget, current)

    def title(name: str) -> str:
        text = label_of(registry.load(name)) if loadable and name in registry else name
        return f"★ {text}" if name in first else text  # a sign, because words behind the title are cut off in a narrow window

    def take() -> None:
        if widget != form_key(base) or st.session_state[widget] == read((*path, "name"), default):
            return  # the form has been replaced, or the browser sent the same value again, for example after the labels changed
        state.choose_part(path, st.session_state[widget])
        if changed:
            changed()

    st.selectbox(label, names, names.index(current), key=widget, format_func=title, on_change=take, filter_mode="contains")
    if current not in registry or not (loadable or torch_is_ready()):
        return
    part = registry.load(current)
    st.caption(about(current, part))
    if own_forms and current in own_forms:
        own_forms[current]()
    elif len(part.Options.model_fields.keys() - set(without)) <= FEW_OPTIONS:
        options_form(part.Options, path, columns=columns, without=without)
    else:
        options = partial(options_form, part.Options, path, columns=3, without=without)
        folded_section(f"options.{key}", tr("Options of {title}", title=tr(part.title)), ":material/tune:", options)
