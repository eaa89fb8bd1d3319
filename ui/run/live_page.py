"""A run's page in parts: while the run trains, charts get their new values in one message, and a part is drawn anew only when there is news for it.

To send a page of unchanged elements again costs the browser as much as its charts (``benchmarks/README.md``). So the fragment with the timer draws
the top of the page only. It sends one message: the figures that are new, and the parts that are out of date. The browser reruns those of them that
are in view, and at every third refresh all. Each part is a fragment of its own, the same while the run trains and after its end, so that no click
in it is lost (``ui/shell/live_part.py``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from ui.drawing.plotly_chart import feed_charts, rerun_when_asked
from ui.drawing.run_charts import View, current_chart
from ui.shell.element_keys import component_key
from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import whole_page_if_asked

KEY = component_key("live_page")
SLOW_TURNS = 3  # refreshes between those at which slow parts and parts out of view are drawn


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
        is_slow: whether it is drawn anew at every third refresh at most. Parts out of view are drawn at the same refreshes.
        place: CSS selector of an element around it; empty for a part that is always in view.
    """

    news: Callable[[Moment], Hashable]
    drawn: Hashable
    is_slow: bool
    place: str


@dataclass(frozen=True)
class FedChart:
    """A chart of a part: what draws it with which marks, and the revision that was drawn."""

    part: str
    marks: Hashable
    view: View
    build: Callable[[pd.DataFrame], Any]
    alt: str
    revision: str


@dataclass(frozen=True)
class FedText:
    """Words of a part that come with the charts' values: what makes them of a run's scalars, and what was drawn."""

    part: str
    build: Callable[[pd.DataFrame], str]
    drawn: str


@dataclass
class LivePage:
    """The parts and charts of one drawing of the whole page. Its fragments share it; the next drawing of the whole page makes a new one.

    Attributes:
        look: reads the run as it is now.
        known: the moment of the whole page's drawing, while that lasts.
        base: names this drawing in the browser, which ignores figures that were made for another one.
    """

    look: Callable[[LivePage], Moment]
    known: Moment | None = None
    base: str = field(default_factory=lambda: uuid.uuid4().hex)
    charts: dict[str, FedChart] = field(default_factory=dict)
    texts: dict[str, FedText] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    baseline: str = ""
    turn: int = 0
    _drawn: str = ""

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
                rerun_page()
            self.parts[name] = Part(news, self._news(news, moment), is_slow, place)
            self.charts = {key: chart for key, chart in self.charts.items() if chart.part != name}
            self.texts = {key: text for key, text in self.texts.items() if text.part != name}
            self._drawn = name
            if not ended:
                rerun_when_asked(name)
            draw(moment)
            whole_page_if_asked()

        st.fragment(part, key=f"part-{name}")()

    def keep_chart(self, key: str, marks: Hashable, view: View, build: Callable[[pd.DataFrame], Any], alt: str, revision: str) -> None:
        """Note that the part that is being drawn has this chart."""
        self.charts[key] = FedChart(self._drawn, marks, view, build, alt, revision)

    def keep_text(self, name: str, build: Callable[[pd.DataFrame], str], drawn: str) -> None:
        """Note that the part that is being drawn has these words, in an element of the CSS class ``name``."""
        self.texts[name] = FedText(self._drawn, build, drawn)

    def feed(self, moment: Moment, pictures: dict[str, dict[str, str]]) -> None:
        """Send what is new since the parts were drawn: all of it each time, because a message may replace one that the browser has not looked at.

        Args:
            pictures: CSS class -> ``src``, ``alt`` and ``text`` of a small picture with words beside it.
        """
        self.turn += 1
        charts = {}
        for key, chart in self.charts.items():
            # With the marks that ``build`` knows: viewers share figures, and one without a new mark must not pass for one with it.
            now = current_chart({**moment.feed, "marks": chart.marks}, key, chart.view, chart.build, chart.alt)
            if now["revision"] != chart.revision:
                charts[key] = {"figure": now["figure"], "revision": now["revision"]}
        made = {name: text.build(moment.feed["frame"]) for name, text in self.texts.items()}
        texts = {name: text for name, text in made.items() if text != self.texts[name].drawn}
        is_for_all = self.turn % SLOW_TURNS == 0
        news = [[name, "" if is_for_all else self.parts[name].place] for name in self.outdated(moment, is_for_all)]
        feed_charts(KEY, {"base": self.base, "turn": self.turn, "charts": charts, "pictures": pictures, "texts": texts, "news": news})

    def outdated(self, moment: Moment, is_for_all: bool = True) -> list[str]:
        """Names of the parts for which there is news. ``is_for_all``: of the slow ones, too."""
        return [name for name, part in self.parts.items() if (is_for_all or not part.is_slow) and self._news(part.news, moment) != part.drawn]

    def _news(self, news: Callable[[Moment], Hashable], moment: Moment) -> Hashable:
        """News of a part, and of all: marks in the charts, and new values while an explanation of values is open."""
        is_explained = any(value for key, value in st.session_state.items() if str(key).startswith("explain."))
        return news(moment), moment.feed.get("marks"), moment.feed["row"] if is_explained else None
