"""RunConfig: YAML in and out, and every mistake named."""

from __future__ import annotations

import pytest

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.imports import ImportSpec
from mtl_core.errors import ConfigError
from mtl_core.presets import get_preset, load_presets
from mtl_core.registry import validated
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.training import UPDATES

MINIMAL = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}}


def changed(**values):
    return {**MINIMAL, **values}


def problems_of(values) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_dict(values)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_yaml_round_trip_keeps_everything():
    config = RunConfig.from_dict(changed(tasks={"digit": {"loss_weight": 0.25}}, backbone={"name": "mlp", "hidden": [8, 4]}, epochs=3))
    again = RunConfig.from_yaml(config.to_yaml())
    assert again == config
    assert again.backbone.options == {"hidden": [8, 4]}
    assert again.tasks["digit"].loss_weight == 0.25


def test_unknown_key_is_named_with_the_close_one():
    assert "did you mean 'epochs'" in problems_of(changed(epoch=3))["epoch"]


def test_unknown_nested_key_is_named_with_its_path():
    problems = problems_of(changed(optimizer={"name": "adam", "learning_rate": 0.1}))
    assert list(problems) == ["optimizer.learning_rate"]
    assert "lr" in problems["optimizer.learning_rate"]


def test_every_problem_is_listed():
    assert set(problems_of(changed(epochs=0, batch_size=-1, seed="x"))) == {"epochs", "batch_size", "seed"}


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "much"])
def test_impossible_loss_weights_are_refused(value):
    assert "tasks.digit.loss_weight" in problems_of(changed(tasks={"digit": {"loss_weight": value}}))


@pytest.mark.parametrize("value", [1_000_001, 1e308])
def test_a_loss_weight_beyond_what_32_bits_can_add_up_is_refused(value):
    assert "expected at most 1,000,000" in problems_of(changed(tasks={"digit": {"loss_weight": value}}))["tasks.digit.loss_weight"]
    change = {"step": 1, "key": "tasks.digit.loss_weight", "value": value}
    assert "expected at most 1,000,000" in problems_of(changed(changes=[change]))["changes.0.value"]
    with pytest.raises(ConfigError, match=r"changes\.0\.value"):
        RunConfig.from_dict(MINIMAL).with_change(1, "tasks.digit.loss_weight", value)
    stored = RunConfig.from_stored(changed(tasks={"digit": {"loss_weight": value}}, changes=[change]))
    assert stored.tasks["digit"].loss_weight == value


def test_more_tasks_than_a_page_can_show_are_one_sentence():
    problems = problems_of(changed(tasks={f"t{number}": {} for number in range(1001)}))
    assert [*problems.values()] == ["tasks: expected at most 1,000 tasks, found 1,001; leave some out"]
    divided = {"name": "digits", "partition": {"kind": "disjoint", "among": [f"t{number}" for number in range(5000)]}}
    assert "and 4,980 others" in str(problems_of(changed(data=divided)))


NUMBERS = [
    ("epochs", True),
    ("seed", False),
    ("gradient_clip", True),
    ("optimizer.lr", True),
    ("schedule.warmup_fraction", False),
    ("augmentation.shift", True),
    ("data.preprocessing.height", True),
    ("tasks.digit.loss_weight", True),
    ("tasks.digit.start_epoch", True),
    ("tasks.digit.optimizer.momentum", False),
    ("backbone.freeze_epochs", True),
]


@pytest.mark.parametrize(("key", "value"), NUMBERS)
def test_yes_and_no_are_no_numbers(key, value):
    values: dict = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}}
    *sections, last = key.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    assert problems_of(values) == {key: f"expected a number, found {str(value).lower()}; write the number"}


def _all_parts():
    tables = {"data": DATA_SOURCES, "backbone": BACKBONES, "sharing": SHARING_SCHEMES, "balancing": BALANCERS, "update": UPDATES}
    return [(table, name) for table in tables.values() for name in table]


