"""Affinities: means over a run, the advised grouping beside the authors' search, and a study's predictions beside its measurements."""

import json
import math
import sqlite3
from contextlib import closing
from itertools import combinations

import numpy as np
import pytest
from sqlalchemy import Engine, event

from mtl_core.__main__ import main
from mtl_core.runs.jobs import execute
from mtl_core.runs.store import open_store
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.estimate import estimate
from mtl_core.studies.task_affinity import TaskAffinity, advice, affinity_of, beside_measured, rank_agreement, run_affinity, sentences, study_affinity

TASKONOMY = ("ss", "norm", "depth", "key", "edge2d")
# Affinities of five tasks of Taskonomy as their authors publish them (tag/network_selection/TAG_network_selection.ipynb of
# github.com/google-research/google-research), rounded; a row is the task onto which, in the order of TASKONOMY.
ONTO = np.array(
    [
        [11.9993, 0.0489, 0.1154, 0.0045, 0.0088],
        [0.1398, 1.0710, 0.2210, 0.0105, 0.0765],
        [0.4136, 0.2914, 7.3276, 0.0135, 0.0740],
        [0.0211, 0.0107, 0.0134, 0.7339, 0.6897],
        [0.0567, 0.0360, 0.0367, 0.3037, 5.9662],
    ]
)


def by_trying_all(onto, budget, alone):
    """The authors' rule: every set of at most ``budget`` groups, each task with the best of its groups; ``alone`` is what a task alone has."""
    size = len(onto)
    groups = [group for count in range(1, size + 1) for group in combinations(range(size), count)]

    def score(task, group):
        return alone if len(group) == 1 else sum(onto[task][other] for other in group if other != task) / (len(group) - 1)

    best = -math.inf
    for count in range(1, budget + 1):
        for chosen in combinations(groups, count):
            found = [max((score(task, group) for group in chosen if task in group), default=None) for task in range(size)]
            if None not in found:
                best = max(best, sum(found) / size)
    return best


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_advice_for_taskonomy_is_that_of_the_authors_search(budget):
    affinity = TaskAffinity(TASKONOMY, ONTO.T, np.full((5, 5), np.nan), 1)
    found = advice(affinity)
    assert found.gain(budget) == pytest.approx(by_trying_all(ONTO, budget, -1e6), abs=1e-9)
    assert set().union(*found.chosen(budget)) == set(TASKONOMY)


def test_key_points_and_edges_go_together():
    found = advice(TaskAffinity(TASKONOMY, ONTO.T, np.full((5, 5), np.nan), 1))
    assert found.chosen(2) == [("key", "edge2d"), ("ss", "norm", "depth")]


@pytest.mark.parametrize("seed", range(4))
def test_a_task_that_others_harm_is_left_alone(seed):
    onto = np.random.default_rng(seed).normal(size=(4, 4))
    found = advice(TaskAffinity(("a", "b", "c", "d"), onto.T, onto, 1))
    for budget in (1, 2, 3):
        assert found.gain(budget) == pytest.approx(by_trying_all(onto, budget, 0.0), abs=1e-9)


def test_six_tasks_get_no_advice_and_an_unmeasured_pair_neither():
    assert advice(TaskAffinity(tuple("abcdef"), np.ones((6, 6)), np.ones((6, 6)), 1)) is None
    assert advice(affinity_of([("affinity/a/b", 1, 0.5)], ["a", "b"])) is None


def test_means_over_the_run_count_a_repeated_step_once():
    points = [("affinity/a/b", 1, 9.0), ("affinity/a/b", 1, 0.1), ("affinity/a/b", 2, 0.3), ("affinity/b/a", 1, -0.2), ("affinity/a/a", 1, math.nan)]
    points += [("conflict/a/b", 1, 0.5), ("conflict/a/b/stages.0", 1, -1.0)]
    found = affinity_of(points, ["a", "b"])
    np.testing.assert_allclose(found.values, [[np.nan, 0.2], [-0.2, np.nan]])
    np.testing.assert_allclose(found.cosines, [[np.nan, 0.5], [0.5, np.nan]])
    assert (found.points, found.onto("b", ["a", "b"]), found.onto("a", ["a"]), found.cosine("a", ["a", "b"])) == (2, pytest.approx(0.2), 0.0, 0.5)
    assert sentences(found) == [
        "A step for a alone lowers the loss of b by 20.00% on average.",
        "A step for b alone raises the loss of a by 20.00% on average.",
    ]


def test_rank_agreement():
    assert rank_agreement([(1, 10), (2, 20), (3, 30), (4, 25)]) == (pytest.approx(0.8), 4)  # 1 - 6 * 2 / (4 * 15)
    assert rank_agreement([(1, 3), (2, 2), (3, 1), (4, 0), (5, math.nan)]) == (pytest.approx(-1), 4)
    assert math.isnan(rank_agreement([(1, 1), (2, 2), (3, 3)])[0])
    assert math.isnan(rank_agreement([(1, 1), (1, 2), (1, 3), (1, 4)])[0])


@pytest.fixture
def trained_study(store, base, engine):
    def train(**options):
        made = studies.create(store, studies.draft("together", base, {"options": options}, range(2)))
        studies.start(store, made.id)
        while waiting := store.queued():
            execute(store, waiting[0].id)
        return answer_of(store, studies.get(store, made.id))

    return train


