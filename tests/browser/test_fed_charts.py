"""Charts of a live page, which get newer figures from the server's answers: right in every order in which the two arrive."""

from pathlib import Path

import numpy as np
import pytest

from mtl_core.figures.curves import Curve, curve_chart
from ui.drawing.plotly_chart import prepared

pytestmark = pytest.mark.browser

SCRIPTS = [Path(__file__).parents[2] / "ui" / "drawing" / name for name in ("plotly_chart.js", "live_news.js")]
LOAD = """async codes => {
  const load = async code => (await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))).default;
  [window.mount, window.mountNews] = [await load(codes[0]), await load(codes[1])];
}"""
# A component of the page, as Streamlit makes it: the same element is handed over again with the same or with other data.
DRAW = """([place, data]) => {
  const parentElement = document.getElementById(place);
  parentElement.innerHTML ||= data.figure ? '<div class="live-plot"></div>' : '<span></span>';
  const setTriggerValue = (name, value) => {
    asked.push([data.part, name, value]);
    window.sending ??= setTimeout(() => { rerun.push(data.part); window.sending = undefined; });
  };
  (data.figure ? mount : mountNews)({ parentElement, data, setTriggerValue });
}"""
# The page asks for news, and the server answers with these, once.
ANSWER = """async news => {
  window.requests = window.requests ?? [];
  const before = requests.length;
  const taken = new Promise(resolve => {
    window.fetch = async (url, { body }) => {
      requests.push([url, JSON.parse(body)]);
      return { ok: true, json: async () => { setTimeout(resolve); return { ...news, every: 1000 }; } };
    };
  });
  const parentElement = document.getElementById("feeder");
  parentElement.innerHTML ||= "<span></span>";
  mountNews({ parentElement, data: { follow: { url: "/news", base: news.base, every: before / 1000 } } });
  await taken;
}"""
POINTS = "() => document.querySelector('#chart .live-plot').calcdata?.[0]?.length ?? 0"
DRAWN = "() => document.querySelector('#chart .js-plotly-plot')"
RESTED = """async () => {
  for (let count = 0; count < 20; count++) await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
}"""
SETTLED = "() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))"


@pytest.fixture(scope="module")
def blank(plotly_tab):
    """The tab with the components' scripts."""
    tab, errors = plotly_tab
    tab.evaluate(LOAD, [script.read_text(encoding="utf-8") for script in SCRIPTS])
    return tab, errors


@pytest.fixture
def page(blank):
    """The tab with room for a chart in view, for what feeds it, and for a part below the screen."""
    tab, errors = blank
    tab.evaluate("""() => {
      document.body.innerHTML = '<div id="chart" style="width:500px"></div><div id="feeder"></div><div id="parts"></div>'
        + '<div class="share share-0"><img><span></span></div><div class="said conflict">before</div>'
        + '<div class="near">near</div><div style="height:5000px"></div><div class="far">far</div>';
      window.livePage = undefined; window.liveNews = undefined; window.requests = []; window.asked = []; window.rerun = [];
      window.livePartTriggers = window.livePartsToDraw = undefined; scrollTo(0, 0); }""")
    yield tab
    assert errors == []


def chart(count: int, base: str):
    """A chart of so many points."""
    curve = Curve("a", np.arange(count, dtype=float), np.arange(count, dtype=float) % 7, "#000000")
    return {**prepared(curve_chart([curve]), "a chart"), "config": {}, "plotly": "", "base": base, "name": "loss"}


def fed(count: int | None, base: str, turn: int = 1, news=(), since: int = 10, **values):
    """An answer with a figure of so many points, or without one.

    ``since``: points of the chart as it was drawn. ``values``: texts, bars and pictures.
    """
    newer = chart(count, base) if count else {}
    charts = {"loss": {"figure": newer["figure"], "revision": newer["revision"], "follows": chart(since, base)["revision"]}} if count else {}
    return {"base": base, "turn": turn, "charts": charts, "news": list(news), **{"texts": {}, "bars": {}, "pictures": {}, **values}}


