"""What a live run's page gets between two drawings: figures and words that are new, and the parts for which there is more news."""

import html
import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mtl_core.analysis.conflict_summary import meaning, reading
from mtl_core.analysis.scalar_rows import ScalarRows
from mtl_core.events import EpochMetrics, Message, ProbesSaved, SettingChanged, StepScalars
from mtl_core.figures.curves import curve_chart
from mtl_core.runs import actions
from mtl_core.runs.alerts.run_alerts import ALERT
from tests.pages.html_words import html_words
from ui.drawing.run_charts import View, current_chart
from ui.run import live_page, run_page
from ui.run.live_page import FedValues, LivePage, Moment

VIEW = View(0.6, "step", False)


@pytest.fixture
def drawn(open_page, make_run, store, monkeypatch):
    """A live run, the page that drew it, and the news that it gave. Charts are built anew whenever there are new rows."""
    pages, sent = [], []
    made = LivePage.__init__

    def noted(self, *args, **named):
        made(self, *args, **named)
        pages.append(self)

    monkeypatch.setattr(LivePage, "__init__", noted)
    monkeypatch.setattr("ui.drawing.run_charts.CHART_SECONDS", -1.0)
    run = make_run()
    app = open_page("run", run=run.id)
    assert not app.exception
    page = pages[-1]
    assert page.known is None
    assert len([each for each in app.get("bidi_component") if "-rerun." in each.proto.id]) == len(page.parts)

    def feed(page=page):
        sent.append(page.news(page.moment()))
        return sent[-1]

    return SimpleNamespace(run=run, page=page, pages=pages, sent=sent, feed=feed, news=lambda: page.outdated(page.moment()))


def fed_texts(page):
    """Names of the words that change in place."""
    return {name for values in page.values for name in values.drawn.get("texts", {})}


def test_nothing_is_sent_of_what_is_drawn_already(drawn):
    drawn.feed()
    fed = drawn.sent[-1]
    assert (fed["charts"], fed["news"], fed["base"]) == ({}, [], drawn.page.base)
    assert set(drawn.page.charts) >= {"digit.loss.row", "digit.accuracy.row", "slant.mae.row", "loss_weights", "lr"}
    assert set(drawn.page.parts) == {"top", "steering", "tasks", "conflict", "predictions", "ownership", "training", "details"}


def test_new_steps_come_as_figures_until_their_part_is_drawn_again(drawn, store):
    for step in (5, 6):
        values = {"train/digit/loss": 0.1, "train/slant/loss": 0.2, "optimizer/lr": 0.01}
        store.append(drawn.run.id, StepScalars(step, step / 2, values))
        store.append(drawn.run.id, Message("which stores the step at once"))
        drawn.feed()
        charts = drawn.sent[-1]["charts"]
        assert {"digit.loss.row", "slant.loss.row", "lr"} <= set(charts), "again at the second step: the browser may have missed the first message"
        assert "loss_weights" not in charts, "no new value, and an x range of its own"
    assert drawn.sent[-1]["turn"] == drawn.sent[-2]["turn"] + 1
    drawn.page.charts["lr"] = replace(drawn.page.charts["lr"], revision=drawn.sent[-1]["charts"]["lr"]["revision"])  # as its part does
    drawn.feed()
    assert "lr" not in drawn.sent[-1]["charts"]


def test_the_end_of_an_epoch_is_news_for_the_predictions_and_the_tasks_values_come_with_the_charts(drawn, store, open_page):
    assert drawn.news() == []
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/accuracy": 0.9}))
    assert drawn.news() == [], "last and best values change in place"
    for _ in range(2):  # again at the second refresh: the browser may have missed the first message
        drawn.feed()
        fed = {name.rpartition("-")[2]: text for name, text in drawn.sent[-1]["texts"].items() if name.startswith("measured")}
        assert fed == {"last": "0.900", "best": "0.900", "epoch": "(epoch 3)"}
    assert any(words.endswith("val: last 0.900 · best 0.900 (epoch 3)") for words in html_words(open_page("run", run=drawn.run.id)))
    folder = store.folder(drawn.run.id) / "probes"
    (folder / "epoch_0003.npz").write_bytes((folder / "epoch_0002.npz").read_bytes())
    store.append(drawn.run.id, ProbesSaved(3, "probes/epoch_0003.npz"))
    assert drawn.news() == ["predictions"]


