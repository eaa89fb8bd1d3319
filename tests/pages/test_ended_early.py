"""Pages of a run that ended before its first evaluation: nothing on them promises what will never come."""

import json
import re

import pytest

from mtl_core.events import Message, RunEnded, RunStarted, StepScalars
from mtl_core.runs.status import RunStatus
from tests.pages.conftest import INFO
from tests.pages.html_words import html_words

PROMISES = re.compile(r"\byet\b|\bappears?\b|so far|after each epoch|after its first epoch|measuring")
TABS = ("Settings", "Cost", "Log")


@pytest.fixture(params=["failed", "stopped"])
def early(request, make_run, store):
    """A run with a single step."""
    run = make_run(filled=False)
    store.append(run.id, RunStarted(6, INFO))
    store.append(run.id, StepScalars(1, 0.5, {"train/digit/loss": 2.0, "conflict/digit/slant": -0.1, "conflict_share/digit/slant": 1.0}))
    store.append(run.id, Message("which stores the step at once"))
    if request.param == "failed":
        store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "it broke", "cure": "Report it.", "trace": "line 1"})
    else:
        store.append(run.id, RunEnded("stopped", 1, 0.5, 10.0, 1.0))
    return store.get(run.id)


def test_its_page_says_that_there_are_none_and_where_the_reason_stands(open_page, early, texts):
    app = open_page("run", tabs=TABS, run=early.id)
    said = texts(app)
    assert "ended before its first evaluation, so it has no values on val. The top of this page says why it ended." in said
    assert "The run ended before its first predictions were saved." in said
    said_of_tasks = "\n".join(html_words(app))
    assert said_of_tasks.count("val: no value") == 2
    assert not PROMISES.findall(said + said_of_tasks)
    charts = [json.loads(each.proto.json) for each in app.get("bidi_component") if each.proto.component_name == "live_plot"]
    figures = [chart["figure"] for chart in charts if "figure" in chart]
    assert sum('"no values"' in figure for figure in figures) >= 3, "two metrics, and a loss"
    assert not any("no values yet" in figure for figure in figures)


def test_its_evaluation_promises_nothing(open_page, early, texts):
    said = texts(open_page("run", run=early.id, view="evaluation"))
    assert "This run has ended and has no checkpoint, so there is nothing to evaluate." in said
    assert not PROMISES.findall(said)


def test_compare_says_it_too(open_page, early, texts):
    app = open_page("compare", runs=early.id)
    assert "None of the selected runs has predictions." in texts(app)
    figures = [json.loads(each.proto.json).get("figure", "") for each in app.get("bidi_component") if each.proto.component_name == "live_plot"]
    assert sum('"no values"' in figure for figure in figures) == 2
