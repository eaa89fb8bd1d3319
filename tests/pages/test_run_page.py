import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.scalar_rows import scalar_rows
from mtl_core.errors import NonFiniteLossError
from mtl_core.events import EpochMetrics, Message, RunEnded, StepScalars
from mtl_core.runs import resume_and_fork
from mtl_core.runs.failures import failure_of
from mtl_core.runs.status import RunStatus
from tests.pages.html_words import html_words
from ui.drawing.run_charts import scalars_feed
from ui.run import run_page
from ui.run.live_page import LivePage, Moment


def progress_of(app):
    """The words at the bar of a run that goes on."""
    [body] = [str(each.proto.body) for each in app.get("html") if 'class="run-progress"' in str(each.proto.body)]
    return body.partition('class="run-progress">')[2].partition("</div>")[0]


def charts(app):
    return [element.proto.id for element in app.get("bidi_component") if "-chart." in element.proto.id]


def test_no_runs_offers_the_one_thing_to_do(open_page, texts):
    app = open_page("run")
    assert "There are no runs yet" in texts(app)
    assert len(app.get("page_link")) == 1


def test_unknown_run_is_a_sentence(open_page, finished):
    app = open_page("run", run="nothing-like-it")
    assert [error.value for error in app.error] == [
        "There is no run 'nothing\\-like\\-it' in this store. It may have been deleted, or be in the store of another MTL_HOME."
    ]


def test_finished_run_shows_every_task_with_best_and_last(open_page, finished):
    app = open_page("run", tabs=["Log"], run=finished.id)
    assert app.title[0].value == "a run"
    assert len(charts(app)) == 2 * 2 + 2
    digit, slant = (words for words in html_words(app) if "val: " in words)
    assert digit.endswith("val: last 0.600 · best 0.600 (epoch 2)")
    assert slant.startswith("slant Mean absolute error, in degrees ↓")
    assert [metric.value for metric in app.metric] == ["0.625", "1.250 degrees"]
    assert len(app.get("image")) == 2
    assert any("a line of the log" in str(each.proto.body) for each in app.get("html"))


