"""Names of runs in words."""

import pytest

from mtl_core.config import RunConfig
from mtl_core.language import speaking
from mtl_core.presets import get_preset, load_presets
from mtl_core.run_names import LONGEST, fork_name, name_without_method, run_name, typed_name
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.method_race import configs, start
from mtl_core.runs.store import open_store

SCENES = get_preset("digit-scenes").config
SUBJECT = "Digit scenes: 4 tasks"


def both(name):
    return name.title, name.subtitle


@pytest.mark.parametrize(
    ("assigned", "tags", "name"),
    [
        ([], (), (SUBJECT, "")),
        (["balancing.name=pcgrad"], ("race-8171",), ("PCGrad · race 8171", SUBJECT)),
        ([], ("mine", "race-8171"), ("Fixed weights · race 8171", SUBJECT)),
        (["balancing.name=pcgrad", "seed=3"], ("race-8171",), ("PCGrad · seed 3 · race 8171", SUBJECT)),
        (
            ["tasks.present=null", "tasks.boxes=null", "tasks.segments=null", "data.train_size=1000", "data.val_size=200"],
            (),
            ("count alone · 1,000 images", "Digit scenes · 200 val images"),
        ),
        (["tasks.boxes.loss_weight=5"], (), (f"boxes ×5 · {SUBJECT}", "")),
        (["seed=2"], (), (f"seed 2 · {SUBJECT}", "")),
        (["balancing.name=pcgrad", "epochs=4", "seed=2"], (), ("PCGrad · 4 epochs · seed 2", SUBJECT)),
        (["epochs=4", "optimizer.lr=0.01", "batch_size=8"], (), ("4 epochs · batch size 8", f"{SUBJECT} · learning rate 0.01")),
        (["precision=fp32", "device=cpu", "keep_checkpoints=1"], (), (SUBJECT, "")),
        (["changes=[{step: 3, key: optimizer.lr, value: 0.1}]"], (), (SUBJECT, "1 live change")),
    ],
)
def test_what_differs_comes_first(assigned, tags, name):
    assert both(run_name(SCENES.with_overrides(assigned), tags)) == name


def test_a_subtitle_is_said_in_the_readers_language_and_a_title_is_kept(home):
    store = open_store(home)
    changed = SCENES.with_overrides(["epochs=4", "optimizer.lr=0.01", "batch_size=8"])
    few = store.create(changed.with_overrides(["changes=[{step: 3, key: optimizer.lr, value: 0.1}]"]))
    many = store.create(changed.with_overrides(["seed=2", "augmentation.flip=true", "gradient_clip=1"]))
    own = {"name": "a try", "data": {"name": "imported", "set": "Digit scenes"}, "tasks": {"kind": {}}, "backbone": {"name": "lenet"}}
    with speaking("zh"):
        runs = {run.id: (run.name, run.subtitle) for run in store.runs()}
        assert runs[few.id] == ("4 epochs · batch size 8", "数字场景：4 个任务 · 学习率 0.01 · 1 次实时调节")
        assert runs[many.id] == ("4 epochs · batch size 8 · seed 2", "数字场景：4 个任务 · 学习率 0.01 · 翻转 · 梯度裁剪 1")
        assert store.create(RunConfig.from_dict(own)).subtitle == "Digit scenes：kind"  # an imported set's own name stays
        facts = {each.id: each.subtitle for each in store.facts()}
    assert facts[few.id] == store.get(few.id).subtitle == f"{SUBJECT} · learning rate 0.01 · 1 live change"


@pytest.mark.parametrize("preset", load_presets(), ids=lambda preset: preset.name)
def test_an_unchanged_preset_has_its_title(preset):
    assert both(run_name(preset.config)) == (preset.title, "")


def test_without_a_preset_on_the_data_the_name_tells_what_is_not_the_default():
    values = {"data": {"name": "imported", "set": "my cells"}, "tasks": {"kind": {}, "area": {"loss_weight": 2}}, "backbone": {"name": "lenet"}}
    config = RunConfig.from_dict(values | {"epochs": 77})
    assert both(run_name(config)) == ("area ×2 · my cells: kind + area", "")


