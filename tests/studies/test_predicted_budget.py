"""Divisions for a budget that affinities predict: worked by hand, found by trying all sets, and in the command, its JSON and the report."""

import json
import math
from itertools import combinations

import numpy as np
import pytest

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.runs.executor import execute
from mtl_core.runs.store import open_store
from mtl_core.studies import cost_receipt
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.priced_grouping import budget_tables
from mtl_core.studies.study_report import study_report
from mtl_core.studies.task_affinity import TaskAffinity, study_affinity
from tests.studies.test_cost_receipt import CONFIG
from tests.studies.test_study import train_all

PRICES = {1: 100.0, 2: 160.0, 3: 200.0}  # multiply-adds by number of tasks
BEST = [  # of the affinities of the fake engine: a step for digit helps all by 0.01, for slant by 0.02, for ink by -0.03
    (200.0, ["digit + slant + ink"], 0.0),  # digit (0.02 - 0.03) / 2, slant (0.01 - 0.03) / 2, ink (0.01 + 0.02) / 2
    (260.0, ["ink alone", "digit + slant"], 0.03 / 3),  # digit 0.02, slant 0.01, ink 0; three networks for 300 predict 0
    (320.0, ["digit + slant", "slant + ink"], 0.05 / 3),  # ink 0.02
]


def receipt_of(study, prices=PRICES):
    networks = [
        {"label": cell.label, "multiply_adds": prices[len(cell.config.tasks)], "torch_ms": {"1": 2.0}, "onnx_ms": {}}
        | dict.fromkeys(("parameters", "memory", "file"), 1)
        for cell in (*study.cells, *study.untrained_cells)
    ]
    labels = [cell.label for cell in study.untrained_cells]
    return {"shared": networks[0], "apart": networks[1:4], "all_apart": networks[1], "others": networks[4:], "untrained": labels}


@pytest.fixture
def one_run(store, base, engine):
    made = studies.create(store, studies.draft("together", base, {"options": {"groups": "one_run"}}, range(2)))
    studies.start(store, made.id)
    train_all(store)
    return answer_of(store, studies.get(store, made.id))


def test_worked_by_hand(store, one_run):
    adds, milliseconds = budget_tables(one_run, study_affinity(store, one_run), receipt_of(one_run.study))
    assert (adds.unit, milliseconds.unit, adds.is_predicted, adds.left_out) == ("multiply_adds", "torch_ms", True, ())
    found = [(each.cost, adds.names(each), each.mean_gain) for each in adds.divisions]
    assert found == [(cost, networks, pytest.approx(gain, abs=1e-12)) for cost, networks, gain in BEST]
    assert [adds.gain(each) for each in adds.divisions] == ["+0", "+1", "+1.7"]
    assert adds.served_by(adds.divisions[2]) == {"digit": "digit + slant", "slant": "digit + slant", "ink": "slant + ink"}
    assert [(each.cost, len(each.networks)) for each in milliseconds.divisions] == [(2.0, 1), (4.0, 2)]  # every network takes as long


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_what_trying_all_sets_finds(one_run, seed):
    generator = np.random.default_rng(seed)
    tasks = ("digit", "slant", "ink")
    onto = generator.normal(size=(3, 3))  # row: the task onto which
    cells = {cell.label: tuple(cell.config.tasks) for cell in (*one_run.study.cells, *one_run.study.untrained_cells)}
    prices = {label: float(generator.integers(1, 20)) for label in cells}
    receipt = receipt_of(one_run.study)
    for network in (receipt["shared"], *receipt["apart"], *receipt["others"]):
        network["multiply_adds"] = prices[network["label"]]
    table = budget_tables(one_run, TaskAffinity(tasks, onto.T, onto, 1), receipt)[0]

    def predicted(task, group):
        others = [onto[tasks.index(task)][tasks.index(other)] for other in group if other != task]
        return sum(others) / len(others) if others else 0.0

    sets = [chosen for size in range(1, 4) for chosen in combinations(cells, size)]
    for budget in range(1, 40):
        sums = [
            sum(max((predicted(task, cells[label]) for label in chosen if task in cells[label]), default=-math.inf) for task in tasks)
            for chosen in sets
            if sum(prices[label] for label in chosen) <= budget
        ]
        within = [each for each in table.divisions if each.cost <= budget]
        assert (within[-1].mean_gain * 3 if within else -math.inf) == pytest.approx(max(sums, default=-math.inf))