def test_a_study_of_groups_has_predictions_beside_its_measurements(store, trained_study):
    answer = trained_study(groups="all")
    found = study_affinity(store, answer)
    assert (found.tasks, found.runs) == (("digit", "slant", "ink"), 2)
    np.testing.assert_allclose(found.values, [[0.01] * 3, [0.02] * 3, [-0.03] * 3])
    rows = {(row.group, row.task): row for row in beside_measured(answer, found)}
    assert len(rows) == 2 * 3 + 3
    row = rows["digit + slant + ink", "digit"]
    assert row.affinity == pytest.approx((0.02 - 0.03) / 2)
    assert (row.seeds, row.gain) == (2, pytest.approx(np.mean([0.049 / 0.8, 0.05 / 0.801]) * 100))
    assert math.isnan(row.cosine)
    assert advice(found).chosen(2) == [("digit", "slant"), ("slant", "ink")]  # the second one serves ink, which slant helps most


def test_the_affinities_of_finished_runs_are_read_from_their_results(store, trained_study, tmp_path):
    """The same numbers as from the scalars, of which no row is read; a store of version 4 has no means, so there the scalars are read."""
    answer, read = trained_study(groups="one_run"), []
    scanned = [run_affinity(store, run_id, answer.study.base.tasks) for run_id in answer.run_ids.values()]

    @event.listens_for(Engine, "before_cursor_execute")
    def note(connection, cursor, statement, *_):
        if statement.startswith("SELECT"):
            read.append(statement)

    found = study_affinity(store, answer)
    event.remove(Engine, "before_cursor_execute", note)
    assert ["points" if "FROM points" in statement else "results" for statement in read] == ["results"]
    np.testing.assert_allclose(found.values, np.mean([each.values for each in scanned], axis=0), rtol=1e-12)
    assert (found.points, found.runs) == (sum(each.points for each in scanned), 2)
    with closing(sqlite3.connect(store.database.path)) as present, closing(sqlite3.connect(tmp_path / "store.sqlite")) as copy:
        present.backup(copy)
        copy.executescript("drop index runs_by_slot; alter table runs drop column slot; alter table runs drop column lease_seconds")  # of version 6
        copy.executescript("alter table run_results drop column mean; alter table run_results drop column points; update meta set value = '4'")
    old = study_affinity(open_store(tmp_path), answer)
    np.testing.assert_array_equal(old.values, found.values)
    assert (old.points, old.runs) == (found.points, found.runs)


def test_one_run_predicts_without_training_groups(store, trained_study, capsys):
    answer = trained_study(groups="one_run")
    assert [cell.key for cell in answer.study.cells] == ["digit+slant+ink"]
    assert (answer.total, answer.lines, answer.groupings) == (2, [], {})
    found = study_affinity(store, answer)
    assert advice(found).chosen(2) == [("digit", "slant"), ("slant", "ink")]  # the second one serves ink, which slant helps most
    assert main(["study", "verdict", answer.study.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["affinity"]
    assert told["affinity"]["slant"]["digit"] == 0.02
    assert told["advice"]["2"]["networks"] == [["digit", "slant"], ["slant", "ink"]]
    assert main(["study", "verdict", answer.study.id]) == 0
    assert "advised with 2 networks: digit + slant; slant + ink" in capsys.readouterr().out


def test_a_run_without_affinities_is_not_taken_for_a_study_that_asks_for_them(store, base, engine):
    blind = store.create(base.model_copy(update={"seed": 0}))
    execute(store, blind.id)
    draft = studies.draft("together", base, {"options": {"groups": "one_run"}}, [0])
    assert estimate(store, draft).existing == 0
    made = studies.create(store, draft)
    studies.start(store, made.id)
    (run_id,) = studies.run_ids(store, made.id).values()
    assert run_id != blind.id
    execute(store, run_id)
    assert study_affinity(store, answer_of(store, made)) is not None
    assert estimate(store, draft).existing == 1  # this one has affinities
    share = studies.draft("share", base, {}, [0])
    assert estimate(store, share).existing == 1  # and serves a study that asks for none


def test_the_command_tells_it_of_one_run(store, base, engine, capsys):
    measured, blind = (store.create(base.model_copy(update={"affinity_every": every})) for every in (2, 0))
    for run in (measured, blind):
        execute(store, run.id)
    assert run_affinity(store, measured.id, list(base.tasks)).points == 2
    assert main(["affinity", measured.id]) == 0
    said = capsys.readouterr().out
    assert "+2.00%" in said
    assert "A step for slant alone lowers the loss of digit by 2.00% on average." in said
    assert main(["affinity", blind.id]) == 2
    assert "Train with '--set affinity_every=10'" in capsys.readouterr().err


def test_an_old_study_of_groups_has_the_cells_that_it_had(base):
    """Its stored options do not speak of affinities, and measuring makes no other run."""
    from mtl_core.config_fingerprint import fingerprint
    from mtl_core.studies.study_kind import with_tasks

    made = studies.draft("together", base, {"options": {"groups": "all"}}, [0])
    assert fingerprint(made.cells[-1].config) == fingerprint(with_tasks(base, list(base.tasks)))
