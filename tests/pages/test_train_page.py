"""The Train page: the form, its problems and the Train button."""

import pytest

from mtl_core.presets import load_presets
from mtl_core.runs import jobs
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training import execution
from tests.pages.conftest import base, choose_preset

pytestmark = pytest.mark.usefixtures("no_pictures")


def train_button(app):
    return app.button(key="train")


def test_the_first_preset_is_chosen_and_train_is_the_first_useful_click(open_page, store):
    app = open_page()
    assert app.session_state["settings_preset"] == load_presets()[0].name
    assert not train_button(app).disabled
    train_button(app).click().run()
    assert [run.config.to_dict() for run in store.runs()] == [load_presets()[0].config.to_dict() | {"name": ""}]
    assert store.runs()[0].name == load_presets()[0].title
    assert app.query_params["run"] == store.runs()[0].id


def test_a_preset_that_needs_no_weights_can_be_trained_before_pytorch_is_loaded(open_page, store, texts, monkeypatch):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page()
    assert not train_button(app).disabled
    assert "the run starts once it is loaded" in texts(app)
    app.number_input(key="set.epochs").set_value(7).run()
    assert train_button(app).disabled  # nobody has checked that
    app.number_input(key="set.epochs").set_value(load_presets()[0].config.epochs).run()
    assert not train_button(app).disabled
    choose_preset(app, "pets-frozen")  # whether its weights are installed is not known yet
    assert train_button(app).disabled
    choose_preset(app, load_presets()[0].name)
    train_button(app).click().run()
    assert [run.config.to_dict() for run in store.runs()] == [load_presets()[0].config.to_dict() | {"name": ""}]


def test_changes_survive_another_page(open_page):
    app = open_page()
    app.number_input(key="set.epochs").set_value(7).run()
    app.switch_page("pages/compare.py").run()
    app.switch_page("pages/train.py").run()
    assert app.number_input(key="set.epochs").value == 7
    assert app.session_state["settings"]["epochs"] == 7


def test_a_name_tells_two_changes_and_the_seed(open_page):
    app = open_page()
    for key, value in (("epochs", 7), ("batch_size", 48), ("optimizer.lr", 0.01), ("seed", 5)):
        app.number_input(key=f"set.{key}").set_value(value)
    app.run()
    assert app.text_input(key="set.name").placeholder == "7 epochs · batch size 48 · seed 5"


def test_a_run_is_named_after_its_changes_and_says_which_tasks_were_left_out(open_page, store):
    app = open_page()
    for task in ("present", "boxes"):
        app.checkbox(key=f"task.{task}").uncheck()
    app.number_input(key="set.epochs").set_value(7).run()
    assert app.text_input(key="set.name").placeholder == "without present and boxes · 7 epochs"
    train_button(app).click().run()
    assert store.runs()[0].name == "without present and boxes · 7 epochs"


def test_a_task_comes_back_with_its_weight(open_page):
    app = open_page()
    name = next(iter(load_presets()[0].config.tasks))
    app.number_input(key=f"set.tasks.{name}.loss_weight").set_value(2.5).run()
    app.checkbox(key=f"task.{name}").uncheck().run()
    assert name not in app.session_state["settings"]["tasks"]
    app.checkbox(key=f"task.{name}").check().run()
    assert app.session_state["settings"]["tasks"][name]["loss_weight"] == 2.5


def test_numbers_out_of_range_are_said_one_after_the_other_and_train_is_off(open_page):
    app = open_page()
    for key, number in (("tasks.present.loss_weight", -5.0), ("optimizer.lr", 1000.0), ("epochs", 0)):
        widget = app.number_input(key=f"set.{key}")
        right = widget.value
        assert (widget.min, widget.max) == (None, None)  # else the browser never sends it
        widget.set_value(number).run()
        assert train_button(app).disabled
        assert key in app.error[0].value.replace("\\", "")
        assert f"{number:g}" in app.error[0].value.replace("\\", "")
        app.number_input(key=f"set.{key}").set_value(right)
    app.run()
    assert not app.error
    assert not train_button(app).disabled


def test_no_task_left_is_said_and_train_is_off(open_page):
    app = open_page()
    for name in load_presets()[0].config.tasks:
        app.checkbox(key=f"task.{name}").uncheck()
    app.run()
    assert train_button(app).disabled
    assert app.error[0].value.replace("\\", "") == "No task is chosen. Tick at least one task."


