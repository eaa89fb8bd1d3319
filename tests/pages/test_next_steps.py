"""What next, the baseline behind the curves, and Export: on the page of a run."""

import pytest

from mtl_core.runs import actions
from ui.run.baseline_run import comparable
from ui.shell.state import listing


def offered(app):
    return {button.label: button for button in app.button if str(button.key).startswith("next.")}


def test_a_task_is_trained_alone_by_one_click(open_page, finished):
    app = open_page("run", run=finished.id)
    assert [tab.label for tab in app.tabs] == ["What next?", "Settings", "Network", "Cost", "Log"]
    offered(app)["Train slant alone"].click().run()
    assert not app.exception
    assert list(app.session_state["settings"]["tasks"]) == ["slant"]
    assert app.title[0].value == "Train several tasks in one network"


def test_another_method_is_one_click_away(open_page, finished):
    app = open_page("run", run=finished.id)
    assert "Try Fixed weights" not in offered(app)
    offered(app)["Try PCGrad"].click().run()
    assert app.session_state["settings"]["balancing"]["name"] == "pcgrad"


def test_three_seeds_as_a_study(open_page, finished):
    app = open_page("run", run=finished.id)
    offered(app)["Study with 3 seeds"].click().run()
    assert not app.exception
    assert app.selectbox(key="study.base").value == f"run:{finished.id}"
    assert app.number_input(key="study.seeds").value == 3


def test_the_worst_images(open_page, finished):
    app = open_page("run", run=finished.id)
    offered(app)["Look at the worst images"].click().run()
    assert not app.exception
    assert (app.title[0].value, app.query_params["run"]) == ("Predictions", finished.id)


def test_a_task_is_added_to_the_network_by_a_fork(open_page, in_state):
    run = in_state("finished")
    app = open_page("run", run=run.id)
    assert [label for label in offered(app) if label.startswith("Add ")] == ["Add ink"]
    offered(app)["Add ink"].click().run()
    assert not app.exception
    settings = app.session_state["settings"]
    assert app.session_state["origin"]["epoch"] == 1  # the best one
    assert {name: task.get("frozen", False) for name, task in settings["tasks"].items()} == {"digit": True, "slant": True, "ink": False}
    assert settings["backbone"]["freeze"] == "all"
    assert app.checkbox(key="task.ink").value
    assert not app.button(key="train").disabled, [error.value for error in app.error]
    [sentence] = [caption.value.replace("\\", "") for caption in app.caption if caption.value.startswith("What is trained")]
    assert sentence == "What is trained: not the backbone; the head and own modules of ink. Frozen: the head and own modules of digit and slant."


def test_a_scheme_whose_outputs_would_change_takes_no_further_task(open_page, in_state):
    app = open_page("run", run=in_state("finished", sharing={"name": "mmoe"}, backbone={"name": "small_cnn"}).id)
    assert not [label for label in offered(app) if label.startswith("Add ")]


def test_a_run_of_one_task_is_offered_no_other_method(open_page, in_state):
    run = in_state("finished", tasks={"digit": {}})
    app = open_page("run", run=run.id)
    assert list(offered(app)) == ["Add slant", "Add ink", "Look at the worst images"]


def test_nothing_is_offered_while_it_trains(open_page, in_state):
    app = open_page("run", run=in_state("running").id)
    assert [tab.label for tab in app.tabs] == ["Settings", "Network", "Cost", "Log"]


def test_a_pinned_run_is_the_baseline_until_another_is_chosen(open_page, store, in_state, texts):
    pinned, shown = in_state("finished", name="the pinned one"), in_state("finished", name="shown")
    assert "grey: the pinned one" not in texts(open_page("run", run=shown.id))
    actions.pin(store, pinned.id)
    listing.clear()  # as the page's own button does
    app = open_page("run", run=shown.id)
    assert app.selectbox(key=f"baseline.{shown.id}").value == pinned.id
    assert "grey: the pinned one" in texts(app)
    app.selectbox(key=f"baseline.{shown.id}").set_value("").run()
    assert not app.exception
    assert "grey: the pinned one" not in texts(app)


def test_only_runs_that_share_data_and_a_task_are_baselines(store, in_state):
    run = in_state("finished", name="run")
    alike = in_state("finished", name="alike", tasks={"digit": {}})
    in_state("finished", name="other data", data={"name": "digit_scenes"})
    in_state("finished", name="another task", tasks={"ink": {}})
    listing.clear()
    assert [other.name for other in comparable(store.get(run.id), listing(store.home.as_posix()))] == ["alike"]
    actions.archive(store, alike.id)
    listing.clear()
    assert comparable(store.get(run.id), listing(store.home.as_posix())) == []


@pytest.mark.parametrize("status", ["finished", "running"])
def test_export_is_in_the_header(open_page, in_state, status):
    run = in_state(status)
    app = open_page("run", run=run.id)
    app.button(key=f"export.{run.id}").click().run()
    assert not app.exception
    assert app.selectbox(key=f"export.format.{run.id}").label == "Format"
