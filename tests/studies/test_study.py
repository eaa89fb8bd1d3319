"""Studies in the store: cells are queued once, existing runs are taken, a killed process loses and doubles nothing."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import update

from mtl_core.__main__ import main
from mtl_core.errors import ConfigError, StoreError
from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs import actions, study_cells
from mtl_core.runs.claims import claim
from mtl_core.runs.jobs import execute
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.answer_json import answer_as_json
from mtl_core.studies.comparison_lines import OVERALL
from mtl_core.studies.estimate import estimate
from mtl_core.studies.paper_table import _latex, frame_of, number, regret_in_words, to_csv, to_latex
from mtl_core.studies.priced_grouping import budget_tables, priced
from mtl_core.studies.study_values import TaskMetric, spreads_of
from mtl_core.studies.verdict import Word

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def made(store, base):
    return studies.create(store, studies.draft("share", base, {}, range(3), "A question"))


def train_all(store):
    while waiting := store.queued():
        execute(store, waiting[0].id)


def test_every_cell_and_seed_is_queued_once(store, made):
    for _ in range(2):
        studies.start(store, made.id)
    runs = studies.runs_of(store, made)
    assert sorted(runs) == sorted((cell.key, seed) for cell in made.cells for seed in range(3))
    assert len(store.runs()) == 12
    assert {(run.config.seed, tuple(run.config.tasks)) for run in runs.values()} >= {(2, ("digit",)), (0, ("digit", "slant", "ink"))}
    assert [run.config.seed for run in store.queued()] == [0] * 4 + [1] * 4 + [2] * 4  # pairs are complete early


def test_a_second_click_finds_the_same_study(store, base):
    draft = studies.draft("share", base, {}, [0])
    assert studies.create(store, draft, "click").id == studies.create(store, draft, "click").id
    assert len(studies.studies(store)) == 1


def test_seeds_are_added_once_for_a_click_that_runs_twice(store, made):
    for _ in range(2):
        found = studies.add_seeds(store, made.id, 3, had=3)
    assert found.seeds == (0, 1, 2, 3, 4, 5)
    assert studies.add_seeds(store, made.id, 1).seeds[-1] == 6
    with pytest.raises(ConfigError, match="at least one more seed"):
        studies.add_seeds(store, made.id, 0)


def test_all_cells_are_computed_alike(store, made, engine):
    studies.start(store, made.id)
    first = store.queued()[0]
    execute(store, first.id)
    assert {(run.config.precision, run.config.layout) for run in store.runs()} == {engine.MEASURED}
    found = studies.get(store, made.id)
    assert (found.precision, found.layout) == engine.MEASURED
    studies.add_seeds(store, made.id, 1)
    studies.start(store, made.id)
    assert (store.runs()[0].config.precision, store.runs()[0].config.layout) == engine.MEASURED


def test_a_run_that_exists_is_taken(store, base, made, engine):
    alone = studies.draft("together", base, {"options": {"groups": "pairs"}}, range(3)).cells[0]
    same = alone.config.model_copy(update={"name": "another name", "seed": 1, "probe_samples": 8})
    other = alone.config.model_copy(update={"seed": 1, "epochs": 3})
    for config in (other, same):
        execute(store, store.create(config).id)
    taken = store.runs()[0]
    assert estimate(store, made).existing == 1
    found = studies.start(store, made.id)
    assert (found.precision, found.layout) == engine.MEASURED
    assert studies.runs_of(store, found)["alone.digit", 1].id == taken.id
    assert len(store.runs()) == 2 + 11


def test_a_run_in_another_precision_is_not_taken(store, base, engine):
    execute(store, store.create(base.model_copy(update={"precision": "fp32", "layout": "contiguous"})).id)
    config = base.model_copy(update={"precision": "bf16", "layout": "contiguous"})
    studies.start(store, studies.create(store, studies.draft("share", config, {}, [0])).id)
    assert len(store.runs()) == 1 + 4


def test_a_deleted_run_is_made_again(store, made):
    studies.start(store, made.id)
    gone = store.queued()[3]
    actions.stop(store, gone.id)
    actions.delete_run(store, gone.id)
    studies.start(store, made.id)
    assert len(store.runs()) == 12
    assert len(studies.runs_of(store, made)) == 12


def test_stopped_and_started_again(store, made):
    studies.start(store, made.id)
    assert studies.stop(store, made.id).state == "stopped"
    assert {str(run.status) for run in store.runs()} == {"stopped"}
    assert studies.start(store, made.id).state == "running"
    assert {str(run.status) for run in store.runs()} == {"queued"}
    assert len(store.runs()) == 12


def test_the_queue_resumes_only_runs_of_running_studies(store, made, base):
    studies.start(store, made.id)
    ours, other = store.queued()[0], store.create(base)
    for run in (ours, other):
        token = claim(store, run.id, "cpu", alone=False)
        store.end(run.id, RunStatus.INTERRUPTED, token=token)
    assert study_cells.resume_interrupted(store) == [ours.id]
    assert (store.get(ours.id).status, store.get(other.id).status) == ("queued", "interrupted")
    for _ in range(5):
        token = claim(store, ours.id, "cpu", alone=False)
        if token:
            store.end(ours.id, RunStatus.INTERRUPTED, token=token)
        study_cells.resume_interrupted(store)
    assert store.get(ours.id).status == "interrupted"  # a run that ends its process each time is not tried for ever


def run_study(home, study_id, dies_at=None):
    environment = {**os.environ, "MTL_HOME": str(home), "PYTHONPATH": str(ROOT), **({"DIES_AT": str(dies_at)} if dies_at else {})}
    return subprocess.run(
        [sys.executable, str(FAKE), "study", "run", study_id], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_kill_9_loses_and_doubles_nothing(store, made, tmp_path):
    for place in (3, 7):  # epochs until the process kills itself: in the second run, then in the third after it
        dies = tmp_path / "dies"
        dies.write_text(str(place))
        assert run_study(store.home, made.id, dies).returncode == -9
    done = run_study(store.home, made.id)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{made.id}  12 of 12 runs have finished"), done.stderr
    runs = studies.runs_of(store, made)
    assert len(store.runs()) == len(runs) == len({run.id for run in runs.values()}) == 12
    assert {str(run.status) for run in runs.values()} == {"finished"}
    ends = Counter(run.id for run in runs.values() for line in store.log(run.id) if line.text.startswith("finished after"))
    assert set(ends.values()) == {1}  # nothing was trained to its end twice


def test_the_answer(store, made, engine):
    studies.start(store, made.id)
    train_all(store)
    answer = answer_of(store, made)
    assert (answer.count("finished"), answer.total, studies.stage(store, made)) == (12, 12, ("finished", 12))
    lines = {line.task: line for line in answer.lines}
    assert set(lines) == {"digit", "slant", "ink", OVERALL}
    for task in ("digit", "slant", "ink"):
        said = lines[task].verdict
        assert (lines[task].value, lines[task].baseline) == (pytest.approx(0.851), pytest.approx(0.801))
        assert (said.word, said.difference.n) == (Word.HELPS, 3)
        assert said.difference.mean == pytest.approx(0.05)
    assert lines[OVERALL].verdict.difference.mean == pytest.approx(sum((4.9 + 0.1 * seed) / (0.8 + 0.001 * seed) for seed in range(3)) / 3)
    gains, drops = answer.delta_m["joint"]
    assert (gains, drops) == (pytest.approx(100 * 0.05 / 0.801), pytest.approx(-100 * 0.05 / 0.801))
    assert answer.robust["joint"][3] == 1.0
    assert answer.spreads["joint"]["ink"].values == {seed: pytest.approx(0.849 + 0.002 * seed) for seed in range(3)}
    on_test = answer_of(store, made, "test")
    assert {line.verdict.word for line in on_test.lines} == {Word.SAME}


def test_equal_values_have_no_interval_in_any_table():
    metric = TaskMetric("digit", "accuracy", "Accuracy", "", True)
    values = {("alone", seed): {"digit": 0.25} for seed in range(3)}
    spread = spreads_of("alone", range(3), {"digit": metric}, values)["digit"]
    assert math.isnan(spread.low)
    assert number(spread) == "0.2500 (n 3, all equal)"
    assert number(spreads_of("alone", [0], {"digit": metric}, values)["digit"]) == "0.2500 (n 1)"


def test_two_seeds_give_a_difference_and_no_verdict(store, base, engine):
    made = studies.create(store, studies.draft("share", base, {}, range(2)))
    assert {line.verdict for line in answer_of(store, made).lines} == {None}
    studies.start(store, made.id)
    train_all(store)
    said = answer_of(store, made).lines[0].verdict
    assert (said.word, said.difference.mean, said.more_seeds) == (Word.NONE, pytest.approx(0.0495), 1)


def test_a_run_with_live_changes_does_not_count(store, made, engine):
    studies.start(store, made.id)
    train_all(store)
    run = studies.runs_of(store, made)["alone.digit", 1]
    changed = run.config.with_change(1, "optimizer.lr", 0.5)
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(config=schema.to_json(changed.to_dict())))
    answer = answer_of(store, made)
    assert f"run {run.id} (alone.digit, seed 1) does not count: settings were changed while it trained" in answer.notes
    assert {line.task: line.seeds for line in answer.lines} == {"digit": (0, 2), "slant": (0, 1, 2), "ink": (0, 1, 2), OVERALL: (0, 2)}


def test_the_tables(store, made, engine):
    studies.start(store, made.id)
    train_all(store)
    answer = answer_of(store, made)
    frame = frame_of(answer)
    assert len(frame) == 6
    assert frame.set_index(["cell", "task"]).loc[("all tasks in one network", "ink"), "mean"] == pytest.approx(0.851)
    assert to_csv(answer).splitlines()[0].startswith("cell,task,metric")
    latex = to_latex(answer)
    assert r"all tasks in one network & 0.8510 $\pm$ 0.0050 (n 3)" in latex
    assert latex.count(r"\begin") == latex.count(r"\end") == 2


@pytest.mark.parametrize(("text", "written"), [("[2 pt] a", "{[}2 pt] a"), ("* a", "{*} a"), ("a [2]", "a [2]"), ("a\x1b[2Jb", "a[2Jb")])
def test_latex_takes_no_option_from_the_start_of_a_row(text, written):
    assert _latex(text) == written


def test_latex_writes_out_what_is_special(store, base):
    base = base.model_copy(update={"name": r"50 % of $x_1$ & \more"})
    latex = to_latex(answer_of(store, studies.create(store, studies.draft("share", base, {}, [0]))))
    assert r"50 \% of \$x\_1\$ \& \textbackslash{}more" in latex


def test_stop_and_drop_as_commands(store, made, engine, capsys):
    studies.start(store, made.id)
    assert main(["study", "stop", made.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"
    runs = list(studies.runs_of(store, made).values())
    assert {str(run.status) for run in runs} == {"stopped"}
    assert main(["study", "drop", runs[0].id, "depth"]) == 2
    assert "'depth' is not a task of the run" in capsys.readouterr().err
    assert main(["study", "drop", runs[0].id, next(iter(runs[0].config.tasks))]) == 2
    assert "no checkpoint of a whole epoch yet" in capsys.readouterr().err


def test_ranks_and_regrets_stand_beside_the_values(store, base, engine):
    """The engine's second epoch is better by 0.01; here the first one is chosen, so that each task loses 0.01."""
    made = studies.create(store, studies.draft("methods", base, {"options": {"methods": ["pcgrad"], "sweep": 0}}, range(2)))
    studies.start(store, made.id)
    for run in store.queued():
        claim(store, run.id, "cpu", alone=False)
        metrics = {"digit": ("accuracy", True), "slant": ("mae", False), "ink": ("accuracy", True)}
        told = {task: {"main_metric": name, "metrics": {name: {"higher_is_better": up}}} for task, (name, up) in metrics.items()}
        store.append(run.id, RunStarted(2, {"tasks": told, "precision": "fp32", "layout": "contiguous"}))
        better = run.config.balancing.name == "pcgrad"
        for epoch, (digit, slant, ink) in enumerate(((0.8 + 0.1 * better, 2.0 + better, 0.5), (0.9 + 0.1 * better, 1.5 + better, 0.5)), 1):
            values = {"val/digit/accuracy": digit, "val/slant/mae": slant, "val/ink/accuracy": ink}
            store.append(run.id, EpochMetrics(epoch, epoch, values | {"selection/score": 1.0 / epoch}))
        store.append(run.id, RunEnded("finished", 2, 2.0, 1.0, 1.0))
    answer = answer_of(store, made)
    fixed, method = [cell.key for cell in made.cells]
    assert answer.regrets == {key: {"digit": pytest.approx(0.1), "slant": 0.5, "ink": 0.0} for key in (fixed, method)}
    assert answer.ranks == {fixed: pytest.approx((2 + 1 + 1.5) / 3), method: pytest.approx((1 + 2 + 1.5) / 3)}
    frame = frame_of(answer).set_index(["cell", "task"])
    assert frame.loc[(made.cells[1].label, "slant"), "checkpoint_regret"] == 0.5
    assert regret_in_words(answer, method) == "digit 0.1, slant 0.5, ink 0"
    assert answer_as_json(answer)["checkpoint_regret"] == answer.regrets
    assert answer_of(store, studies.create(store, studies.draft("share", base, {}, [7]))).ranks == {}


