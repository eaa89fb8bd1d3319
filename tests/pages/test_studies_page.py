"""The page of studies: the list and the form, a study while it waits, and its verdict."""

import json

import pytest
from sqlalchemy import update

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.runs.sql import schema
from mtl_core.studies import study_actions as studies
from tests.pages.study_runs import MAIN, METRICS, base, end, finish
from ui.shell import page_jobs


@pytest.fixture
def made(store):
    return studies.create(store, studies.draft("share", base(), {}, range(3)))


def badges(app):
    return [element.value for element in app.markdown if "-badge[" in element.value]


def test_without_a_study_the_form_is_open_and_estimates(open_page, texts):
    app = open_page("studies")
    assert "There is no study yet" in texts(app)
    assert app.expander[0].proto.expanded
    assert "cells × 5 seeds =" in texts(app)
    app.number_input(key="study.seeds").set_value(2).run()
    assert "Fewer than 3 seeds give differences, but no verdict." in texts(app)


@pytest.mark.parametrize("kind", ["share", "methods", "together", "weights", "labels", "axes"])
def test_every_kind_has_a_form(open_page, kind):
    app = open_page("studies")
    app.selectbox(key="study.kind").set_value(kind).run()
    assert not app.exception


def test_what_does_not_fit_is_a_sentence_and_nothing_starts(open_page, store):
    app = open_page("studies")
    app.selectbox(key="study.kind").set_value("axes").run()
    app.text_input(key="study.axes.axes.0.name").set_value("optimizer.rate").run()
    app.text_input(key="study.axes.axes.0.values").set_value("0.1, 0.2").run()
    assert any("rate" in error.value for error in app.error)
    assert app.button(key="study.start").disabled
    assert studies.studies(store) == []


def test_a_study_is_made_and_queued(open_page, store):
    app = open_page("studies")
    app.selectbox(key="study.base").set_value("preset:digits-quick").run()
    app.number_input(key="study.seeds").set_value(3).run()
    app.button(key="study.start").click().run()
    assert not app.exception
    (made,) = studies.studies(store)
    assert (made.kind, made.state, len(studies.runs_of(store, made))) == ("share", "running", 12)
    assert app.query_params["study"] == [made.id] or app.query_params["study"] == made.id


def test_an_unknown_study_is_a_sentence(open_page, made):
    assert "no study 'study\\-x'" in open_page("studies", study="study-x").error[0].value


def test_while_it_waits(open_page, store, made, texts):
    studies.start(store, made.id)
    app = open_page("studies", study=made.id)
    assert "0 of 9 runs have finished" in app.get("progress")[0].proto.text
    assert "A \\*bold\\* question" in app.title[0].value
    assert any("no pair of runs yet" in badge for badge in badges(app))
    app.button(key=f"stop.{made.id}").click().run()
    assert {str(run.status) for run in store.runs()} == {"stopped"}
    assert not app.exception


def test_the_verdict_and_the_table(open_page, store, made, texts):
    finish(store, made)
    app = open_page("studies", study=made.id)
    said = badges(app)
    assert sum("helps" in badge for badge in said) == 1  # digit: 0.09, 0.1 and 0.11 better
    assert any("cannot tell yet" in badge for badge in said)  # slant: 0.5, 1 and 1.5 worse
    assert "0.1 better" in texts(app)
    assert "1 worse" in texts(app)
    table = app.dataframe[0].value
    assert list(table["cell"]) == ["digit alone", "slant alone", "all tasks in one network"]
    assert table["Mean error of slant ↓"][2] == "3.0 ± 1.2 (n 3)"
    assert "3 seeds" in texts(app)


def test_equal_differences_have_no_interval_and_no_probabilities(open_page, store, made, texts):
    finish(store, made, steps=0)
    app = open_page("studies", study=made.id)
    assert not any("helps" in badge for badge in badges(app))
    said = texts(app)
    assert "The difference was the same in every seed, so its spread is not known; more seeds may decide" in said
    assert "interval not known" in said
    assert "sign test, Holm" in said
    assert "nan" not in said


