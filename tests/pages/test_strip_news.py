"""The status bar follows the store without a script run for each look: it is drawn anew only when it shows something else."""

import json
import threading

import pytest

from mtl_core.events import Message, RunEnded, StepScalars
from mtl_core.runs import actions
from mtl_core.runs.alerts.run_alerts import ALERT
from ui.shell.state import run_store
from ui.status import strip_news
from ui.status.strip_news import PART, TURNS, StripNews


@pytest.fixture
def made(monkeypatch):
    """The status bars' news, in the order of their drawing."""
    made, begin = [], StripNews.begin

    def noted(self):
        made.append(self)
        begin(self)

    monkeypatch.setattr(StripNews, "begin", noted)
    return made


def ask(news):
    """The parts that an answer names. It is made in a thread without a session, as the server makes it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(json.loads(news.answer({}))))
    thread.start()
    thread.join()
    return answers[0]


def settle(news):
    """As if the bar had been drawn just now, on a page that waits for nothing. The first page of a process waits for PyTorch."""
    news.waiting = []
    news._drawn = news._shown(run_store().active())


def parts(news):
    return [name for name, _ in ask(news)["news"]]


@pytest.mark.parametrize("page", ["", "compare", "predictions", "data", "learn", "studies", "race", "run"])
def test_every_page_without_a_live_part_asks_for_the_status_bars_news(open_page, finished, made, page):
    app = open_page(page)
    asked = [json.loads(each.proto.json)["follow"] for each in app.get("bidi_component") if each.key == "news-strip"]
    assert asked == [{"url": f"/live-news/{made[-1].base}", "base": made[-1].base, "every": strip_news.POLL_SECONDS, "part": PART}]


def test_nothing_is_drawn_while_nothing_happens_until_some_answers_were_given(open_page, finished, made):
    open_page("data")
    news = made[-1]
    settle(news)
    assert [parts(news) for _ in range(TURNS)] == [[]] * (TURNS - 1) + [[PART]]


@pytest.mark.parametrize("change", ["queued", "begun", "state", "ended", "alert", "progress", "waits"])
def test_what_the_bar_shows_is_news(open_page, make_run, store, made, change):
    run = make_run()
    open_page("data")
    news = made[-1]
    settle(news)
    assert parts(news) == []
    if change == "queued":
        store.create(run.config)
    elif change == "begun":
        make_run()
    elif change == "state":
        actions.pause(store, run.id)
    elif change == "ended":
        store.append(run.id, RunEnded("stopped", 4, 2.0, 1.0, 1.0))
    elif change == "alert":
        store.append(run.id, Message("no step for a minute", level=ALERT))
    elif change == "progress":
        store.append(run.id, StepScalars(5, 2.5, {"train/digit/loss": 0.1}))
        store.append(run.id, Message("which stores the step at once"))
    else:
        news.waiting.append("work")
    assert parts(news) == [PART]


def test_gauges_change_in_place(open_page, make_run, made):
    make_run()
    open_page("data")
    news = made[-1]
    settle(news)
    answer = ask(news)
    assert answer["texts"]["gauge-0-text"].startswith(("CPU", "Memory"))
    assert any(name.endswith("-bar") for name in answer["bars"])


def test_what_the_page_waits_for_after_the_bar_was_drawn_is_known(open_page, monkeypatch, made):
    """The bar is drawn first. The page below it adds to the list."""
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    open_page("")
    assert "torch" in made[-1].waiting
    assert parts(made[-1]) == [] or set(made[-1].waiting) & {"data", "work"}
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: True)
    assert parts(made[-1]) == [PART]
