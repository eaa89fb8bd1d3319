"""The page of a race: empty, while its runs train, and when they have ended."""

import json

import pytest
from sqlalchemy import update

from mtl_core.runs import actions, method_race
from mtl_core.runs.claims import claim
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from tests.pages.conftest import config, fill

METHODS = ["fixed", "uncertainty", "pcgrad"]


@pytest.fixture
def queued(store):
    """A race whose runs all wait."""
    return method_race.start(store, config(name="base"), METHODS)


def train(store, run, **how):
    claim(store, run.id, "cpu", alone=False)
    return fill(store, run, **how)


def test_without_a_race_the_page_says_what_will_appear_and_where_to_begin(open_page, finished):
    app = open_page("race")
    assert "There is no race yet" in app.info[0].value
    assert "Race several methods" in app.get("page_link")[-1].proto.label
    assert "race" not in app.query_params


def test_an_unknown_race_is_a_sentence(open_page, queued):
    assert "There is no race 'race\\-0000'" in open_page("race", race="race-0000").error[0].value


def test_the_newest_race_is_shown_without_an_address(open_page, store, queued, texts):
    newest = method_race.start(store, config(name="another"), METHODS)
    app = open_page("race")
    assert app.query_params["race"] == newest
    assert "Race of 3 methods" in app.title[0].value
    assert "Curves appear here when the first run trains" in texts(app)
    assert app.selectbox(key=f"picked_race.{newest}").value == newest
    app.selectbox(key=f"picked_race.{newest}").set_value(queued).run()
    assert app.query_params["race"] == queued


def test_while_it_trains(open_page, store, queued, texts):
    runs = method_race.runs_of(store, queued)
    train(store, runs[0], end="finished")
    train(store, runs[1], epochs=1)
    app = open_page("race", race=queued)
    assert not app.exception
    assert not app.error
    text = texts(app)
    assert "1 of 3 have ended" in text
    assert "epoch 2 of 3" in text
    assert "number 1 in the queue" in text
    charts = [element for element in app.get("bidi_component") if element.proto.component_name == "live_plot"]
    assert len(charts) == 4  # a chart per task, loss weights of the two that have begun
    table = app.dataframe[0].value
    assert list(table["method"]) == ["Fixed weights", "Uncertainty weighting", "PCGrad"]
    assert list(table["digit accuracy ↑ val"].round(2)[:2]) == [0.6, 0.5]
    assert "mean rank ↓" not in table  # of one seed
    assert "One seed proves little" in text
    app.button(key="race.stop").click().run()
    assert [str(run.status) for run in method_race.runs_of(store, queued)] == ["finished", "stopping", "stopped"]
    assert app.button(key="race.stop").disabled


def test_when_it_has_ended(open_page, store, queued, texts):
    runs = method_race.runs_of(store, queued)
    train(store, runs[0], end="finished")
    train(store, runs[1], epochs=3, end="finished")
    train(store, runs[2], epochs=1)
    store.end(runs[2].id, RunStatus.FAILED, {"kind": "bug", "message": "it broke", "cure": "Report it.", "trace": ""})
    app = open_page("race", race=queued)
    assert not app.error
    table = app.dataframe[0].value
    assert "mean rank ↓" not in table
    assert "No stars and no ranks" in texts(app)
    assert list(table["status"]) == ["finished", "finished", "failed"]
    assert list(table["run"]) == [f"run?run={run.id}" for run in runs]
    assert list(app.dataframe[1].value["slant mae ↓ test"][:2]) == [1.25, 1.25]
    assert "1 of 3" not in app.info[0].value
    assert "has the best value on val in" in app.info[0].value
    assert "it broke" in texts(app)
    assert "only the balancing differs" in texts(app)
    assert texts(app).count("another seed may reverse the order") == 2  # in the outcome, and why there are no stars
    assert "One seed proves little" not in texts(app)
    assert len(app.get("progress")) == 3  # one has failed
    assert "race.stop" not in [button.key for button in app.button]


def test_bars_of_a_race_in_which_all_have_finished_are_left_out(open_page, store, queued, texts):
    for run in method_race.runs_of(store, queued):
        train(store, run, epochs=3, end="finished")
    app = open_page("race", race=queued)
    assert not app.get("progress")
    assert texts(app).count("3 of 3 epochs in") == 3


def test_runs_that_differ_in_more_are_not_called_the_same(open_page, store, queued, texts):
    actions.set_tags(store, store.create(config(epochs=7)).id, [queued])
    assert "differ in more than their method" in texts(open_page("race", race=queued))


def test_runs_that_were_computed_differently_say_so(open_page, store, queued, texts):
    """Races of earlier versions: each method had measured for itself."""
    runs = method_race.runs_of(store, queued)
    for run, precision in zip(runs, ("fp32", "bf16", "bf16"), strict=True):
        train(store, run, end="finished")
        info = {**store.get(run.id).info, "device": "cpu", "precision": precision, "layout": "channels_last"}
        with store.database.write() as connection:
            connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(info=json.dumps(info)))
    text = texts(open_page("race", race=queued))
    assert "Fixed weights in fp32, channels last on cpu; Uncertainty weighting, PCGrad in bf16, channels last on cpu" in text
    assert "This may cause part of the differences" in text
    assert "only the balancing differs" not in text
    with store.database.write() as connection:
        connection.execute(update(schema.runs).values(info=json.dumps(info)))
    text = texts(open_page("race", race=queued))
    assert "all in bf16, channels last on cpu, only the balancing differs" in text


def test_gpus_of_one_kind_are_no_difference(open_page, store, queued, texts):
    for place, run in enumerate(method_race.runs_of(store, queued)):
        train(store, run, end="finished")
        gpu = {"device": f"cuda:{place}" if place else "cuda", "device_name": "NVIDIA T4", "precision": "fp16", "layout": "contiguous"}
        with store.database.write() as connection:
            info = json.dumps({**store.get(run.id).info, **gpu})
            connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(info=info))
    assert "all in fp16 on NVIDIA T4, only the balancing differs" in texts(open_page("race", race=queued))


def test_losses_instead_of_main_metrics(open_page, store, queued, texts):
    train(store, method_race.runs_of(store, queued)[0], end="finished")
    app = open_page("race", race=queued)
    assert "Accuracy ↑" in texts(app)
    app.button_group(key="race.what").set_value("loss").run()
    assert "Accuracy ↑" not in texts(app)
    assert "Loss ↓" in texts(app)


def test_methods_have_their_titles_before_pytorch_is_there(open_page, queued, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    assert list(open_page("race").dataframe[0].value["method"]) == ["Fixed weights", "Uncertainty weighting", "PCGrad"]


def test_a_runs_page_and_compare_lead_to_the_race(open_page, store, queued):
    run = train(store, method_race.runs_of(store, queued)[0], end="finished")
    about = f"Compare the methods of {queued}"
    assert about in [link.proto.label for link in open_page("compare", runs=run.id).get("page_link")]
    [link] = [link.proto for link in open_page("run", run=run.id).get("page_link") if link.proto.help == about]
    assert (link.label, link.query_string) == ("Race", f"race={queued}")