def test_the_curves_of_the_cells_are_drawn_when_asked_for(open_page, store, made):
    finish(store, made)
    app = open_page("studies", study=made.id)

    def charts() -> set[str]:
        return {element.proto.json for element in app.get("bidi_component") if element.proto.component_name == "live_plot"}

    before = charts()
    app.toggle(key=f"study.curves.{made.id}").set_value(True).run()
    assert not app.exception
    drawn = [json.loads(json.loads(text)["figure"]) for text in charts() - before]
    # A chart for each task, with the lines of its two cells: alone, and together with the other task.
    assert [len({trace["name"] for trace in figure["data"] if trace.get("name")}) for figure in drawn] == [2, 2]
    legend = next(element.proto.body for element in app.get("html") if 'class="legend"' in element.proto.body)
    assert all(cell.label in legend for cell in made.cells)


def test_the_verdict_is_explained(open_page, store, made, texts):
    finish(store, made)
    app = open_page("studies", study=made.id)
    app.session_state[f"explain.verdict.{made.id}"] = True
    app.run()
    said = texts(app)
    assert "Accuracy of digit was 0.1 better than the baseline's on average." in said.replace("\\", "")
    assert not app.exception


def test_more_seeds_and_another_band(open_page, store, made):
    finish(store, made)
    app = open_page("studies", study=made.id)
    app.number_input(key=f"band.{made.id}").set_value(30.0).run()
    assert studies.get(store, made.id).settings.band == 0.3
    assert any("no difference that matters" in badge for badge in badges(app))
    app.button(key=f"more.{made.id}").click().run()
    assert studies.get(store, made.id).seeds == (0, 1, 2, 3, 4, 5)
    assert len(store.runs()) == 18
    assert not app.exception


def test_a_run_that_was_changed_is_named(open_page, store, made):
    finish(store, made)
    run = studies.runs_of(store, made)["joint", 0]
    changed = run.config.with_change(1, "optimizer.lr", 0.5).to_dict()
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(config=json.dumps(changed)))
    app = open_page("studies", study=made.id)
    assert "does not count: settings were changed" in app.warning[0].value.replace("\\", "")


def test_front_and_division_are_drawn(open_page, store, texts):
    for kind, options in (("weights", {"parts": 3}), ("together", {})):
        study = studies.create(store, studies.draft(kind, base(), {"options": options}, range(2)))
        finish(store, study)
        app = open_page("studies", study=study.id)
        assert not app.exception
        assert ("Front" if kind == "weights" else "Which tasks share a network") in [element.value for element in app.subheader]
    app = open_page("studies")
    assert len(app.dataframe[-1].value) == 2


def test_a_point_of_the_front_opens_its_predictions_beside_its_baseline(open_page, store):
    study = studies.create(store, studies.draft("weights", base(), {"options": {"parts": 3}}, range(2)))
    finish(store, study)
    runs = studies.runs_of(store, study)
    comparison = study.comparisons[0]
    app = open_page("studies", study=study.id)
    app.selectbox(key=f"point.{study.id}").set_value(comparison.cell).run()
    app.button(key=f"open_point.{study.id}").click().run()
    assert not app.exception
    assert app.session_state["page"] == "predictions"
    (baseline,) = set(comparison.baselines.values())
    assert dict(app.query_params) == {"run": runs[comparison.cell, 0].id, "sample": "0", "beside": runs[baseline, 0].id}


