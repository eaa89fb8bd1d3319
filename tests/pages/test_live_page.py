"""What a live run's page sends between two drawings: figures that are new, and the parts for which there is news."""

import html
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mtl_core.events import EpochMetrics, Message, ProbesSaved, SettingChanged, StepScalars
from mtl_core.figures.curves import curve_chart
from mtl_core.runs import actions
from ui.drawing.run_charts import FIRST_ROWS, View, current_chart, one_curve, scalars_feed
from ui.run import live_page, run_page
from ui.run.live_page import LivePage, Moment

VIEW = View(0.6, "step", False)


@pytest.fixture
def drawn(open_page, make_run, store, monkeypatch):
    """A live run, the page that drew it, and what the page sends. Charts are built anew whenever there are new rows."""
    pages, sent = [], []
    made = LivePage.__init__

    def noted(self, *args, **named):
        made(self, *args, **named)
        pages.append(self)

    monkeypatch.setattr(LivePage, "__init__", noted)
    monkeypatch.setattr(live_page, "feed_charts", lambda key, fed: sent.append(fed))
    monkeypatch.setattr("ui.drawing.run_charts.CHART_SECONDS", -1.0)
    run = make_run()
    app = open_page("run", run=run.id)
    assert not app.exception
    page = pages[-1]
    assert page.known is None
    assert len([each for each in app.get("bidi_component") if "-rerun." in each.proto.id]) == len(page.parts)
    return SimpleNamespace(run=run, page=page, pages=pages, sent=sent, news=lambda: page.outdated(page.moment()))


def test_nothing_is_sent_of_what_is_drawn_already(drawn):
    drawn.page.feed(drawn.page.moment(), {})
    fed = drawn.sent[-1]
    assert (fed["charts"], fed["news"], fed["base"]) == ({}, [], drawn.page.base)
    assert set(drawn.page.charts) >= {"digit.loss.row", "digit.accuracy.row", "slant.mae.row", "loss_weights", "lr"}
    assert set(drawn.page.parts) == {"steering", "tasks", "conflict", "predictions", "ownership", "training", "details"}


def test_new_steps_come_as_figures_until_their_part_is_drawn_again(drawn, store):
    for step in (5, 6):
        values = {"train/digit/loss": 0.1, "train/slant/loss": 0.2, "optimizer/lr": 0.01}
        store.append(drawn.run.id, StepScalars(step, step / 2, values))
        store.append(drawn.run.id, Message("which stores the step at once"))
        drawn.page.feed(drawn.page.moment(), {})
        charts = drawn.sent[-1]["charts"]
        assert {"digit.loss.row", "slant.loss.row", "lr"} <= set(charts), "again at the second step: the browser may have missed the first message"
        assert "loss_weights" not in charts, "no new value, and an x range of its own"
    assert drawn.sent[-1]["turn"] == drawn.sent[-2]["turn"] + 1
    moment = drawn.page.moment()
    drawn.page.charts["lr"] = replace(drawn.page.charts["lr"], revision=drawn.sent[-1]["charts"]["lr"]["revision"])  # as its part does
    drawn.page.feed(moment, {})
    assert "lr" not in drawn.sent[-1]["charts"]


def test_the_end_of_an_epoch_is_news_for_the_tasks_and_their_predictions(drawn, store):
    assert drawn.news() == []
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/accuracy": 0.9}))
    assert drawn.news() == ["tasks", "conflict", "ownership", "details"], "conflict and ownership have words on all rows, and the log has a line"
    folder = store.folder(drawn.run.id) / "probes"
    (folder / "epoch_0003.npz").write_bytes((folder / "epoch_0002.npz").read_bytes())
    store.append(drawn.run.id, ProbesSaved(3, "probes/epoch_0003.npz"))
    assert drawn.news() == ["tasks", "conflict", "predictions", "ownership", "details"]


def test_sentences_on_conflict_come_with_the_charts(drawn, store, open_page):
    """Their part itself is drawn anew at every third refresh only."""

    def measured(step, cosine):
        values = {"conflict/digit/slant": cosine, "conflict_share/digit/slant": float(cosine < 0)}
        store.append(drawn.run.id, StepScalars(step, step / 2, values))
        store.append(drawn.run.id, Message("which stores the step at once"))

    def shown(app):
        bodies = [str(each.proto.body) for each in app.get("html")]
        return {name: next(body for body in bodies if name in body) for name in ("conflict-meaning", "conflict-pairs")}

    assert drawn.page.texts == {}  # nothing is measured yet: the part says why
    measured(5, -0.5)
    app = open_page("run", run=drawn.run.id)
    page = drawn.pages[-1]
    assert "100% of 1 measurements" in shown(app)["conflict-meaning"]
    assert "measured only once or twice" in shown(app)["conflict-pairs"]
    page.feed(page.moment(), {})
    assert drawn.sent[-1]["texts"] == {}
    for step in (6, 7):
        measured(step, -0.5)
    for _ in range(2):  # again at the second refresh: the browser may have missed the first message
        page.feed(page.moment(), {})
        fed = drawn.sent[-1]["texts"]
        assert "100% of 3 measurements" in fed["conflict-meaning"]
        assert fed["conflict-pairs"].startswith("digit and slant are in conflict")
    later = shown(open_page("run", run=drawn.run.id))
    assert [html.unescape(later[name]).partition(">")[2].partition("</div>")[0] for name in fed] == list(fed.values())


