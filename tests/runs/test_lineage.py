"""Going on with a run and forking it: states, files, the past on the curves."""

import json

import pytest

from mtl_core.errors import ConfigError, NotPossibleError
from mtl_core.events import EpochMetrics
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import held_by_us
from mtl_core.training.checkpoint_files import DamagedCheckpointError, kept_checkpoints, read_index, read_meta
from tests.runs.test_resuming import change

# -- forking


@pytest.fixture
def parent(store, ended, write_checkpoint):
    """A finished run with the states of epochs 1 and 2, one within epoch 3, and probes of epochs 0 to 3."""
    run = ended("finished", "parent", epochs=4)
    folder = store.folder(run.id)
    write_checkpoint(folder, 1, 2, best=True)
    write_checkpoint(folder, 2, 4)
    write_checkpoint(folder, 2, 5, step_in_epoch=1, keep=False)
    (folder / "probes").mkdir()
    for name in ("targets", "epoch_0000", "epoch_0001", "epoch_0002", "epoch_0003"):
        (folder / "probes" / f"{name}.npz").write_bytes(name.encode())
    return run


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whole_epochs_can_be_forked_from(store, parent):
    assert [(kept.epoch, kept.step, kept.is_best) for kept in resume_and_fork.forkable(store, parent.id)] == [(1, 2, True), (2, 4, False)]


def test_a_fork_holds_what_it_needs_and_leaves_its_parent_alone(store, parent):
    before = files_of(store.folder(parent.id))
    run = resume_and_fork.fork(store, parent.id, 1, resume_and_fork.fork_config(parent, 1, ["optimizer.lr=0.5"]))
    folder, source = store.folder(run.id), store.folder(parent.id)
    assert (run.status, run.parent, run.parent_epoch, run.parent_step, run.step, run.epoch) == ("queued", parent.id, 1, 2, 2, 1.0)
    assert (run.config.optimizer.lr, run.name) == (0.5, "learning rate 0.5, from epoch 1 · parent")
    assert sorted(path.name for path in (folder / "probes").iterdir()) == ["epoch_0000.npz", "epoch_0001.npz", "targets.npz"]
    name = "epoch_0001_step_00000002"
    assert read_index(folder) == {"last": name, "best": name, "kept": [name]}
    for file in ("model.safetensors", "state.pt"):
        assert (folder / "checkpoints" / name / file).read_bytes() == (source / "checkpoints" / name / file).read_bytes()
    meta, old = read_meta(folder, name), read_meta(source, name)
    assert (meta["best"], meta["position"]["best_score"]) == (False, -1.0)  # the new run's best is chosen among its own epochs
    assert meta["position"] | {"best_score": 0.5} == old["position"]
    assert files_of(source) == before
    assert store.log(run.id)[0].text == f"forked from {parent.id} (parent) after epoch 1"


def test_deleting_the_parent_leaves_the_fork_whole(store, parent):
    run = resume_and_fork.fork(store, parent.id, 2, resume_and_fork.fork_config(parent, 2, []))
    before = files_of(store.folder(run.id))
    actions.delete_run(store, parent.id)
    assert files_of(store.folder(run.id)) == before
    assert store.get(run.id).parent == parent.id  # it still says where it came from


def test_a_fork_trained_here_is_held_at_once(store, parent):
    held = held_by_us("cpu")
    run = resume_and_fork.fork(store, parent.id, 1, resume_and_fork.fork_config(parent, 1, []), held=held)
    assert (run.status, run.holder, store.queued()) == ("running", held["owner_token"], [])


def test_one_click_forks_once(store, parent):
    config = resume_and_fork.fork_config(parent, 1, [])
    first = resume_and_fork.fork(store, parent.id, 1, config, "click")
    assert resume_and_fork.fork(store, parent.id, 1, config, "click").id == first.id
    assert len(store.runs()) == 2


@pytest.mark.parametrize("epoch", [0, 3, 4])
def test_an_epoch_that_is_not_kept_is_refused_and_the_kept_ones_named(store, parent, epoch):
    config = resume_and_fork.fork_config(parent, 1, ["epochs=9"])
    with pytest.raises(NotPossibleError, match=rf"has no state of epoch {epoch}. Kept epochs: 1, 2 \(see keep_checkpoints\)"):
        resume_and_fork.fork(store, parent.id, epoch, config)
    assert [path.name for path in (store.home / "runs").iterdir()] == [parent.id]


def test_a_damaged_state_makes_no_run(store, parent):
    path = store.folder(parent.id) / "checkpoints" / "epoch_0001_step_00000002" / "state.pt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedCheckpointError, match=r"state.pt' is not what was written"):
        resume_and_fork.fork(store, parent.id, 1, resume_and_fork.fork_config(parent, 1, []))
    assert [run.id for run in store.runs()] == [parent.id]
    assert [each.name for each in (store.home / "runs").iterdir()] == [parent.id]