def test_a_typed_name_is_kept():
    config = SCENES.with_overrides(["name=My try", "epochs=3"])
    assert both(run_name(config)) == ("My try", f"{SUBJECT} · 3 epochs")
    assert both(run_name(config, typed="Another")) == ("Another", f"{SUBJECT} · 3 epochs")


@pytest.mark.parametrize(
    "name",
    [
        "Digit scenes: 4 tasks · data.train_size=1000 · data.val_size=200 · + 1 more · PCGrad",
        'Digit scenes: 4 tasks · changes=[{"step": 42, "key": "tasks.boxes.loss_weight", "value": 1.05}, {"step": 43',
        "One task alone · without segments · data.train_size=1000 · + 7 more",
    ],
)
def test_names_with_keys_that_earlier_versions_made_are_made_anew(name):
    config = SCENES.with_overrides(["tasks.boxes.loss_weight=5"]).model_copy(update={"name": name[:120]})
    assert run_name(config).title == f"boxes ×5 · {SUBJECT}"


@pytest.mark.parametrize("name", ["a = b", "LR=1, first try", "mAP 0.5 · second try", "Digit scenes: 4 tasks · mine"])
def test_a_persons_own_marks_are_no_keys(name):
    assert typed_name(SCENES.model_copy(update={"name": name})) == name


def test_no_name_is_too_long():
    tasks = {letter * 60: {"loss_weight": 2} for letter in "abc"}
    many = RunConfig.from_dict({"data": {"name": "digits"}, "tasks": tasks, "backbone": {"name": "mlp"}})
    assert len(run_name(many).title) == LONGEST


def test_a_fork_is_named_by_what_it_changes():
    after = SCENES.with_overrides(["tasks.boxes.loss_weight=5", "epochs=16"])
    assert fork_name(SUBJECT, SCENES, after, 4) == f"boxes ×5, from epoch 4 · {SUBJECT}"
    assert fork_name(SUBJECT, SCENES, SCENES.with_overrides(["epochs=16"]), 4) == f"from epoch 4 · {SUBJECT}"
    three = after.with_overrides(["balancing.name=pcgrad", "optimizer.lr=0.01"])
    assert fork_name("x" * 60, SCENES, three, 4) == f"PCGrad, boxes ×5, 1 more, from epoch 4 · {'x' * 39}…"


def test_the_runs_of_a_race_are_named_by_their_methods(home):
    store = open_store(home)
    base = SCENES.model_copy(update={"name": ""})
    race = start(store, base, ["fixed", "pcgrad"])
    assert [run.name for run in store.runs()] == [f"PCGrad · race {race[5:]}", f"Fixed weights · race {race[5:]}"]
    assert {run.subtitle for run in store.runs()} == {SUBJECT}
    typed = configs(SCENES.model_copy(update={"name": "lecture"}), ["fixed", "pcgrad"])
    assert [config.name for config in typed.values()] == ["Fixed weights · lecture", "PCGrad · lecture"]
    assert {name_without_method(config) for config in typed.values()} == {"lecture"}
    assert {name_without_method(run.config) for run in store.runs()} == {SUBJECT}


def test_renaming_and_the_empty_name(home):
    store = open_store(home)
    run = store.create(SCENES.with_overrides(["epochs=3"]))
    assert run.name == f"3 epochs · {SUBJECT}"
    assert actions.rename(store, run.id, "mine").name == "mine"
    assert actions.rename(store, run.id, "").name == f"3 epochs · {SUBJECT}"


def test_a_fork_on_the_command_line_has_the_same_name_as_on_the_page(home):
    store = open_store(home)
    parent = store.create(SCENES)
    config = resume_and_fork.fork_config(parent, 4, ["tasks.boxes.loss_weight=5", "epochs=16"])
    assert config.name == f"boxes ×5, from epoch 4 · {SUBJECT}"


def test_a_name_that_is_cut_is_searched_in_full():
    config = SCENES.model_copy(update={"tasks": {**SCENES.tasks}, "name": ""})
    changed = RunConfig.from_dict({**config.to_dict(), "seed": 2, "backbone": {"name": "small_cnn", "widths": [16] * 40}})
    name = run_name(changed)
    whole = name.in_full
    assert name.title.endswith("…")
    assert "…" not in whole
    assert all(part in whole for part in (name.title[:-1], "seed 2", SUBJECT))
