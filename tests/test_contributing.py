"""The examples of CONTRIBUTING.md are whole files: each is registered as its first line says, trained, and held to the contract of its sort."""

from __future__ import annotations

import inspect
import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.catalogue import REGISTRIES, described
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.augmentation import AUGMENTATIONS
from mtl_core.errors import ConfigError
from mtl_core.events import Control, EpochMetrics
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.tasks import TASK_KINDS
from mtl_core.training.check import problems
from mtl_core.training.trainer import train
from tests.backbones import test_backbone_contract as backbone_contract
from tests.balancing import conftest as toys
from tests.balancing import test_contract as balancing_contract
from tests.balancing import test_descent as balancing_descent
from tests.data import example_settings, test_augmentation, test_sources
from tests.sharing import test_scheme_contract as scheme_contract
from tests.tasks import test_contract as kind_contract
from ui.shell.model_forms import describe

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HEADING = re.compile(r'^# (mtl_core/\S+)\.py, in the table: "(\w+)": "([\w.]+):(\w+)"\n')
BLOCKS = {heading[2]: block for block in re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE) if (heading := HEADING.match(block))}
PACKAGES = {
    "mtl_core.backbones": BACKBONES,
    "mtl_core.balancing": BALANCERS,
    "mtl_core.data.sources": DATA_SOURCES,
    "mtl_core.data.augmentation": AUGMENTATIONS,
    "mtl_core.sharing": SHARING_SCHEMES,
    "mtl_core.tasks": TASK_KINDS,
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch) -> None:
    """Every example, as if its file and its line were there."""
    for name, block in BLOCKS.items():
        place, _, module_name, class_name = HEADING.match(block).groups()
        assert module_name == place.replace("/", "."), "the line in the table names the file"
        module = types.ModuleType(module_name)
        module.__file__ = f"CONTRIBUTING.md, {name}"
        exec(compile(block, module.__file__, "exec"), vars(module))
        assert hasattr(module, class_name), f"{name}: the file has no {class_name}"
        monkeypatch.setitem(sys.modules, module_name, module)
        monkeypatch.setitem(PACKAGES[module_name.rpartition(".")[0]]._table, name, f"{module_name}:{class_name}")


def registry_of(name: str):
    return PACKAGES[HEADING.match(BLOCKS[name])[3].rpartition(".")[0]]


def test_there_is_an_example_for_each_sort_and_no_block_that_nobody_runs():
    assert sorted(id(registry_of(name)) for name in BLOCKS) == sorted(map(id, PACKAGES.values()))
    assert len(BLOCKS) == TEXT.count("```python\n")


@pytest.mark.parametrize("name", BLOCKS)
def test_the_catalogue_and_the_form_have_it(name):
    part, registry = registry_of(name).load(name), registry_of(name)
    sort = next(sort for sort, each in REGISTRIES.items() if each is registry)
    entry = next(entry for entry in described(sort) if entry["name"] == name)
    assert entry["problem"] == ""
    assert entry["title"] == part.title
    assert entry["summary"]
    fields = describe(part.Options) if getattr(part, "Options", None) is not None else []
    assert [field.name for field in fields] == [option["name"] for option in entry["options"]]
    assert all(option["description"].endswith(".") for option in entry["options"])
    assert not inspect.isabstract(part)


def test_all_of_them_train_together(tmp_path, monkeypatch):
    """The data set's task a second time, as the new kind of task."""
    source = DATA_SOURCES.load("gratings")
    cycles = source(source.Options()).tasks()[0]
    monkeypatch.setattr(source, "tasks", lambda self: (cycles, replace(cycles, name="order", kind="ordinal")))
    config = RunConfig.from_dict(
        {
            "data": {"name": "gratings"},
            "tasks": {"cycles": {}, "order": {}},
            "backbone": {"name": "conv_mixer", "width": 8, "depth": 2},
            "sharing": {"name": "own_networks"},
            "balancing": {"name": "log_sum"},
            "augmentation": {"noise": 0.1},
            "batch_size": 32,
            "epochs": 1,
            "device": "cpu",
            "probe_samples": 2,
        }
    )
    assert config.augmentation.model_dump()["noise"] == 0.1
    assert problems(config) == []
    (tmp_path / "run").mkdir()
    events = list(train(config, tmp_path / "run", tmp_path, Control()))
    assert events[-1].status == "finished"
    measured = {name for event in events if isinstance(event, EpochMetrics) for name in event.scalars}
    assert {"val/cycles/accuracy", "val/order/accuracy"} <= measured