@pytest.mark.parametrize(
    ("assignments", "fields"),
    [
        (["batch_size=7"], ["batch_size"]),
        (["data.name=mnist"], ["data"]),
        (["backbone.name=small_cnn", "sharing.depth=2"], ["backbone", "sharing"]),
        (["tasks.ink.loss_weight=1"], ["tasks.ink"]),
        (["tasks.digit.label_smoothing=0.1"], ["tasks.digit"]),
        (["epochs=1"], ["epochs"]),
        (["batch_size=7", "epochs=1"], ["batch_size", "epochs"]),
        (["changes=[{step: 0, key: tasks.digit.loss_weight, value: 5}]"], ["changes"]),
    ],
)
def test_what_a_fork_cannot_change_is_named(parent, assignments, fields):
    with pytest.raises(ConfigError) as caught:
        resume_and_fork.fork_config(parent, 1, assignments)
    assert [problem.field for problem in caught.value.problems] == fields


def test_what_a_fork_can_change(store, ended):
    parent = ended(tasks={"digit": {}, "ink": {}}, epochs=4)
    changes = ["tasks.digit.loss_weight=3", "tasks.ink=null", "balancing.name=dwa", "optimizer.name=sgd", "schedule.name=constant", "name=mine"]
    config = resume_and_fork.fork_config(parent, 1, [*changes, "epochs=2", "augmentation.shift=1", "seed=5"])
    assert (list(config.tasks), config.tasks["digit"].loss_weight, config.balancing.name, config.name) == (["digit"], 3.0, "dwa", "mine")


# -- the past


def measured(store, config, steps, offset, **columns):
    """A run that measured ``offset`` + step at each of these steps."""
    run = store.create(config(), columns=columns)
    for step in steps:
        store.append(run.id, EpochMetrics(step, step, {"val/a/loss": float(offset + step)}))
    return store.get(run.id)


def past(store, run):
    return [(row.step, row.value) for row in resume_and_fork.past_of(store, run).itertuples()]


@pytest.fixture
def family(store, config):
    """Grandparent (steps 1 to 9), parent from its step 4 (5 to 8), child from the parent's step 6 (7 to 9)."""
    grandparent = measured(store, config, range(1, 10), 0)
    store.append(grandparent.id, EpochMetrics(4, 4, {"test/a/loss": 5.0}))
    parent = measured(store, config, range(5, 9), 100, parent_id=grandparent.id, parent_epoch=4, parent_step=4)
    child = measured(store, config, range(7, 10), 200, parent_id=parent.id, parent_epoch=6, parent_step=6)
    return grandparent, parent, child


def test_the_past_gives_each_step_once(store, family):
    grandparent, parent, child = family
    assert past(store, child) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 105.0), (6, 106.0)]
    assert past(store, parent) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert past(store, grandparent) == []
    columns = [list(resume_and_fork.past_of(store, run).columns) for run in (child, grandparent)]
    assert columns[0] == columns[1] == list(store.scalars(child.id).columns)


def test_a_fork_from_where_its_parent_was_forked_has_only_the_grandparents_past(store, config, family):
    sibling = measured(store, config, [5], 300, parent_id=family[1].id, parent_epoch=4, parent_step=4)
    assert past(store, sibling) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]


@pytest.mark.parametrize(("deleted", "rest"), [(0, [(5, 105.0), (6, 106.0)]), (1, [])])
def test_the_past_ends_at_a_run_that_was_deleted(store, family, deleted, rest):
    actions.stop(store, family[deleted].id)
    actions.delete_run(store, family[deleted].id)
    assert past(store, family[2]) == rest


def test_the_past_ends_at_a_run_that_this_version_cannot_read(store, family):
    """Its own values are shown all the same: the page of a fork must not fail over its parent's config."""
    grandparent, parent, child = family
    change(store, grandparent.id, config='{"novelty": 1}')
    assert past(store, child) == [(5, 105.0), (6, 106.0)]
    assert [run.id for run, _ in resume_and_fork.ancestors(store, store.get(child.id))] == [parent.id]


def test_a_parent_that_is_gone_is_no_error_also_for_a_store_from_before_a_reload(store, family, monkeypatch):
    """Streamlit loads modules anew when a file is saved; the store that it kept raises the classes of before."""
    child = store.get(family[2].id)
    actions.stop(store, family[1].id)
    actions.delete_run(store, family[1].id)
    monkeypatch.setattr("mtl_core.runs.run_reading.RunNotFoundError", type("RunNotFoundError", (Exception,), {}))
    assert resume_and_fork.ancestors(store, child) == []


def test_runs_that_name_each_other_as_parents_do_not_hang(store, family):
    grandparent, parent, child = family
    change(store, grandparent.id, parent_id=child.id, parent_epoch=9, parent_step=9)
    assert [run.id for run, _ in resume_and_fork.ancestors(store, store.get(child.id))] == [parent.id, grandparent.id]


def test_children_come_oldest_first(store, config, family):
    grandparent, parent, child = family
    late = measured(store, config, [], 0, parent_id=grandparent.id, parent_epoch=1, parent_step=1)
    assert [run.id for run in resume_and_fork.children(store, grandparent.id)] == [parent.id, late.id]
    assert resume_and_fork.children(store, child.id) == []


def test_an_old_checkpoint_without_a_position_inside_an_epoch_counts_as_whole(store, parent):
    path = store.folder(parent.id) / "checkpoints" / "epoch_0002_step_00000004" / "meta.json"
    meta = json.loads(path.read_text())
    del meta["position"]["step_in_epoch"]
    path.write_text(json.dumps(meta))
    assert [kept.whole_epoch for kept in kept_checkpoints(store.folder(parent.id))] == [True, True, False]
