"""The division of a study's tasks into networks: the best one for each number of networks, and for a budget in multiply-adds or milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.studies.answer import Answer
from mtl_core.studies.grouping import Grouping, Network
from mtl_core.studies.priced_grouping import UNITS, divisions, networks_in, priced
from ui.shell import words
from ui.studies.study_cost import last_receipt, own_labels


def study_grouping(answer: Answer) -> None:
    """Draw the tables. Nothing where the study has no division."""
    if not answer.groupings:
        return
    st.subheader(tr("Which tasks share a network"), anchor=False)
    rows = [{tr("networks"): budget} | _row(answer.group_networks, grouping) for budget, grouping in answer.groupings.items()]
    _table(rows)
    st.caption(
        tr(
            "Exact search over all sets of the trained networks, by the mean over the seeds (Standley et al. "
            "2020). The best of many is chosen on the "
            "data that it is measured on, so its gain is somewhat too high: confirm it with new seeds."
        )
    )
    _for_a_budget(answer)


def _for_a_budget(answer: Answer) -> None:
    receipt = last_receipt(answer.study.id)
    if receipt is None:
        st.caption(tr("For a budget in multiply-adds or milliseconds, measure the networks below (*Cost*)."))
        return
    labels = own_labels(answer, receipt)
    measured = [unit for unit in UNITS if all(network[unit] for network in networks_in(receipt))]
    about = tr("Costs of the networks as measured under *Cost*. The networks of a division are used one after another: their costs add up.")
    key = f"grouping.unit.{answer.study.id}"
    unit = st.selectbox(tr("Budget in"), measured, format_func=words.translated(UNITS), key=key, width=340, help=about)
    networks = priced(answer, receipt, unit, labels)
    found = divisions(networks, answer)
    if not found:
        st.caption(tr("Not every network of these divisions was measured. Measure again when their runs have finished."))
        return
    cost = words.count if unit == "multiply_adds" else "{:.3g}".format
    _table([{tr("from a budget of"): cost(grouping.cost)} | _row(networks, grouping) for grouping in found])
    left_out = [network.name for network in answer.group_networks if network.name not in {each.name for each in networks}]
    note = tr(" Not measured, so left out: {names}.", names=words.plain(tr(", ").join(left_out))) if left_out else ""
    st.caption(tr("Every best division, the cheapest first: a budget between two rows affords the upper one.") + note)


def _row(networks: Sequence[Network], grouping: Grouping) -> dict[str, Any]:
    names = [networks[place].name for place in grouping.networks]
    served = [tr("{task}: {network}", task=task, network=networks[place].name) for task, place in grouping.serves.items()]
    return {
        tr("best division"): tr("; ").join(names),
        tr("mean gain over single networks (%)"): grouping.mean_gain,
        tr("served by"): tr(", ").join(served),
    }


def _table(rows: list[dict[str, Any]]) -> None:
    number = st.column_config.NumberColumn(format="%+.2f")
    st.dataframe(rows, hide_index=True, column_config={tr("mean gain over single networks (%)"): number}, height=36 * (len(rows) + 1))
