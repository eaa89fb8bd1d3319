"""The Train form with another run's settings: forks and clones."""

import shlex

import pytest

from mtl_core.__main__ import main
from mtl_core.config import RunConfig
from mtl_core.errors import DataError
from mtl_core.presets import load_presets
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.jobs import execute
from mtl_core.runs.status import RunStatus
from tests.pages.conftest import base
from ui.shell.state import listing


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Composing thousands of scenes is not what is tested here."""

    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)


def errors(app):
    return [error.value.replace("\\", "") for error in app.error]  # Markdown's signs are escaped


def test_fork_goes_to_the_form_with_what_is_fixed_and_why(open_page, in_state, texts):
    parent = in_state("finished")
    app = open_page("run", run=parent.id)
    app.button(key=f"fork.{parent.id}").click().run()
    assert (app.query_params["fork"], app.query_params["epoch"]) == (parent.id, "2")
    assert "Fork of **a run** after" in texts(app)
    assert app.selectbox(key="fork.epoch").options == ["epoch 1 (best)", "epoch 2 (last)"]
    assert "To change one of these, clone the run instead." in texts(app)
    assert app.number_input(key="set.batch_size").disabled
    assert app.button(key="train").label == "Fork and train"
    keys = [base(widget.key) for kind in (app.selectbox, app.button_group) for widget in kind]
    assert {"preset", "set.data.name.titled", "set.backbone.name.titled"}.isdisjoint(keys)


def test_a_fork_with_another_loss_weight(open_page, in_state, store):
    parent = in_state("stopped")
    app = open_page("train", unfolded=["as_text"], fork=parent.id, epoch="1")
    app.number_input(key="set.tasks.slant.loss_weight").set_value(0.5).run()
    command = app.code[-1].value
    assert command.startswith(f"python -m mtl_core fork {parent.id} --epoch 1 ")
    assert command.endswith("--set tasks.slant.loss_weight=0.5")
    app.button(key="train").click().run()
    fork = store.runs()[0]
    assert (fork.parent, fork.parent_epoch, fork.status) == (parent.id, 1, RunStatus.QUEUED)
    assert fork.config.tasks["slant"].loss_weight == 0.5
    assert fork.name == "slant ×0.5, from epoch 1 · a run"
    assert app.query_params["run"] == fork.id
    app.switch_page("pages/train.py").run()
    assert app.session_state["settings"]["data"] == load_presets()[0].config.to_dict()["data"]  # the form is as it was before
    assert "fork" not in app.query_params


def test_a_task_can_be_left_out_of_a_fork(open_page, in_state, store):
    app = open_page("train", fork=in_state("finished").id, epoch="2")
    assert "task.ink" not in [base(box.key) for box in app.checkbox]  # the data set has it, the parent was not trained on it
    app.checkbox(key="task.digit").uncheck().run()
    app.button(key="train").click().run()
    assert list(store.runs()[0].config.tasks) == ["slant"]


def test_a_fork_of_the_last_epoch_has_epochs_to_go(open_page, in_state, store, keep):
    parent = keep(in_state("finished"), 3)
    app = open_page("train", fork=parent.id, epoch="3")
    assert app.number_input(key="set.epochs").value == 6
    app.number_input(key="set.epochs").set_value(3).run()
    assert errors(app) == ["epochs: 3 leaves nothing to train after epoch 3; give the new total"]
    assert app.button(key="train").disabled
    app.selectbox(key="fork.epoch").set_value(1).run()
    assert app.query_params["epoch"] == "1"
    assert not errors(app)


CHANGES = [
    {"step": 1, "key": "tasks.slant.loss_weight", "value": 1.25},
    {"step": 2, "key": "optimizer.lr", "value": 0.004},
    {"step": 3, "key": "tasks.slant.loss_weight", "value": 8.0},
    {"step": 5, "key": "tasks.digit.loss_weight", "value": 0.1},
]


def form_of(app):
    """What stands on the form: loss weights and learning rate."""
    names = ("tasks.digit.loss_weight", "tasks.slant.loss_weight", "optimizer.lr")
    return tuple(app.number_input(key=f"set.{name}").value for name in names)


def test_a_fork_of_a_steered_run_begins_with_what_held_after_its_epoch_and_keeps_what_was_typed(open_page, in_state):
    app = open_page("train", fork=in_state("finished", changes=CHANGES).id, epoch="2")
    assert form_of(app) == (1.0, 8.0, 0.004)
    assert app.session_state["settings"]["changes"] == []
    assert [button.key for button in app.button if button.key == "leave_changes"] == []
    app.number_input(key="set.tasks.digit.loss_weight").set_value(3.0).run()
    app.selectbox(key="fork.epoch").set_value(1).run()
    assert form_of(app) == (3.0, 1.25, 0.004)
    app.selectbox(key="fork.epoch").set_value(2).run()
    assert form_of(app) == (3.0, 8.0, 0.004)


def test_the_command_beside_the_form_makes_the_same_fork(open_page, in_state, store):
    parent = in_state("finished", changes=CHANGES)
    app = open_page("train", unfolded=["as_text"], fork=parent.id, epoch="2")
    app.number_input(key="set.tasks.digit.loss_weight").set_value(5.0).run()
    words = shlex.split(app.code[-1].value.replace("\\\n", " "))
    assert words[:7] == ["python", "-m", "mtl_core", "fork", parent.id, "--epoch", "2"]
    app.button(key="train").click().run()
    made = store.runs()[0]
    assert resume_and_fork.fork_config(parent, 2, words[8::2]) == made.config
    assert made.name == "digit ×5, from epoch 2 · a run"
    assert (made.config.tasks["slant"].loss_weight, made.config.changes) == (8.0, [])


def recorded(store, run):
    rows = store.scalars(run.id)
    return {name: set(rows.loc[rows["key"] == name, "value"]) for name in ("loss_weight/digit", "loss_weight/slant")}


def values(store, run):
    return store.scalars(run.id)[["step", "key", "value"]].values.tolist()


def test_forks_and_clones_of_a_steered_run_train_with_what_the_form_says(open_page, store):
    """From the click to the recorded curves. In a fork the parent's moves before it hold where the form left them; its later ones are not made again.
    A clone makes all of them again, at the same steps."""
    moves = [("digit", 3, 4.0), ("slant", 4, 2.0), ("slant", 20, 7.0)]  # 13 steps an epoch
    changes = [{"step": step, "key": f"tasks.{task}.loss_weight", "value": value} for task, step, value in moves]
    settings = {"name": "parent", "data": {"name": "digits"}, "tasks": {"digit": {}, "slant": {}}, "backbone": {"name": "mlp"}, "epochs": 2}
    config = RunConfig.from_dict(settings | {"batch_size": 96, "changes": changes, "device": "cpu", "precision": "fp32", "layout": "contiguous"})
    parent = execute(store, store.create(config).id)
    assert (parent.status, parent.info["steps_per_epoch"]) == ("finished", 13)
    app = open_page("train", unfolded=["as_text"], fork=parent.id, epoch="1")
    assert form_of(app)[:2] == (4.0, 2.0)
    app.number_input(key="set.tasks.digit.loss_weight").set_value(5.0).run()
    words = shlex.split(app.code[-1].value.replace("\\\n", " "))
    app.button(key="train").click().run()
    by_page = execute(store, store.runs()[0].id)
    assert recorded(store, by_page) == {"loss_weight/digit": {5.0}, "loss_weight/slant": {2.0}}
    assert by_page.config.tasks["digit"].loss_weight == 5.0

    assert main([*words[3:], "--json"]) == 0
    by_command = store.runs()[0]
    assert (by_command.id != by_page.id, by_command.config) == (True, by_page.config)
    assert values(store, by_command) == values(store, by_page)

    clone = open_page("train", clone=parent.id)
    clone.button(key="train").click().run()
    cloned = execute(store, store.runs()[0].id)
    assert recorded(store, cloned) == {"loss_weight/digit": {1.0, 4.0}, "loss_weight/slant": {1.0, 2.0, 7.0}}
    assert values(store, cloned) == values(store, parent)


def test_a_clone_of_a_steered_run_says_what_it_makes_again(open_page, in_state, store, texts):
    parent = in_state("finished", changes=CHANGES[:2])
    app = open_page("train", clone=parent.id)
    assert "This run repeats 2 live changes: step 1 slant 1 → 1.25, step 2 learning rate 0.002 → 0.004." in texts(app).replace("\\", "")
    app.button(key="train").click().run()
    assert store.runs()[0].config.changes == parent.config.changes
    assert not any(mark in store.runs()[0].name for mark in ("changes", "{", "[", "="))


def test_the_changes_of_a_clone_can_be_left_out(open_page, in_state, store):
    app = open_page("train", clone=in_state("finished", changes=CHANGES).id)
    app.button(key="leave_changes").click().run()
    assert [button.key for button in app.button if button.key == "leave_changes"] == []
    app.button(key="train").click().run()
    assert store.runs()[0].config.changes == []


def test_a_task_left_out_of_a_clone_takes_its_changes_with_it(open_page, in_state, store):
    app = open_page("train", clone=in_state("finished", changes=CHANGES).id)
    app.checkbox(key="task.slant").uncheck().run()
    assert not errors(app)
    app.button(key="train").click().run()
    assert [(change.step, change.key) for change in store.runs()[0].config.changes] == [(2, "optimizer.lr"), (5, "tasks.digit.loss_weight")]


def test_a_cure_of_a_steered_run_begins_from_what_held(open_page, store, make_run, keep):
    run = keep(make_run(changes=CHANGES), 1)
    store.end(run.id, RunStatus.FAILED, {"kind": "non_finite", "message": "the loss is not a number (NaN)", "cure": "Lower it.", "trace": ""})
    app = open_page("run", run=run.id)
    assert app.button(key=f"cure.0.{run.id}").label == "Fork from epoch 1 with learning rate 0.0004"


def test_leaving_a_fork_brings_back_what_was_typed_before(open_page, in_state):
    parent = in_state("finished")
    app = open_page("train")
    app.number_input(key="set.epochs").set_value(7).run()
    app.query_params["fork"] = parent.id
    app.run()
    assert app.session_state["settings"]["epochs"] == 3
    app.button(key="leave").click().run()
    assert app.session_state["settings"]["epochs"] == 7
    assert "fork" not in app.query_params
    assert app.button(key="train").label == "Train"


@pytest.mark.parametrize(
    ("query", "said"), [({"fork": "nothing"}, "no run 'nothing'"), ({"epoch": "9"}, "no state of epoch 9"), ({"set": "epochs=many"}, "epochs")]
)
def test_what_cannot_be_forked_is_a_sentence(open_page, in_state, query, said):
    app = open_page("train", **({"fork": in_state("finished").id} | query))
    assert said in app.warning[0].value.replace("\\", "")
    assert app.button(key="train").label == "Train"


def test_a_parent_that_is_gone_is_said(open_page, in_state, store):
    parent = in_state("finished")
    app = open_page("train", fork=parent.id)
    actions.delete_run(store, parent.id)
    listing.clear()
    app.run()
    assert app.button(key="train").label == "Train"
    assert "was deleted" in app.warning[0].value


def test_clone_takes_the_settings(open_page, in_state, store):
    run = in_state("failed", batch_size=8, epochs=5)
    app = open_page("run", run=run.id)
    app.button(key=f"clone.{run.id}").click().run()
    assert app.session_state["settings"] == run.config.to_dict() | {"name": ""}
    assert "clone" not in app.query_params
    app.button(key="train").click().run()
    assert store.runs()[0].config.model_copy(update={"name": ""}) == run.config.model_copy(update={"name": ""})
    assert store.runs()[0].parent is None


def test_a_cure_changes_one_setting(open_page, store, make_run, keep):
    failure = {"kind": "non_finite", "message": "the loss is not a number (NaN)", "cure": "Lower it.", "trace": ""}
    run = keep(make_run(), 1)
    store.end(run.id, RunStatus.FAILED, failure)
    app = open_page("run", run=run.id)
    assert app.button(key=f"cure.0.{run.id}").label == "Fork from epoch 1 with learning rate 0.0002"
    app.button(key=f"cure.0.{run.id}").click().run()
    assert app.session_state["settings"]["optimizer"]["lr"] == 0.0002
    assert app.query_params["epoch"] == "1"
    assert not errors(app)


def test_the_header_links_parent_and_children(open_page, in_state, store, texts):
    parent = in_state("finished", name="the parent")
    child = resume_and_fork.fork(store, parent.id, 1, resume_and_fork.fork_config(parent, 1, ["tasks.slant.loss_weight=2"]))
    links = [link.label for link in open_page("run", run=child.id).get("page_link")]
    assert "the parent" in links
    app = open_page("run", run=parent.id)
    assert any("from epoch 1" in link.label for link in app.get("page_link"))
    actions.delete_run(store, parent.id)
    listing.clear()
    assert "a run that was deleted" in texts(open_page("run", run=child.id))


@pytest.mark.parametrize("echo", [{"epoch": "2"}, {"fork": ""}])
def test_a_refresh_with_an_old_address_takes_nothing_back(open_page, in_state, echo):
    parent = in_state("finished")
    app = open_page("train", fork=parent.id, epoch="2")
    app.selectbox(key="fork.epoch").set_value(1).run()
    app.number_input(key="set.tasks.slant.loss_weight").set_value(0.5).run()
    for key, value in echo.items():  # as sent before the browser had heard of the new address
        app.query_params[key] = value
    if echo.get("fork") == "":
        del app.query_params["fork"]
    app.run()
    assert app.session_state["settings"]["tasks"]["slant"]["loss_weight"] == 0.5
    assert (app.query_params["fork"], app.query_params["epoch"]) == (parent.id, "1")
    app.button(key="leave").click().run()
    app.query_params["fork"], app.query_params["epoch"] = parent.id, "1"
    app.run()
    assert app.button(key="train").label == "Train"


def test_a_click_forks_again_what_was_left(open_page, in_state):
    parent = in_state("finished")
    app = open_page("run", run=parent.id)
    app.button(key=f"fork.{parent.id}").click().run()
    app.button(key="leave").click().run()
    app.switch_page("pages/run.py")
    app.query_params["run"] = parent.id
    app.run()
    app.button(key=f"fork.{parent.id}").click().run()
    assert app.button(key="train").label == "Fork and train"