def test_the_key_of_an_augmentation_is_checked_as_its_options_say():
    config = {"data": {"name": "gratings"}, "tasks": {"cycles": {}}, "backbone": {"name": "mlp"}, "augmentation": {"noise": 0.7}}
    with pytest.raises(ConfigError, match=r"augmentation\.noise: expected at most 0\.5, found 0\.7"):
        RunConfig.from_dict(config)
    with pytest.raises(ConfigError, match="unknown key 'noisy'; did you mean 'noise'"):
        RunConfig.from_dict({**config, "augmentation": {"noisy": 0.1}})


def test_the_balancing_method_keeps_the_contract(monkeypatch):
    monkeypatch.setitem(balancing_contract.CLASSES, "log_sum", BALANCERS.load("log_sum"))
    toy = types.SimpleNamespace(**{name: getattr(toys, name) for name in ("TwoParts", "make", "linear_losses", "everyone", "one_step")})
    balancing_descent.test_a_convex_problem_is_descended("log_sum", toy)
    balancing_contract.test_coefficients_say_what_was_done_to_the_shared_parameters("log_sum", toy)
    balancing_contract.test_an_absent_task_takes_no_part("log_sum", toy)
    balancing_contract.test_one_task_alone_is_plain_training_bit_by_bit("log_sum", toy)
    balancing_contract.test_a_factor_on_a_loss_leaves_the_direction("log_sum", {}, toy)


def test_the_task_kind_keeps_the_contract():
    for backbone in ("small_cnn", "mlp", "conv_mixer"):
        kind_contract.test_loss_is_a_finite_scalar_and_reaches_every_parameter("ordinal", backbone)
    kind_contract.test_its_examples_are_laid_out_as_it_says("ordinal")
    kind_contract.test_selecting_rows_equals_computing_them_alone("ordinal")
    kind_contract.test_metrics_are_those_declared_and_decoding_keeps_the_count("ordinal")
    kind_contract.test_an_empty_measurement_is_nan_and_no_crash("ordinal")
    kind_contract.test_drawing_keeps_the_register("ordinal")


def test_the_augmentation_keeps_the_contract(monkeypatch):
    monkeypatch.setitem(example_settings.ADDED, "noise", AUGMENTATIONS.load("noise"))
    monkeypatch.setitem(example_settings.ON, "noise", example_settings.settings_of("noise"))
    monkeypatch.setitem(example_settings.GENTLE, "noise", example_settings.settings_of("noise", 0.1))
    test_augmentation.test_it_says_what_it_is_and_owns_its_settings("noise")
    test_augmentation.test_what_is_drawn_depends_on_the_generator_only_and_differs_between_images("noise")
    test_augmentation.test_what_it_is_given_stays_as_it_was("noise")
    test_augmentation.test_types_shapes_and_whole_image_targets_stay("noise")
    test_augmentation.test_masks_depth_and_boxes_stay_on_what_they_mark("noise")
    test_augmentation.test_what_was_sent_to_a_device_is_not_fetched_back("noise", monkeypatch)


def test_the_data_set_keeps_the_contract():
    source = open_source(PartConfig(name="gratings"))
    test_sources.test_what_it_says_is_what_it_builds(source)
    test_sources.test_every_option_is_described(source)


def test_the_backbone_keeps_the_contract():
    backbone_contract.test_the_stages_make_up_the_network("conv_mixer", {})
    backbone_contract.test_what_it_does_not_refuse_it_can_take("conv_mixer", {})


def test_the_sharing_scheme_keeps_the_contract(shared_cache):
    scheme_contract.test_every_parameter_is_in_exactly_one_group_and_shared_or_one_tasks_own("own_networks", shared_cache)
    scheme_contract.test_a_groups_users_are_the_tasks_with_a_gradient_there("own_networks", shared_cache)
    scheme_contract.test_one_task_alone_is_the_plain_network("own_networks", shared_cache)
    scheme_contract.test_some_tasks_alone_have_the_full_output("own_networks", ("ink",), shared_cache)
    scheme_contract.test_columns_begin_different("own_networks", shared_cache)


def groups_of_the_table() -> dict[str, str]:
    """Entry-point group -> the contract tests that the table names beside it."""
    return {group: tests for tests, group in re.findall(r"^\| [^|]+ \| (`tests/[^|]+) \| `(mtl_core\.\w+)` \|$", TEXT, re.MULTILINE)}


def test_the_table_has_every_entry_point_group_and_the_contract_tests_that_there_are():
    assert sorted(groups_of_the_table()) == sorted(registry.group for registry in REGISTRIES.values())
    named = [path for tests in groups_of_the_table().values() for path in re.findall(r"`([^`]+)`", tests)]
    assert [path for path in named if not (ROOT / path).exists()] == []
