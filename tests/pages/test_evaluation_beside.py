"""Two runs beside each other in the Evaluation tab: metrics, classes, images; and what is said where they do not fit together."""

import numpy as np
import pytest

from tests.pages.test_evaluation import stored


@pytest.fixture
def pair(store, finished, keep, make_run, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    keep(finished, 1, 2, best=2)
    other = make_run(name="the other", seed=1)
    from mtl_core.events import RunEnded

    store.append(other.id, RunEnded("finished", 4, 2.0, 10.0, 1.0))
    keep(other, 1, 2, best=2)
    stored(store, finished)
    stored(store, other)
    return finished, other


def better(evaluation, store, run, accuracy, errors):
    """Store another result of a run."""
    from mtl_core.runs.evaluations import evaluations, write_evaluation

    found = next(one for one in evaluations(store.folder(run.id)) if one.split == evaluation)
    arrays = {f"digit/{name}": values for name, values in found.arrays("digit").items()}
    report = {**found.report, "tasks": {"digit": {**found.report["tasks"]["digit"]}}}
    report["tasks"]["digit"]["values"] = [{**report["tasks"]["digit"]["values"][0], "value": accuracy}]
    write_evaluation(store.folder(run.id), run.id, report, {**arrays, "digit/errors": np.array(errors, np.float32)})


def test_metrics_and_images_of_both(open_page, store, pair, texts):
    run, other = pair
    better("val", store, other, 0.75, [0.1, 0.3, 0.9, 0.2])
    app = open_page("run", run=run.id, view="evaluation", beside=other.id)
    tables = [frame.value for frame in app.dataframe if "B - A" in frame.value]
    assert tables[0].to_dict("records") == [{"Task": "digit", "Metric": "↑ Accuracy", "A": "0.500", "B": "0.750", "B - A": "+0.25", "Better": "B"}]
    assert "A is better on 1, B on 1, equal on 2" in texts(app)
    assert "another seed gives other values" in texts(app)
    assert app.query_params["beside"] == other.id
    app.selectbox(key=f"evaluation.beside.{run.id}").set_value("").run()
    assert "beside" not in app.query_params
    assert not any("B - A" in frame.value for frame in app.dataframe)


def test_a_run_that_was_not_evaluated_on_these_images_is_not_offered(open_page, store, pair, texts):
    run, _ = pair
    stored(store, run, "train")
    app = open_page("run", run=run.id, view="evaluation", images="train")
    assert "once it has been evaluated on train" in texts(app)


def test_other_data_settings_are_said_and_nothing_is_compared_image_by_image(open_page, store, finished, keep, make_run, texts, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    keep(finished, 1, 2, best=2)
    other = make_run(name="the other", data={"name": "digits", "image_size": 16})
    keep(other, 1, 2, best=2)
    for run in (finished, other):
        stored(store, run)
    app = open_page("run", run=finished.id, view="evaluation", beside=other.id)
    assert "not measured on the same images" in texts(app)
    assert "Image by image" not in texts(app)


@pytest.mark.parametrize("asked", ["nothing", "", "../x"])
def test_an_address_of_no_run_shows_the_evaluation_alone(open_page, pair, asked):
    app = open_page("run", run=pair[0].id, view="evaluation", beside=asked)
    assert app.selectbox(key=f"evaluation.beside.{pair[0].id}").value == ""
    assert not app.error