def give(page, message) -> None:
    """Hand over an answer to the page's question, or a chart."""
    if "turn" in message:
        page.evaluate(ANSWER, message)
    else:
        page.evaluate(DRAW, ["chart", message])


@pytest.mark.parametrize(
    ("messages", "points"),
    [
        ([chart(0, "A"), fed(1, "A", since=0), fed(5, "A", 2, since=0), fed(300, "A", 3, since=0)], 300),
        ([chart(10, "A"), fed(50, "A"), chart(10, "A")], 50),  # handed over once more, as React does
        ([chart(10, "A"), fed(50, "A"), fed(None, "A", 2), chart(10, "A")], 50),  # later answers had nothing for it, as it was out of view
        ([fed(50, "A"), chart(10, "A")], 50),  # the message comes first
        ([chart(10, "A"), fed(50, "A"), chart(60, "A"), fed(None, "A", 2)], 60),  # its part was drawn anew, and is up to date
        ([chart(10, "A"), fed(50, "A"), chart(60, "A"), fed(70, "A", 2, since=60), chart(60, "A")], 70),
        ([chart(10, "A"), fed(70, "A", since=60), chart(60, "A")], 70),  # its part was drawn anew, and the answer is faster
        ([chart(10, "A"), fed(50, "A"), chart(20, "B")], 20),  # the whole page was drawn anew, with other settings
        ([chart(10, "A"), chart(20, "B"), fed(50, "A")], 20),  # a late message for the page of before
        ([chart(10, "A"), fed(50, "A"), chart(20, "B"), fed(30, "B", since=20)], 30),
        ([chart(10, "A"), fed(50, "A"), {**chart(80, ""), "base": None}], 80),  # the run has ended: nothing is fed
    ],
    ids=[
        "grows",
        "again",
        "out of view",
        "fed first",
        "drawn anew",
        "drawn anew and fed",
        "fed before drawn anew",
        "new page",
        "late",
        "new page fed",
        "ended",
    ],
)
def test_a_chart_shows_the_newest_figure_that_was_made_for_it(page, messages, points):
    for number, message in enumerate(messages):
        give(page, message)
        if number == 0 and "turn" not in message:
            page.wait_for_function(DRAWN)
        page.evaluate(SETTLED)
    page.wait_for_function(f"expected => ({POINTS})() === expected", arg=points)
    page.evaluate(SETTLED)
    assert page.evaluate(POINTS) == points


def test_parts_in_view_are_asked_for_once_for_each_answer_and_each_by_itself(page):
    """Streamlit sends what is asked for in one go as one request, which reruns the part that was asked for first."""
    news = [["first", ""], ["near", ".near"], ["far", ".far"], ["gone", ".gone"]]
    give(page, fed(None, "A", 0, news))
    page.evaluate(RESTED)
    assert page.evaluate("asked") == [], "no part is there yet"
    for name, _ in news:
        page.evaluate(DRAW, ["parts", {"part": name}])
    for turn in (1, 2):
        give(page, fed(None, "A", turn, news))
        page.evaluate(RESTED)
    expected = [[name, "asked", turn] for turn in (1, 2) for name in ("first", "near", "gone")]
    assert page.evaluate("asked") == expected
    assert page.evaluate("rerun") == [name for name, _, _ in expected]
    page.evaluate("() => { asked.length = 0; }")
    give(page, fed(None, "A", 4))
    page.evaluate(RESTED)
    assert page.evaluate("asked") == []


def test_a_part_out_of_view_is_asked_for_when_it_comes_into_view(page):
    for name in ("near", "far"):
        page.evaluate(DRAW, ["parts", {"part": name}])
    give(page, fed(None, "A", 1, [["near", ".near"], ["far", ".far"]]))
    give(page, fed(None, "A", 2, [["far", ".far"]]))
    page.evaluate(RESTED)
    assert page.evaluate("asked") == [["near", "asked", 1]]
    page.evaluate("document.querySelector('.far').scrollIntoView()")
    page.wait_for_function("() => asked.length > 1")
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(RESTED)
    page.evaluate("document.querySelector('.far').scrollIntoView()")
    page.evaluate(RESTED)
    assert page.evaluate("asked") == [["near", "asked", 1], ["far", "asked", 2]], "once"