def test_the_first_value_and_the_first_finite_one_are_news_for_the_tasks(open_page, store, make_run, drawn):
    run = make_run(epochs_done=0)
    for value in (float("nan"), 4.0, 3.0):
        open_page("run", run=run.id)
        page = drawn.pages[-1]
        store.append(run.id, EpochMetrics(2, 1, {"val/slant/mae": value}))
        assert page.outdated(page.moment()) == (["tasks"] if value != 3.0 else [])


def test_a_change_that_another_viewer_asks_for_is_news_for_the_sliders(drawn, store):
    assert "steering" not in drawn.news()
    actions.change(store, drawn.run.id, "tasks.digit.loss_weight", 2.0)
    assert "steering" in drawn.news()


def test_a_line_of_the_log_comes_with_the_charts(drawn, store, open_page, monkeypatch):
    """At the next refresh, and no part is drawn anew for it."""
    monkeypatch.setattr(run_page, "FED_LINES", 3)
    for number in range(4):
        store.append(drawn.run.id, Message(f"<b>{number}</b>"))
    assert drawn.news() == []
    for _ in range(2):  # again at the second refresh: the browser may have missed the first message
        drawn.feed()
        fed = drawn.sent[-1]["texts"]["run-log"]
        above, *lines = fed.splitlines()
        assert [line.partition("  ")[2] for line in lines] == [f"info    <b>{number}</b>" for number in (1, 2, 3)]
        assert above == f"({len(store.log(drawn.run.id)) - 3} earlier lines are in the full log, under Export)"
    [body] = [str(each.proto.body) for each in open_page("run", run=drawn.run.id).get("html") if 'class="run-log"' in str(each.proto.body)]
    assert html.unescape(body.partition(">")[2].removesuffix("</div>")) == fed


def test_slow_parts_are_offered_at_every_third_refresh(drawn, store):
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/new": 0.9}))
    store.append(drawn.run.id, StepScalars(6, 3.0, {"conflict/digit/slant": 0.1}))
    store.append(drawn.run.id, Message("which stores the step at once"))
    for _ in range(3):
        drawn.feed()
    at_once, of_all = [["tasks", ""]], [["tasks", ""], ["conflict", ".st-key-area_auto_conflict"]]
    assert [(fed["turn"], fed["news"]) for fed in drawn.sent[-3:]] == [(1, at_once), (2, at_once), (3, of_all)]


def test_a_mark_in_the_charts_is_news_for_every_part(drawn):
    moment = drawn.page.moment()
    marked = Moment(moment.run, {**moment.feed, "marks": (1, None)}, moment.summary)
    assert drawn.page.outdated(marked) == list(drawn.page.parts)


def test_a_chart_drawn_before_a_change_does_not_pass_for_one_with_its_mark(drawn, store):
    """The next refresh comes before the part is drawn anew; no later value may come, as in a run that is paused."""
    store.append(drawn.run.id, SettingChanged(4, 2.0, "tasks.digit.loss_weight", 1.0, 5.0, False))
    moment = drawn.page.moment()
    assert moment.feed["marks"][0] == 1
    drawn.feed()
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


def test_an_ended_run_asks_for_nothing(open_page, finished):
    app = open_page("run", run=finished.id)
    components = app.get("bidi_component")
    charts = [json.loads(chart.proto.json) for chart in components if "-chart." in chart.proto.id]
    assert len(charts) > 4
    assert all("base" not in chart for chart in charts)
    asks = [each.key for each in components if "-rerun." in each.proto.id or "-news-" in each.proto.id]
    assert asks == ["rerun.strip", "news-strip"], "only the status bar"