def test_the_report_says_that_it_is_a_prediction(store, one_run):
    page = study_report(store, one_run, receipt=receipt_of(one_run.study))
    assert "Best division for a budget in multiply-adds for one image, predicted from affinities" in page
    assert "Advised by affinities" in page
    assert "A prediction, not a measurement" in page
    assert "Not trained by this study, so measured with random values, which changes no cost: digit alone, slant alone, ink alone" in page
    assert '<td class="n">320</td>' in page
    without = study_report(store, one_run)
    assert "Advised by affinities" in without
    assert "for a budget in" not in without


def test_measured_gains_and_predictions_are_two_tables(store, base, engine):
    """In a study of pairs the networks that it does not train are priced, too, for the predictions only."""
    four = RunConfig.from_dict(base.to_dict() | {"tasks": {name: {} for name in ("digit", "slant", "ink", "reconstruct")}})
    made = studies.draft("together", four, {"options": {"groups": "pairs"}}, [0])
    assert [cell.label for cell in made.untrained_cells] == [
        "digit + slant + ink",
        "digit + slant + reconstruct",
        "digit + ink + reconstruct",
        "slant + ink + reconstruct",
    ]
    assert studies.draft("together", four, {"options": {"groups": "all"}}, [0]).untrained_cells == []
    whole = studies.create(store, studies.draft("together", base, {}, [0]))
    studies.start(store, whole.id)
    train_all(store)
    answer = answer_of(store, whole)
    found = budget_tables(answer, study_affinity(store, answer), receipt_of(whole))
    assert [(table.unit, table.is_predicted) for table in found] == [(unit, way) for way in (False, True) for unit in ("multiply_adds", "torch_ms")]
    page = study_report(store, answer)
    assert "Affinity and conflict beside the measured gains" in page


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real network with both tasks, which has measured affinities."""
    store = open_store(tmp_path_factory.mktemp("predicted") / "home")
    base = RunConfig.from_dict(CONFIG | {"affinity_every": 1})
    made = studies.create(store, studies.draft("together", base, {"options": {"groups": "one_run"}}, [0]))
    studies.start(store, made.id)
    for run in studies.runs_of(store, made).values():
        assert execute(store, run.id).status == "finished"
    return store, made


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(cost_receipt, "ROUNDS", 1)
    monkeypatch.setattr(cost_receipt, "_sessions", lambda predictors, folder: ({}, "left out here"))  # an export takes seconds


def test_networks_that_were_not_trained_are_measured(trained, quick, monkeypatch, capsys):
    """8x8 grey digits, 8 hidden neurons: 64*8 + 8 shared numbers; heads of 8*10 + 10 and 8*1 + 1."""
    store, made = trained
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["study", "cost", made.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    networks = [found["shared"], *found["apart"]]
    assert [network["label"] for network in networks] == ["digit + ink", "digit alone", "ink alone"]
    assert [network["parameters"] for network in networks] == [520 + 90 + 9, 520 + 90, 520 + 9]
    assert [network["multiply_adds"] for network in networks] == [512 + 80 + 8, 512 + 80, 512 + 8]
    assert (found["untrained"], found["others"], found["divisions"]) == (["digit alone", "ink alone"], [], {})
    sizes = [network["file"] - 4 * network["parameters"] for network in networks]
    assert all(0 < size < 1000 for size in sizes)  # the head of the file
    rows = found["predicted_divisions"]["multiply_adds"]
    assert rows[0]["networks"] == ["digit + ink"]
    assert rows[0]["cost"] == 600
    helps = study_affinity(store, answer_of(store, made)).values
    assert rows[0]["mean_affinity"] == pytest.approx((helps[0, 1] + helps[1, 0]) / 2)


def test_the_command_and_the_report_with_costs(trained, quick, monkeypatch, capsys):
    store, made = trained
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["study", "cost", made.id]) == 0
    said = capsys.readouterr().out
    assert "best division for a budget in multiply-adds for one image, predicted from affinities" in said
    assert "not trained by the study, so measured with random values: digit alone, ink alone" in said
    assert main(["study", "table", made.id, "--format", "html", "--cost"]) == 0
    page = capsys.readouterr().out
    assert "predicted from affinities" in page
    assert ">619<" in page
    assert main(["study", "table", made.id, "--cost"]) == 2
    assert "only '--format html' has costs" in capsys.readouterr().err