def test_a_task_that_no_test_image_is_labelled_for_says_so(open_page, make_run, store):
    run = make_run()
    store.append(run.id, EpochMetrics(4, 2, {"test/digit/accuracy": 0.625}))
    store.append(run.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    tiles = open_page("run", run=run.id).metric
    assert [(tile.value, tile.help) for tile in tiles] == [("0.625", ""), ("no labels", "No test image is labelled for this task.")]


def test_a_result_no_better_than_a_constant_prediction_says_so(open_page, make_run, store):
    run = make_run()
    on_val = {"val/digit/accuracy": 0.5, "val/slant/mae": 1.0, "selection/score": 9.0}
    store.append(run.id, EpochMetrics(4, 2, on_val, {"digit": 0.5, "slant": 1.1}))
    store.append(run.id, EpochMetrics(4, 2, {"test/digit/accuracy": 0.99, "test/slant/mae": 1.25}))
    store.append(run.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    app = open_page("run", run=run.id)
    assert [tile.value for tile in app.metric] == ["0.990", "1.250 degrees"]
    said = [caption.value for caption in app.caption if "constant prediction" in caption.value]
    assert said == ["○ on val no better than a constant prediction (the mean or the most frequent class)"]


def place_of_tabs(block, path=()):
    """Where the tabs stand in the page's tree: the browser remembers which one is open only while this stays the same."""
    for number, child in block.children.items():
        if child.type == "tab_container":
            return (*path, number)
        if found := place_of_tabs(child, (*path, number)) if hasattr(child, "children") else ():
            return found
    return ()


def test_tabs_stay_where_they_are_while_the_page_above_them_grows(open_page, finished, monkeypatch):
    with monkeypatch.context() as starting:
        starting.setattr("mtl_core.runs.jobs.warmed", lambda: False)
        before = open_page("run", run=finished.id)
    after = open_page("run", run=finished.id)
    assert len(before.get("image")) == 0
    assert len(after.get("image")) == 2
    assert place_of_tabs(before.main) == place_of_tabs(after.main) != ()


def test_without_a_run_in_the_address_the_newest_is_shown(open_page, finished):
    assert open_page("run").query_params["run"] == finished.id


def test_running_run_has_progress_and_stop_answers_at_once(open_page, store, make_run):
    run = make_run()
    app = open_page("run", run=run.id)
    assert "epoch 3 of 3 · step 4 of 6" in progress_of(app)
    app.button(key=f"stop.{run.id}").click().run()
    assert app.button(key=f"stop.{run.id}").label == "Stopping…"
    assert app.button(key=f"stop.{run.id}").disabled
    assert store.get(run.id).status == RunStatus.STOPPING


def test_failed_run_names_cause_and_cure(open_page, store, make_run, texts):
    run = make_run()
    store.end(run.id, RunStatus.FAILED, {"kind": "NonFiniteLossError", "message": "the loss became NaN", "cure": "Lower the rate", "trace": "line 1"})
    app = open_page("run", run=run.id)
    assert "The loss became NaN" in app.error[0].value
    assert "Lower the rate" in texts(app)


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [((), "No checkpoint was saved: Resume starts from the beginning."), ((1, 2), "Resume continues from the checkpoint after epoch 2 (step 4).")],
)
def test_interrupted_run_says_where_and_what_is_kept(open_page, store, make_run, keep, epochs, kept):
    run = keep(make_run(), *epochs)
    store.end(run.id, RunStatus.INTERRUPTED)
    first, second = open_page("run", run=run.id).warning[0].value.split("  \n")
    assert first == f"**Interrupted after epoch 2**: its process has ended. {kept}"
    assert second.startswith("It left no message, as when the machine goes off")
    assert second.endswith("clone the run with a batch size below 64.")


def test_an_interrupted_run_says_what_its_log_says(open_page, store, make_run):
    run = make_run()
    store.end(run.id, RunStatus.INTERRUPTED, line="interrupted: process 1 was killed. Resume it with more memory free")
    _, second = open_page("run", run=run.id).warning[0].value.split("  \n")
    assert second.replace("\\", "") == "The log says: interrupted: process 1 was killed. Resume it with more memory free."


def test_a_failed_run_says_what_it_needed_and_which_button_helps(open_page, store, make_run, keep, texts):
    run = keep(make_run(), 1, 2)
    store.end(run.id, RunStatus.FAILED, failure_of(NonFiniteLossError("slant", 5, math.nan)))
    app = open_page("run", run=run.id)
    [label] = [button.label for button in app.button if button.key == f"cure.0.{run.id}"]
    assert f"Press **{label}** below." in texts(app)
    assert "or lower the loss weight of **slant**, which is 1." in texts(app)


@pytest.mark.parametrize(
    ("epochs", "goes_on"), [((), "It has no checkpoint, so it starts from the beginning."), ((1,), "It continues after epoch 1.")]
)
def test_a_queued_run_that_has_begun_says_where_it_goes_on(open_page, store, make_run, keep, texts, epochs, goes_on):
    run = keep(make_run(), *epochs)  # it was in its third epoch
    store.end(run.id, RunStatus.INTERRUPTED)
    resume_and_fork.resume(store, run.id)
    assert f"Next in the queue: the run starts as soon as its device is free. {goes_on}" in texts(open_page("run", run=run.id))


def test_the_test_evaluation_is_no_time_left(open_page, make_run, store):
    run = make_run()
    store.append(run.id, EpochMetrics(6, 3, {"val/slant/mae": 1.0}))
    assert progress_of(open_page("run", run=run.id)) == "epoch 3 of 3 · step 6 of 6 · measuring on the test images"


def test_a_metric_that_was_never_finite_is_shown_without_a_best(open_page, make_run, store):
    run = make_run(epochs_done=0)
    store.append(run.id, EpochMetrics(2, 1, {"val/slant/mae": float("nan")}))
    app = open_page("run", run=run.id)
    [slant] = [words for words in html_words(app) if words.startswith("slant ")]
    assert slant.endswith("val: last –")
    assert not app.error


def test_probe_slider_follows_the_newest_epoch_until_it_is_moved(open_page, make_run, store, texts):
    run = make_run()
    app = open_page("run", run=run.id)
    assert epoch_slider(app, run).value == 2
    another_epoch(store, run, 3)
    app.run()
    assert epoch_slider(app, run).value == 3
    epoch_slider(app, run).set_value(0).run()
    assert ":gray[after epoch 0]" in texts(app)
    another_epoch(store, run, 4)
    app.run()
    assert epoch_slider(app, run).value == 0
    assert ":gray[after epoch 0]" in texts(app)
    epoch_slider(app, run).set_value(4).run()
    another_epoch(store, run, 5)
    app.run()
    assert epoch_slider(app, run).value == 5


def test_a_browser_that_has_not_heard_of_the_newest_epoch_chooses_none(open_page, make_run, store, texts):
    """It reports the place of the slider that it still shows, in the moment in which a newer one was drawn."""
    run = make_run()
    app = open_page("run", run=run.id)
    late = epoch_slider(app, run)
    another_epoch(store, run, 3)
    app.run()
    reported = app._tree.get_widget_states()
    late = late.set_value(2)._widget_state
    others = [state for state in reported.widgets if state.id != late.id]
    del reported.widgets[:]
    reported.widgets.extend([*others, late])
    app._run(reported)
    assert epoch_slider(app, run).value == 3
    assert ":gray[after epoch 3]" in texts(app)
    assert ":gray[after epoch 2]" not in texts(app)


def epoch_slider(app, run):
    return next(slider for slider in app.select_slider if slider.key.startswith(f"run.epoch.{run.id}"))


def another_epoch(store, run, epoch):
    np.savez(
        store.folder(run.id) / "probes" / f"epoch_{epoch:04d}.npz", digit=np.eye(4, 10, dtype=np.float32), slant=np.full(4, epoch, dtype=np.float32)
    )


def test_nothing_needs_torch_but_the_pictures(open_page, finished, monkeypatch, texts):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page("run", run=finished.id)
    assert len(charts(app)) == 6
    assert "Loading PyTorch" in texts(app)


def test_two_names_that_begin_alike_differ_in_the_status_bar_and_are_whole_on_hover(open_page, make_run):
    names = [f"A very long name of a run that compares balancing methods, learning rate 0.00{place}" for place in (1, 3)]
    runs = [make_run(name=name) for name in names]
    app = open_page("compare")
    links = {each.proto.query_string: each.proto for each in app.get("page_link")}
    found = [links[f"run={run.id}"] for run in runs]
    assert [link.label.replace("\\", "")[-11:] for link in found] == ["ate 0.001**", "ate 0.003**"]
    assert [link.help.replace("\\", "") for link in found] == names


def test_strip_on_another_page_names_the_running_run(open_page, make_run):
    run = make_run()
    app = open_page("compare")
    assert app.button(key=f"strip.stop.{run.id}").label == "Stop"


@pytest.mark.parametrize("page", ["run", "predictions"])
def test_a_run_that_another_process_has_made_just_now_opens(open_page, finished, make_run, page):
    open_page("compare")  # all runs were listed a moment ago
    other = make_run(name="made elsewhere")
    app = open_page(page, run=other.id)
    assert not app.error
    assert any(box.value == other.id for box in app.selectbox)


def test_the_map_of_conflict_shows_every_pair_in_every_place(open_page, make_run, store):
    run = make_run()
    for step in range(5, 25):
        parts = {f"conflict/digit/slant/layers.{layer}": -0.2 + 0.3 * layer for layer in range(3)}
        store.append(run.id, StepScalars(step, step / 2, {"conflict/digit/slant": -0.1, "conflict_share/digit/slant": 1.0, **parts}))
    store.append(run.id, Message("written"))
    app = open_page("run", run=run.id)
    app.segmented_control(key=f"conflict.block.{run.id}").set_value("map").run()
    assert not app.exception
    assert "digit and slant are in conflict most often in all shared layers" in "".join(str(each.proto.body) for each in app.get("html"))
    app.toggle(key=f"conflict.map.parts.{run.id}").set_value(True).run()
    assert not app.exception
    assert any(element.proto.id.count("conflict") for element in app.get("bidi_component"))


def test_every_chart_can_be_explained(open_page, finished):
    app = open_page("run", run=finished.id)
    assert all(f"explain.{chart}" in app.session_state for chart in ("tasks", "loss_weights"))
    app.session_state["explain.tasks"] = True
    app.run()
    said = " ".join(element.value for element in app.markdown)
    assert "Accuracy of digit on val went from 0\\.500 to 0\\.600, which is better; the last value is the best\\." in said
    assert "Lesson: Overfitting and the gap" in [link.proto.label for link in app.get("page_link")]


@pytest.mark.parametrize(
    ("status", "steps", "seconds", "watchers", "expected"),
    [
        ("running", [], 3.0, 1, 1.0),  # a viewer waits for the first curves
        ("running", [1, 1, 1], 3.0, 30, 1.0),  # a line needs two points
        ("running", [], 15.0, 1, 1.0),
        ("running", [], 30.0, 1, 5.0),  # the data take long: the page is not hurried for good
        ("running", [20, 20, 40, 40], 3.0, 1, 2.0),
        ("queued", [], 0.0, 1, 2.0),  # it may wait for hours
        ("pausing", [8, 9], 30.0, 30, 1.0),
        ("running", [8, 9], 30.0, 1, 5.0),
        ("running", [8, 9], 30.0, 2, 5.0),
        ("running", [8, 9], 30.0, 3, 7.5),  # each of them takes time from the run
        ("running", [8, 9], 30.0, 30, 10.0),  # a class sees something new every 10 s at least
        ("running", [8, 9], 3000.0, 1, 10.0),
        ("running", [8, 9], 3000.0, 30, 10.0),
    ],
)
def test_the_pace_follows_the_runs_length_and_those_who_watch(status, steps, seconds, watchers, expected):
    run = SimpleNamespace(status=RunStatus(status), seconds=seconds, eta_seconds=None)
    assert run_page._page_seconds(Moment(run, {"rows": scalar_rows(pd.DataFrame({"step": steps, "key": "a"}))}, {}), watchers) == expected


def test_a_page_that_waits_for_its_charts_loads_their_script(open_page, make_run, monkeypatch):
    loaded = []
    monkeypatch.setattr(run_page, "load_ahead", lambda: loaded.append(True))
    run = make_run(filled=False)
    open_page("run", run=run.id)
    assert loaded == [True]


def test_the_first_curves_are_drawn_once(make_run, store, monkeypatch):
    """Where the page below its top has another shape, the top asks for the whole page before it draws itself."""

    class RerunError(BaseException):
        pass

    def rerun():
        raise RerunError

    drawn, run = [], make_run()
    monkeypatch.setattr(run_page, "run_store", lambda: store)
    monkeypatch.setattr(run_page, "draw_strip", lambda **_: drawn.append(True))
    monkeypatch.setattr(run_page.st, "rerun", rerun)
    moment = Moment(run, scalars_feed(store, run.id), {})
    with pytest.raises(RerunError):
        run_page._live(LivePage(lambda page: moment, lambda now, watchers: 1.0), "training", (False,), moment)
    assert drawn == []


def test_the_charts_say_what_runs_along_their_x_axis(open_page, finished):
    app = open_page("run", run=finished.id)
    for axis in ("step", "epoch"):
        app.button_group(key="view.axis").set_value(axis).run()
        assert f" · x: {axis}" in " ".join(caption.value for caption in app.caption)
