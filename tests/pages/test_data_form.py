"""The data options of the Train form: preprocessing, partition, shares of labels, augmentation."""

from __future__ import annotations

import json

import pytest

from mtl_core.config_sections import OptimizerConfig, TaskConfig
from mtl_core.data.sources.digit_scenes import DigitScenes
from mtl_core.presets import get_preset
from tests.pages.conftest import choose_preset
from ui.shell import model_forms
from ui.train import data_form, sample_preview


@pytest.fixture
def train_page(open_page):
    """The form with the quick preset, whose images are there at once."""
    app = open_page("train", unfolded=["data_options", "advanced"])
    choose_preset(app, "digits-quick")
    return app


def drawn(app):
    """Waits for the sample of this session, which a thread prepares."""
    from ui.train.sample_preview import _job

    for _ in range(200):
        if any(caption.value.startswith(("Every image", "Each column")) for caption in app.caption):
            return app
        if "preparing" in app.session_state:
            _job(*app.session_state["preparing"])["thread"].join(30)
        app.run()
    raise AssertionError("no sample appeared")


def setting(app, *path):
    node = app.session_state["settings"]
    for key in path:
        node = node[key]
    return node


def test_preprocessing_is_chosen_and_seen_before_and_after_and_an_impossible_strength_is_said(train_page, texts):
    app = drawn(train_page)
    app.selectbox(key="set.data.preprocessing.denoise.name.titled").set_value("median").run()
    assert "Source: T. S. Huang" in texts(app)
    app.number_input(key="set.data.preprocessing.denoise.size").set_value(4).run()
    assert any("data.preprocessing.denoise.size: expected an odd number" in error.value.replace("\\", "") for error in app.error)
    assert app.button(key="train").disabled
    app.number_input(key="set.data.preprocessing.denoise.size").set_value(5)
    app.selectbox(key="set.data.preprocessing.resize").set_value("pad").run()
    app.number_input(key="set.data.preprocessing.width").set_value(24)
    app.number_input(key="set.data.preprocessing.height").set_value(16).run()
    assert setting(app, "data", "preprocessing", "denoise") == {"name": "median", "size": 5}
    assert "Before preprocessing" in texts(app)
    assert "After preprocessing, as the network sees it" in texts(app)
    assert not app.button(key="train").disabled


def test_a_share_of_the_labels_is_drawn_as_coverage_and_trained(train_page, store, texts):
    app = drawn(train_page)
    name = next(iter(get_preset("digits-quick").config.tasks))
    assert "Every image is labelled for every task." in texts(app)
    app.slider(key=f"set.tasks.{name}.label_fraction").set_value(10).run()
    assert setting(app, "tasks", name, "label_fraction") == 0.1
    assert "training images, evenly spaced" in texts(app)
    app.button(key="train").click().run()
    assert store.runs()[0].config.tasks[name].label_fraction == 0.1
    assert f"10 % of the labels of {name}" in store.runs()[0].name


def test_disjoint_runs_carry_their_division_and_a_clone_says_so(train_page, open_page, store, texts):
    app = drawn(train_page)
    app.selectbox(key="set.data.partition.kind").set_value("disjoint").run()
    app.button(key="train").click().run()
    [run] = store.runs()
    tasks = list(run.config.tasks)
    assert run.config.data.partition.among == tasks
    clone = open_page("train", unfolded=["data_options"], clone=run.id, set=[f"tasks.{tasks[-1]}=null"])
    assert f"The images are divided among {', '.join(tasks)}" in texts(clone)
    clone.button(key="among").click().run()
    assert setting(clone, "data", "partition", "among") == []
    assert "The images are divided among" not in texts(clone)


def test_another_data_set_begins_with_its_images_as_they_come(train_page):
    app = train_page
    app.selectbox(key="set.data.preprocessing.colour").set_value("grey").run()
    app.selectbox(key="set.data.name.titled").set_value("digit_scenes").run()
    assert setting(app, "data", "preprocessing", "colour") == "as_is"
    assert app.selectbox(key="set.data.preprocessing.colour").value == "as_is"


