"""Which tasks share a network: the best set of networks within a budget, by exact search (Standley et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast


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


def best_grouping(networks: Sequence[Network], tasks: Sequence[str], budget: float) -> Grouping | None:
    """The networks with the lowest sum of losses that serve all tasks within the budget; None if no set does.

    Each task uses the chosen network with its lowest loss, so a network may also be trained with a task that it does not serve (Standley et al. 2020,
    section 3). Exact: a branch is left only if even the lowest losses of all remaining networks cannot beat the best set found. Of sets with equal
    sums the cheapest is taken.

    Raises:
        ValueError: a cost is not above 0, or a loss is not finite.
    """
    for network in networks:
        if not network.cost > 0:
            raise ValueError(f"expected costs above 0, found {network.cost}")
        if not all(math.isfinite(loss) for loss in network.losses.values()):
            raise ValueError("expected finite losses")
    table = [[network.losses.get(task, math.inf) for task in tasks] for network in networks]
    lowest = [[math.inf] * len(tasks)]  # lowest[-1 - i]: the lowest losses among the networks from place i on
    for row in reversed(table):
        lowest.append([min(a, b) for a, b in zip(row, lowest[-1], strict=True)])
    lowest.reverse()
    best: tuple[float, float, tuple[int, ...]] = (math.inf, math.inf, ())

    def search(place: int, chosen: tuple[int, ...], losses: list[float], cost: float) -> None:
        nonlocal best
        total = sum(losses)
        if math.isfinite(total) and (total, cost) < best[:2]:
            best = (total, cost, chosen)
        if place == len(table) or sum(min(a, b) for a, b in zip(losses, lowest[place], strict=True)) > best[0]:
            return
        if cost + networks[place].cost <= budget + 1e-9:
            joined = [min(a, b) for a, b in zip(losses, table[place], strict=True)]
            if joined != losses:
                search(place + 1, (*chosen, place), joined, cost + networks[place].cost)
        search(place + 1, chosen, losses, cost)

    search(0, (), [math.inf] * len(tasks), 0.0)
    if not math.isfinite(best[0]):
        return None
    total, cost, chosen = cast("tuple[float, float, tuple[int, ...]]", best)  # ``search`` has replaced it
    serves = {task: min(chosen, key=lambda place: table[place][number]) for number, task in enumerate(tasks)}
    return Grouping(chosen, total, serves, cost)