def test_the_page_says_where_its_news_are(drawn, open_page):
    [asked] = [json.loads(each.proto.json) for each in open_page("run", run=drawn.run.id).get("bidi_component") if "-news-page" in each.proto.id]
    page = drawn.pages[-1]
    assert asked == {"follow": {"url": f"/live-news/{page.base}", "base": page.base, "every": 2.0, "part": "top"}}


def test_progress_gauges_and_shares_come_in_place(drawn, store):
    for step in (5, 6):
        shares = {"gradient_share/digit": 0.25, "gradient_share/slant": 0.75}
        store.append(drawn.run.id, StepScalars(step, step / 2, {"train/digit/loss": 0.1, **shares}))
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/accuracy": 0.9}))
    fed = drawn.feed()
    assert fed["texts"]["run-progress"] == "epoch 3 of 3 · step 6 of 6 · measuring on the test images"
    assert fed["bars"]["run-progress-bar"] == 100.0
    assert {name: picture["text"] for name, picture in fed["pictures"].items() if name.startswith("share")} == {"share-0": "25%", "share-1": "75%"}
    assert "top" not in [name for name, _ in fed["news"]], "nothing but values has changed there"


def test_the_line_about_the_pace_comes_and_goes_in_place(drawn, monkeypatch):
    for said in ("Slower than usual", ""):
        monkeypatch.setattr(run_page, "slower_than_usual", lambda run, rows, said=said: said)
        assert drawn.news() == []
        assert drawn.feed()["texts"]["slower"] == said


def test_a_value_that_returns_to_what_was_drawn_is_sent(drawn):
    """The browser shows what it got in between."""
    values = iter(["85%", "90%", "90%"])
    of_test = FedValues("top", lambda now: {"texts": {"gauge": next(values), "disk": "as it was"}}, {"texts": {"gauge": "90%", "disk": "as it was"}})
    drawn.page.values = [of_test]
    assert [drawn.feed()["texts"] for _ in range(3)] == [{"gauge": "85%"}, {"gauge": "90%"}, {"gauge": "90%"}]


@pytest.mark.parametrize("change", ["name", "other run", "queue", "alert"])
def test_what_is_no_value_has_the_top_drawn_again(drawn, store, make_run, change):
    def news():
        return "top" in drawn.news()

    assert not news()
    if change == "name":
        actions.rename(store, drawn.run.id, "another name")
    elif change == "other run":
        make_run()
    elif change == "queue":
        store.create(drawn.run.config)
    else:
        store.append(drawn.run.id, Message("no step for a minute", level=ALERT))
    assert news()


def test_the_top_is_drawn_again_after_some_answers_in_any_case(drawn):
    offered = ["top" in [name for name, _ in drawn.feed()["news"]] for _ in range(run_page.TOP_TURNS)]
    assert offered == [False] * (run_page.TOP_TURNS - 1) + [True]


def test_pages_that_watch_a_run_are_counted_until_they_ask_no_more(drawn, open_page, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(live_page.time, "monotonic", lambda: now[0])
    for _ in range(2):
        open_page("run", run=drawn.run.id)

    def watchers(page):
        page.answer({})
        return page.watchers

    assert [watchers(page) for page in (*drawn.pages, drawn.page)] == [1, 2, 3, 3]
    now[0] += live_page.WATCHES / 2
    assert watchers(drawn.pages[-1]) == 3
    now[0] += live_page.WATCHES / 2 + 1
    assert watchers(drawn.pages[-1]) == 1


def test_only_charts_in_view_are_sent(drawn, store):
    store.append(drawn.run.id, StepScalars(5, 2.5, {"train/digit/loss": 0.1, "train/slant/loss": 0.2, "optimizer/lr": 0.01}))
    store.append(drawn.run.id, Message("which stores the step at once"))
    page = drawn.page
    drawn = {name: chart.revision for name, chart in page.charts.items()}

    def sent(**seen):
        return page.news(page.moment(), seen)["charts"]

    assert set(sent(lr=drawn["lr"], none="")) == {"lr"}
    assert sent() == {}
    row = "digit.loss.row"
    found = sent(**{"lr": drawn["lr"], row: drawn[row]})
    assert set(found) == {"lr", row}, "it has come into view"
    assert set(sent(**{"lr": found["lr"]["revision"], row: drawn[row]})) == {row}, "the browser has the other one"
    assert set(sent(lr="an older one")) == {"lr"}


def test_news_are_made_without_a_session_in_the_readers_language(drawn, store, open_page):
    open_page("run", language="zh", run=drawn.run.id)
    page = drawn.pages[-1]
    store.append(drawn.run.id, EpochMetrics(6, 3, {"val/digit/accuracy": 0.9}))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(page.answer({name: chart.revision for name, chart in page.charts.items()})))
    thread.start()
    thread.join()
    fed = json.loads(answers[0])
    assert fed["texts"]["run-progress"] == "第 3 轮，共 3 轮 · 第 6 步，共 6 步 · 正在用测试图像测量"
    assert "（第 3 轮）" in fed["texts"].values()
    figures = [json.loads(chart["figure"]) for chart in fed["charts"].values()]
    assert "训练集" in {trace["name"] for figure in figures for trace in figure["data"]}


