"""Forks, trained: with nothing changed they repeat their parent to the last bit; with something changed they say what of its state began anew."""

import json
import shutil
from dataclasses import replace

import pytest
from evidence import BRIEF_STEPS, brief, rows_of, weights_of

from mtl_core.__main__ import main
from mtl_core.errors import ConfigError, MTLError, NotPossibleError
from mtl_core.events import Control, EpochMetrics
from mtl_core.inference.loading import find_model, load
from mtl_core.inference.predictor import Predictor
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import fork, fork_config, forkable, past_of
from mtl_core.runs.store import open_store
from mtl_core.studies.transfer_alarm import drop_task
from mtl_core.training.checkpoint_evaluation import evaluate_checkpoint
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.trainer import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory, undisturbed):
    """A store with a finished run; each test forks in a copy of it."""
    store = open_store(tmp_path_factory.mktemp("finished") / "home")
    store.cache = undisturbed.store.cache
    run = execute(store, store.create(brief("uncertainty", epochs=4)).id)
    assert run.status == "finished", run.failure
    return store.home


@pytest.fixture
def store(finished, home):
    shutil.copytree(finished, home)
    return open_store(home)


@pytest.fixture
def parent(store, wholes):
    (run,) = store.runs()
    return run


def forked(store, parent, epoch, *assignments):
    return fork(store, parent.id, epoch, fork_config(parent, epoch, assignments))


def after(rows, step):
    return {key: value for key, value in rows.items() if key[1] > step}


def assert_repeats(store, run, parent, epoch):
    """From its epoch on, the run measured and learnt what its parent did."""
    assert rows_of(store, run.id) == after(rows_of(store, parent.id), BRIEF_STEPS * epoch)
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
        assert rows_of(store, run.id) == after(rows, BRIEF_STEPS * 3)
        mine = weights_of(store.folder(run.id))
        assert {name: mine[name].tobytes() for name in mine} == {name: weights[name].tobytes() for name in weights}


@pytest.mark.parametrize(
    ("assignments", "remarks"),
    [
        (["optimizer.lr=0.01"], []),
        (["tasks.ink.loss_weight=3"], []),
        (["balancing.name=dwa"], ["the balancing method 'dwa' starts without its saved state"]),
        (["tasks.slant=null"], ["the balancing method 'uncertainty' starts without its saved state"]),
        (["optimizer.name=sgd"], ["the optimizer 'sgd' starts without its saved state"]),
    ],
    ids=lambda value: value[0] if value and "=" in value[0] else "",
)
def test_a_changed_fork_trains_and_says_what_began_anew(store, parent, assignments, remarks):
    run = execute(store, forked(store, parent, 2, *assignments).id)
    assert (run.status, run.failure) == ("finished", None)
    assert [line.text for line in store.log(run.id) if line.level == "warning"] == remarks
    mine, parents = rows_of(store, run.id), after(rows_of(store, parent.id), 2 * BRIEF_STEPS)
    assert min(step for _, step in mine) > 2 * BRIEF_STEPS
    assert {key for key in parents if "slant" not in key[0]} == {key for key in mine if "slant" not in key[0]}
    assert mine != parents
    assert any("slant" in key for key, _ in mine) == ("tasks.slant=null" not in assignments)


def test_a_fork_without_a_task_measures_and_predicts_with_what_it_inherited(store, parent, capsys, monkeypatch):
    """Resuming, evaluating and predicting read the parent's checkpoint by the same rule."""
    monkeypatch.setenv("MTL_HOME", str(store.home))
    run = forked(store, parent, 2, "tasks.slant=null")
    assert main(["evaluate", run.id, "--checkpoint", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)[0]
    assert (report["epoch"], list(report["tasks"])) == (2, [task for task in parent.config.tasks if task != "slant"])
    whole, _ = evaluate_checkpoint(parent.config, store.folder(parent.id), store.cache, "epoch_0002_step_00000018", "val")
    for task, found in report["tasks"].items():
        assert found["values"] == whole["tasks"][task]["values"]
    assert list(load(run.id, 2, home=store.home).kinds) == list(run.config.tasks)


def test_another_network_is_said_in_one_way(store, parent):
    other = parent.config.with_overrides(["backbone.hidden=[12]"])
    said = []
    for use in (
        lambda: evaluate_checkpoint(other, store.folder(parent.id), store.cache, "epoch_0002_step_00000018", "val"),
        lambda: list(train(other, store.folder(parent.id), store.cache, Control())),
        lambda: Predictor(replace(find_model(parent.id, home=store.home)[0], config=other), find_model(parent.id, home=store.home)[1]),
    ):
        with pytest.raises(MTLError) as caught:
            use()
        said.append(str(caught.value))
    assert len(set(said)) == 1
    assert said[0].startswith("the checkpoint is of another network: expected '")


@pytest.mark.parametrize(("step", "fits"), [(10, False), (18, False), (19, True)])
def test_a_live_change_from_before_the_fork_is_refused(store, parent, step, fits):
    """It would silently take back what the settings say; its value is one of them by now."""
    change = [f"changes=[{{step: {step}, key: tasks.ink.loss_weight, value: 5}}]"]
    if fits:
        assert forked(store, parent, 2, *change).config.changes[0].step == step
    else:
        with pytest.raises(ConfigError, match=f"at step {step} is before the fork's first step, 19"):
            forked(store, parent, 2, *change)


def test_training_on_keeps_no_more_than_the_limit(store, one_thread):
    run = execute(store, store.create(brief(epochs=4, keep_checkpoints=4)).id)
    assert [kept.epoch for kept in forkable(store, run.id)] == [1, 2, 3, 4]
    resume_and_fork.train_on(store, run.id, 12)
    run = execute(store, run.id)
    kept = forkable(store, run.id)
    must = {each.epoch for each in kept if each.is_best or each.is_last} | {11}
    assert {5, 10} <= {each.epoch for each in kept} <= {5, 10} | must | {1, 2, 3, 4}
    index = read_index(store.folder(run.id))
    assert len(index["kept"]) <= 4


def test_a_task_is_dropped_by_two_forks_that_differ_in_it_alone(store, wholes):
    control = Control()
    run = store.create(brief(epochs=4))
    with pytest.raises(MTLError, match="no checkpoint of a whole epoch yet"):
        drop_task(store, run.id, "ink")
    execute(store, run.id, control, on_event=lambda event: control.stop() if isinstance(event, EpochMetrics) and event.epoch == 2 else None)
    epoch = forkable(store, run.id)[-1].epoch
    dropped, kept = (store.get(each) for each in drop_task(store, run.id, "ink"))
    assert [each.parent_epoch for each in (dropped, kept)] == [epoch, epoch]
    assert (dropped.config.tasks["ink"].loss_weight, kept.config.tasks["ink"].loss_weight) == (0.0, run.config.tasks["ink"].loss_weight)
    assert dropped.tags == kept.tags == (f"drop-{run.id[-4:]}",)
    assert [each.id for each in (dropped, kept)] == drop_task(store, run.id, "ink")  # a second click adds nothing
    dropped, kept = execute(store, dropped.id), execute(store, kept.id)
    assert (dropped.status, kept.status) == ("finished", "finished")
    whole = execute(store, store.create(brief(epochs=4)).id)
    assert_repeats(store, kept, whole, epoch)
    with pytest.raises(NotPossibleError, match=r"has been trained to its end, .* fork it from an earlier epoch, and set tasks\.ink\."):
        drop_task(store, whole.id, "ink")
