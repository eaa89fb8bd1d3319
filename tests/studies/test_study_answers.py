"""What a study answers: the difference and its verdict, the tables, ranks, groups and fronts."""

import math
import os
import subprocess
import sys

import pytest
from sqlalchemy import update

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.runs.jobs import execute
from mtl_core.runs.sql import schema
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.answer_json import answer_as_json
from mtl_core.studies.comparison_lines import OVERALL
from mtl_core.studies.paper_table import _latex, frame_of, number, regret_in_words, to_csv, to_latex
from mtl_core.studies.priced_grouping import budget_tables, priced
from mtl_core.studies.study_values import TaskMetric, spreads_of
from mtl_core.studies.verdict import Word
from tests.studies.test_study import train_all


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


def test_the_mean_over_metrics_has_the_same_bits_in_every_process():
    """Sets of words have another order in each process, and a sum in another order has other last bits."""
    code = """if True:
        from types import SimpleNamespace
        from mtl_core.studies.answer import _delta_m, _regrets
        from mtl_core.studies.study_kind import Comparison
        names = [(task, f"metric {number}") for task in "ab" for number in range(7)]
        every = {(cell, 0): {name: (start + place**1.5, True) for place, name in enumerate(names)} for cell, start in (("x", 0.3), ("base", 1.7))}
        study = SimpleNamespace(seeds=(0,), cells=[SimpleNamespace(key="x")])
        print(_delta_m(study, Comparison("x", "", {"a": "base", "b": "base"}), every))
        print(_regrets(study, {("x", 0): {f"task {number}": number for number in range(7)}}))"""
    ways = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True) for seed in "1234"
    ]
    assert all(way.returncode == 0 for way in ways), ways[0].stderr
    assert len({way.stdout for way in ways}) == 1


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


def constant(store, run_ids, values):
    """As if a constant prediction had reached these values in the tasks of the runs."""
    with store.database.write() as connection:
        for run_id in run_ids:
            info = dict(store.get(run_id).info)
            info["tasks"] = {task: about | {"constant": values.get(task)} for task, about in info["tasks"].items()}
            connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(info=schema.to_json(info)))


def test_a_task_that_no_network_or_only_some_have_learnt_is_named(store, made, engine):
    """In the mean over the seeds the tasks reach 0.801 alone and 0.851 together."""
    studies.start(store, made.id)
    train_all(store)
    assert answer_of(store, made).notes == []
    constant(store, [run.id for run in studies.runs_of(store, made).values()], {"digit": 0.852, "slant": 0.802, "ink": 0.852})
    for split in ("val", "test"):
        assert answer_of(store, made, split).notes == [
            "no network that has finished has learnt 'digit', 'ink': on val, none is better than a constant prediction (the mean or the most "
            "frequent class). What the verdict says there, and overall, is then no answer; train longer, or change the settings",
            "'slant' is not learnt in 'slant alone': on val it is no better there than a constant prediction (the mean or the most frequent class)",
        ]


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


def test_tasks_stand_in_the_order_of_the_config(store, base, engine):
    """The first run that the store gives may have another task than the first one."""
    made = studies.create(store, studies.draft("share", base, {}, [0]))
    studies.start(store, made.id)
    for run in sorted(store.queued(), key=lambda run: list(base.tasks).index(next(iter(run.config.tasks))), reverse=True):
        execute(store, run.id)
        assert list(answer_of(store, made).metrics) == [task for task in base.tasks if task in answer_of(store, made).metrics]
    assert list(answer_of(store, made).metrics) == list(base.tasks)
