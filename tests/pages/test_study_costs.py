"""Studies that weigh costs: the receipt of a measurement, the division for a budget, affinities, a search of weights."""

from mtl_core.events import EpochMetrics, RunEnded, RunStarted, StepScalars
from mtl_core.runs.claims import claim
from mtl_core.studies import study_actions as studies
from tests.pages.test_studies_page import MAIN, METRICS, base
from ui.shell import page_jobs


def test_the_division_for_a_budget_follows_the_measured_costs(open_page, store, texts, monkeypatch):
    """One network costs less than two, which gain more for slant: each has its budget."""
    made = studies.create(store, studies.draft("together", base(), {}, range(2)))
    finish_groups(store, made)
    costs = {"digit + slant": 3.0, "digit alone": 2.0, "slant alone": 2.5}
    networks = [
        {"label": label, "parameters": 1, "multiply_adds": 1e6 * cost, "memory": 1, "file": 1, "torch_ms": {"1": cost}, "onnx_ms": {}}
        for label, cost in costs.items()
    ]
    receipt = {"shared": networks[0], "apart": networks[1:], "others": [], "all_apart": {**networks[0], "label": "2 networks"}}
    receipt |= {"seed": 0, "device": "a processor", "threads": 2, "without_onnx": ""}
    monkeypatch.setattr("ui.studies.study_cost.run_command", lambda store, arguments, work, cancelled: receipt)
    app = open_page("studies", study=made.id)
    assert "measure the networks below" in texts(app)
    app.button(key=f"measure.{made.id}").click().run()
    page_jobs.state_of(f"receipt.{made.id}")["thread"].join(30)
    app.run()
    assert list(app.selectbox(key=f"grouping.unit.{made.id}").options) == [
        "multiply-adds for one image",
        "milliseconds for one image, PyTorch",
    ]
    app.selectbox(key=f"grouping.unit.{made.id}").set_value("torch_ms").run()
    (table,) = (frame.value for frame in app.dataframe if "from a budget of" in frame.value)
    assert table["from a budget of"].tolist() == ["3", "4.5"]
    assert table["best division"].tolist() == ["digit + slant", "digit alone; slant alone"]
    assert not app.exception


