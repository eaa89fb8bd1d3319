"""Charts of a run's task vectors: their norms and the cosines between them in each round."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import streamlit as st

from mtl_core.analysis.scalar_rows import ScalarRows
from mtl_core.figures.colours import run_styles
from mtl_core.figures.curves import curve_chart
from mtl_core.language import tr
from mtl_core.training import TASK_VECTORS
from ui.drawing.run_charts import View, colours_of, draw_chart, one_curve
from ui.run.parent_curves import marks_of


def has_task_vectors(run: Any) -> bool:
    """Whether the run trains a copy of the shared network for each task."""
    return run.config.update.name == TASK_VECTORS


def task_vector_panels(run: Any, feed: dict[str, Any], view: View) -> None:
    """Draw norms and cosines of the task vectors of a run that has them."""
    tasks, colours = list(run.info["tasks"]), colours_of(run.config)
    pairs = [f"{one}/{other}" for one, other in combinations(tasks, 2)]

    def norms(rows: ScalarRows) -> Any:
        curves = [one_curve(rows, f"task_vector_norm/{task}", task, colours[task], view.axis) for task in tasks]
        return curve_chart(curves, smoothing=view.smoothing, legend=True, height=220, marks=marks_of(run, rows, view.axis))

    def cosines(rows: ScalarRows) -> Any:
        curves = [
            one_curve(
                rows,
                f"task_vector_cosine/{pair}",
                tr("{one} and {other}", one=pair.partition("/")[0], other=pair.partition("/")[2]),
                colour,
                view.axis,
                dash,
            )
            for pair, (colour, dash) in run_styles(pairs).items()
        ]
        return curve_chart(curves, smoothing=view.smoothing, legend=True, height=220, marks=marks_of(run, rows, view.axis))

    left, right = st.columns(2)
    with left.container(border=True, key="task_vector_norms"):
        st.markdown(tr("**Task vectors** :gray[how far each task's copy of the shared network moved in a round]"))
        draw_chart(feed, "task_vector_norm", view, norms, tr("Length of each task's vector"))
    with right.container(border=True, key="task_vector_cosines"):
        st.markdown(tr("**Cosines between them** :gray[above 0 two tasks move the shared network in similar directions, below 0 in opposite ones]"))
        if pairs:
            draw_chart(feed, "task_vector_cosine", view, cosines, tr("Cosines between the task vectors"))
        else:
            st.caption(tr("Cosines need two tasks; this run has one."))
