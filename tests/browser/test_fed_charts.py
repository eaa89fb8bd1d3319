"""Charts of a live page, which get newer figures from a message of their own: right in every order in which the two arrive."""

from pathlib import Path

import numpy as np
import pytest

from mtl_core.figures.curves import Curve, curve_chart
from ui.drawing.plotly_chart import prepared

pytestmark = pytest.mark.browser

SCRIPT = Path(__file__).parents[2] / "ui" / "drawing" / "plotly_chart.js"
LOAD = """async code => {
  window.mount = (await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))).default;
}"""
# A component of the page, as Streamlit makes it: the same element is handed over again with the same or with other data.
DRAW = """([place, data]) => {
  const parentElement = document.getElementById(place);
  parentElement.innerHTML ||= '<div class="live-plot"></div>';
  mount({ parentElement, data, setTriggerValue: (name, value) => asked.push([data.part, name, value]) });
}"""
POINTS = "() => document.querySelector('#chart .live-plot').calcdata?.[0]?.length ?? 0"
DRAWN = "() => document.querySelector('#chart .js-plotly-plot')"
SETTLED = "() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))"


@pytest.fixture(scope="module")
def blank(plotly_tab):
    """The tab with the component's script."""
    tab, errors = plotly_tab
    tab.evaluate(LOAD, SCRIPT.read_text(encoding="utf-8"))
    return tab, errors


@pytest.fixture
def page(blank):
    """The tab with room for a chart in view, for what feeds it, and for a part below the screen."""
    tab, errors = blank
    tab.evaluate("""() => {
      document.body.innerHTML = '<div id="chart" style="width:500px"></div><div id="feeder"></div><div id="parts"></div>'
        + '<div class="share share-0"><img><span></span></div><div class="said conflict">before</div>'
        + '<div class="near">near</div><div style="height:5000px"></div><div class="far">far</div>';
      window.livePage = undefined; window.asked = []; window.livePartTriggers = undefined; }""")
    yield tab
    assert errors == []


def chart(count: int, base: str):
    """A chart of so many points."""
    curve = Curve("a", np.arange(count, dtype=float), np.arange(count, dtype=float) % 7, "#000000")
    return {**prepared(curve_chart([curve]), "a chart"), "config": {}, "plotly": "", "base": base, "name": "loss"}


def fed(count: int | None, base: str, turn: int = 1, news=(), pictures=None, texts=None):
    """A message with a figure of so many points, or without one."""
    newer = chart(count, base) if count else {}
    charts = {"loss": {"figure": newer["figure"], "revision": newer["revision"]}} if count else {}
    return {"feed": {"base": base, "turn": turn, "charts": charts, "pictures": pictures or {}, "texts": texts or {}, "news": list(news)}}


@pytest.mark.parametrize(
    ("messages", "points"),
    [
        ([chart(0, "A"), fed(1, "A"), fed(5, "A", 2), fed(300, "A", 3)], 300),
        ([chart(10, "A"), fed(50, "A"), chart(10, "A")], 50),  # handed over once more, as React does
        ([fed(50, "A"), chart(10, "A")], 50),  # the message comes first
        ([chart(10, "A"), fed(50, "A"), chart(60, "A"), fed(None, "A", 2)], 60),  # its part was drawn anew, and is up to date
        ([chart(10, "A"), fed(50, "A"), chart(60, "A"), fed(70, "A", 2), chart(60, "A")], 70),
        ([chart(10, "A"), fed(50, "A"), chart(20, "B")], 20),  # the whole page was drawn anew, with other settings
        ([chart(10, "A"), chart(20, "B"), fed(50, "A")], 20),  # a late message for the page of before
        ([chart(10, "A"), fed(50, "A"), chart(20, "B"), fed(30, "B")], 30),
        ([chart(10, "A"), fed(50, "A"), {**chart(80, ""), "base": None}], 80),  # the run has ended: nothing is fed
    ],
    ids=["grows", "again", "fed first", "drawn anew", "drawn anew and fed", "new page", "late", "new page fed", "ended"],
)
def test_a_chart_shows_the_newest_figure_that_was_made_for_it(page, messages, points):
    for number, message in enumerate(messages):
        page.evaluate(DRAW, ["feeder" if "feed" in message else "chart", message])
        if number == 0 and "feed" not in message:
            page.wait_for_function(DRAWN)
        page.evaluate(SETTLED)
    page.wait_for_function(f"expected => ({POINTS})() === expected", arg=points)
    page.evaluate(SETTLED)
    assert page.evaluate(POINTS) == points


def test_parts_in_view_are_asked_for_once_for_each_message(page):
    news = [["first", ""], ["near", ".near"], ["far", ".far"], ["gone", ".gone"]]
    page.evaluate(DRAW, ["feeder", fed(None, "A", 0, news)])
    assert page.evaluate("asked") == [], "no part is there yet"
    for name, _ in news:
        page.evaluate(DRAW, ["parts", {"part": name}])
    for turn in (1, 1, 2):
        page.evaluate(DRAW, ["feeder", fed(None, "A", turn, news)])
    expected = [[name, "asked", turn] for turn in (1, 2) for name in ("first", "near", "gone")]
    assert page.evaluate("asked") == expected, "once, though the first is handed over twice"
    page.evaluate("() => { asked.length = 0; }")
    page.evaluate(DRAW, ["feeder", fed(None, "A", 4)])
    assert page.evaluate("asked") == []


def test_small_pictures_and_their_words_change_in_place(page):
    picture = {"src": "data:image/gif;base64,R0lGODlhAQABAAAAACw=", "alt": "a: 20% <b>of</b> the gradient", "text": "20%<i>"}
    page.evaluate(DRAW, ["feeder", fed(None, "A", pictures={"share-0": picture, "share-9": picture})])
    shown = page.evaluate("() => { const [img, span] = document.querySelector('.share').children; return [img.src, img.alt, span.textContent]; }")
    assert shown == [picture["src"], picture["alt"], picture["text"]]


def test_words_change_in_place_and_are_no_markup(page):
    page.evaluate(DRAW, ["feeder", fed(None, "A", texts={"conflict": "a <b> and c\nare in conflict", "gone": "no such place"})])
    said = "document.querySelector('.said')"
    assert page.evaluate(f"[{said}.textContent, {said}.children.length]") == ["a <b> and c\nare in conflict", 0]
