"""The search of loss weights: proposals, their independence of kills, and a study that Optuna extends."""

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, NotPossibleError
from mtl_core.runs import study_cells
from mtl_core.runs.claims import claim
from mtl_core.runs.jobs import execute
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies import weight_search
from mtl_core.studies.answer import answer_of
from mtl_core.studies.weight_search import propose, queue_next_trial, queue_next_trials

FAKE = Path(__file__).with_name("fake_engine.py")
EQUAL = ((1.0, 1.0, 1.0), (0.5, 0.5, 0.5))


@pytest.fixture
def made(store, base):
    return studies.create(store, search(base))


def search(base, trials=4, seeds=2):
    return studies.draft("weights", base, {"options": {"way": "search", "trials": trials}}, range(seeds))


def train_all(store, study_id):
    """As the queue does it."""
    while True:
        queue_next_trial(store, study_id)
        waiting = store.queued()
        if not waiting:
            return
        execute(store, waiting[0].id)


def test_a_proposal_follows_from_the_seed_and_the_results():
    first = propose([EQUAL], [True, True, False], 10, seed=0)
    assert first == propose([EQUAL], [True, True, False], 10, seed=0)
    assert first != propose([EQUAL], [True, True, False], 10, seed=1)
    assert first != propose([EQUAL, (first, None)], [True, True, False], 10, seed=0)
    assert sum(first) == pytest.approx(3, abs=2e-3)
    assert all(1 / 10.01 <= weight / first[0] <= 10.01 for weight in first)


def test_the_search_finds_the_best_ratio():
    """Both values are highest where the second weight is 3 times the first: after 25 trials the search proposes near it."""

    def value(weights):
        return -(math.log(weights[1] / weights[0] / 3) ** 2)

    told = [((1.0, 1.0), (value((1.0, 1.0)),) * 2)]
    for _ in range(24):
        weights = propose(told, [True, True], 20, seed=3)
        told.append((weights, (value(weights),) * 2))
    assert max(values[0] for _, values in told) > value((1.0, 2.8))
    late = [abs(math.log(weights[1] / weights[0] / 3)) for weights, _ in told[-12:]]
    assert sorted(late)[6] < 1.0  # the median of the last ones; 1.6 for weights drawn at random


def test_trials_are_cells_one_after_another(store, made, engine):
    studies.start(store, made.id)
    assert (len(store.runs()), studies.get(store, made.id).planned_runs) == (2, 8)
    assert not queue_next_trial(store, made.id)  # its first trial has not ended
    assert studies.is_going(store, studies.get(store, made.id))
    train_all(store, made.id)
    found = studies.get(store, made.id)
    assert [cell.key for cell in found.cells] == ["equal", "trial.2", "trial.3", "trial.4"]
    assert studies.stage(store, found) == ("finished", 8)
    assert not studies.is_going(store, found)
    answer = answer_of(store, found)
    assert set(answer.front.points) == {cell.key for cell in found.cells}
    assert [[task.loss_weight for task in cell.config.tasks.values()] for cell in found.cells[1:]] == found.options.points
    assert len({line.cell for line in answer.lines}) == 3


def test_two_processes_add_one_point(store, made, engine):
    studies.start(store, made.id)
    for run in store.queued():
        execute(store, run.id)
    seen = studies.get(store, made.id)
    assert studies.add_point(store, seen, (0.5, 1.0, 1.5))
    assert not studies.add_point(store, seen, (1.5, 1.0, 0.5))
    assert studies.get(store, made.id).options.points == [[0.5, 1.0, 1.5]]
    assert len(store.runs()) == 4


def test_a_trial_that_failed_counts_as_tried(store, made, engine):
    studies.start(store, made.id)
    for run in store.queued():
        execute(store, run.id)
    queue_next_trial(store, made.id)
    for run in store.queued():
        store.end(run.id, RunStatus.FAILED, None, claim(store, run.id, "cpu"))
    assert queue_next_trial(store, made.id)
    assert len(studies.get(store, made.id).options.points) == 2


def test_a_stopped_search_proposes_nothing(store, made, engine):
    studies.start(store, made.id)
    for run in store.queued():
        execute(store, run.id)
    studies.stop(store, made.id)
    assert not queue_next_trial(store, made.id)
    studies.start(store, made.id)
    assert queue_next_trial(store, made.id)


def test_the_queue_asks_for_the_next_trial(store, made, engine):
    weight_search.follow_queue()
    studies.start(store, made.id)
    for run in store.queued():
        execute(store, run.id)
    for follow_up in study_cells.FOLLOW_UPS.values():
        follow_up(store)
    assert len(store.queued()) == 2


def test_without_optuna_there_is_a_sentence(store, base, made, engine, monkeypatch):
    studies.start(store, made.id)
    for run in store.queued():
        execute(store, run.id)
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else there(name, *rest))
    with pytest.raises(ConfigError, match="pip install optuna"):
        search(base)
    with pytest.raises(NotPossibleError, match="pip install optuna"):
        queue_next_trial(store, made.id)
    queue_next_trials(store)  # the queue goes on with other runs
    assert studies.get(store, made.id).options.points == []
    assert [cell.key for cell in studies.get(store, made.id).cells] == ["equal"]  # still readable


def test_wrong_points_are_named(base):
    with pytest.raises(ConfigError, match="3 weights above 0 in each point, found"):
        studies.draft("weights", base, {"options": {"way": "search", "points": [[1.0, 2.0]]}}, [0])


def test_a_killed_search_goes_on_with_the_same_points(store, made, base, engine, tmp_path, capsys):
    environment = {**os.environ, "PYTHONPATH": str(FAKE.parents[2]), "DIES_AT": str(tmp_path / "left")}
    (tmp_path / "left").write_text("6")  # in the middle of the second trial
    studies.start(store, made.id)
    killed = subprocess.run([sys.executable, str(FAKE), "study", "run", made.id], env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = studies.get(store, made.id).options.points
    assert len(before) == 1
    assert main(["study", "run", made.id, "--json"]) == 0
    points = studies.get(store, made.id).options.points
    assert (points[:1], len(points)) == (before, 3)
    other = studies.create(store, studies.draft("weights", base.with_overrides(["epochs=3"]), {"options": {"way": "search", "trials": 4}}, range(2)))
    studies.start(store, other.id)
    train_all(store, other.id)  # the same results, as the engine's do not depend on the epochs, and never killed
    assert studies.get(store, other.id).options.points == points
    assert len(store.runs()) == 16
    capsys.readouterr()
    assert main(["study", "show", made.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["runs"] == 8


def test_a_search_that_will_still_make_runs_on_an_imported_set_is_known(store, base):
    on_set = RunConfig.from_dict(base.to_dict() | {"data": {"name": "imported", "set": "days"}})
    going, elsewhere = (studies.create(store, search(config, trials=2)) for config in (on_set, base))
    assert weight_search.searches_on(store, "days") == []  # none was started
    for study in (going, elsewhere):
        studies.start(store, study.id)
    assert weight_search.searches_on(store, "days") == [going.title]
    assert weight_search.searches_on(store, "nights") == []
    studies.stop(store, going.id)
    assert weight_search.searches_on(store, "days") == []
    studies.start(store, going.id)
    studies.add_point(store, studies.get(store, going.id), (1.0, 1.0, 1.0))  # the last trial
    assert weight_search.searches_on(store, "days") == []
