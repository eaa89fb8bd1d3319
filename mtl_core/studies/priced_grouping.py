"""The best division of tasks into networks for a budget in multiply-adds or milliseconds, by a study's gains and its measured cost receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mtl_core.language import mark
from mtl_core.studies.answer import Answer
from mtl_core.studies.grouping import Grouping, Network, groupings_by_cost

UNITS = {  # of a budget
    "multiply_adds": mark("multiply-adds for one image"),
    "torch_ms": mark("milliseconds for one image, PyTorch"),
    "onnx_ms": mark("milliseconds for one image, ONNX Runtime"),
}


def networks_in(receipt: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The single networks of a receipt, given as ``CostReceipt.to_dict`` or its JSON."""
    return [receipt["shared"], *receipt["apart"], *receipt.get("others", [])]


def priced(answer: Answer, receipt: Mapping[str, Any], unit: str, labels: Mapping[str, str] | None = None) -> list[Network]:
    """The networks that the tasks of a study can be divided among, with their costs in one of ``UNITS``. One that was not measured is left out.

    Args:
        labels: the receipt's labels -> the answer's, where the receipt was written in another language.
    """
    costs = {(labels or {}).get(network["label"], network["label"]): _cost_of(network, unit) for network in networks_in(receipt)}
    return [replace(network, cost=cost) for network in answer.group_networks if (cost := costs.get(network.name))]


def divisions(networks: Sequence[Network], answer: Answer) -> list[Grouping]:
    """The best division for every budget, the cheapest first; see ``groupings_by_cost``."""
    return groupings_by_cost(networks, list(answer.study.base.tasks))


def _cost_of(network: Mapping[str, Any], unit: str) -> float:
    """0 where it was not measured."""
    if unit == "multiply_adds":
        return network[unit]
    return next((value for images, value in network[unit].items() if str(images) == "1"), 0.0)
