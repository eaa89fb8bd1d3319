"""A run's page in parts: while the run trains, charts and words change in place, and a part is drawn anew only when it has more news.

To draw anything through Streamlit costs the browser as much as all charts (``benchmarks/README.md``). So a script of the page asks the server for
news (``ui/drawing/news_route.py``): the new figures of the charts in view, new words, and the parts that are out of date. The browser reruns those
of the parts that are in view, and another one when it comes into view. Each part is a fragment of its own, the same while the run trains and after
its end, so that no click in it is lost (``ui/shell/live_part.py``).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from mtl_core.analysis.scalar_rows import ScalarRows
from mtl_core.language import language, speaking
from mtl_core.runs.process_singletons import process_slot
from ui.drawing.live_news import follow_news, rerun_when_asked
from ui.drawing.run_charts import View, current_chart
from ui.run.explain_popover import is_explained
from ui.shell.element_keys import component_key
from ui.shell.error_boundary import errors_as_text, worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, whole_page_if_asked
from ui.status.notices import SEEN
from ui.status.status_bar import notice_endings

TOP, KEY = "top", component_key("news-page")
SLOW_TURNS = 3  # answers between those at which slow parts are drawn
WATCHES = 25.0  # seconds after its last question in which a page counts as one that shows the run
_watchers: dict[str, dict[str, float]] = process_slot("watchers")  # run -> page -> when it asked last
Values = dict[str, dict[str, Any]]
"""What changes in place: ``texts``, ``bars`` or ``pictures`` -> CSS class of an element -> text; length in percent; ``src``, ``alt`` and ``text``."""


@dataclass(frozen=True)
class Moment:
    """A run as it is now, its scalars' feed and its summary."""

    run: Any
    feed: dict[str, Any]
    summary: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """A part of the page as it was last drawn.

    Attributes:
        news: gives what its words depend on; the part is out of date when that differs from ``drawn``.
        row: number of the newest row of scalars when it was drawn.
        is_slow: whether it is drawn anew at every third refresh at most.
        place: CSS selector of an element around it; empty for a part that is always in view.
    """

    news: Callable[[Moment], Hashable]
    drawn: Hashable
    row: int
    is_slow: bool
    place: str


@dataclass(frozen=True)
class FedChart:
    """A chart of a part: what draws it with which marks, and the revision that was drawn."""

    part: str
    marks: Hashable
    view: View
    build: Callable[[ScalarRows], Any]
    alt: str
    revision: str


