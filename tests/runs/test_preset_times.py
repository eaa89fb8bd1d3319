"""The time of a preset or a race is that of its last runs in the store; before them a range from other presets' runs, or a wide one."""

from types import SimpleNamespace

import pytest

from mtl_core.config_fingerprint import fingerprint
from mtl_core.presets import load_presets
from mtl_core.runs.method_race import configs, relative_cost
from mtl_core.runs.preset_times import SCALED, START, UNKNOWN, PresetTime, preset_time, published_seconds, race_time

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


def raced(runs, base=FIRST.config, methods=("fixed", "pcgrad")):
    """The time of a race of these methods in a store with these runs, newest first."""
    store = SimpleNamespace(of_fingerprints=lambda wanted: [run for run in runs if fingerprint(run.config) in wanted])
    return race_time([*configs(base, methods).values()], FIRST, PRESETS, store)


def run_with(method, seconds, base=FIRST.config, status="finished"):
    [config] = [config for name, config in configs(base, (method, "mgda")).items() if name == method]
    facts = {"parent": None, "resumed_step": 0, "seconds_before": 0.0}
    return SimpleNamespace(status=status, config=config, seconds=seconds, **facts)


COST = relative_cost(FIRST.config.balancing.model_copy(update={"name": "pcgrad"}))


def test_a_race_takes_what_the_last_run_of_each_method_took():
    assert raced([run_with("fixed", 60.0), run_with("pcgrad", 110.0), run_with("fixed", 900.0)]) == PresetTime(170.0, 170.0, "measured")


def test_a_method_without_a_run_takes_the_others_time_by_its_cost():
    assert raced([run_with("fixed", 60.0)]) == PresetTime(pytest.approx(60 + 60 * COST), pytest.approx(60 + 60 * COST), "own")
    assert COST > 1.5


def test_settings_of_no_preset_are_timed_by_their_own_runs_only():
    base = FIRST.config.with_overrides(["batch_size=16"])
    assert raced([run_with("fixed", 60.0)], base) is None
    assert raced([run_with("fixed", 90.0, base), run_with("pcgrad", 130.0, base)], base) == PresetTime(220.0, 220.0, "measured")


def test_another_number_of_epochs_scales_the_run():
    base = FIRST.config.with_overrides([f"epochs={2 * FIRST.config.epochs}"])
    assert raced([run_with("fixed", 60.0)], base).high == pytest.approx(2 * (60 + 60 * COST))
    assert raced([run_with("fixed", 60.0), run_with("pcgrad", 110.0)], base).source == "own"


def test_before_the_first_run_a_race_has_the_range_of_its_preset():
    alone = preset_time(FIRST, PRESETS, [])
    assert raced([]) == PresetTime(pytest.approx((1 + COST) * alone.low), pytest.approx((1 + COST) * alone.high), "published")
    assert raced([run_with("fixed", 60.0, status="stopped")]).source == "published"