def test_tasks_stand_in_the_order_of_the_config(store, base, engine):
    """The first run that the store gives may have another task than the first one."""
    made = studies.create(store, studies.draft("share", base, {}, [0]))
    studies.start(store, made.id)
    for run in sorted(store.queued(), key=lambda run: list(base.tasks).index(next(iter(run.config.tasks))), reverse=True):
        execute(store, run.id)
        assert list(answer_of(store, made).metrics) == [task for task in base.tasks if task in answer_of(store, made).metrics]
    assert list(answer_of(store, made).metrics) == list(base.tasks)


def test_networks_are_divided_by_what_they_cost(store, base, engine):
    """Every group gains alike, so the fewest networks are best, until two small ones are cheaper than the large one."""
    made = studies.create(store, studies.draft("together", base, {}, [0]))
    studies.start(store, made.id)
    train_all(store)
    answer = answer_of(store, made)
    assert (len(answer.measured_networks), answer.measured_networks[0], answer.whole_seed(answer.measured_networks)) == (7, "digit+slant+ink", 0)
    adds = {label: 100.0 * (1 + label.count("+")) ** 2 for label in answer.group_names}
    networks = [{"label": label, "multiply_adds": cost, "torch_ms": {"1": cost / 50}, "onnx_ms": {}} for label, cost in adds.items()]
    receipt = {"shared": networks[0], "apart": networks[1:3], "others": networks[3:]}
    tables = budget_tables(answer, None, receipt)
    assert [(table.unit, table.is_predicted, table.left_out) for table in tables] == [("multiply_adds", False, ()), ("torch_ms", False, ())]
    for table, scale in zip(tables, (1, 1 / 50), strict=True):
        assert [(grouping.cost, len(grouping.networks)) for grouping in table.divisions] == [
            (300 * scale, 3),
            (500 * scale, 2),
            (pytest.approx(800 * scale), 2),
        ]
    assert priced(answer.group_networks, receipt, "onnx_ms") == []
    assert budget_tables(answer, None, {"shared": networks[0], "apart": networks[1:2]}) == []
    assert budget_tables(answer, None, receipt | {"others": networks[3:-1]})[0].left_out == ("digit + slant + ink",)


