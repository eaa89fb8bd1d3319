"""What a race's table claims: stars only where a lead is more than noise, ranks of networks that exist, no choice by test."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from mtl_core.config import RunConfig
from mtl_core.events import EpochMetrics, RunStarted
from mtl_core.runs.store import open_store
from ui.compare.race_entries import Entry
from ui.compare.race_table import PACE, RANK, _about_constants, _columns, at_chosen, constants_of, no_better, reference_of, results_of, stars

INFO = {"tasks": {"present": {"main_metric": "f1", "constant": 0.31, "metrics": {"f1": {"title": "F1", "higher_is_better": True}}}}}


def entry(method: str, seed: int = 0, status: str = "finished") -> Entry:
    balancing = SimpleNamespace(name=method, options={})
    config = SimpleNamespace(balancing=balancing, seed=seed)
    run = SimpleNamespace(id=f"{method}-{seed}", config=config, status=status, info=INFO, steps_per_second=2.0, seconds=3.0)
    return Entry(run, method, "#000000", "solid")


def table_of(values: dict[str, list[float]]):
    entries = [entry(method, seed) for method, several in values.items() for seed in range(len(several))]
    found = [value for several in values.values() for value in several]
    chosen = {one.run.id: {"val/present/f1": value} for one, value in zip(entries, found, strict=True)}
    summaries = {
        one.run.id: {"val/present/f1": {"best_epoch": 3}, "test/present/f1": {"last": value}} for one, value in zip(entries, found, strict=True)
    }
    return entries, *results_of(entries, summaries, entries[0], chosen)


def starred(values, column="present f1 ↑ val", constant=0.31):
    entries, table, _ = table_of(values)
    found = stars(table, column, True, entries, constant)
    return {one.method for one, star in zip(entries, found, strict=True) if star}


def test_step_times_are_those_of_runs_that_finished():
    """The first steps of a run take longest, so those of an interrupted one make the others look fast."""
    entries = [entry("fixed", 0, "interrupted"), entry("pcgrad"), entry("fixed", 1), entry("mgda", 0, "running")]
    for one, pace in zip(entries, (0.5, 8.0, 4.0, 6.0), strict=True):
        one.run.steps_per_second = pace

    def paces():
        summaries = {one.run.id: {} for one in entries}
        return list(results_of(entries, summaries, reference_of(entries), summaries)[0][PACE])

    assert paces() == [pytest.approx(math.nan, nan_ok=True), 0.5, 1.0, pytest.approx(math.nan, nan_ok=True)]
    entries[2].run.status = "failed"
    assert reference_of(entries).method == "pcgrad"  # of those that finished there is none with plain weights
    assert paces()[1] == 1.0
    entries[1].run.status = "running"
    assert reference_of(entries).method == "fixed"
    assert all(map(math.isnan, paces()))


def test_one_seed_gets_no_star_whatever_the_lead():
    assert starred({"fixed": [0.5], "pcgrad": [0.9]}) == set()
    assert starred({"fixed": [0.5, 0.5], "pcgrad": [0.9, 0.9]}) == set()


def test_three_seeds_get_one_where_the_lead_is_more_than_their_spread():
    assert starred({"fixed": [0.50, 0.51, 0.49], "pcgrad": [0.90, 0.91, 0.89]}) == {"pcgrad"}
    assert starred({"fixed": [0.955, 0.918, 0.929], "pcgrad": [0.99, 0.93, 0.955]}) == set()


def test_test_columns_have_no_stars():
    assert starred({"fixed": [0.50, 0.51, 0.49], "pcgrad": [0.90, 0.91, 0.89]}, "present f1 ↑ test") == set()


def test_no_star_for_what_is_no_better_than_a_constant_answer():
    assert starred({"fixed": [0.01, 0.01, 0.011], "pcgrad": [0.018, 0.018, 0.0181]}) == set()
    entries, table, better = table_of({"fixed": [0.0178], "pcgrad": [0.4]})
    constant = constants_of(entries)["present f1 ↑ val"]
    assert [no_better(value, constant, True) for value in table["present f1 ↑ val"]] == [True, False]
    assert _about_constants(table, better, entries).startswith("○ marks a value no better than a constant prediction")
    on_val = table.drop(columns=[column for column in table if column.endswith(" test")])
    assert _about_constants(on_val, better, entries).endswith("on val. ")
    assert _about_constants(table, better, entries).endswith("on val. Values on test are compared with that on val, too. ")
    assert _about_constants(table[1:], better, entries) == ""  # a mark that no value has is not explained
    assert no_better(0.4, 0.3, higher=False)


def test_a_run_that_has_just_begun_hides_no_constant_answer():
    entries, _, _ = table_of({"fixed": [0.0178], "pcgrad": [0.4]})
    known = INFO["tasks"]["present"]
    entries[0].run.info = {"tasks": {"present": {key: known[key] for key in known if key != "constant"}}}
    assert constants_of(entries) == {"present f1 ↑ val": 0.31, "present f1 ↑ test": 0.31}


def test_ranks_are_those_of_the_chosen_checkpoint():
    _, table, _ = table_of({"fixed": [0.5, 0.6, 0.4], "pcgrad": [0.9, 0.7, 0.8]})
    assert list(table[RANK]) == [5, 4, 6, 1, 3, 2]
    assert list(table["present f1 ↑ best epoch"]) == [3] * 6


def test_fewer_than_three_seeds_of_each_method_give_no_ranks():
    for seeds in (1, 2):
        _, table, better = table_of({"fixed": [0.5] * seeds, "pcgrad": [0.9] * seeds})
        assert RANK not in table
        assert RANK not in better


def test_heads_are_words():
    entries, table, _ = table_of({"fixed": [0.5], "pcgrad": [0.9]})
    shown = [column["label"] for name, column in _columns(table, entries).items() if name.startswith("present")]
    assert shown == ["F1 of present ↑", "epoch of present", "test F1 of present ↑"]


def test_the_chosen_epoch_is_that_of_the_best_score(home):
    store = open_store(home)
    run = store.create(RunConfig.from_dict({"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}}))
    assert at_chosen(store.summary(run.id)) == {}
    f1 = {"title": "F1", "unit": "", "higher_is_better": True}
    store.append(run.id, RunStarted(3, {"tasks": {"a": {"main_metric": "f1", "metrics": {"f1": f1}}}}))
    for epoch, score, value in ((1, 0.5, 0.5), (2, 0.7, 0.4), (3, 0.6, 0.9)):
        store.append(run.id, EpochMetrics(epoch, epoch, {"selection/score": score, "val/a/f1": value, "train/a/f1": 1.0}))
    assert at_chosen(store.summary(run.id)) == {"val/a/f1": 0.4}


@pytest.mark.parametrize("status", ["running", "failed"])
def test_runs_that_have_not_finished_are_not_counted(status):
    entries, table, _ = table_of({"fixed": [0.50, 0.51, 0.49], "pcgrad": [0.90, 0.91, 0.89]})
    entries[0].run.status = status
    assert not any(stars(table, "present f1 ↑ val", True, entries, None))