def test_what_does_not_fit_is_said_before_training(open_page):
    app = open_page()
    app.selectbox(key="set.backbone.name.titled").set_value("mlp").run()
    assert train_button(app).disabled
    assert any("segments" in error.value for error in app.error)


def test_settings_from_yaml(open_page):
    app = open_page()
    app.text_area(key="yaml_text").input("data: {name: digits}\ntasks: {digit: {}}\nbackbone: {name: mlp, hidden: [16]}\n")
    next(button for button in app.button if button.label == "Use these settings").click().run()
    assert app.session_state["settings"]["backbone"].items() >= {"name": "mlp", "hidden": [16]}.items()
    assert app.text_input(key="set.backbone.hidden").value == "16"


def test_every_mistake_in_yaml_is_said_at_once_and_changes_nothing(open_page):
    app = open_page()
    before = dict(app.session_state["settings"])
    wrong = "data: {name: digits, siez: 3}\ntasks: {digit: {}}\nbackbone: {name: mlp, hiden: [3]}\nbalancing: {name: pcgrd}\nepochs: -1\nepoch: 3\n"
    for text, mistakes in (
        ("data: {name: digit}\ntasks: {digit: {}}\nbackbone: {name: mlp}\n", ["did you mean 'digits'"]),
        (wrong, ["siez", "hiden", "pcgrd", "epochs", "'epoch'"]),
    ):
        app.text_area(key="yaml_text").input(text)
        next(button for button in app.button if button.label == "Use these settings").click().run()
        said = " ".join(error.value for error in app.error).replace("\\", "")
        assert all(mistake in said for mistake in mistakes)
        assert app.session_state["settings"] == before


def test_train_waits_for_torch_because_the_checks_need_it(open_page, monkeypatch, texts):
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: False)
    app = open_page()
    app.number_input(key="set.epochs").set_value(7).run()
    assert "Loading PyTorch" in texts(app)
    assert "Train is enabled in a few seconds" in texts(app)
    assert train_button(app).disabled
    assert "torch" in app.session_state["waiting"]  # the strip draws the page anew when it is there
    monkeypatch.setattr("mtl_core.runs.jobs.warmed", lambda: True)
    app.run()
    assert not train_button(app).disabled


def labels(app):
    return [widget.label for kind in (app.number_input, app.text_input, app.toggle, app.selectbox) for widget in kind]


def test_options_that_do_nothing_are_hidden(open_page):
    app = open_page(unfolded=["advanced"])
    app.selectbox(key="set.optimizer.name").set_value("adamw").run()
    assert "Momentum" not in labels(app)
    app.selectbox(key="set.optimizer.name").set_value("sgd").run()
    assert "Momentum" in labels(app)


def test_mnist_options_of_the_scenes_are_shown_with_mnist_and_what_is_fetched_is_said(open_page, monkeypatch, tmp_path, texts):
    monkeypatch.setenv("MTL_MNIST_ROOT", str(tmp_path))
    app = open_page(unfolded=["options.data"])
    assert app.session_state["settings"]["data"]["name"] == "digit_scenes"
    assert {"Folder", "Download"}.isdisjoint(labels(app))
    assert "MNIST's files" not in texts(app)
    app.selectbox(key="set.data.glyphs").set_value("mnist").run()
    assert {"Folder", "Download"} <= set(labels(app))
    assert f"The files are not in `{tmp_path / 'MNIST' / 'raw'}` yet. The run downloads them (11 MB) when it starts." in texts(app)
    app.text_input(key="set.data.root").set_value(str(tmp_path / "nowhere")).run()
    assert "The run downloads them" not in texts(app)  # it is a problem instead
    app.text_input(key="set.data.root").set_value("").run()
    assert "The run downloads them" in texts(app)
    app.toggle(key="set.data.download").set_value(False).run()
    assert "The run downloads them" not in texts(app)


def test_sharing_is_chosen_only_where_there_is_a_choice(open_page, monkeypatch):
    hard = {"hard": SHARING_SCHEMES.table["hard"]}
    monkeypatch.setattr(SHARING_SCHEMES, "_table", hard)
    assert "Sharing" not in labels(open_page(unfolded=["advanced"]))
    monkeypatch.setattr(SHARING_SCHEMES, "_table", {**hard, "another": hard["hard"]})
    assert "Sharing" in labels(open_page(unfolded=["advanced"]))


