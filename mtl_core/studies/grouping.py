"""Which tasks share a network: the best set of networks within a budget, by exact search (Standley et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUNDING = 1e-9  # of sums in another order
DIGITS = 15  # after the point: the rest is the rounding of a sum, which would be shown as 5.8e-17 in the place of 0
_Way = tuple[float, float, tuple[int, ...]]  # cost, sum of losses, places of the networks


@dataclass(frozen=True)
class Network:
    """One network that may be chosen.

    Attributes:
        losses: task -> loss with this network; lower is better. The network serves these tasks.
        cost: in the unit of the budget: 1 for a network, or FLOPs, or milliseconds. Above 0.
        name: for people.
    """

    losses: Mapping[str, float]
    cost: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Grouping:
    """The best set of networks.

    Attributes:
        networks: places in the given list, ascending.
        total: sum of the tasks' losses.
        serves: task -> place of the network with its lowest loss among those chosen.
        cost: sum of the networks' costs.
    """

    networks: tuple[int, ...]
    total: float
    serves: dict[str, int]
    cost: float

    @property
    def mean_gain(self) -> float:
        """Minus the mean loss of the tasks, where the losses are gains with a minus."""
        return 0.0 - round(self.total / len(self.serves), DIGITS)  # not -total: that shows -0


def groupings_by_cost(networks: Sequence[Network], tasks: Sequence[str]) -> list[Grouping]:
    """The best set of networks for every budget: each entry costs more and has a lower sum of losses than the one before.

    Each task uses the chosen network with its lowest loss, so a network may also be trained with a task that it does not serve (Standley et al. 2020,
    section 3). Exact: for every set of tasks, the cheapest ways to serve it are made from those of its smaller sets, and only those that another one
    beats in cost and loss are left out. The time grows with 3 to the power of the tasks: for up to ten. Empty if the networks do not serve all tasks.

    Raises:
        ValueError: a cost is not above 0, or a loss is not finite.
    """
    for network in networks:
        if not network.cost > 0:
            raise ValueError(f"expected costs above 0, found {network.cost}")
        if not all(math.isfinite(loss) for loss in network.losses.values()):
            raise ValueError("expected finite losses")
    masks = [sum(1 << place for place, task in enumerate(tasks) if task in network.losses) for network in networks]
    parts = [_sums(network, tasks, mask) for network, mask in zip(networks, masks, strict=True)]
    ways: list[list[_Way]] = [[(0.0, 0.0, ())]]  # at a set of tasks, as bits: the undominated ways to serve it
    for served in range(1, 1 << len(tasks)):
        first = served & -served  # one of the networks serves this task, and maybe more of the set
        found = []
        for place, network in enumerate(networks):
            for part, loss in parts[place].items():
                if part & first and part & served == part:
                    found += [(cost + network.cost, total + loss, (*chosen, place)) for cost, total, chosen in ways[served ^ part]]
        ways.append(_undominated(found))
    return [_grouping(networks, tasks, set(chosen)) for _, _, chosen in ways[-1]]


def affordable(groupings: Sequence[Grouping], budget: float) -> Grouping | None:
    """The last of ``groupings_by_cost`` within a budget, rounding allowed for; None if none is."""
    within = [grouping for grouping in groupings if grouping.cost <= budget * (1 + ROUNDING)]
    return within[-1] if within else None


def best_grouping(networks: Sequence[Network], tasks: Sequence[str], budget: float) -> Grouping | None:
    """The networks with the lowest sum of losses that serve all tasks within the budget; of equal sums the cheapest. None if no set does."""
    return affordable(groupings_by_cost(networks, tasks), budget)


def _sums(network: Network, tasks: Sequence[str], mask: int) -> dict[int, float]:
    """Every set of the network's tasks, as bits -> the sum of their losses."""
    found, part = {}, mask
    while part:
        found[part] = sum(network.losses[task] for place, task in enumerate(tasks) if part >> place & 1)
        part = (part - 1) & mask
    return found


def _undominated(found: list[_Way]) -> list[_Way]:
    """The ways that no other one equals or beats in cost and loss, the cheapest first."""
    kept: list[_Way] = []
    for way in sorted(found, key=lambda way: way[:2]):
        if not kept or way[1] < kept[-1][1] - ROUNDING * abs(kept[-1][1]):
            kept.append(way)
    return kept


def _grouping(networks: Sequence[Network], tasks: Sequence[str], chosen: set[int]) -> Grouping:
    places = tuple(sorted(chosen))
    serves = {task: min(places, key=lambda place: networks[place].losses.get(task, math.inf)) for task in tasks}
    total = sum(networks[place].losses[task] for task, place in serves.items())
    return Grouping(places, total, serves, sum(networks[place].cost for place in places))
