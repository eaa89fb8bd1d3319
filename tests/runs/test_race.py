"""A race: its configs, its runs in the store, and what is estimated and ranked."""

import subprocess
import sys
from dataclasses import replace

import pytest

from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError
from mtl_core.runs import actions, method_race
from mtl_core.runs.status import RunStatus


def test_one_config_per_method_that_differs_in_nothing_else(config):
    base = config("base", seed=7, balancing={"name": "dwa", "temperature": 3.0})
    made = method_race.configs(base, ["fixed", "dwa", "pcgrad", "fixed"])
    assert list(made) == ["fixed", "dwa", "pcgrad"]
    assert [each.name for each in made.values()] == ["Fixed weights · base", "Dynamic weight average · base", "PCGrad · base"]
    assert [each.balancing.model_dump() for each in made.values()] == [{"name": "fixed"}, {"name": "dwa", "temperature": 3.0}, {"name": "pcgrad"}]
    assert len({each.model_copy(update={"name": "", "balancing": base.balancing}).to_yaml() for each in made.values()}) == 1


def test_names_stay_short_enough_and_nameless_configs_stay_nameless(config):
    made = method_race.configs(config("x" * 120), ["fixed", "pcgrad"])
    assert all(len(each.name) == 120 and each.name.startswith(("Fixed weights · xxx", "PCGrad · xxx")) for each in made.values())
    assert [each.name for each in method_race.configs(config(), ["fixed", "mean"]).values()] == ["", ""]  # made from the settings when it is read


@pytest.mark.parametrize("methods", [[], ["fixed"], ["fixed", "fixed"], ["fixed", "carrier_pigeon"]])
def test_what_is_no_race_is_refused_and_nothing_queued(store, config, methods):
    with pytest.raises(ConfigError, match="methods"):
        method_race.start(store, config("base"), methods)
    assert not store.runs()


def test_its_runs_wait_in_order_under_one_tag(store, config):
    store.create(config("another"))
    started = method_race.start(store, config("base"), ["pcgrad", "fixed", "mean"])
    runs = method_race.runs_of(store, started)
    assert [run.config.balancing.name for run in runs] == ["pcgrad", "fixed", "mean"]
    assert [run.queue_position for run in runs] == [2, 3, 4]
    assert {run.tags for run in runs} == {(started,)}
    assert method_race.start(store, config("base"), ["fixed", "mean"]) != started


def test_asked_twice_it_is_one_race_and_what_is_missing_is_made(store, config):
    started = method_race.start(store, config("base"), ["fixed", "pcgrad"], "click")
    assert method_race.start(store, config("base"), ["fixed", "pcgrad"], "click") == started
    assert len(method_race.runs_of(store, started)) == len(store.runs()) == 2
    actions.stop(store, method_race.runs_of(store, started)[1].id)
    actions.delete_run(store, method_race.runs_of(store, started)[1].id)  # as if the first click had got no further
    assert method_race.start(store, config("base"), ["fixed", "pcgrad"], "click") == started
    assert len(method_race.runs_of(store, started)) == 2


def test_a_race_is_known_by_its_tag_alone(store, config):
    started = method_race.start(store, config("base"), ["fixed", "mean"])
    first, second = method_race.runs_of(store, started)
    actions.set_tags(store, first.id, ["good", started])
    actions.set_tags(store, second.id, [])
    assert [run.id for run in method_race.runs_of(store, started)] == [first.id]
    assert method_race.race_in(("good", started)) == started
    assert method_race.race_in(("good", "race-track")) is None
    assert method_race.runs_of(store, "race-0000") == method_race.runs_of(store, '%"') == []


def test_relative_cost_follows_where_the_gradients_are_taken():
    at_parameters = method_race.relative_cost(PartConfig(name="pcgrad"))
    at_features = method_race.relative_cost(PartConfig(name="pcgrad", gradients="features"))
    by_blocks = method_race.relative_cost(PartConfig(name="pcgrad", gradients="blocks"))
    assert by_blocks > at_parameters > at_features > 1
    assert method_race.relative_cost(PartConfig(name="fixed")) == 1.0
    assert method_race.relative_cost(PartConfig(name="of_another_package")) == 1.0


def test_time_left_scales_with_the_methods_costs(store, config):
    runs = method_race.runs_of(store, method_race.start(store, config("base"), ["fixed", "pcgrad"]))
    assert method_race.seconds_left(runs) is None  # none has begun
    done = replace(runs[0], status=RunStatus.FINISHED, started_at=100.0, finished_at=110.0)
    assert method_race.seconds_left([done, runs[1]]) == pytest.approx(10 * method_race.relative_cost(PartConfig(name="pcgrad")))
    assert method_race.seconds_left([done]) is None


def test_reading_races_needs_no_torch():
    code = "import sys, mtl_core.runs.method_race; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
