"""The Train form's part on what chooses the best checkpoint."""

from mtl_core.presets import load_presets


def test_weights_and_floors_go_into_the_settings_and_follow_the_choice(open_page):
    tasks = list(load_presets()[0].config.tasks)
    assert len(tasks) > 1
    app = open_page("train", unfolded=["advanced"])

    def field(task, name):
        return [each for each in app.number_input if f"set.tasks.{task}.{name}" in str(each.key)]

    assert [len(field(task, "selection_weight")) for task in tasks] == [1] * len(tasks)
    field(tasks[1], "selection_floor")[0].set_value(0.7)
    field(tasks[0], "selection_weight")[0].set_value(2.0).run()
    settings = app.session_state["settings"]["tasks"]
    assert (settings[tasks[1]]["selection_floor"], settings[tasks[0]]["selection_weight"]) == (0.7, 2.0)
    next(each for each in app.multiselect if "select_by" in str(each.key)).set_value([tasks[0]]).run()
    assert app.session_state["settings"]["select_by"] == [tasks[0]]
    assert [len(field(task, "selection_weight")) for task in tasks] == [1] + [0] * (len(tasks) - 1)  # a weight counts where the task chooses
    assert field(tasks[1], "selection_floor")[0].value == 0.7
    assert not app.exception


def test_the_titles_of_weights_and_floors_stand_once_and_every_field_is_named(open_page, texts):
    tasks = list(load_presets()[0].config.tasks)
    app = open_page("train", unfolded=["advanced"])
    assert [texts(app).splitlines().count(title) for title in ("Selection weight", "Floor")] == [1, 1]
    shown = [each for each in app.number_input if "selection_" in str(each.key)]
    assert [each.label for each in shown] == [name for task in tasks for name in (f"Selection weight of {task}", f"Floor of {task}")]
    assert {each.proto.label_visibility.value for each in shown} == {2}  # read aloud, not drawn
    next(each for each in app.multiselect if "select_by" in str(each.key)).set_value([tasks[0]]).run()
    assert len([each for each in app.number_input if "selection_weight" in str(each.key)]) == 1
    for task in tasks[1:]:
        app.session_state["settings"]["tasks"].pop(task)
    app.run()  # one task alone: no weight to choose by
    assert [each.label for each in app.number_input if "selection_" in str(each.key)] == [f"Floor of {tasks[0]}"]
    assert "Selection weight" not in texts(app).splitlines()