def test_a_part_of_the_page_before_is_not_asked_for(page):
    page.evaluate(DRAW, ["parts", {"part": "far"}])
    give(page, fed(None, "A", 1, [["far", ".far"]]))
    give(page, fed(None, "B", 1))
    page.evaluate("document.querySelector('.far').scrollIntoView()")
    page.evaluate(RESTED)
    assert page.evaluate("asked") == []


def test_the_page_names_the_charts_in_view_of_its_own_drawing_with_the_figure_that_it_has(page):
    page.evaluate(DRAW, ["chart", chart(10, "A")])
    page.wait_for_function(DRAWN)
    give(page, fed(50, "A"))
    give(page, fed(None, "A"))
    give(page, fed(None, "B"))
    page.evaluate("() => { document.getElementById('chart').style.marginTop = '5000px'; }")
    page.wait_for_function("() => !document.querySelector('#chart .live-plot').inView")
    give(page, fed(None, "A"))
    revisions = [chart(10, "A")["revision"], chart(50, "A")["revision"]]
    assert page.evaluate("requests") == [["/news", {"loss": revision}] for revision in revisions] + [["/news", {}], ["/news", {}]]


def test_an_element_that_is_handed_over_again_asks_no_more_often(page):
    give(page, fed(None, "A"))
    again = {"follow": {"url": "/news", "base": "A", "every": 0}}
    page.evaluate(DRAW, ["feeder", again])
    page.evaluate("() => new Promise(resolve => setTimeout(resolve, 50))")  # more than the pace of 0 seconds
    assert page.evaluate("requests.length") == 1


@pytest.fixture
def waits(page):
    """``waits``: seconds before each question so far. The second is never asked. The clock stands still but for ``clock``, whatever the load is."""
    page.evaluate("""() => {
      window.real = { now: performance.now, setTimeout: window.setTimeout, requestAnimationFrame: window.requestAnimationFrame };
      window.clock = 0; window.waits = [];
      performance.now = () => clock;
      window.setTimeout = (what, wait, ...given) => {
        if (what.name === "ask") wait = waits.push(wait / 1000) > 1 ? 1e6 : wait;
        return real.setTimeout.call(window, what, wait, ...given);
      };
    }""")
    yield
    page.evaluate("""() => {
      performance.now = real.now; window.setTimeout = real.setTimeout; window.requestAnimationFrame = real.requestAnimationFrame;
      delete document.hidden;
    }""")


FOLLOW = """([news, meanwhile]) => {
  window.fetch = async () => ({ ok: true, json: async () => { Function(meanwhile)(); return news; } });
  const parentElement = document.getElementById("feeder");
  parentElement.innerHTML = "<span></span>";
  mountNews({ parentElement, data: { follow: { url: "/news", base: "A", every: 0 } } });
}"""


@pytest.mark.parametrize(
    ("every", "drawing", "planned"),
    [
        (2, 10, 2),  # seconds, milliseconds, seconds
        (2, 80, 2),
        (2, 200, 5),
        (5, 600, 15),
        (5, 6000, 20),
        (1, 600, 1),  # awaited
    ],
)
def test_a_browser_that_draws_slowly_asks_more_seldom(page, waits, every, drawing, planned):
    page.evaluate(
        FOLLOW, [{**fed(None, "A"), "every": every}, f"window.addEventListener('live-news', () => {{ clock += {drawing}; }}, {{ once: true }})"]
    )
    page.wait_for_function("() => waits.length > 1")
    assert page.evaluate("waits") == [0, planned]


def test_a_chart_that_comes_into_view_during_a_question_is_asked_for_soon(page, waits):
    page.evaluate(FOLLOW, [{**fed(None, "A"), "every": 5}, "window.dispatchEvent(new Event('live-plot-seen'))"])
    page.wait_for_function("() => window.livePage")
    page.evaluate(RESTED)
    assert page.evaluate("waits") == [0, 0.2]