def finish_groups(store, study):
    """Every run of a study of groups ends: together, the error of slant is 1 higher."""
    studies.start(store, study.id)
    for run in studies.runs_of(store, study).values():
        claim(store, run.id, "cpu", alone=False)
        tasks = {task: {"main_metric": MAIN[task], "metrics": METRICS} for task in run.config.tasks}
        store.append(run.id, RunStarted(2, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
        values = {"digit": 0.8, "slant": 2.0 + (len(tasks) == 2)}
        store.append(run.id, EpochMetrics(2, 1, {f"val/{task}/{MAIN[task]}": values[task] for task in tasks} | {"selection/score": 0.5}))
        store.append(run.id, RunEnded("finished", 2, 1.0, 8.0, 1.0))


def test_affinities_stand_beside_the_gains(open_page, store, texts):
    made = studies.create(store, studies.draft("together", base(), {}, range(3)))
    studies.start(store, made.id)
    for (_, seed), run in studies.runs_of(store, made).items():
        claim(store, run.id, "cpu", alone=False)
        tasks = {task: {"main_metric": MAIN[task], "metrics": METRICS} for task in run.config.tasks}
        store.append(run.id, RunStarted(2, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
        if len(tasks) == 2:
            scalars = {"affinity/digit/slant": 0.02, "affinity/slant/digit": -0.01, "conflict/digit/slant": 0.25}
            store.append(run.id, StepScalars(1, 0.5, scalars))
        values = {"digit": 0.8 + 0.1 * (len(tasks) == 2), "slant": 2.0 + 0.01 * seed}
        store.append(run.id, EpochMetrics(2, 1, {f"val/{task}/{MAIN[task]}": values[task] for task in tasks} | {"selection/score": 0.5}))
        store.append(run.id, RunEnded("finished", 2, 1.0, 8.0, 1.0))
    app = open_page("studies", study=made.id)
    assert not app.exception
    assert "A step for digit alone lowers the loss of slant by 2" in texts(app)
    table = next(each.value for each in app.dataframe if "affinity (%)" in each.value)
    assert table.round(3).to_dict("list") == {
        "group": ["digit + slant"] * 2,
        "task": ["digit", "slant"],
        "measured gain over alone (%)": [12.5, 0.0],
        "seeds": [3, 3],
        "affinity (%)": [-1.0, 2.0],
        "mean cosine": [0.25, 0.25],
    }
    advised = next(each.value for each in app.dataframe if "advised division" in each.value)
    assert list(advised["advised division"]) == ["digit + slant", "digit; digit + slant"]


def test_a_search_of_weights_is_made_and_shows_what_is_to_come(open_page, store, texts):
    app = open_page("studies")
    app.selectbox(key="study.kind").set_value("weights").run()
    assert app.number_input(key="study.weights.parts")
    app.selectbox(key="study.weights.way").set_value("search").run()
    assert [each.key for each in app.number_input if "parts" in str(each.key)] == []
    app.number_input(key="study.weights.trials").set_value(3).run()
    app.selectbox(key="study.base").set_value("preset:digits-quick").run()
    app.button(key="study.start").click().run()
    assert not app.exception
    (made,) = studies.studies(store)
    assert (made.options.way, made.planned_runs, len(studies.runs_of(store, made))) == ("search", 15, 5)
    assert "0 of 15 runs have finished" in app.get("progress")[0].proto.text


def test_affinities_of_one_run_advise_for_a_budget(open_page, store, texts, monkeypatch):
    """Digit helps slant, and slant harms digit: with the budget for it, digit has a network alone beside the one that serves slant."""
    made = studies.create(store, studies.draft("together", base(), {"options": {"groups": "one_run"}}, [0]))
    studies.start(store, made.id)
    (run,) = studies.runs_of(store, made).values()
    claim(store, run.id, "cpu", alone=False)
    tasks = {task: {"main_metric": MAIN[task], "metrics": METRICS} for task in run.config.tasks}
    store.append(run.id, RunStarted(2, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
    store.append(run.id, StepScalars(1, 0.5, {"affinity/digit/slant": 0.02, "affinity/slant/digit": -0.01}))
    store.append(run.id, EpochMetrics(2, 1, {"val/digit/accuracy": 0.8, "val/slant/mae": 2.0, "selection/score": 0.5}))
    store.append(run.id, RunEnded("finished", 2, 1.0, 8.0, 1.0))
    times = {"digit + slant": 3.0, "digit alone": 2.0, "slant alone": 2.5}
    networks = [
        {"label": label, "parameters": 1, "multiply_adds": 1e6 * cost, "memory": 1, "file": 1, "torch_ms": {"1": cost}, "onnx_ms": {}}
        for label, cost in times.items()
    ]
    receipt = {"shared": networks[0], "apart": networks[1:], "others": [], "all_apart": {**networks[0], "label": "2 networks"}}
    receipt |= {"seed": 0, "device": "a processor", "threads": 2, "without_onnx": "", "untrained": ["digit alone", "slant alone"]}
    monkeypatch.setattr("ui.studies.study_cost.run_command", lambda store, arguments, work, cancelled: receipt)
    app = open_page("studies", study=made.id)
    assert "Verdict" not in [element.value for element in app.subheader]  # nothing is compared
    assert "measure the networks below" in texts(app)
    app.button(key=f"measure.{made.id}").click().run()
    page_jobs.state_of(f"receipt.{made.id}")["thread"].join(30)
    app.run()
    app.selectbox(key=f"predicted.unit.{made.id}").set_value("torch_ms").run()
    assert not app.exception
    (table,) = (frame.value for frame in app.dataframe if "from a budget of" in frame.value)
    assert table.to_dict("list") == {
        "from a budget of": ["3", "5"],
        "advised division": ["digit + slant", "digit alone; digit + slant"],
        "predicted: mean affinity (%)": ["+0.5", "+1"],
        "served by": ["digit: digit + slant, slant: digit + slant", "digit: digit alone, slant: digit + slant"],
    }
    assert "Not trained by this study, so measured with random values, which changes no cost: digit alone, slant alone." in texts(app)