def test_grouping_and_front_of_their_kinds(store, base, engine):
    together = studies.create(store, studies.draft("together", base, {}, range(2)))
    weights = studies.create(store, studies.draft("weights", base, {"options": {"parts": 4}}, [0]))
    for each in (together, weights):
        studies.start(store, each.id)
    train_all(store)
    answer = answer_of(store, together)
    assert [answer.group_names[place] for place in answer.groupings[1].networks] == ["digit + slant + ink"]
    assert set(answer.groupings) == {1, 2, 3}
    points = answer_of(store, weights).front
    assert set(points.on_front) == {cell.key for cell in weights.cells}  # all alike, so none dominates another
    assert math.isnan(points.volume)


@pytest.mark.parametrize(
    ("kind", "settings", "seeds", "said"),
    [
        ("shares", {}, [0], "did you mean 'share'"),
        ("share", {"band": 2}, [0], "band"),
        ("share", {"options": {"bugdet": "epochs"}}, [0], "budget"),
        ("share", {"options": {"tasks": ["digits"]}}, [0], "digits"),
        ("share", {}, [0, 0], "different"),
        ("share", {}, [], "at least one"),
        ("methods", {"options": {"methods": ["pcgrat"]}}, [0], "pcgrad"),
        ("methods", {"options": {"methods": ["pcgrad", "pcgrad"]}}, [0], "twice"),
        ("methods", {"options": {"methods": ["fixed"]}}, [0], "baseline"),
        ("axes", {"options": {"axes": {"seed": [1, 2]}}}, [0], "no axis"),
        ("axes", {"options": {"axes": {"optimizer.lr": [0.1, 0.1]}}}, [0], "same config"),
        ("axes", {"options": {"axes": {"optimizer.rate": [0.1, 0.2]}}}, [0], "rate"),
        ("labels", {"options": {"fractions": [0.5, 0.25, 1.0]}}, [0], "ascending"),
        ("weights", {"options": {"parts": 20}}, [0], "expected 2 to 60"),
        ("axes", {"options": {"axes": {"optimizer.lr": [0.1, 0.2]}}}, list(range(501)), "1000 runs"),
    ],
)
def test_what_does_not_fit_is_refused(base, kind, settings, seeds, said):
    with pytest.raises(ConfigError, match=said):
        studies.draft(kind, base, settings, seeds)


