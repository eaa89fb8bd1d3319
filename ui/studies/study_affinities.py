"""Affinity and conflict of a study of groups, beside the measured gains."""

from __future__ import annotations

import math

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.studies.answer import Answer
from mtl_core.studies.task_affinity import GroupRow, advice, beside_measured, rank_agreement, study_affinity
from ui.drawing.table_sizes import whole_height
from ui.run.affinity_panel import affinity_advice, affinity_matrix
from ui.shell.state import run_store
from ui.studies.study_grouping import divisions_for_a_budget


def study_affinities(answer: Answer) -> None:
    """Draw the matrix of the networks with all tasks, the advice, and the table of predictions beside measurements.

    Without affinities, it says so where nothing else answers the study.
    """
    found = study_affinity(run_store(), answer)
    if found is None and not answer.study.untrained_cells:
        return
    st.subheader(tr("Affinity"), anchor=False)
    if found is None:
        st.caption(tr("No affinity between every two tasks has been measured. The pages of the runs say why."))
        return
    affinity_matrix(found)
    several, one = mark("the network with all tasks, mean over {runs} runs"), mark("the network with all tasks, one run")
    affinity_advice(found, of=tr(several, runs=found.runs) if found.runs > 1 else tr(one))
    if advice(found):
        divisions_for_a_budget(answer, found)
    rows = beside_measured(answer, found)
    if any(row.seeds for row in rows):
        _table(rows)


def _table(rows: list[GroupRow]) -> None:
    shown = [
        {
            tr("group"): row.group,
            tr("task"): row.task,
            tr("measured gain over alone (%)"): row.gain if math.isfinite(row.gain) else None,
            tr("seeds"): row.seeds,
            tr("affinity (%)"): 100 * row.affinity,
            tr("mean cosine"): row.cosine if math.isfinite(row.cosine) else None,
        }
        for row in rows
    ]
    columns = {tr("measured gain over alone (%)"): st.column_config.NumberColumn(format="%+.2f")}
    columns |= {tr("affinity (%)"): st.column_config.NumberColumn(format="%+.2g"), tr("mean cosine"): st.column_config.NumberColumn(format="%+.3f")}
    st.dataframe(shown, hide_index=True, placeholder="–", column_config=columns, height=whole_height(len(shown), 420))
    said = [
        tr(
            "{name} and measured gains have a rank correlation of {value:+.2f} (Spearman, {count} {count:row|rows})",
            name=name,
            value=value,
            count=count,
        )
        for name, (value, count) in (
            (tr("Affinities"), rank_agreement((row.affinity, row.gain) for row in rows)),
            (tr("Cosines"), rank_agreement((row.cosine, row.gain) for row in rows)),
        )
        if math.isfinite(value)
    ]
    st.caption(
        (tr("{said}. ", said=tr("; ").join(said)) if said else "")
        + tr("1 would be a perfect order. The rows share tasks and runs, so this is a description of this study and not a test.")
    )
