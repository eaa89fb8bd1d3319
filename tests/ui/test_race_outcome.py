"""The outcome of a race in one sentence."""

import pytest

from tests.ui.test_race_results import table_of
from ui.compare.race_outcome import outcome


def said(values):
    return outcome(*table_of(values)).replace("\\", "")


def test_one_seed_names_the_best_value_and_proves_nothing():
    assert said({"fixed": [0.5], "pcgrad": [0.9]}) == (
        "**pcgrad** has the best value on val in present (1 of 1 tasks). "
        "With fewer than 3 seeds of each method this proves nothing: another seed may reverse the order."
    )


def test_with_three_seeds_a_lead_beyond_the_noise_is_clear():
    assert said({"fixed": [0.50, 0.51, 0.49], "pcgrad": [0.90, 0.91, 0.89]}) == "**pcgrad** is clearly ahead in present (1 of 1 tasks)."
    assert said({"fixed": [0.955, 0.918, 0.929], "pcgrad": [0.99, 0.93, 0.955]}) == "No method is clearly ahead in present."


@pytest.mark.parametrize("values", [{"fixed": [0.01], "pcgrad": [0.018]}, {"fixed": [0.01, 0.01, 0.011], "pcgrad": [0.018, 0.018, 0.0181]}])
def test_a_task_that_no_method_has_learnt_has_no_winner(values):
    assert said(values).startswith("No method has learnt present (no better than a constant prediction).")


def test_equal_values_have_no_winner():
    assert said({"fixed": [0.5], "pcgrad": [0.5]}).startswith("No method is alone at the top in present.")


def test_a_race_with_one_finished_run_compares_nothing():
    entries, table, better = table_of({"fixed": [0.5], "pcgrad": [0.9]})
    entries[1].run.status = "failed"
    assert outcome(entries, table, better) == "1 of 2 runs has finished: there is nothing to compare."