@pytest.mark.parametrize(("table", "part"), _all_parts(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_option_of_a_part_takes_yes_for_a_number_or_a_path_that_cannot_be(table, part):
    options = table.load(part).Options
    for name, schema in options.model_json_schema()["properties"].items():
        kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", []))}
        tried = [True] if kinds & {"integer", "number"} and "boolean" not in kinds else []
        tried += ["x" * 300, "a/" * 3000, "a\0b", "~no_such_user_at_all/x"] if schema.get("path") else []
        for value in tried:
            with pytest.raises(ConfigError) as refused:
                validated(options, {name: value}, "part")
            assert [problem.field for problem in refused.value.problems if problem.field == f"part.{name}"], (name, value)


def test_nan_in_yaml_is_refused():
    with pytest.raises(ConfigError, match=r"tasks\.digit\.loss_weight"):
        RunConfig.from_yaml("data: {name: digits}\ntasks: {digit: {loss_weight: .nan}}\nbackbone: {name: mlp}")


def test_no_task_and_nothing_to_learn_are_contradictions():
    with pytest.raises(ConfigError, match="at least one task"):
        RunConfig.from_dict(changed(tasks={}))
    with pytest.raises(ConfigError, match="every loss_weight is 0"):
        RunConfig.from_dict(changed(tasks={"digit": {"loss_weight": 0}}))


def test_yaml_with_objects_is_refused_and_not_run():
    with pytest.raises(ConfigError, match="not valid YAML"):
        RunConfig.from_yaml("!!python/object/apply:os.system ['true']")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs: 1\nseed: 2\nepochs: 3", "line 3: the key 'epochs' occurs twice, in lines 1 and 3"),
        ("tasks: {digit: {}, digit: {loss_weight: 3}}", "line 1: the key 'digit' occurs twice, in line 1"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text, said):
    """YAML's own reader would silently take the last."""
    with pytest.raises(ConfigError, match=said):
        RunConfig.from_yaml(text)


def test_anchors_and_merged_keys_are_read_in_a_file(tmp_path):
    text = "data: {name: digits}\nbackbone: {name: mlp}\ntasks:\n  digit: &same {loss_weight: 2}\n  slant: {<<: *same, start_epoch: 2}"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    tasks = RunConfig.from_file(tmp_path / "mine.yaml").tasks
    assert [(task.loss_weight, task.start_epoch) for task in tasks.values()] == [(2.0, 1), (2.0, 2)]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text("data: {name: digits\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the config file '.*mine\.yaml': the text is not valid YAML at line 2"):
        RunConfig.from_file(tmp_path / "mine.yaml")


def test_what_is_missing_or_empty_is_said_with_what_belongs_there():
    assert problems_of({"data": {"name": "digits"}, "tasks": {"digit": {}}})["backbone"].startswith("is missing; give it: the network that")
    assert problems_of(changed(tasks={"digit": None}))["tasks.digit"] == "expected keys and values ({} for none), found nothing"
    for part in ("data", "backbone", "sharing", "balancing", "update", "optimizer", "schedule"):
        assert problems_of(changed(**{part: "mine"}))[part] == "expected keys and values, the name among them, found 'mine'; write it as 'name: mine'"
    assert problems_of(changed(tasks={"digit": "mine"}))["tasks.digit"] == "expected keys and values ({} for none), found 'mine'"
    assert len(problems_of(changed(epochs=list(range(1000))))["epochs"]) < 200


@pytest.mark.parametrize(("text", "found"), [("", "nothing"), ("- a\n- b", "a list"), ("hello", "a text"), ("3", "'3'")])
def test_text_that_is_no_mapping_is_refused_in_words(text, found):
    for read in (RunConfig.from_yaml, ImportSpec.from_yaml):
        with pytest.raises(ConfigError, match=rf"must be a mapping of keys such as .*; found {found}$"):
            read(text)


@pytest.mark.parametrize(("name", "why"), [("none.yaml", "there is no such file"), (".", "is a directory"), ("wide.yaml", "it is no text in UTF-8")])
def test_why_a_file_cannot_be_read_is_said_in_words(tmp_path, name, why):
    (tmp_path / "wide.yaml").write_text("data: {name: digits}", encoding="utf-16")
    for read in (RunConfig.from_file, ImportSpec.from_file):
        with pytest.raises(ConfigError, match=f"^cannot read the [a-z ]+ '.*': {why}. Give the path of a YAML file in UTF-8"):
            read(tmp_path / name)


def test_tasks_in_a_list_are_told_how_they_are_written():
    said = problems_of(changed(tasks=["digit", "ink"]))["tasks"]
    assert said == "expected keys and values, found a list; write it as {digit: {}, ink: {}}"
    assert problems_of(changed(tasks=[1, 2]))["tasks"] == "expected keys and values ({} for none), found [1, 2]"


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        RunConfig.from_file(tmp_path / "nowhere.yaml")


def test_overrides_set_nested_keys_and_read_yaml_values():
    config = RunConfig.from_dict(MINIMAL).with_overrides(["optimizer.lr=0.5", "tasks.ink.loss_weight=2", "tasks.digit=null", "backbone.hidden=[16]"])
    assert config.optimizer.lr == 0.5
    assert list(config.tasks) == ["ink"]
    assert config.backbone.options == {"hidden": [16]}


def test_choosing_another_part_drops_the_options_of_the_first():
    config = RunConfig.from_dict(changed(backbone={"name": "mlp", "hidden": [8]})).with_overrides(["backbone.name=small_cnn"])
    assert config.backbone.options == {}


@pytest.mark.parametrize("assignment", ["epochs", "=3", "epochs.more=1", "tasks=5", "tasks=null"])
def test_bad_overrides_are_refused(assignment):
    with pytest.raises(ConfigError):
        RunConfig.from_dict(MINIMAL).with_overrides([assignment])


def test_presets_are_valid_and_in_order():
    presets = load_presets()
    assert presets[0].name == "digit-scenes"
    assert len(presets[0].config.tasks) == 4
    for preset in presets:  # the form shows the tasks in the data set's order, the run in the config's
        order = [task.name for task in open_source(preset.config.data).tasks() if task.name in preset.config.tasks]
        assert list(preset.config.tasks) == order, preset.name
    assert "mnist-mlp" in [preset.name for preset in presets]
    assert all(preset.title and preset.shows and preset.measured for preset in presets)


def test_the_articles_preset_runs_exactly_what_the_article_says():
    config = get_preset("mnist-mlp").config
    assert config.backbone.name == "mlp"
    assert config.backbone.options.get("hidden", [64, 32]) == [64, 32]
    assert (config.optimizer.name, config.epochs, config.batch_size) == ("adam", 10, 32)
    assert list(config.tasks) == ["digit"]


def test_unknown_preset_says_what_there_is():
    with pytest.raises(ConfigError, match="did you mean 'digit-scenes'"):
        get_preset("digit-scene")


def test_a_config_from_before_preprocessing_and_partition_means_the_same():
    config = RunConfig.from_dict(MINIMAL)
    assert not config.data.preprocessing.changes_images
    assert config.data.preprocessing.standardise == "channels"
    assert config.data.partition.kind == "shared"
    assert config.tasks["digit"].label_fraction == 1
    assert config.data.options == {}
    assert RunConfig.from_yaml(config.to_yaml()) == config


def test_everything_about_the_data_can_be_set_by_assignments():
    config = RunConfig.from_dict(MINIMAL).with_overrides(
        [
            "data.preprocessing.denoise.name=median",
            "data.preprocessing.denoise.size=5",
            "data.preprocessing.resize=pad",
            "data.partition.kind=disjoint",
            "tasks.digit.label_fraction=0.1",
            "augmentation.cutout=0.4",
        ]
    )
    assert config.data.preprocessing.denoise.options == {"size": 5}
    assert config.data.partition.among == ["digit"]
    assert config.tasks["digit"].label_fraction == 0.1
    assert config.with_overrides(["data.preprocessing.denoise.name=gaussian"]).data.preprocessing.denoise.options == {}
    assert not config.with_overrides(["data.name=mnist"]).data.preprocessing.changes_images


@pytest.mark.parametrize("value", [0, -0.1, 1.5])
def test_impossible_label_fractions_are_refused(value):
    assert "tasks.digit.label_fraction" in problems_of(changed(tasks={"digit": {"label_fraction": value}}))


def test_a_run_with_fewer_tasks_keeps_the_division():
    values = changed(data={"name": "digits", "partition": {"kind": "disjoint"}}, tasks={"digit": {}, "slant": {}})
    config = RunConfig.from_dict(values)
    assert config.data.partition.among == ["digit", "slant"]
    assert config.with_overrides(["tasks.slant=null"]).data.partition.among == ["digit", "slant"]
    with pytest.raises(ConfigError, match="so ink would get none"):
        config.with_overrides(["tasks.ink={}"])


def test_a_nameless_run_is_called_after_its_own_data_set_and_few_tasks():
    parts = {"backbone": {"name": "mlp"}, "balancing": {"name": "dwa"}}
    few = RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"digit": {}, "ink": {}}, **parts})
    assert few.title() == "digits: digit + ink (mlp, dwa)"
    many = RunConfig.from_dict({"data": {"name": "imported", "set": "my_cells"}, "tasks": {name: {} for name in "abcd"}, **parts})
    assert many.title() == "my_cells: 4 tasks (mlp, dwa)"


def test_a_misspelt_key_of_a_task_or_of_the_data_finds_the_common_ones_too():
    from mtl_core.training.check import problems

    config = RunConfig.from_dict(changed(tasks={"digit": {"loss_wieght": 2}}))
    assert next(problem.message for problem in problems(config)).startswith(
        "unknown key 'loss_wieght'; did you mean 'loss_weight'? Available: loss_weight, "
    )
    config = RunConfig.from_dict(changed(data={"name": "digits", "preprocesing": {}}))
    assert "did you mean 'preprocessing'" in problems(config)[0].message


def test_data_that_are_not_there_are_the_only_thing_said_of_them(home):
    from mtl_core.training.check import problems

    config = RunConfig.from_dict(changed(data={"name": "imported", "set": "nowhere"}))
    assert [problem.field for problem in problems(config)] == ["data.set"]