def test_a_second_click_of_the_same_drawing_shows_the_same_run(open_page, store):
    app = open_page("train")
    request = app.session_state["request_id"]
    train_button(app).click().run()
    (run,) = store.runs()
    app.switch_page("pages/train.py").run()
    assert app.session_state["request_id"] != request  # the form was drawn anew: this click is meant
    app.session_state["request_id"] = request  # as a browser that repeats its click
    app.run()
    train_button(app).click().run()
    assert [each.id for each in store.runs()] == [run.id]
    assert app.query_params["run"] == run.id


def test_the_executor_is_the_stores_setting(open_page, store):
    app = open_page(unfolded=["advanced"])
    assert app.button_group(key="executor").value == "thread"
    app.button_group(key="executor").set_value("process").run()
    assert store.settings()["executor"] == "process"


def test_an_executor_of_the_environment_is_shown_as_fixed(open_page, monkeypatch, texts):
    monkeypatch.setenv("MTL_EXECUTOR", "process")
    app = open_page(unfolded=["advanced"])
    assert app.button_group(key="executor").value == "process"
    assert app.button_group(key="executor").disabled
    assert "Fixed by MTL_EXECUTOR=process" in texts(app)
    monkeypatch.setenv("MTL_EXECUTOR", "carrier pigeon")
    app.run()
    assert "expected thread, process or ray" in app.error[0].value


def test_threads_are_chosen_for_runs_in_processes_of_their_own(open_page, store, monkeypatch, texts):
    monkeypatch.setattr("ui.train.executor_form.cores", lambda: 4)
    monkeypatch.setattr(jobs, "cores", lambda: 4)
    monkeypatch.delenv("MTL_THREADS", raising=False)
    app = open_page(unfolded=["advanced"])
    assert app.selectbox(key="threads.fixed").disabled  # in this server, another number would change other runs
    assert "which MTL_THREADS in its environment sets" in texts(app)
    app.button_group(key="executor").set_value("process").run()
    field = app.selectbox(key="threads")
    assert (field.value, field.options) == ("", ["PyTorch's own number", "1", "2", "3", "4"])
    assert "Cores of this machine: 4." in field.help
    field.set_value("3").run()
    assert (store.settings()["threads"], jobs.worker_threads(store)) == ("3", 3)
    app.selectbox(key="threads").set_value("").run()
    assert jobs.worker_threads(store) is None
    monkeypatch.setenv("MTL_THREADS", "6")
    app.run()
    assert (app.selectbox(key="threads.fixed").value, app.selectbox(key="threads.fixed").disabled) == ("6", True)
    assert "Fixed by MTL_THREADS=6" in texts(app)
    assert not app.exception


def test_stored_threads_that_are_no_number_are_said(open_page, store, monkeypatch):
    monkeypatch.delenv("MTL_THREADS", raising=False)
    store.set("executor", "process")
    store.set("threads", "many")
    app = open_page(unfolded=["advanced"])
    assert "expected a whole number from 1 to 1024, found 'many'" in app.error[0].value
    app.selectbox(key="threads").set_value("1").run()
    assert not app.error
    assert store.settings()["threads"] == "1"


@pytest.mark.parametrize("way", ["typed", "pasted", "in the address"])
def test_a_path_out_of_bounds_is_said_and_not_looked_at(open_page, store, monkeypatch, tmp_path, finished, way):
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(tmp_path / "data"))
    monkeypatch.setattr("mtl_core.data.sources.mnist_files.MNISTFiles.path", lambda *_: pytest.fail("it was looked at"))
    if way == "in the address":
        query = {"clone": finished.id, "set": ["data.name=mnist", "data.root=/elsewhere"]}
        app = open_page("train", **query)
    else:
        app = open_page("train")
        app.text_area(key="yaml_text").input("data: {name: mnist, root: /elsewhere}\ntasks: {digit: {}}\nbackbone: {name: mlp}\n")
        if way == "typed":
            app.session_state["settings"]["data"] = {"name": "mnist", "root": "/elsewhere"}
            app.run()
        else:
            next(button for button in app.button if button.label == "Use these settings").click().run()
    assert app.error[0].value.replace("\\", "").startswith("data.root: '/elsewhere' is outside the folders that the dashboard may read")
    assert train_button(app).disabled


