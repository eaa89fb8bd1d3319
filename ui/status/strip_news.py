"""News of the status bar: whether it has to be drawn anew. The script of every page asks the server for them (``ui/drawing/news_route.py``)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from mtl_core.data.imports.import_library import shared_library
from mtl_core.language import language, speaking
from mtl_core.runs import jobs
from mtl_core.runs.cluster.cluster_start import cluster_of
from mtl_core.runs.run_record import Run
from mtl_core.runs.sets.set_states import set_problems
from ui.drawing.live_news import follow_news, rerun_when_asked
from ui.shell.element_keys import component_key
from ui.shell.state import run_store
from ui.status.gauge_bar import gauge_shape, gauge_values
from ui.status.notices import SEEN

POLL_SECONDS = 2.0
TURNS = 5  # answers after which the status bar is drawn anew in any case
PART, KEY = "strip", component_key("news-strip")


@dataclass
class StripNews:
    """What the status bar of one drawing of a page shows.

    Attributes:
        own_run: id of the run that the page itself shows; empty for none.
        base: name of this drawing in the browser.
        language: of the reader. Answers are made without a session.
        waiting: what the page waits for (``ui.shell.state.wait_for``). The page adds to this list while it is drawn.
        alerts_seen: number of the newest line of any log that the session has looked at.
    """

    own_run: str = ""
    base: str = field(default_factory=lambda: uuid.uuid4().hex)
    language: str = field(default_factory=language)
    waiting: list[str] = field(default_factory=list)
    alerts_seen: int | None = None
    turn: int = 0
    _drawn: Hashable = None

    def begin(self) -> None:
        """Note that the status bar is drawn as the store is now. It is called before the drawing, so that nothing between the two is missed."""
        self.waiting = st.session_state.get("waiting", self.waiting)
        self._drawn = self._shown(run_store().active())

    def end(self) -> None:
        """Note that the session has looked for alerts."""
        self.alerts_seen = st.session_state.get(SEEN)

    def follow(self) -> None:
        """Draw what lets the page's script ask for news."""
        rerun_when_asked(PART)
        follow_news(KEY, self.base, self.answer, POLL_SECONDS, PART)

    def answer(self, seen: Mapping[str, str]) -> str:
        """News as JSON text: new values of the gauges, and the status bar's name if it has to be drawn anew. ``seen`` does not matter."""
        with speaking(self.language):
            self.turn += 1
            active = run_store().active()
            is_news = self.turn % TURNS == 0 or self._shown(active) != self._drawn
            told = {"base": self.base, "turn": self.turn, "every": POLL_SECONDS, "charts": {}, "texts": {}, "bars": {}, "pictures": {}}
            if trained := trained_run(active, self.own_run):
                told |= gauge_values(run_store(), trained)
            return json.dumps({**told, "news": [[PART, ""]] if is_news else []})

    def _shown(self, active: Sequence[Run]) -> Hashable:
        if {"work", "data"} & set(self.waiting):
            return time.monotonic()  # the page draws the progress of its job
        own = run_store().find(self.own_run) if self.own_run else None
        return own and str(own.status), shown_in_strip(active, self.own_run, self.alerts_seen)


def shown_in_strip(active: Sequence[Run], own_run: str, alerts_seen: int | None) -> Hashable:
    """What the status bar depends on, other than values that change in place, and which alerts the session has not looked at.

    Args:
        active: of ``RunStore.active``.
        own_run, alerts_seen: see ``StripNews``.
    """
    store, shared = run_store(), shared_library(run_store().home)
    going = tuple((run.id, str(run.status), f"{run.progress:.0%}" if run.id != own_run else "") for run in active)
    alerts = () if alerts_seen is None else tuple(alert.number for alert in store.alerts(after=alerts_seen))
    cluster, trained = cluster_of(store), trained_run(active, own_run)
    return (
        (going, tuple((run.id, run.queue_position) for run in store.queued()), alerts),
        (jobs.warmed(), jobs.queue_problem(store), store.artifacts.problem, *set_problems(store)),
        (cluster and (len(cluster.nodes), cluster.is_stale()), gauge_shape(store, trained) if trained else None),
        tuple((name, moving) for name, moving in shared.moving.items()) if shared else (),
    )


def trained_run(active: Sequence[Run], own_run: str = "") -> str:
    """Id of the run whose memory the gauges show: the page's own run if it is active, else the first active one; empty for none."""
    ids = [run.id for run in active]
    return own_run if own_run in ids else next(iter(ids), "")
