"""The cost of a prediction on a run's page: asked for, failed, shown."""

from __future__ import annotations

from ui.run import cost_tab
from ui.shell import page_jobs

COST = {"parameters": 900, "multiply_adds": 1_200_000.0, "milliseconds": 1.5, "memory": 4_000_000}
FOUND = {
    "shared": COST,
    "alone": {"digit": COST, "slant": COST},
    "together": {**COST, "parameters": 1800, "milliseconds": 3.0},
    "batch_size": 4,
    "rounds": 7,
    "device": "cpu",
    "device_name": "a processor",
}


def ready(app, run, work):
    page_jobs.begin(cost_tab.job_key(run.id), work)["thread"].join(60)
    return app.run()


def test_without_a_checkpoint_nothing_is_offered(open_page, finished, texts):
    app = open_page("run", tabs=["Cost"], run=finished.id)
    assert "It cannot be measured: the run has ended and has no checkpoint." in texts(app)
    assert not [button for button in app.button if (button.key or "").startswith("cost.")]


def test_the_measured_cost_is_a_table_and_a_sentence(open_page, in_state, texts):
    run = in_state("finished")
    app = ready(open_page("run", tabs=["Cost"], run=run.id), run, lambda progress, cancelled: FOUND)
    table = app.dataframe[0].value
    assert list(table["network"]) == ["the shared network, every task", "digit alone", "slant alone", cost_tab.TOGETHER]
    assert list(table["milliseconds"]) == ["1.5", "1.5", "1.5", "3"]
    assert list(table["multiply-adds"]) == ["1.2 M"] * 4
    assert "**50%** of the time and **50%** of the parameters" in texts(app)
    assert r"Measured here, on a processor: a forward pass of a batch of 4 images" in texts(app)
    assert app.button(key=f"cost.measure.{run.id}").label == "Measure again"


def test_a_measurement_that_fails_is_a_sentence(open_page, in_state):
    run = in_state("finished")
    app = open_page("run", tabs=["Cost"], run=run.id)
    app.selectbox(key=f"cost.batch.{run.id}").select(16).run()
    app.button(key=f"cost.measure.{run.id}").click().run()  # its checkpoint's files are empty
    page_jobs.state_of(cost_tab.job_key(run.id))["thread"].join(60)
    assert any("The measurement failed" in warning.value for warning in app.run().warning)
