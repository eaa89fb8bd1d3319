"""Alerts of runs on every open page: a toast, and a notification of the browser where the viewer asked for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import told
from ui.shell import words
from ui.status.toasts import add_toast

KEPT = 8  # notices that are sent to the browser, which shows each of them once
SEEN = "alerts_seen"  # session key: number of the newest line of any log that this session has looked at
NOTICES = "notices"  # session key
SWITCH_WORDS = {  # of the button, as its script calls them
    "start": mark("Notify me in this browser"),
    "stop": mark("Stop notifications"),
    "insecure": mark("This browser gives notifications only on localhost or https."),
    "denied": mark("Notifications are blocked in this browser. Allow them in its settings for this page."),
    "on": mark("On: alerts and ends of runs are also shown by the browser, while a page is open."),
    "off": mark("Off. The browser asks for permission."),
}
_SCRIPT = Path(__file__).with_name("notices.js")
_BUTTON = Path(__file__).with_name("notice_permission.js")


def notice_alerts(store: RunStore) -> bool:
    """Whether runs have reported something since this session looked last. Notes it for toasts and for the browser.

    A new session begins with the alerts that come from now on.
    """
    if SEEN not in st.session_state:
        st.session_state[SEEN] = store.last_line()
        return False
    found = store.alerts(after=st.session_state[SEEN])
    for alert in found:
        st.session_state[SEEN] = alert.number
        run = store.find(alert.run_id)
        name = shown_name(run) if run is not None else alert.run_id
        text = told(alert.text, (run.info or {}).get("tasks", {}) if run is not None else {})
        said = tr("**{run}**: {alert}", run=words.plain(words.shortened_inside(name, 60)), alert=words.plain(text))
        add_toast(said, icon="notifications", duration="long")
        add_notice(f"alert-{alert.number}", name, text)
    return bool(found)


def add_notice(name: str, title: str, text: str) -> None:
    """Send a notice to the browser, which shows it if notifications are on."""
    st.session_state[NOTICES] = [*st.session_state.get(NOTICES, []), {"id": name, "title": title, "text": text}][-KEPT:]


def browser_notices() -> None:
    """Hand the session's notices to the browser; nothing before the first one."""
    if notices := st.session_state.get(NOTICES):
        _notifier()(key="browser_notices", data={"notices": json.dumps(notices)})


def notification_switch() -> None:
    """Draw the button that turns the browser's notifications on and off. The browser remembers it, for all pages of this server."""
    _switch()(key="notification_switch", data={"words": {name: tr(text) for name, text in SWITCH_WORDS.items()}})


@st.cache_resource(show_spinner=False)
def _notifier() -> Any:
    return component("browser_notices", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)


@st.cache_resource(show_spinner=False)
def _switch() -> Any:
    page = '<button type="button" class="notify"></button><div class="notify-why" role="status"></div>'
    return component("notification_switch", html=page, js=_BUTTON.read_text(encoding="utf-8"), isolate_styles=False)
