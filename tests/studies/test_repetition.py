"""A study is run again: new runs of the same cells, the same numbers to the last bit, and what differs is named."""

import json

import pytest
from sqlalchemy import select, update

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.runs.executor import execute
from mtl_core.runs.sql import schema
from mtl_core.runs.store import open_store
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.estimate import estimate
from mtl_core.studies.repetition import repeat, repetition_of

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [8]},
    "epochs": 1,
    "device": "cpu",
    "conflict_every": 0,
}
PLACES = [("alone.digit", 3), ("alone.ink", 3), ("joint", 3)]


def train(store, study):
    for run in studies.runs_of(store, study).values():
        if not run.status.is_ended():
            assert execute(store, run.id).status == "finished"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study with one seed, and its repetition, in a store of their own."""
    store = open_store(tmp_path_factory.mktemp("again") / "home")
    first = studies.create(store, studies.draft("share", RunConfig.from_dict(CONFIG), {}, [3]))
    studies.start(store, first.id)
    train(store, first)
    second = repeat(store, first.id, "click")
    assert repeat(store, first.id, "click").id == second.id  # a second click
    studies.start(store, second.id)
    train(store, second)
    return store, studies.get(store, first.id), studies.get(store, second.id)


def test_the_work_of_a_repetition_is_all_of_its_runs(trained):
    store, first, _ = trained
    drafted = studies.draft("share", first.base, {}, first.seeds)
    assert estimate(store, drafted).existing == len(PLACES)  # start would take them
    again = repeat(store, first.id)
    expected = estimate(store, again)
    assert (expected.runs, expected.existing) == (len(PLACES), 0)
    assert expected.seconds is not None
    assert expected.seconds > 0
    studies.forget(store, again.id)


def test_runs_in_another_precision_are_work_to_do(trained):
    store, first, _ = trained
    other = "bf16" if first.precision == "fp32" else "fp32"
    drafted = studies.draft("share", first.base.model_copy(update={"precision": other}), {}, first.seeds)
    assert estimate(store, drafted).existing == 0


def test_every_cell_is_trained_anew_and_gives_the_same_bits(trained):
    store, first, second = trained
    runs = [studies.run_ids(store, study.id) for study in (first, second)]
    assert sorted(runs[0]) == sorted(runs[1]) == PLACES
    assert not set(runs[0].values()) & set(runs[1].values())
    assert (second.precision, second.layout) == (first.precision, first.layout) != (None, None)
    found = repetition_of(store, answer_of(store, second))
    assert [(one.cell, one.task) for one in found.values] == [
        ("digit alone", "digit"),
        ("ink alone", "ink"),
        ("all tasks in one network", "digit"),
        ("all tasks in one network", "ink"),
    ]
    assert all(one.is_same for one in found.values)
    assert (found.missing, found.facts) == (0, {})
    assert found.in_words() == f"3 runs have finished again: all 4 values are identical to those of {first.id}."
    assert repetition_of(store, answer_of(store, first)) is None


def test_a_value_that_differs_is_named_with_what_else_differs(trained):
    store, first, second = trained
    run_id = studies.run_ids(store, second.id)["alone.digit", 3]
    results, runs, keys = schema.run_results, schema.runs, schema.scalar_keys
    run, key = select(runs.c.number).where(runs.c.id == run_id), select(keys.c.number).where(keys.c.key == "val/digit/accuracy")
    one = (results.c.run == run.scalar_subquery(), results.c.key == key.scalar_subquery())
    with store.database.write() as connection:
        kept = [connection.execute(runs.select().where(runs.c.id == run_id)).one().info]
        rows = connection.execute(results.select().where(*one)).all()
        connection.execute(update(results).where(*one).values(chosen=0.125))
        changed = json.loads(kept[0])
        changed["versions"]["torch"] = "0.0.1"
        connection.execute(update(runs).where(runs.c.id == run_id).values(info=json.dumps(changed)))
    try:
        found = repetition_of(store, answer_of(store, second))
        (other,) = [one for one in found.values if not one.is_same]
        assert (other.cell, other.seed, other.task, other.again) == ("digit alone", 3, "digit", 0.125)
        assert other.difference == 0.125 - other.before
        assert found.facts == {"torch": (json.loads(kept[0])["versions"]["torch"], "0.0.1")}
        assert f"1 of 4 values differs from those of {first.id}. Other than before: torch 0.0.1 (was " in found.in_words()
    finally:
        with store.database.write() as connection:
            connection.execute(update(runs).where(runs.c.id == run_id).values(info=kept[0]))
            connection.execute(update(results).where(*one).values(chosen=rows[0].chosen))


def test_the_command_line(trained, monkeypatch, capsys):
    store, first, second = trained
    monkeypatch.setenv("MTL_HOME", str(store.home))
    assert main(["study", "differences", second.id, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["original"], said["missing"], [one["is_same"] for one in said["values"]]) == (first.id, 0, [True] * 4)
    assert main(["study", "differences", second.id]) == 0
    assert "identical" in capsys.readouterr().out
    assert main(["study", "differences", first.id]) == 2
    assert f"study again {first.id}" in capsys.readouterr().err
    assert main(["study", "again", first.id, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["repeats"], made["runs"]) == (first.id, 3)
    studies.forget(store, made["id"])


def test_what_cannot_be_repeated_or_compared_is_refused_in_words(store, base):
    made = studies.create(store, studies.draft("share", base, {}, [1]))
    with pytest.raises(NotPossibleError, match=r"no run of study-[0-9a-f]+ has finished"):
        repeat(store, made.id)
    orphan = studies.create(store, studies.draft("share", base, {"repeats": "study-0000"}, [1]))
    with pytest.raises(StoreError, match="study-0000, which this study repeats, was deleted"):
        repetition_of(store, answer_of(store, orphan))