def test_a_figure_that_viewers_share_does_not_keep_the_page_that_asked_for_it(drawn):
    asked = [each for entry in drawn.page.moment().feed["figures"].values() for each in entry["kept"].asked]
    questions = [part for each in asked for part in each if callable(part)]
    held = [cell.cell_contents for question in questions for cell in question.__closure__ or ()]
    assert held
    assert not [each for each in held if isinstance(each, (dict, LivePage))]


@pytest.mark.parametrize("axis", ["step", "epoch", "minutes"])
def test_figures_and_words_of_rows_that_come_in_parts_are_those_of_all_rows(open_page, store, drawn, axis):
    """Whatever arrives between two refreshes: steps, an epoch's values, steps that a resumed run repeats, nothing."""

    def measured(*steps):
        values = {"conflict/digit/slant": -0.5, "conflict_share/digit/slant": 1.0, "gradient_share/digit": 0.25, "gradient_share/slant": 0.75}
        return [StepScalars(step, step / 2, values) for step in steps]

    def arrive(events):
        for event in (*events, Message("which stores the steps at once")):
            store.append(drawn.run.id, event)

    arrive(measured(4))
    app = open_page("run", run=drawn.run.id)
    app.segmented_control(key="view.axis").set_value(axis).run()
    page, tasks = drawn.pages[-1], ["digit", "slant"]
    assert {"digit.loss.row", "digit.accuracy.row", "loss_weights", "gradient_share", "conflict_lines"} <= set(page.charts)
    assert {chart.view.axis for chart in page.charts.values()} == {axis}
    seen = set()
    for events in (
        [StepScalars(5, 2.5, {"train/digit/loss": 0.4, "optimizer/lr": 0.01})],
        measured(5, 6),
        [EpochMetrics(6, 3, {"val/digit/accuracy": 0.9, "val/slant/mae": 4.0})],
        [StepScalars(step, step / 2, {"train/digit/loss": 0.1 * step, "loss_weight/digit": 2.0}) for step in (5, 6, 7, 8)],
        [],
        measured(6, 8, 9),
    ):
        arrive(events)
        moment, rows = page.moment(), ScalarRows(store.scalars(drawn.run.id))
        for key, chart in page.charts.items():
            feed = {**moment.feed, "marks": chart.marks}
            shown = current_chart(feed, key, chart.view, chart.build, chart.alt)
            assert shown == current_chart({**feed, "rows": rows, "figures": {}}, key, chart.view, chart.build, chart.alt), key
            seen.add((key, shown["revision"]))
        texts = {name: text for values in page.values for name, text in values.build(moment).get("texts", {}).items()}
        assert texts["conflict-meaning"] == meaning(rows, tasks)
        assert texts["conflict-pairs"] == "\n".join(reading(rows, tasks))
    assert len(seen) > 2 * len(page.charts)
