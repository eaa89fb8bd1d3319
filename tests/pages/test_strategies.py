"""The Train form's part for the update, and for each task's own optimizer and epochs."""

from mtl_core.config_sections import OptimizerConfig
from mtl_core.presets import load_presets

TASK = next(iter(load_presets()[0].config.tasks))


def test_a_task_gets_an_optimizer_of_its_own_and_loses_it_again(open_page):
    app = open_page(unfolded=["strategies"])
    app.toggle(key=f"own_optimizer.{TASK}").set_value(True).run()
    assert app.session_state["settings"]["tasks"][TASK]["optimizer"] == load_presets()[0].config.optimizer.model_dump()
    app.number_input(key=f"set.tasks.{TASK}.optimizer.lr").set_value(0.5).run()
    assert OptimizerConfig(**app.session_state["settings"]["tasks"][TASK]["optimizer"]).lr == 0.5
    assert any(caption.value.startswith(f"{TASK}: own") for caption in app.caption)
    app.toggle(key=f"own_optimizer.{TASK}").set_value(False).run()
    assert app.session_state["settings"]["tasks"][TASK]["optimizer"] is None


def test_epochs_of_a_task_that_make_no_sense_are_said(open_page):
    app = open_page(unfolded=["strategies"])
    app.number_input(key=f"set.tasks.{TASK}.start_epoch").set_value(9000).run()
    assert any("is after the run's last epoch" in error.value for error in app.error) or app.button(key="train").disabled
    app.number_input(key=f"set.tasks.{TASK}.start_epoch").set_value(2).run()
    assert app.session_state["settings"]["tasks"][TASK]["start_epoch"] == 2


def test_the_run_is_made_with_them(open_page, store):
    app = open_page(unfolded=["strategies"])
    app.number_input(key=f"set.tasks.{TASK}.stop_epoch").set_value(3).run()
    app.button(key="train").click().run()
    assert store.runs()[0].config.tasks[TASK].stop_epoch == 3
