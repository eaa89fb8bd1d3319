"""Forks, trained: with nothing changed they repeat their parent to the last bit; with something changed they say what of its state began anew."""

import pytest
from evidence import rows_of, small, weights_of

from mtl_core.runs import actions
from mtl_core.runs.jobs import execute
from mtl_core.runs.lineage import fork, fork_config, past_of


@pytest.fixture
def parent(store, wholes):
    return execute(store, store.create(small("uncertainty", epochs=4)).id)


def forked(store, parent, epoch, *assignments):
    return fork(store, parent.id, epoch, fork_config(parent, epoch, assignments))


def after(rows, step):
    return {key: value for key, value in rows.items() if key[1] > step}


def assert_repeats(store, run, parent, epoch):
    """From its epoch on, the run measured and learnt what its parent did."""
    assert rows_of(store, run.id) == after(rows_of(store, parent.id), 39 * epoch)
    mine, parents = (weights_of(store.folder(each.id)) for each in (run, parent))
    assert {name: mine[name].tobytes() for name in mine} == {name: parents[name].tobytes() for name in parents}


def test_an_unchanged_fork_repeats_its_parent_also_when_that_is_gone(store, parent):
    first = forked(store, parent, 2)
    second = forked(store, parent, 3)
    first = execute(store, first.id)
    assert first.status == "finished"
    assert_repeats(store, first, parent, 2)
    past = {(row.key, row.step): row.value for row in past_of(store, first).itertuples()}
    assert past | rows_of(store, first.id) == rows_of(store, parent.id)

    of_fork = forked(store, first, 3)
    rows = rows_of(store, parent.id)
    weights = weights_of(store.folder(parent.id))
    actions.delete_run(store, parent.id)
    actions.delete_run(store, first.id)
    for run in (execute(store, second.id), execute(store, of_fork.id)):
        assert run.status == "finished"
        assert rows_of(store, run.id) == after(rows, 39 * 3)
        mine = weights_of(store.folder(run.id))
        assert {name: mine[name].tobytes() for name in mine} == {name: weights[name].tobytes() for name in weights}


@pytest.mark.parametrize(
    ("assignments", "remarks"),
    [
        (["optimizer.lr=0.01"], []),
        (["tasks.ink.loss_weight=3"], []),
        (["balancing.name=dwa"], ["the balancing method 'dwa' begins anew"]),
        (["tasks.slant=null"], ["the balancing method 'uncertainty' begins anew"]),
        (["optimizer.name=sgd"], ["the optimizer 'sgd' begins anew"]),
    ],
    ids=lambda value: value[0] if value and "=" in value[0] else "",
)
def test_a_changed_fork_trains_and_says_what_began_anew(store, parent, assignments, remarks):
    run = execute(store, forked(store, parent, 2, *assignments).id)
    assert (run.status, run.failure) == ("finished", None)
    assert [line.text for line in store.log(run.id) if line.level == "warning"] == remarks
    mine, parents = rows_of(store, run.id), after(rows_of(store, parent.id), 78)
    assert min(step for _, step in mine) > 78
    assert {key for key in parents if "slant" not in key[0]} == {key for key in mine if "slant" not in key[0]}
    assert mine != parents
    assert any("slant" in key for key, _ in mine) == ("tasks.slant=null" not in assignments)
