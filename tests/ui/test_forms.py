from typing import Literal

import pytest
from pydantic import BaseModel, Field

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig, OptimizerConfig, ScheduleConfig
from mtl_core.data import DATA_SOURCES
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.studies.kinds import STUDY_KINDS
from mtl_core.studies.study import StudySettings
from mtl_core.tasks import TASK_KINDS
from ui.shell.model_forms import as_kept, as_shown, describe, is_shown, number_step

PARTS = [(registry, name) for registry in (DATA_SOURCES, BACKBONES, BALANCERS, SHARING_SCHEMES, TASK_KINDS) for name in registry]


class Sample(BaseModel):
    size: int = Field(3, ge=1, le=9, description="How many.", json_schema_extra={"unit": "px"})
    rate: float = Field(0.5, gt=0, lt=1)
    limit: float | None = Field(None, gt=0)
    method: Literal["a", "b"] = "b"
    on: bool = True
    folder: str | None = None
    hidden: list[int] = [64, 32]


def test_every_sort_of_field_is_described():
    fields = {field.name: field for field in describe(Sample)}
    assert {name: field.kind for name, field in fields.items()} == {
        "size": "integer",
        "rate": "number",
        "limit": "number",
        "method": "choice",
        "on": "boolean",
        "folder": "text",
        "hidden": "integers",
    }
    assert (fields["size"].low, fields["size"].high, fields["size"].help, fields["size"].label) == (1, 9, "How many.", "Size (px)")
    assert (fields["rate"].low, fields["rate"].high) == (0, 1)
    assert fields["limit"].nullable
    assert fields["folder"].nullable
    assert fields["method"].choices == ("a", "b")


@pytest.mark.parametrize(("registry", "name"), PARTS, ids=[f"{registry.noun}-{name}" for registry, name in PARTS])
def test_every_option_of_every_part_has_a_widget_help_and_a_way_back(registry, name):
    options = registry.load(name).Options
    fields = describe(options)
    assert [field.name for field in fields] == list(options.model_fields)
    for field in fields:
        assert field.help, f"{name}.{field.name} has no description"
        assert as_kept(field, as_shown(field, field.default)) == field.default


MODELS = {f"{registry.noun}-{name}": registry.load(name).Options for registry, name in PARTS}
MODELS |= {name: STUDY_KINDS.load(name).Options for name in STUDY_KINDS} | {"study": StudySettings, "optimizer": OptimizerConfig}


@pytest.mark.parametrize("name", MODELS)
def test_what_a_form_says_about_a_choice_names_no_key(name):
    for field in describe(MODELS[name]):
        assert not any(f"'{choice}'" in field.about for choice in field.choices), field.about
        assert not field.choices or field.about.count("*") == 2 * sum(field.help.count(f"'{choice}'") for choice in field.choices)


@pytest.mark.parametrize("model", [OptimizerConfig, ScheduleConfig, AugmentationConfig])
def test_every_field_of_the_config_has_a_widget(model):
    assert [field.name for field in describe(model)] == list(model.model_fields)


class Conditional(BaseModel):
    method: Literal["a", "b"] = "a"
    only_b: int = Field(1, json_schema_extra={"shown_when": {"method": ["b"]}})
    both: int = Field(1, json_schema_extra={"shown_when": {"method": ["a", "b"], "always": [True]}})
    always: bool = True


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"method": "a", "always": True}, ["method", "both", "always"]),
        ({"method": "b", "always": True}, ["method", "only_b", "both", "always"]),
        ({"method": "b", "always": False}, ["method", "only_b", "always"]),
    ],
)
def test_a_field_that_does_nothing_is_hidden(values, shown):
    assert [field.name for field in describe(Conditional) if is_shown(field, values)] == shown


@pytest.mark.parametrize(("registry", "name"), PARTS, ids=[f"{registry.noun}-{name}" for registry, name in PARTS])
def test_conditions_name_fields_and_values_that_exist(registry, name):
    fields = {field.name: field for field in describe(registry.load(name).Options)}
    for field in fields.values():
        for other, allowed in (field.shown_when or {}).items():
            assert set(allowed) <= set(fields[other].choices)


def test_nested_models_are_left_to_their_own_forms():
    assert {"epochs", "batch_size", "seed", "gradient_clip", "device"} <= {field.name for field in describe(RunConfig)}
    assert not {"data", "tasks", "optimizer"} & {field.name for field in describe(RunConfig)}


def test_a_list_that_is_no_numbers_is_kept_as_typed():
    field = next(field for field in describe(Sample) if field.name == "hidden")
    assert as_kept(field, "64, 32") == [64, 32]
    assert as_kept(field, "64, many") == [64, "many"]


@pytest.mark.parametrize(("default", "step"), [(2e-3, 1e-3), (1e-4, 5e-5), (0.9, 0.1), (1.0, 0.1), (0.0, 0.1)])
def test_one_click_is_a_sensible_change(default, step):
    field = next(field for field in describe(Sample) if field.name == "rate")
    assert number_step(field.__class__(**{**field.__dict__, "default": default})) == pytest.approx(step)


def test_choices_are_said_in_words():
    from mtl_core.config import RunConfig
    from mtl_core.config_sections import PreprocessingConfig

    fields = {field.name: field for model in (PreprocessingConfig, RunConfig) for field in describe(model)}
    assert fields["colour"].choice_text("as_is") == "As they are"
    assert fields["resize"].choice_text("none") != fields["standardise"].choice_text("none")
    assert fields["layout"].choice_text("channels_last") == "channels last"
    for field in fields.values():
        assert set(field.words or {}) <= set(field.choices), field.name
