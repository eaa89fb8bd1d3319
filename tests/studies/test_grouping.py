"""The grouping search finds what Standley et al. 2020 published, and what trying all sets finds."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from mtl_core.studies.grouping import Network, best_grouping, groupings_by_cost

TASKS = ("segmentation", "distance", "surface", "joints", "contours")
# Test losses of Standley et al. 2020 ("Which Tasks Should Be Learned Together in Multi-task Learning?", network_selection/results_large_test.txt,
# their larger setting): cost of the network, then a loss for each of TASKS that it was trained on.
PUBLISHED = """
0.5 .03435 - - - -
0.5 - .1474 - - -
0.5 - - .08036 - -
0.5 - - - .07954 -
0.5 - - - - .02023
1.0 .03372 - - - -
1.0 - .1424 - - -
1.0 - - .07939 - -
1.0 - - - .07988 -
1.0 - - - - .01677
1.0 .03377 .1431 - - -
1.0 .031 - .08267 - -
1.0 .03331 - - .0839 -
1.0 .03485 - - - .01583
1.0 - .1376 .07942 - -
1.0 - .148 - .08244 -
1.0 - .1495 - - .01609
1.0 - - .08941 .04209 -
1.0 - - .08439 - .01179
1.0 - - - .08204 .01256
1.0 .03326 .1374 .08152 - -
1.0 .03643 .1483 - .08394 -
1.0 .03579 .1461 - - .01857
1.0 .03281 - .08467 .08048 -
1.0 .03303 - .08477 - .01604
1.0 .03532 - - .08351 .01423
1.0 - .141 .08175 .07963 -
1.0 - .1441 .08201 - .01604
1.0 - .1519 - .08246 .0164
1.0 - - .08833 .07865 .01613
1.0 .03321 .14 .08237 .08386 -
1.0 .03419 .1408 .08207 - .01818
1.0 .03645 .1482 - .08373 .0168
1.0 .0347 - .08639 .07851 .01796
1.0 - .1443 .08249 .08386 .01721
1.0 .03515 .1439 .08267 .08194 .01623
"""
BEST = {1: 0.35989, 1.5: 0.35478, 2: 0.31733, 2.5: 0.3145, 3: 0.30606, 3.5: 0.3049, 4: 0.3019, 4.5: 0.3019, 5: 0.30167}


def published():
    rows = [line.split() for line in PUBLISHED.split("\n") if line]
    return [Network({task: float(loss) for task, loss in zip(TASKS, row[1:], strict=True) if loss != "-"}, float(row[0])) for row in rows]


@pytest.mark.parametrize(("budget", "total"), BEST.items())
def test_the_published_totals(budget, total):
    found = best_grouping(published(), TASKS, budget)
    assert round(found.total, 5) == total
    assert found.cost <= budget


def test_the_published_set_for_two_networks():
    networks = published()
    found = best_grouping(networks, TASKS, 2)
    assert [set(networks[place].losses) for place in found.networks] == [{"surface", "joints"}, {"segmentation", "distance", "surface", "contours"}]


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_trying_all_sets_finds(seed):
    generator = np.random.default_rng(seed)
    tasks = ["a", "b", "c"]
    networks = [
        Network({task: float(generator.uniform()) for task in tasks if generator.uniform() < 0.6}, float(generator.choice([0.5, 1.0, 1.5])))
        for _ in range(8)
    ]
    budget = float(generator.choice([1.0, 2.0, 3.5]))
    totals = []
    for size in range(1, 9):
        for chosen in combinations(networks, size):
            if sum(network.cost for network in chosen) <= budget and all(any(task in network.losses for network in chosen) for task in tasks):
                totals.append(sum(min(network.losses[task] for network in chosen if task in network.losses) for task in tasks))
    found = best_grouping(networks, tasks, budget)
    assert (found.total if found else None) == (pytest.approx(min(totals)) if totals else None)


@pytest.mark.parametrize("unit", [1.0, 2.5e9, 4e-6])
def test_the_best_sets_for_every_budget(unit):
    """By halves they are the published ones, whatever the unit of the costs."""
    networks = [replace(network, cost=network.cost * unit) for network in published()]
    found = groupings_by_cost(networks, TASKS)
    assert [grouping.cost for grouping in found] == sorted(grouping.cost for grouping in found)
    assert [grouping.total for grouping in found] == sorted((grouping.total for grouping in found), reverse=True)
    within = {budget: [each for each in found if each.cost <= budget * unit * (1 + 1e-9)][-1] for budget in BEST}
    assert {budget: round(grouping.total, 5) for budget, grouping in within.items()} == BEST
    assert groupings_by_cost(networks, (*TASKS, "another")) == groupings_by_cost([], TASKS) == []


def test_what_is_no_cost_or_no_loss_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        best_grouping([Network({"a": 1.0}, 0.0)], ["a"], 1)
    with pytest.raises(ValueError, match="finite"):
        best_grouping([Network({"a": float("nan")})], ["a"], 1)
