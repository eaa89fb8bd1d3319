"""The preflight on the Train page: offered, shown, its weights taken, its errors in words."""

from mtl_core.errors import ConfigError, Problem
from mtl_core.runs.process_singletons import process_slot
from ui.train import preflight_panel
from ui.train.preflight_panel import findings, suggested

REPORT = {
    "device": "a test's processor",
    "precision": "fp32",
    "layout": "channels_last",
    "batch_size": 32,
    "steps": 1000,
    "seconds_per_step": 0.0123,
    "seconds_per_evaluation": 1.0,
    "eta_seconds": 1200.0,
    "peak_bytes": 500_000_000,
    "estimated_bytes": 100_000_000,
    "parameters": {"shared": 1, "tasks": {}},
    "tasks": {
        "digit": {"labelled": 32, "loss": 2.3026, "gradient_norm": 3.0, "suggested_weight": 0.51234},
        "slant": {"labelled": 0, "loss": None, "gradient_norm": None, "suggested_weight": None},
        "ink": {"labelled": 16, "loss": 1.0, "gradient_norm": 1.0, "suggested_weight": 1.4876},
    },
    "problems": [],
    "reason": "A proposal from one batch.",
}


def tried(app):
    app.button(key="preflight").click().run()
    for state in process_slot("jobs: preflight").values():
        state["thread"].join(60)
    app.run()
    assert not app.exception
    return app


def test_a_report_is_shown_and_its_weights_are_taken(quick_form, monkeypatch, texts):
    asked = []
    monkeypatch.setattr(preflight_panel, "measure", lambda store, config, cancelled: asked.append(config) or REPORT)
    app = tried(quick_form)
    assert [config.to_dict()["data"]["name"] for config in asked] == ["digits"]
    told = {metric.label: metric.value for metric in app.metric}
    assert told == {**told, "Training, estimated": "about 20 min", "A step": "12 ms", "Memory": "500 MB"}
    assert "A proposal from one batch" in texts(app)
    app.button(key="preflight.take").click().run()
    weights = {name: task["loss_weight"] for name, task in app.session_state["settings"]["tasks"].items()}
    assert weights == {"digit": 0.512, "slant": 1.0, "ink": 1.49}
    assert app.number_input(key="set.tasks.digit.loss_weight").value == 0.512
    assert app.button(key="preflight.take").disabled  # and the report is still there
    app.number_input(key="set.batch_size").set_value(64).run()
    assert not [metric for metric in app.metric if metric.label == "A step"]  # it was about other settings


def test_an_error_and_problems_are_sentences(quick_form, monkeypatch):
    def refused(*_):
        raise ConfigError(Problem("batch_size", "a step does not fit in memory; lower batch_size"))

    monkeypatch.setattr(preflight_panel, "measure", refused)
    app = tried(quick_form)
    assert any("does not fit in memory" in error.value for error in app.error)
    monkeypatch.setattr(preflight_panel, "measure", lambda *_: {**REPORT, "problems": ["the loss of 'digit' is not a number (NaN)"]})
    app = tried(app)
    assert any("is not a number" in error.value for error in app.error)


def test_it_is_offered_before_a_long_run(quick_form):
    assert not [info for info in quick_form.info if "more than a few minutes" in info.value]
    quick_form.number_input(key="set.epochs").set_value(9000).run()
    for state in process_slot("jobs: network-drawing").values():
        state["thread"].join(60)
    quick_form.run()
    assert [info for info in quick_form.info if "more than a few minutes" in info.value]


def test_worked_table_and_weights():
    table = findings(REPORT)
    assert table.iloc[0].tolist() == ["digit", "32 of 32", "2.3", "3", "0.512"]
    assert table.iloc[1].tolist() == ["slant", "0 of 32", "–", "–", "–"]
    assert suggested(REPORT) == {"digit": 0.512, "ink": 1.49}