def test_the_map_of_conflict_comes_with_the_charts(drawn, store, open_page):
    def measured(step):
        parts = {f"conflict/digit/slant/layers.{layer}": -0.3 for layer in range(3)}
        store.append(drawn.run.id, StepScalars(step, step / 2, {"conflict/digit/slant": -0.3, "conflict_share/digit/slant": 1.0, **parts}))
        store.append(drawn.run.id, Message("which stores the step at once"))

    measured(5)
    app = open_page("run", run=drawn.run.id)
    app.segmented_control(key=f"conflict.block.{drawn.run.id}").set_value("map").run()
    page = drawn.pages[-1]
    [name] = [each for each in page.charts if each.startswith("conflict_map")]
    for step in range(6, 26):
        measured(step)
    page.feed(page.moment(), {})
    fed = drawn.sent[-1]
    assert name in fed["charts"]
    assert page.charts[name].build(page.moment().feed["frame"]).data[0].customdata[0][0][3] == 21  # points
    assert "digit and slant are in conflict most often in all shared layers" in fed["texts"]["conflict-worst"]


def test_a_change_that_another_viewer_asks_for_is_news_for_the_sliders(drawn, store):
    assert "steering" not in drawn.news()
    actions.change(store, drawn.run.id, "tasks.digit.loss_weight", 2.0)
    assert "steering" in drawn.news()


def test_a_line_of_the_log_is_news_for_the_details(drawn, store):
    store.append(drawn.run.id, Message("another line"))
    assert drawn.news() == ["details"]


def test_slow_parts_and_those_out_of_view_are_offered_at_every_third_refresh(drawn, store):
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/accuracy": 0.9}))
    for _ in range(3):
        drawn.page.feed(drawn.page.moment(), {})
    at_once, of_all = [["tasks", ""]], [["tasks", ""], ["conflict", ""], ["ownership", ""], ["details", ""]]
    assert [(fed["turn"], fed["news"]) for fed in drawn.sent[-3:]] == [(2, at_once), (3, of_all), (4, at_once)]


def test_a_mark_in_the_charts_is_news_for_every_part(drawn):
    moment = drawn.page.moment()
    marked = Moment(moment.run, {**moment.feed, "marks": (1, None)}, moment.summary)
    assert drawn.page.outdated(marked) == list(drawn.page.parts)


def test_a_chart_drawn_before_a_change_does_not_pass_for_one_with_its_mark(drawn, store):
    """The next refresh comes before the part is drawn anew; no later value may come, as in a run that is paused."""
    store.append(drawn.run.id, SettingChanged(4, 2.0, "tasks.digit.loss_weight", 1.0, 5.0, False))
    moment = drawn.page.moment()
    assert moment.feed["marks"][0] == 1
    drawn.page.feed(moment, {})
    built = []

    def with_mark(frame):
        built.append(frame)
        return curve_chart([], marks=[(4.0, "digit 1 → 5")])

    chart = drawn.page.charts["digit.loss.row"]
    shown = current_chart(moment.feed, "digit.loss.row", chart.view, with_mark, chart.alt)
    assert built
    assert json.loads(shown["figure"])["layout"]["shapes"][0]["x0"] == 4.0


def test_another_shape_of_the_page_has_it_drawn_whole(drawn, store):
    moment = drawn.page.moment()
    assert run_page._shape(moment) == (True, "conflict", "predictions", "ownership", "training")
    store.append(drawn.run.id, EpochMetrics(6, 3, {"sharing/digit/0": 0.1}))
    assert run_page._shape(drawn.page.moment()) == (True, "conflict", "predictions", "sharing", "ownership", "training")


def test_an_ended_run_feeds_nothing(open_page, finished, monkeypatch):
    sent = []
    monkeypatch.setattr(live_page, "feed_charts", lambda *args: sent.append(args))
    app = open_page("run", run=finished.id)
    charts = [json.loads(chart.proto.json) for chart in app.get("bidi_component") if "-chart." in chart.proto.id]
    assert len(charts) > 4
    assert all("base" not in chart for chart in charts)
    assert not [chart for chart in app.get("bidi_component") if "-rerun." in chart.proto.id]
    assert sent == []


def test_viewers_share_a_figure_with_the_same_marks_only(make_run, store):
    run = make_run()
    feed, built = scalars_feed(store, run.id), []

    def build(frame):
        built.append(frame)
        return curve_chart([one_curve(frame, "optimizer/lr", "lr", "#000000", "step")])

    for marks in ((0, None), (0, None), (1, None), (1, None)):
        current_chart({**feed, "marks": marks}, "lr", VIEW, build, "")
    assert len(built) == 2


def test_the_first_curves_are_in_the_first_figure_that_is_asked_for_after_them(make_run, store):
    """Later, viewers who ask soon after one another share a figure that is a moment old."""
    run = make_run()
    feed, frame = scalars_feed(store, run.id), scalars_feed(store, run.id)["frame"]

    def points(row: int) -> int:
        built.clear()
        current_chart({**feed, "row": row, "frame": frame.head(row)}, "lr", VIEW, build, "")
        return len(built)

    def build(frame):
        built.append(frame)
        return curve_chart([one_curve(frame, "optimizer/lr", "lr", "#000000", "step")])

    built: list = []
    feed["figures"].clear()
    assert [points(row) for row in (0, 1, 2, 2, FIRST_ROWS, FIRST_ROWS + 1)] == [1, 1, 1, 0, 1, 0]