def test_a_task_that_loses_by_sharing_is_named_while_it_trains(open_page, store, made, texts):
    studies.start(store, made.id)
    for (cell, seed), run in studies.runs_of(store, made).items():
        if cell == "joint" and seed:
            continue
        claim(store, run.id, "cpu", alone=False)
        tasks = {task: {"main_metric": MAIN[task], "metrics": METRICS} for task in run.config.tasks}
        store.append(run.id, RunStarted(4, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
        for epoch in (1, 2):
            worse = cell == "joint" and "slant" in tasks
            values = {f"val/{task}/{MAIN[task]}": 0.8 + 0.01 * seed + (5.0 if worse and task == "slant" else 0.0) for task in tasks}
            store.append(run.id, EpochMetrics(2 * epoch, epoch, values))
        if cell != "joint":
            store.append(run.id, RunEnded("finished", 4, 1.0, 8.0, 1.0))
    app = open_page("studies", study=made.id)
    said = texts(app)
    assert "slant does worse than alone" in said
    assert "5.8, above 0.86, the upper end of the band of 3 networks" in said
    assert "digit does worse" not in said
    joint = studies.runs_of(store, made)["joint", 0]
    app.button(key=f"drop.{joint.id}.slant").click().run()
    assert "no checkpoint of a whole epoch yet" in app.error[0].value


def test_a_decided_study_may_be_stopped(open_page, store, made, texts):
    study = studies.add_seeds(store, made.id, 2)
    studies.start(store, study.id)
    for (cell, seed), run in studies.runs_of(store, study).items():
        if seed > 3:
            continue
        claim(store, run.id, "cpu", alone=False)
        tasks = {task: {"main_metric": "accuracy", "metrics": METRICS} for task in run.config.tasks}
        store.append(run.id, RunStarted(2, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
        values = {f"val/{task}/accuracy": 0.5 + (cell == "joint") * (0.2 + 0.01 * (seed % 3)) + 0.001 * seed for task in tasks}
        store.append(run.id, EpochMetrics(2, 1, values | {"selection/score": 0.5}))
        store.append(run.id, RunEnded("finished", 2, 1.0, 8.0, 1.0))
    app = open_page("studies", study=study.id)
    assert "Every comparison is decided" in texts(app)
    app.button(key=f"stop_early.{study.id}").click().run()
    assert {str(run.status) for run in studies.runs_of(store, study).values()} == {"finished", "stopped"}
    assert "Every comparison is decided" not in texts(app)


def test_a_study_is_run_again_and_compared(open_page, store, made, texts):
    finish(store, made)
    app = open_page("studies", study=made.id)
    app.button(key=f"again.{made.id}").click().run()
    assert not app.exception
    (second,) = [study for study in studies.studies(store) if study.settings.repeats == made.id]
    assert app.query_params["study"] in (second.id, [second.id])
    assert f"No run of {made.id} has finished again so far." in texts(app).replace("\\", "")
    assert not set(studies.run_ids(store, second.id).values()) & set(studies.run_ids(store, made.id).values())
    finish(store, second)
    app = open_page("studies", study=second.id)
    assert f"9 runs have finished again: all 12 values are identical to those of {made.id}." in texts(app).replace("\\", "")


def test_the_cost_receipt_is_measured_on_request(open_page, store, made, texts, monkeypatch):
    times = {"1": 2.0, "32": 20.0}
    network = {"parameters": 1000, "multiply_adds": 2000.0, "memory": 8000, "file": 4000, "torch_ms": times, "onnx_ms": {}}
    apart = {**network, "parameters": 2000, "torch_ms": {"1": 4.0, "32": 40.0}, "label": "2 networks"}
    receipt = {"shared": {**network, "label": "all *tasks*"}, "apart": [{**network, "label": "digit alone"}], "all_apart": apart}
    receipt |= {"seed": 0, "device": "a processor", "threads": 2, "without_onnx": "it is not installed"}
    asked = []
    monkeypatch.setattr("ui.studies.study_cost.run_command", lambda store, arguments, work, cancelled: asked.append(arguments) or receipt)
    app = open_page("studies", study=made.id)
    assert "when one seed has finished in all of them" in texts(app)
    finish(store, made)
    app = open_page("studies", study=made.id)
    app.button(key=f"measure.{made.id}").click().run()
    page_jobs.state_of(f"receipt.{made.id}")["thread"].join(30)
    app.run()
    assert asked == [["study", "cost", made.id, "--json"]]
    said = texts(app)
    assert "**50%** of the time" in said
    assert "digit 0.1 better (helps)" in said
    assert "it is not installed" in said
    assert not app.exception


def test_what_is_not_given_yet_is_asked_for_and_no_error(open_page, texts):
    app = open_page("studies")
    for kind, hint in (("methods", "Choose at least one balancing method."), ("axes", "Give at least one setting and its values.")):
        app.selectbox(key="study.kind").set_value(kind).run()
        assert hint in [element.value for element in app.info]
        assert not app.error
        assert app.button(key="study.start").disabled


def test_a_method_is_given_options(open_page, store):
    app = open_page("studies")
    app.selectbox(key="study.kind").set_value("methods").run()
    app.multiselect(key="study.methods.methods").set_value(["pcgrad", "cagrad"]).run()
    field = app.text_input(key="study.methods.methods.cagrad")
    assert "c: 0.4" in field.placeholder
    field.set_value("c: [").run()
    assert any("Options of CAGrad" in element.value for element in app.error)
    app.text_input(key="study.methods.methods.cagrad").set_value("c: 0.7").run()
    assert not app.error
    app.button(key="study.start").click().run()
    (made,) = studies.studies(store)
    assert [method.model_dump(exclude_unset=True) for method in made.options.methods] == [{"name": "pcgrad"}, {"name": "cagrad", "c": 0.7}]


def test_runs_of_studies_stand_behind_others_to_start_from(open_page, store, made):
    """A study makes many runs, which would leave no place for the run that it started from."""
    own = store.create(base())
    studies.start(store, made.id)
    app = open_page("studies")
    offered = [option for option in app.selectbox(key="study.base").options if not option.startswith(("Preset", "Settings"))]
    taken = set(studies.run_ids(store, made.id).values()) - {own.id}
    assert offered[0].endswith(own.id)
    assert offered[1] == f"Study: {made.title}  ·  {made.id}"
    assert {option.rpartition("  ·  ")[2] for option in offered[2:]} == taken
    app.selectbox(key="study.base").set_value(f"study:{made.id}").run()
    assert not app.exception
    assert not app.error


def test_before_a_pair_of_runs_no_metric_is_named(open_page, store, made, texts):
    """The metric of a task is known when a run has said it. One sentence says what is missing; there are no empty cards."""
    app = open_page("studies", study=made.id)
    assert [badge for badge in badges(app) if "no pair of runs" in badge] != []
    assert sum("A verdict needs runs of both sides" in caption.value for caption in app.caption) == 1
    assert not any(name in texts(app) for name in ("main metric", "mean relative gain", "Student"))
    studies.start(store, made.id)
    for (cell, seed), run in studies.runs_of(store, made).items():
        if seed == 0 and cell != "alone.slant":
            end(store, cell, seed, run)
    app = open_page("studies", study=made.id)
    assert [
        caption.value.replace("\u00a0", " ")
        for caption in app.caption
        if caption.value.startswith(("Accuracy", "Mean error", "main", "mean relative"))
    ] == [
        "mean relative gain of the tasks' main metrics ↑",
        "Accuracy ↑",
        "Mean error ↓",
    ]


def test_forks_of_its_runs_are_named(open_page, store, made, texts):
    assert "Forked from these runs" not in texts(open_page("studies", study=made.id))
    finish(store, made)
    joint = studies.runs_of(store, made)["joint", 0]
    fork = store.create(joint.config, columns={"parent_id": joint.id, "parent_epoch": 1, "parent_step": 2})
    said = texts(open_page("studies", study=made.id))
    assert f"](run?run={fork.id}) (queued)." in said
