"""Arrangement of a run page's panels: their order, which are pinned, how wide and how high they are. The store keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from ui.shell import words
from ui.shell.kept_choices import keep_choice, kept_choice, kept_note, names_in, read_object
from ui.shell.state import hold, hold_first

SETTING = "run_page.panels"  # key in the store's settings
CHOSEN = "panels.chosen"  # session key of the panel whose arrangement is being changed
WIDTHS = {"auto": mark("auto"), "half": mark("half"), "whole": mark("whole")}
HEIGHTS = {"1": mark("normal"), "1.5": mark("high"), "2": mark("highest")}
WIDTH, HEIGHT = "auto", "1"  # of a panel that nobody has changed


@dataclass(frozen=True)
class Layout:
    """What viewers changed. A name that is in none of the fields has its default place and size.

    Attributes:
        order: names of panels and tasks, first to last. Tasks are called ``task:<name>``.
        pinned: names of those that stand first.
        widths: name -> a key of ``WIDTHS``. heights: name -> a key of ``HEIGHTS``.
    """

    order: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    widths: dict[str, str] = field(default_factory=dict)
    heights: dict[str, str] = field(default_factory=dict)

    def arranged(self, names: Sequence[str]) -> list[str]:
        """The names in the order on screen: pinned ones first. Names without a place of their own come last, in the order given."""
        places = {name: place for place, name in enumerate(self.order)}
        return sorted(names, key=lambda name: (name not in self.pinned, places.get(name, len(places))))

    def moved(self, names: Sequence[str], name: str, by: int) -> Layout:
        """The layout with ``name`` one place earlier (``by`` -1) or later (1) among ``names``; pinned and other panels do not mix."""
        shown = self.arranged(names)
        place = shown.index(name)
        other = place + by
        if not 0 <= other < len(shown) or (shown[other] in self.pinned) != (name in self.pinned):
            return self
        shown[place], shown[other] = shown[other], shown[place]
        return replace(self, order=(*shown, *(kept for kept in self.order if kept not in shown)))

    def pinned_as(self, name: str, is_pinned: bool) -> Layout:
        """The layout with ``name`` pinned, or not."""
        others = tuple(other for other in self.pinned if other != name)
        return replace(self, pinned=(*others, name) if is_pinned else others)

    def width(self, name: str) -> str:
        return self.widths.get(name, WIDTH)

    def height(self, name: str) -> float:
        """Factor of the height of the panel's charts."""
        return float(self.heights.get(name, HEIGHT))


def to_text(layout: Layout) -> str:
    """The layout as JSON."""
    return json.dumps({"order": layout.order, "pinned": layout.pinned, "widths": layout.widths, "heights": layout.heights})


def from_text(text: str) -> Layout:
    """The layout of ``to_text``. A text that is none gives the default layout, and values that do not exist are left out."""
    read = read_object(text)

    def choices(key: str, allowed: dict[str, str]) -> dict[str, str]:
        found = read.get(key)
        return {name: value for name, value in found.items() if isinstance(value, str) and value in allowed} if isinstance(found, dict) else {}

    return Layout(names_in(read.get("order")) or (), names_in(read.get("pinned")) or (), choices("widths", WIDTHS), choices("heights", HEIGHTS))


def task_key(task: str) -> str:
    """The name of a task's panel in a layout."""
    return f"task:{task}"


def panel_layout() -> Layout:
    """The layout of this session, at first the one that the store keeps."""
    return from_text(kept_choice(SETTING))


def layout_controls(titles: dict[str, str], groups: Sequence[Sequence[str]], layout: Layout) -> None:
    """Draw the button that opens the arrangement: a list of the panels, and what can be changed about the chosen one.

    Args:
        titles: name -> title, for people.
        groups: names that are ordered among each other: the tasks, and the panels below them.
    """
    with st.popover(tr("Panels"), icon=":material/dashboard_customize:"):
        shown = [name for group in groups for name in layout.arranged(group)]
        held = hold_first(CHOSEN, shown[0], shown)

        def title(name: str) -> str:
            return words.plain(titles[name]) + (" :material/keep:" if name in layout.pinned else "")

        chosen = st.radio(tr("Panel"), shown, shown.index(held), format_func=title, key=CHOSEN)
        group = next(list(group) for group in groups if chosen in group)
        with st.container(horizontal=True):
            _move_button(tr("Earlier"), ":material/arrow_upward:", layout, group, chosen, -1)
            _move_button(tr("Later"), ":material/arrow_downward:", layout, group, chosen, 1)
        _choices(chosen, layout)
        if layout != Layout():
            st.button(tr("Reset all panels"), key="panels.reset", type="tertiary", icon=":material/restart_alt:", on_click=_keep, args=(Layout(),))
        kept_note(SETTING, tr("Holds for every run of this store. Keys: Tab to a control, arrow keys to choose, Enter to press."))


def _move_button(label: str, icon: str, layout: Layout, group: list[str], chosen: str, by: int) -> None:
    after = layout.moved(group, chosen, by)
    st.button(label, key=f"panels.move.{by}", icon=icon, disabled=after == layout, on_click=_keep, args=(after,))


def _choices(chosen: str, layout: Layout) -> None:
    """Draw pin, width and height. Their keys name the chosen panel, so that none shows another panel's value."""
    pin, width, height = (f"panels.{what}.{chosen}" for what in ("pin", "width", "height"))
    kept: dict[str, Any] = {"required": True}

    def pinned() -> None:
        _keep(layout.pinned_as(chosen, bool(st.session_state[pin])))

    def sized() -> None:
        widths, heights = dict(layout.widths), dict(layout.heights)
        if width in st.session_state:
            widths[chosen] = st.session_state[width] or WIDTH
        heights[chosen] = st.session_state[height] or HEIGHT
        _keep(replace(layout, widths=_changed(widths, WIDTH), heights=_changed(heights, HEIGHT)))

    st.toggle(tr("Pinned: stands first"), hold(pin, chosen in layout.pinned), key=pin, on_change=pinned)
    if not chosen.startswith(task_key("")):
        about = tr("auto: half of a wide screen, all of a narrow one.")
        looks = {"format_func": words.translated(WIDTHS), "help": about, "on_change": sized, **kept}
        st.segmented_control(tr("Width"), list(WIDTHS), default=hold(width, layout.width(chosen)), key=width, **looks)
    now = hold(height, layout.heights.get(chosen, HEIGHT))
    st.segmented_control(tr("Height"), list(HEIGHTS), default=now, format_func=words.translated(HEIGHTS), key=height, on_change=sized, **kept)


def _changed(values: dict[str, str], default: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value != default}


def _keep(layout: Layout) -> None:
    keep_choice(SETTING, to_text(layout))