def test_one_task_is_no_study_of_sharing(base):
    for kind in ("share", "together", "weights"):
        with pytest.raises(ConfigError, match=r"at least 2 tasks|2 to 5 tasks"):
            studies.draft(kind, base.with_overrides(["tasks.slant=null", "tasks.ink=null"]), {}, [0])


def test_an_unknown_study_is_named(store, made):
    with pytest.raises(StoreError, match=f"no study 'study-x'. The newest studies are: {made.id}"):
        studies.get(store, "study-x")
    assert studies.get(store, made.id[:8]).id == made.id


def test_a_forgotten_study_leaves_its_runs(store, made):
    studies.start(store, made.id)
    studies.forget(store, made.id)
    assert (studies.studies(store), len(store.runs())) == ([], 12)


def test_the_commands(store, home, base, engine, capsys, tmp_path):
    def ask(*arguments, code=0):
        assert main(["study", *arguments]) == code
        return capsys.readouterr().out

    path = tmp_path / "config.yaml"
    path.write_text(base.to_yaml())
    made = json.loads(
        ask(
            "new",
            "axes",
            str(path),
            "--axis",
            "optimizer.lr=0.001, 0.01",
            "--axis",
            "backbone={name: mlp},{name: small_cnn}",
            "--seeds",
            "3",
            "--json",
        )
    )
    assert [cell["label"] for cell in made["cells"]][:2] == ["learning rate 0.001, MLP", "learning rate 0.001, Small CNN"]
    assert made["estimate"] | {"basis": ""} == {"runs": 12, "existing": 0, "seconds": None, "basis": ""}
    assert json.loads(ask("run", made["study"], "--json"))["precision"] == engine.MEASURED[0]
    shown = json.loads(ask("show", made["study"], "--json"))
    assert Counter(run["status"] for run in shown["runs"]) == {"finished": 12}
    assert json.loads(ask("list", "--json"))[0]["stage"] == "finished"
    said = json.loads(ask("verdict", made["study"], "--json"))
    assert {line["verdict"] for line in said["comparisons"]} == {"no difference that matters"}
    assert "no difference that matters" in ask("verdict", made["study"])
    assert ask("table", made["study"], "--format", "latex").startswith(f"% {made['study']}")
    assert ask("table", made["study"], "--format", "html").startswith("<!doctype html>")
    ask("new", "shares", str(path), code=2)
    ask("show", "study-x", code=2)
    ask("new", "axes", str(path), "--axis", "optimizer.lr", code=2)