def test_augmentation_is_seen_refused_and_remarked_on(train_page, texts):
    app = drawn(train_page)
    app.number_input(key="set.augmentation.rotation").set_value(15.0).run()
    assert "Augmented, 3 times" in texts(app)
    assert any("augmentation.rotation" in error.value.replace("\\", "") and "slant" in error.value for error in app.error)
    app.number_input(key="set.augmentation.rotation").set_value(0.0).run()
    app.number_input(key="set.augmentation.saturation").set_value(0.5).run()
    assert any("Saturation does nothing here" in warning.value for warning in app.warning)


def test_a_fork_says_what_is_done_to_the_images_and_cannot_change_it(store, in_state, open_page, texts):
    data = {"name": "digits", "preprocessing": {"denoise": {"name": "gaussian"}}, "partition": {"kind": "disjoint"}}
    run = in_state("finished", data=data)
    app = open_page("train", fork=run.id)
    assert all(part in texts(app) for part in ("denoised", "gaussian", "separate images for each task"))
    assert not [box for box in app.selectbox if box.key and box.key.startswith("set.data.")]


def test_a_box_of_a_form_that_is_gone_adds_no_task(monkeypatch):
    """A browser that connects again reports the boxes that it shows, also after a draft has replaced the settings."""
    session = {"settings": {"data": {"name": "digits"}, "tasks": {"digit": {"loss_weight": 1.0}}}, "task.count": True, "task.ink": True}
    monkeypatch.setattr(data_form.st, "session_state", session)
    data_form._take_task("count", "task.count")
    assert list(session["settings"]["tasks"]) == ["digit"]
    data_form._take_task("ink", "task.ink")
    assert list(session["settings"]["tasks"]) == ["digit", "ink"]


def test_a_setting_of_a_form_that_is_gone_changes_nothing(monkeypatch):
    """A browser may report the loss weight of a task, or an option of a data set, that another preset has replaced."""
    session = {"settings": {"data": {"name": "digits"}, "tasks": {"digit": {"loss_weight": 1.0}}, "optimizer": {"lr": 0.1}}}
    monkeypatch.setattr(model_forms.st, "session_state", session)
    options = {field.name: field for field in model_forms.describe(DigitScenes.Options)}
    weight = next(field for field in model_forms.describe(TaskConfig) if field.name == "loss_weight")
    rate = next(field for field in model_forms.describe(OptimizerConfig) if field.name == "lr")
    reports = [
        (weight, ("tasks", "count", "loss_weight"), "set.tasks.count.loss_weight", 2.0),
        (options["max_digits"], ("data", "max_digits"), "set.data.max_digits@digit_scenes", 4),
        (weight, ("tasks", "digit", "loss_weight"), "set.tasks.digit.loss_weight", 3.0),
        (rate, ("optimizer", "lr"), "set.optimizer.lr", 0.2),
    ]
    for field, path, key, value in reports:
        session[key] = value
        model_forms._write_back(field, path, key)
    assert session["settings"] == {"data": {"name": "digits"}, "tasks": {"digit": {"loss_weight": 3.0}}, "optimizer": {"lr": 0.2}}


def test_the_first_presets_data_are_prepared_before_the_form_is_drawn_and_no_others(store, monkeypatch):
    asked = []
    monkeypatch.setattr(sample_preview, "_job", lambda cache, text: asked.append(json.loads(text)[0]))
    first, other = (get_preset(name).config.to_dict() for name in ("digit-scenes", "digits-quick"))
    more = {**first, "data": {**first["data"], "train_size": 2999}}
    for settings in (other, more, first):
        sample_preview.prepare_sample(store, settings)
    assert asked == [{"name": "digit_scenes", "max_digits": 3}]
