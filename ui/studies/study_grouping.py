"""The division of a study's tasks into networks: the best one for each number of networks, and for a budget in multiply-adds or milliseconds."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.studies.aggregates import GAIN_OVER_SINGLE
from mtl_core.studies.answer import Answer
from mtl_core.studies.grouping import Grouping
from mtl_core.studies.priced_grouping import UNITS, BudgetTable, budget_tables
from mtl_core.studies.task_affinity import TaskAffinity
from ui.drawing.table_sizes import whole_height
from ui.shell import words
from ui.studies.study_cost import last_receipt, own_labels


def study_grouping(answer: Answer) -> None:
    """Draw the tables. Nothing where the study has no division."""
    if not answer.groupings:
        return
    st.subheader(tr("Which tasks share a network"), anchor=False)
    names = answer.group_names
    rows = [
        {
            tr("networks"): budget,
            tr("best division"): tr("; ").join(names[place] for place in grouping.networks),
            tr(GAIN_OVER_SINGLE): grouping.mean_gain,
            tr("served by"): _served({task: names[place] for task, place in grouping.serves.items()}),
        }
        for budget, grouping in answer.groupings.items()
    ]
    number = {tr(GAIN_OVER_SINGLE): st.column_config.NumberColumn(format="%+.2f")}
    st.dataframe(rows, hide_index=True, column_config=number, height=whole_height(len(rows)))
    st.caption(
        tr(
            "Exact search over all sets of the trained networks, by the mean over the seeds (Standley et al. "
            "2020). The best of many is chosen on the "
            "data that it is measured on, so its gain is somewhat too high: confirm it with new seeds."
        )
    )
    divisions_for_a_budget(answer, None)


def divisions_for_a_budget(answer: Answer, affinity: TaskAffinity | None) -> None:
    """Draw a choice of the budget's unit and every best division.

    Args:
        affinity: the gains are those that it predicts; None: those that the study measured.
    """
    receipt = last_receipt(answer.study.id)
    if receipt is None:
        st.caption(tr("For a budget in multiply-adds or milliseconds, measure the networks below (*Cost*)."))
        return
    is_predicted = affinity is not None
    tables = {each.unit: each for each in budget_tables(answer, affinity, receipt, own_labels(answer, receipt)) if each.is_predicted == is_predicted}
    if not tables:
        st.caption(tr("Not every network of these divisions was measured. Measure again when their runs have finished."))
        return
    about = tr("Costs of the networks as measured under *Cost*. The networks of a division are used one after another: their costs add up.")
    key = f"{'predicted' if is_predicted else 'grouping'}.unit.{answer.study.id}"
    table = tables[st.selectbox(tr("Budget in"), list(tables), format_func=words.translated(UNITS), key=key, width=340, help=about)]
    rows = [_row(table, grouping) for grouping in table.divisions]
    st.dataframe(rows, hide_index=True, height=whole_height(len(rows)))
    note = tr(" Not measured, so left out: {names}.", names=words.plain(tr(", ").join(table.left_out))) if table.left_out else ""
    st.caption(tr("Every best division, the cheapest first: a budget between two rows affords the upper one.") + note)


def _row(table: BudgetTable, grouping: Grouping) -> dict[str, Any]:
    cost = words.count if table.unit == "multiply_adds" else words.three_digits
    return {
        tr("from a budget of"): cost(grouping.cost),
        tr("advised division") if table.is_predicted else tr("best division"): tr("; ").join(table.names(grouping)),
        tr("predicted: mean affinity (%)") if table.is_predicted else tr(GAIN_OVER_SINGLE): table.gain(grouping),
        tr("served by"): _served(table.served_by(grouping)),
    }


def _served(networks: dict[str, str]) -> str:
    return tr(", ").join(tr("{task}: {network}", task=task, network=network) for task, network in networks.items())
