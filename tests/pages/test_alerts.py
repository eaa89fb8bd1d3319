"""Alerts and gauges on the pages: thresholds that a viewer sets, toasts on every page, the gauges in the status bar."""

from __future__ import annotations

import json

import pytest

from mtl_core.runs.alerts.run_alerts import ALERT
from mtl_core.runs.alerts.thresholds import add_threshold, mark_reached, thresholds
from mtl_core.runs.status import RunStatus


def gauges(app):
    return [element.proto.body for element in app.get("html") if 'class="gauges"' in element.proto.body]


def notices(app):
    found = [element.proto for element in app.get("bidi_component") if element.proto.component_name == "browser_notices"]
    return [json.loads(json.loads(proto.json)["notices"]) for proto in found]


def test_a_threshold_is_set_shown_and_removed(open_page, make_run, store, texts):
    run = make_run()
    app = open_page("run", run=run.id)
    assert app.button(key=f"threshold.{run.id}.add").disabled
    assert app.selectbox(key=f"threshold.key.{run.id}").options[:2] == ["Accuracy of digit (val) ↑", "MAE of slant (val) ↓"]
    app.number_input(key=f"threshold.{run.id}.bound").set_value(0.9).run()
    app.button(key=f"threshold.{run.id}.add").click().run()
    kept = thresholds(store.folder(run.id))
    assert [(one.key, one.above, one.bound, one.reached) for one in kept] == [("val/digit/accuracy", True, 0.9, None)]
    assert r"Accuracy of digit \(val\) rises above 0\.9" in texts(app)
    mark_reached(store.folder(run.id), kept[0], 0.912, 40, 2.0)
    assert r"rises above 0\.9\: reached, 0\.912 at step 40" in texts(app.run())
    app.button(key=f"threshold.remove.{run.id}.{kept[0].name}").click().run()
    assert thresholds(store.folder(run.id)) == []
    assert "rises above" not in texts(app)


def test_an_error_falls_below_a_bound(open_page, make_run, store):
    run = make_run()
    app = open_page("run", run=run.id)
    app.selectbox(key=f"threshold.key.{run.id}").select("val/slant/mae").run()
    app.number_input(key=f"threshold.{run.id}.bound").set_value(2.5).run()
    app.button(key=f"threshold.{run.id}.add").click().run()
    assert [(one.key, one.above, one.bound) for one in thresholds(store.folder(run.id))] == [("val/slant/mae", False, 2.5)]


def test_a_threshold_that_is_refused_is_a_sentence(open_page, make_run, store):
    run = make_run()
    for number in range(20):
        add_threshold(store.folder(run.id), "val/slant/mae", True, number)
    app = open_page("run", run=run.id)
    app.number_input(key=f"threshold.{run.id}.bound").set_value(0.9).run()
    app.button(key=f"threshold.{run.id}.add").click().run()
    assert any("at most 20 thresholds" in warning.value for warning in app.warning)


@pytest.mark.parametrize("page", ["train", "run", "data"])
def test_an_alert_is_a_toast_once_on_every_open_page(page, open_page, make_run, store):
    run = make_run()
    store.note(run.id, ALERT, "an alert from before this session")
    app = open_page(page, **({"run": run.id} if page == "run" else {}))
    assert not app.toast
    store.note(run.id, ALERT, "low disk: 3 MB are free")
    store.note(run.id, "warning", "no alert")
    app.run()
    assert [toast.value for toast in app.toast] == ["**a run**: low disk\\: 3 MB are free"]
    assert [[(one["title"], one["text"]) for one in sent] for sent in notices(app)] == [[("a run", "low disk: 3 MB are free")]]
    app.run()
    assert not app.toast


def test_the_alerts_of_a_run_stay_on_its_page_after_its_end(open_page, make_run, store, texts):
    run = make_run()
    store.note(run.id, ALERT, "stalled: no step for 45 s")
    app = open_page("run", run=run.id)
    assert "stalled\\: no step for 45 s" in texts(app)
    store.end(run.id, RunStatus.INTERRUPTED)
    app = open_page("run", run=run.id)
    assert "stalled\\: no step for 45 s" in texts(app)
    assert not [button for button in app.button if (button.key or "").startswith("threshold.")]


def test_the_end_of_a_run_is_a_notice_for_the_browser(open_page, make_run, store):
    run = make_run()
    app = open_page("compare")
    store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "it broke", "cure": "Report it.", "trace": "line 1"})
    app.run()
    assert [[(one["title"], one["text"]) for one in sent] for sent in notices(app.run())] == [[("a run", "failed: it broke")]]


def test_gauges_are_shown_while_a_run_trains_and_never_for_a_dead_one(open_page, make_run, store):
    run = make_run()
    app = open_page("train")
    (shown,) = gauges(app)
    for name in ("Memory", "Run", "Disk"):
        assert f">{name} " in shown
    store.end(run.id, RunStatus.INTERRUPTED)
    assert gauges(app.run()) == []


def test_the_gauges_of_the_last_minutes_stand_in_the_details(open_page, make_run, monkeypatch):
    monkeypatch.setattr("mtl_core.machine.machine_gauges.SAMPLE_SECONDS", 0.0)
    run = make_run()
    bodies = [element.proto.body for element in open_page("run", run=run.id).run().get("html")]
    (history,) = [body for body in bodies if "This machine in the last" in body]
    assert history.count("<img") == 2