def test_starting_weights_and_freezing_are_chosen_and_what_does_not_fit_is_said(open_page, texts):
    app = open_page("train", unfolded=["weights"])
    assert "No weights are published for this backbone." in texts(app)
    app.selectbox(key="set.backbone.weights").set_value("file").run()
    assert "weights_file is empty" in texts(app).replace("\\", "")
    app.text_input(key="set.backbone.weights_file").input("/etc/weights.pt").run()
    assert "outside the folders that the dashboard may read" in texts(app).replace("\\", "")
    app.selectbox(key="set.backbone.weights").set_value("none").run()
    app.selectbox(key="set.backbone.freeze").set_value("stages").run()
    assert not app.error
    app.number_input(key="set.backbone.freeze_stages").set_value(9).run()
    assert "the backbone has 3 stages" in texts(app)
    app.selectbox(key="set.backbone.name.titled").set_value("efficientnet_lite0").run()
    assert "Published weights: ImageNet-1k" in texts(app)


@pytest.mark.parametrize("further", [[], ["cuda:1", "cuda:2"]])
def test_each_gpu_is_offered_where_there_are_several(open_page, monkeypatch, further):
    monkeypatch.setattr(execution, "devices_here", lambda: ["cpu", "cuda", *further])  # 'auto' takes the CPU, which is there
    app = open_page(unfolded=["advanced"])
    assert app.selectbox(key="set.device").options == ["Auto", "CPU", "NVIDIA GPU (cuda)", "Apple GPU (mps)", *further]


def test_methods_to_start_with_head_the_list_and_one_seed_stands_on_the_form(open_page):
    app = open_page(unfolded=["advanced"])
    methods = app.selectbox(key="set.balancing.name.titled")
    options = methods.options
    assert "★ to start with" in methods.label
    assert [option.startswith("★ ") for option in options[:4]] == [True, True, True, False]
    assert len(options) == len(set(options)) > 30
    assert [field.key for field in app.number_input if field.label == "Seed"] == ["set.seed"]
    advanced = [base(field.key) for field in app.number_input if field.label.startswith("Seed of")]
    assert advanced == ["set.data.seed", "set.data.partition.seed"]


def test_all_mistakes_are_named_at_once_where_they_are(open_page):
    app = open_page()
    app.number_input(key="set.epochs").set_value(0)
    app.number_input(key="set.batch_size").set_value(-4)
    app.number_input(key="set.optimizer.lr").set_value(50.0).run()
    assert not app.exception
    below = [caption.value for caption in app.caption if caption.value.startswith(":red[")]
    assert len(below) == 3
    named = " ".join(error.value for error in app.error)
    assert all(key in named.replace("\\", "") for key in ("epochs", "batch_size", "optimizer.lr"))
    app.number_input(key="set.epochs").set_value(4)
    app.number_input(key="set.batch_size").set_value(32)
    app.number_input(key="set.optimizer.lr").set_value(0.01).run()
    assert not [caption.value for caption in app.caption if caption.value.startswith(":red[")]


def test_a_mistake_moves_no_field_of_its_row(open_page):
    """The sentence stands in a row of its own, below the fields."""
    app = open_page(unfolded=["advanced", "strategies"])
    mistakes = {"optimizer.weight_decay": -1.0, "schedule.warmup_fraction": 2.0, "tasks.boxes.loss_weight": -1.0, "tasks.count.start_epoch": 0}
    for name, value in {**mistakes, "tasks.count.selection_weight": -1.0, "conflict_every": -1}.items():
        app.number_input(key=f"set.{name}").set_value(value)
    app.run()
    assert not app.exception
    innermost = [column for column in app.columns if not column.columns]
    said = [column for column in innermost if any(caption.value.startswith(":red[") for caption in column.caption)]
    assert [len(column.caption) for column in said] == [1] * 6
    assert not any(column.number_input for column in said)


def test_a_short_run_is_offered_closer_measurements_of_conflict(open_page, texts):
    app = open_page(unfolded=["advanced"])
    choose_preset(app, "digits-quick")
    app.number_input(key="set.epochs").set_value(10)
    app.number_input(key="set.batch_size").set_value(64)  # 1,258 images: 19 steps an epoch
    app.number_input(key="set.conflict_every").set_value(50).run()
    assert "measured about 4 times in this run" in texts(app)
    app.button(key="measure_closer").click().run()
    assert app.session_state["settings"]["conflict_every"] == 190 // 40
    assert "measured about 48 times in this run" in texts(app)
    assert "measure_closer" not in [button.key for button in app.button]
