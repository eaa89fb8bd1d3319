"""The best division of tasks into networks for every budget of multiply-adds or milliseconds, from a study's measured cost receipt.

The gains are those that the study measured, or those that its affinities predict (Fifty et al. 2021); the search is the same, and exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtl_core.language import mark, tr
from mtl_core.studies.answer import Answer
from mtl_core.studies.grouping import Grouping, Network, groupings_by_cost
from mtl_core.studies.task_affinity import MOST_TASKS, TaskAffinity, predicted_networks

UNITS = {  # of a budget
    "multiply_adds": mark("multiply-adds for one image"),
    "torch_ms": mark("milliseconds for one image, PyTorch"),
    "onnx_ms": mark("milliseconds for one image, ONNX Runtime"),
}


@dataclass(frozen=True)
class BudgetTable:
    """The best divisions for every budget in one unit.

    Attributes:
        unit: one of ``UNITS``.
        is_predicted: whether the gains are predicted from affinities: fractions of a loss. Measured ones are relative gains in %.
        networks: those that were measured, with their costs. ``left_out``: names of those that were not.
        divisions: the cheapest first, each with a higher gain than the one before; see ``groupings_by_cost``.
    """

    unit: str
    is_predicted: bool
    networks: tuple[Network, ...]
    left_out: tuple[str, ...]
    divisions: tuple[Grouping, ...]

    def names(self, grouping: Grouping) -> list[str]:
        """Names of the networks of a division."""
        return [self.networks[place].name for place in grouping.networks]

    def served_by(self, grouping: Grouping) -> dict[str, str]:
        """Task -> name of the network that serves it."""
        return {task: self.networks[place].name for task, place in grouping.serves.items()}

    def gain(self, grouping: Grouping) -> str:
        """The mean gain of a division in %, with its sign."""
        return f"{100 * grouping.mean_gain:+.2g}" if self.is_predicted else f"{grouping.mean_gain:+.2f}"

    @property
    def title(self) -> str:
        """For people."""
        if self.is_predicted:
            return tr("best division for a budget in {unit}, predicted from affinities", unit=tr(UNITS[self.unit]))
        return tr("best division for a budget in {unit}", unit=tr(UNITS[self.unit]))


def budget_tables(
    answer: Answer, affinity: TaskAffinity | None, receipt: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> list[BudgetTable]:
    """A table for each unit that every network was measured in: by measured gains, then by predicted ones. Without one where no division is possible.

    Args:
        receipt: ``CostReceipt.to_dict``, or its JSON.
        labels: the receipt's labels -> the answer's, where the receipt was written in another language.
    """
    sources = [(False, answer.group_networks if answer.groupings else [])]
    if affinity is not None and affinity.is_measured and len(affinity.tasks) <= MOST_TASKS:
        study = answer.study
        sources.append((True, predicted_networks(affinity, {cell.key: cell.label for cell in (*study.cells, *study.untrained_cells)})))
    tables = []
    for is_predicted, networks in sources:
        for unit in UNITS:
            known = priced(networks, receipt, unit, labels)
            left_out = tuple(network.name for network in networks if network.name not in {each.name for each in known})
            if found := groupings_by_cost(known, list(answer.study.base.tasks)):
                tables.append(BudgetTable(unit, is_predicted, tuple(known), left_out, tuple(found)))
    return tables


def networks_in(receipt: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The single networks of a receipt, given as ``CostReceipt.to_dict`` or its JSON."""
    return [receipt["shared"], *receipt["apart"], *receipt.get("others", [])]


def priced(networks: Sequence[Network], receipt: Mapping[str, Any], unit: str, labels: Mapping[str, str] | None = None) -> list[Network]:
    """The networks with their costs in one of ``UNITS``. One that was not measured is left out.

    Args:
        labels: the receipt's labels -> the networks' names, where the receipt was written in another language.
    """
    costs = {(labels or {}).get(network["label"], network["label"]): _cost_of(network, unit) for network in networks_in(receipt)}
    return [replace(network, cost=cost) for network in networks if (cost := costs.get(network.name))]


def _cost_of(network: Mapping[str, Any], unit: str) -> float:
    """0 where it was not measured."""
    if unit == "multiply_adds":
        return network[unit]
    return next((value for images, value in network[unit].items() if str(images) == "1"), 0.0)
