"""An imported set is not deleted while something still needs it, unless a person insists; what needs it is named."""

import pytest
from imported_sets import config_on, import_as, pictures
from sqlalchemy import insert, update

from mtl_core.__main__ import main
from mtl_core.data.imports import imported
from mtl_core.errors import DataError, NotPossibleError
from mtl_core.runs import actions, study_cells
from mtl_core.runs.claims import claim
from mtl_core.runs.cluster.cluster_state import ClusterState, Needs, Placed, write_state
from mtl_core.runs.executor import execute
from mtl_core.runs.sets.needed_sets import delete_set, waiting_runs
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus


@pytest.fixture
def days(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(store.home))
    return import_as(store, pictures(tmp_path / "mine"))


def on_days(name):
    """A config on the set, with a name."""
    return config_on("days").model_copy(update={"name": name})


def ids(store):
    return [run.id for run in waiting_runs(store, "days")]


def test_queued_and_held_runs_need_their_set_and_ended_ones_do_not(store, days, engine, config):
    assert ids(store) == []
    first, second = (store.create(on_days(name)).id for name in ("one", "two"))
    actions.move(store, second, 1)
    store.create(config("of other data"))
    store.create(config_on("nights"))
    assert ids(store) == [second, first]
    token = claim(store, first, "cpu")
    assert set(ids(store)) == {first, second}
    store.end(first, RunStatus.INTERRUPTED, token=token)
    assert ids(store) == [second]  # nobody has asked for the first one to go on
    assert execute(store, second).status == RunStatus.FINISHED
    assert ids(store) == []


def test_a_built_in_set_of_the_same_name_is_another_one(store, tmp_path, config):
    import_as(store, pictures(tmp_path / "mine"), "digits")
    store.create(config("on the built-in digits"))
    assert waiting_runs(store, "digits") == []


def test_an_interrupted_run_that_its_study_resumes_needs_its_set(store, days):
    run = store.create(config_on("days")).id
    store.end(run, RunStatus.INTERRUPTED)
    with store.database.write() as connection:
        about = {"kind": "share", "title": "a study", "created_at": 1.0, "base": "{}", "settings": "{}", "seeds": "[0]"}
        connection.execute(insert(schema.studies).values(id="study-ab12", state="running", **about))
        connection.execute(insert(schema.study_runs).values(study_id="study-ab12", cell="x", seed=0, run_id=run, is_reused=0))
    assert ids(store) == [run]
    for table, values in ((schema.study_runs, {"resumptions": study_cells.MOST_RESUMPTIONS}), (schema.studies, {"state": "stopped"})):
        with store.database.write() as connection:
            connection.execute(update(schema.study_runs).values(resumptions=0))
            connection.execute(update(table).values(**values))
        assert ids(store) == []


def test_an_interrupted_run_that_the_cluster_restarts_needs_its_set(store, days, monkeypatch):
    monkeypatch.setenv("MTL_EXECUTOR", "ray")
    monkeypatch.setenv("MTL_RAY_ADDRESS", "10.0.0.1:6379")
    placed, others = (store.create(config_on("days")).id for _ in range(2))
    for run in (placed, others):
        store.end(run, RunStatus.INTERRUPTED, token=claim(store, run, "cpu", alone=False))
    write_state(store, ClusterState("10.0.0.1:6379", runs={placed: Placed(Needs())}))
    assert ids(store) == [placed]
    monkeypatch.setenv("MTL_EXECUTOR", "process")
    assert ids(store) == []


def test_the_refusal_names_what_waits_and_nothing_is_deleted(store, days, engine):
    runs = [store.create(on_days(f"run {number}")) for number in range(5)]
    with pytest.raises(NotPossibleError) as refused:
        delete_set(store, "days", ["a search of weights"])
    said = str(refused.value)
    assert said.startswith(f"the data set 'days' is not deleted: 5 runs wait for it: 'run 0' ({runs[0].id}, queued), 'run 1'")
    assert "'run 3'" not in said
    assert "2 more; the study 'a search of weights' will still make runs on it. Stop them first" in said
    assert [one.name for one in imported(store.home)] == ["days"]
    delete_set(store, "days", ["a search of weights"], even_if_needed=True)
    assert imported(store.home) == []
    ended = execute(store, runs[0].id)
    assert (ended.status, ended.failure["kind"]) == (RunStatus.FAILED, "data")
    assert "unknown imported data set 'days'" in ended.failure["message"]


def test_a_set_that_nothing_needs_is_deleted_and_one_that_is_not_there_is_named(store, days):
    delete_set(store, "days", [])
    with pytest.raises(DataError, match="unknown imported data set 'days'"):
        delete_set(store, "days", [])


def test_the_command_refuses_until_it_is_told(store, days, capsys):
    run = store.create(on_days("mine"))
    assert main(["data", "delete", "days", "--yes"]) == 2
    assert f"1 run waits for it: 'mine' ({run.id}, queued)" in capsys.readouterr().err
    assert [one.name for one in imported(store.home)] == ["days"]
    assert main(["data", "delete", "days", "--yes", "--even-if-needed"]) == 0
    assert imported(store.home) == []