@dataclass(frozen=True)
class FedValues:
    """Values of a part: what makes them, what was drawn, and the names of those that were sent since: the browser shows these no longer as drawn."""

    part: str
    build: Callable[[Moment], Values]
    drawn: Values
    sent: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class LivePage:
    """The parts and charts of one drawing of the whole page. Its fragments share it; the next drawing of the whole page makes a new one.

    Attributes:
        look: reads the run as it is now.
        pace: gives the seconds until the next answer, by the number of pages that show the run.
        known: the moment of the whole page's drawing, while that lasts.
        base: names this drawing in the browser, which ignores figures that were made for another one.
        language: of the reader. Answers are made without a session.
        turn: number of answers so far.
        has_job: whether the page waits for a job whose progress it draws.
        alerts_seen: number of the newest line of any log that the session has looked at.
        watchers: pages that showed the run at the last answer, this one included.
    """

    look: Callable[[LivePage], Moment]
    pace: Callable[[Moment, int], float]
    known: Moment | None = None
    base: str = field(default_factory=lambda: uuid.uuid4().hex)
    language: str = field(default_factory=language)
    charts: dict[str, FedChart] = field(default_factory=dict)
    values: list[FedValues] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    baseline: str = ""
    turn: int = 0
    has_job: bool = False
    alerts_seen: int | None = None
    watchers: int = 1
    _is_explained: bool = False
    _drawn: str = ""
    _by_row: set[str] = field(default_factory=set)

    def moment(self) -> Moment:
        return self.known or self.look(self)

    def part(
        self, name: str, draw: Callable[[Moment], None], news: Callable[[Moment], Hashable], ended: bool, place: str = "", is_slow: bool = False
    ) -> None:
        """Draw a part, a fragment without a timer.

        Args:
            ended: whether the run had ended when the whole page was drawn. If that changed, the whole page is drawn again.
        """

        @worded
        def part() -> None:
            moment = self.moment()
            if moment.run.status.is_ended() != ended:
                notice_endings(run_store())
                rerun_page()
            self._look_at_session()
            self.parts = {**self.parts, name: Part(news, self._news(news, moment), moment.feed["row"], is_slow, place)}
            self._by_row.discard(name)
            self.charts = {key: chart for key, chart in self.charts.items() if chart.part != name}
            self.values = [values for values in self.values if values.part != name]
            self._drawn = name
            with errors_as_text():
                draw(moment)
            if not ended:  # last, so that what is drawn has the same place before and after the run's end
                rerun_when_asked(name)
            self._look_at_session()  # a job may have begun
            whole_page_if_asked()

        st.fragment(part, key=f"part-{name}")()

    def _look_at_session(self) -> None:
        self._is_explained = is_explained()
        self.has_job = "work" in st.session_state.get("waiting", [])
        self.alerts_seen = st.session_state.get(SEEN, self.alerts_seen)

    def follow(self, moment: Moment) -> None:
        """Draw what lets the page's script ask for news. Without it nothing on the page changes by itself."""
        follow_news(KEY, self.base, self.answer, self.pace(moment, self.watchers), TOP)

    def keep_chart(self, key: str, marks: Hashable, view: View, build: Callable[[ScalarRows], Any], alt: str, revision: str) -> None:
        """Note that the part that is being drawn has this chart."""
        self.charts = {**self.charts, key: FedChart(self._drawn, marks, view, build, alt, revision)}

    def keep_values(self, build: Callable[[Moment], Values], drawn: Values) -> None:
        """Note that the part that is being drawn has these values, in elements of their CSS classes."""
        self.values = [*self.values, FedValues(self._drawn, build, drawn)]

    def draw_with_rows(self) -> None:
        """Note that the part that is being drawn is out of date with each new row until it is drawn again, as a slider over measured steps is."""
        self._by_row.add(self._drawn)

    def answer(self, seen: Mapping[str, str]) -> str:
        """``news`` of the run as it is now, as JSON text."""
        with speaking(self.language):
            moment = self.look(self)
            self.watchers = _count_watchers(moment.run.id, self.base)
            return json.dumps(self.news(moment, seen))

    def news(self, moment: Moment, seen: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The figures that the browser does not have, and the values and parts that are new since the parts were drawn.

        An answer has all new values, not only those since the last answer, because the browser may not have looked at that one.

        Args:
            seen: revision that the browser has of each chart in view; only these are sent. None for all, as they were drawn.
        """
        self.turn += 1
        charts = {}
        for key, chart in self.charts.items():
            known = chart.revision if seen is None else seen.get(key)
            if known is None:
                continue
            # With the marks that ``build`` knows: viewers share figures, and one without a new mark must not pass for one with it.
            now = current_chart({**moment.feed, "marks": chart.marks}, key, chart.view, chart.build, chart.alt)
            if now["revision"] != known:
                charts[key] = {"figure": now["figure"], "revision": now["revision"], "follows": chart.revision}
        news = [[name, self.parts[name].place] for name in self.outdated(moment, self.turn % SLOW_TURNS == 0)]
        told = {"base": self.base, "turn": self.turn, "every": self.pace(moment, self.watchers)}
        return {**told, "charts": charts, **self._new_values(moment), "news": news}

    def _new_values(self, moment: Moment) -> Values:
        new: Values = {"texts": {}, "bars": {}, "pictures": {}}
        for values in self.values:
            for kind, made in values.build(moment).items():
                values.sent.update((kind, name) for name, value in made.items() if value != values.drawn.get(kind, {}).get(name))
                new[kind] |= {name: value for name, value in made.items() if (kind, name) in values.sent}
        return new

    def outdated(self, moment: Moment, with_slow: bool = True) -> list[str]:
        """Names of the parts for which there is news. ``with_slow``: of the slow ones, too."""
        return [name for name, part in self.parts.items() if (with_slow or not part.is_slow) and self._is_outdated(name, part, moment)]

    def _is_outdated(self, name: str, part: Part, moment: Moment) -> bool:
        has_new_rows = part.row != moment.feed["row"] and (self._is_explained or name in self._by_row)
        return has_new_rows or self._news(part.news, moment) != part.drawn

    def _news(self, news: Callable[[Moment], Hashable], moment: Moment) -> Hashable:
        """News of a part, and of all: marks in the charts."""
        return news(moment), moment.feed.get("marks")


def _count_watchers(run_id: str, base: str) -> int:
    """How many pages have asked for news of the run lately; ``base`` asks now."""
    now = time.monotonic()
    lately = {page: at for page, at in _watchers.get(run_id, {}).items() if now - at < WATCHES}
    _watchers[run_id] = {**lately, base: now}
    for other in [run for run, pages in _watchers.items() if now - max(pages.values()) > WATCHES]:
        _watchers.pop(other, None)
    return len(_watchers[run_id])