def test_a_tab_that_was_hidden_while_it_drew_asks_at_once_when_it_is_seen(page, waits):
    page.evaluate("() => { window.requestAnimationFrame = (callback) => { window.frame = callback; }; }")
    page.evaluate(FOLLOW, [{**fed(None, "A"), "every": 5}, ""])
    page.wait_for_function("() => window.frame", polling=20)
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { configurable: true, value: true });
      document.dispatchEvent(new Event("visibilitychange"));
      clock = 3_600_000;
      Object.defineProperty(document, "hidden", { configurable: true, value: false });
      document.dispatchEvent(new Event("visibilitychange"));
      frame();
      window.requestAnimationFrame = real.requestAnimationFrame;
    }""")
    page.evaluate(RESTED)
    assert page.evaluate("waits") == [0, 0]


def test_a_page_that_was_left_asks_no_more(page):
    give(page, fed(None, "A"))
    page.evaluate("() => document.querySelector('#feeder span').remove()")
    page.evaluate("() => { clearTimeout(liveNews.timer); document.dispatchEvent(new Event('visibilitychange')); }")  # asks at once
    page.wait_for_function("() => window.liveNews === undefined")
    assert page.evaluate("requests.length") == 1


@pytest.mark.parametrize("answers", ["refused", "down"])
def test_it_goes_on_asking_where_there_is_no_answer(page, answers):
    """After some refusals Streamlit draws the top of the page, or says what is wrong."""
    page.evaluate(DRAW, ["parts", {"part": "top"}])
    page.evaluate(
        """kind => {
          window.fetch = async () => { requests.push(kind); if (kind === "down") throw new TypeError("no server"); return { ok: false }; };
          const parentElement = document.getElementById("feeder");
          parentElement.innerHTML = "<span></span>";
          mountNews({ parentElement, data: { follow: { url: "/news", base: "A", every: 0.01, part: "top" } } });
        }""",
        answers,
    )
    page.wait_for_function("() => requests.length > 6")
    told = [[name, kind] for name, kind, _ in page.evaluate("asked")]
    page.evaluate("() => { window.liveNews.box.remove(); }")
    page.wait_for_function("() => window.liveNews === undefined")
    assert (told[:2] == [["top", "asked"], ["top", "asked"]]) if answers == "refused" else (told == [])


def test_small_pictures_and_their_words_change_in_place(page):
    picture = {"src": "data:image/gif;base64,R0lGODlhAQABAAAAACw=", "alt": "a: 20% <b>of</b> the gradient", "text": "20%<i>"}
    give(page, fed(None, "A", pictures={"share-0": picture, "share-9": picture}))
    shown = page.evaluate("() => { const [img, span] = document.querySelector('.share').children; return [img.src, img.alt, span.textContent]; }")
    assert shown == [picture["src"], picture["alt"], picture["text"]]


def test_words_change_in_place_and_are_no_markup(page):
    give(page, fed(None, "A", texts={"conflict": "a <b> and c\nare in conflict", "gone": "no such place"}))
    said = "document.querySelector('.said')"
    assert page.evaluate(f"[{said}.textContent, {said}.children.length]") == ["a <b> and c\nare in conflict", 0]


def test_a_bar_changes_in_place_and_says_so(page):
    page.evaluate("""() => { document.getElementById("parts").innerHTML =
      '<div role="progressbar" aria-valuenow="1"><b class="run-progress-bar" style="width:1%"></b></div><i><b class="gauge-0-bar"></b></i>'; }""")
    give(page, fed(None, "A", bars={"run-progress-bar": 42.5, "gauge-0-bar": 7}))
    bar = "document.querySelector('.run-progress-bar')"
    assert page.evaluate(f"[{bar}.style.width, {bar}.parentElement.ariaValueNow]") == ["42.5%", "42.5"]
    assert page.evaluate("document.querySelector('.gauge-0-bar').style.width") == "7%"
