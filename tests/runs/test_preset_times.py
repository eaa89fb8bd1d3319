"""A preset's time is that of its last run in the store; before it a range from other presets' runs, or a wide one."""

from types import SimpleNamespace

import pytest

from mtl_core.presets import load_presets
from mtl_core.runs.preset_times import SCALED, START, UNKNOWN, PresetTime, preset_time, published_seconds

PRESETS = {preset.name: preset for preset in load_presets()}
FIRST, OTHER, QUICK = PRESETS["digit-scenes"], PRESETS["mnist-tasks"], PRESETS["digits-quick"]


def run_of(preset, seconds, status="finished", **changes):
    facts = {"parent": None, "resumed_step": 0, "seconds_before": 0.0, **changes}
    return SimpleNamespace(status=status, config=preset.config.with_overrides(["seed=5", "name=mine"]), seconds=seconds, **facts)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_states_its_seconds(preset):
    assert published_seconds(preset) > 0


def test_on_a_fresh_store_it_is_a_wide_range():
    stated = published_seconds(FIRST)
    assert preset_time(FIRST, PRESETS, []) == PresetTime(UNKNOWN[0] * stated, UNKNOWN[1] * stated + START, "published")


def test_the_range_of_a_short_preset_has_room_for_the_start():
    """Watched in a browser on a busy machine it took 16 s where 2 s are stated."""
    assert preset_time(QUICK, PRESETS, []).high > 16


def test_its_own_last_run_is_the_answer_whatever_its_name_and_seed():
    runs = [run_of(QUICK, 9.0), run_of(FIRST, 80.0), run_of(FIRST, 120.0)]
    assert preset_time(FIRST, PRESETS, runs) == PresetTime(80.0, 80.0, "measured")


def test_other_presets_runs_scale_the_stated_seconds():
    twice = 2 * published_seconds(OTHER)
    stated = published_seconds(FIRST)
    assert preset_time(FIRST, PRESETS, [run_of(OTHER, twice)]) == PresetTime(2 * SCALED[0] * stated, 2 * SCALED[1] * stated + START, "scaled")


def test_a_short_presets_run_says_nothing_of_a_longer_one():
    assert preset_time(FIRST, PRESETS, [run_of(QUICK, 16.0)]).source == "published"


@pytest.mark.parametrize("what", [{"status": "stopped"}, {"parent": "x"}, {"resumed_step": 3}, {"seconds_before": 4.0}])
def test_runs_that_are_no_whole_runs_do_not_count(what):
    assert preset_time(FIRST, PRESETS, [run_of(FIRST, 1.0, **what)]).source == "published"
