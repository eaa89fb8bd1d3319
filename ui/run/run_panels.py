"""The panels below the tasks of a run's page: which there are, what draws each, and what its words depend on."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from mtl_core.analysis.kept_results import Remade
from mtl_core.analysis.scalar_rows import ScalarRows
from mtl_core.language import mark, tr
from mtl_core.runs import jobs
from mtl_core.runs.artifacts import probe_epochs
from ui.drawing.contact_sheets import epoch_slider, legend, probe_sheet, task_of
from ui.drawing.run_charts import View, colours_of, panel_style, training_charts
from ui.run.affinity_panel import affinity_panel, has_affinities
from ui.run.gradient_charts import conflict_news, gradient_panels, gradients_are_shown, ownership_news, ownership_panel
from ui.run.live_page import LivePage, Moment
from ui.run.panel_layout import Layout
from ui.run.sharing_panel import has_learnt, sharing_panel
from ui.run.task_vector_charts import has_task_vectors, task_vector_panels
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.state import run_store, torch_is_ready

BESIDE = ("conflict", "predictions")  # panels that share a row of a wide screen until the viewer chooses otherwise


@dataclass(frozen=True)
class Panel:
    """A panel below the tasks: its title, what draws it, what else than values in place it depends on, and whether it is drawn less often."""

    title: str
    draw: Callable[[Moment, View], None]
    news: Callable[[Moment], Hashable]
    is_slow: bool = False


Panels = dict[str, Panel]


def panels_of(moment: Moment) -> Panels:
    """The panels that this run has beside its tasks', in their default order."""
    run, rows = moment.run, moment.feed["rows"]
    has_gradients = gradients_are_shown(run, rows)
    owners = tr("Who owns the shared network")
    conflict, ownership, affinities = _of(partial(conflict_news, run)), _of(partial(ownership_news, run)), _of(_affinities)
    every: list[tuple[bool, str, Panel]] = [
        (has_gradients, "conflict", Panel(tr("Gradient conflict"), lambda now, view: gradient_panels(now.run, now.feed, view), conflict, True)),
        (True, "predictions", Panel(tr("Predictions"), lambda now, view: _predictions(now.run, rows=round(view.height + 0.1)), _probed)),
        (has_task_vectors(run), "vectors", Panel(tr("Task vectors"), lambda now, view: task_vector_panels(now.run, now.feed, view), _nothing)),
        (has_learnt(rows), "sharing", Panel(tr("What the sharing scheme learns"), lambda now, view: sharing_panel(now.run, now.feed), _rows, True)),
        (has_gradients, "ownership", Panel(owners, lambda now, view: ownership_panel(now.run, now.feed, view), ownership)),
        (
            has_affinities(run),
            "affinity",
            Panel(tr("Which tasks go together"), lambda now, view: affinity_panel(now.run, now.feed), affinities, True),
        ),
        (True, "training", Panel(tr("Loss weights and learning rate"), lambda now, view: training_charts(now.run, now.feed, view), _nothing)),
    ]
    return {name: panel for is_there, name, panel in every if is_there}


def _drawing(panel: Panel, view: View) -> Callable[[Moment], None]:
    return lambda now: panel.draw(now, view)


def draw_panels(page: LivePage, panels: Panels, names: list[str], layout: Layout, view: View, key: str) -> None:
    """Draw these panels in a grid. CSS gives each its width (``ui/shell/styles.py``); by default the first two share a row of a wide screen."""
    if not names:
        return
    ended = page.moment().run.status.is_ended()
    with st.container(key=key):
        for name in names:
            width = layout.width(name)
            if width == "auto" and name not in BESIDE:
                width = "whole"
            area = f"area_{width}_{name.replace('_', '-')}"
            look = replace(view, height=layout.height(name))
            with st.container(key=area):
                panel = panels[name]
                page.part(name, _drawing(panel, look), panel.news, ended, f".st-key-{area}", is_slow=panel.is_slow)


def _predictions(run: Any, rows: int) -> None:
    store = run_store()
    epochs = probe_epochs(store.folder(run.id))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.subheader(tr("Predictions"), anchor=False, width="content")
        st.page_link(
            "pages/predictions.py", label=tr("Open all probe images, enlarged"), icon=":material/open_in_full:", query_params={"run": run.id}
        )
    if not epochs:
        coming = mark("The first predictions, those of the untrained network, appear when the run starts.")
        st.caption(tr(mark("The run ended before its first predictions were saved.") if run.status.is_ended() else coming))
        return
    if not torch_is_ready():
        return
    epoch = epoch_slider(run.id, epochs, key="run.epoch", has_ended=run.status.is_ended())
    tasks, colours = run.info["tasks"], colours_of(run.config)
    panel_style(tasks, colours, prefix="probe")
    for start in range(0, len(tasks), 2):
        for place, name in zip(st.columns(2), list(tasks)[start : start + 2], strict=False):
            with place.container(border=True, key=element_key("probe", name), gap="small"):
                st.markdown(tr("**{name}** :gray[after epoch {epoch}]", name=words.plain(name), epoch=epoch))
                sheet = probe_sheet(store.folder(run.id), epoch, name, tasks[name], columns=5, rows=rows, width=640, text_height=17)
                st.image(sheet, width="stretch", alt=tr("Targets and predictions of {name} after epoch {epoch}", name=name, epoch=epoch))
                legend(task_of(name, tasks[name]))


# What the words of the parts depend on. Their charts of scalars get new values at each refresh without it.


def _nothing(_: Moment) -> Hashable:
    return None


def _of(news: Callable[[ScalarRows], Hashable]) -> Callable[[Moment], Hashable]:
    made = Remade(news)
    return lambda now: made(now.feed["rows"])


def _rows(now: Moment) -> Hashable:
    return now.feed["row"]


def _affinities(rows: ScalarRows) -> Hashable:
    return tuple(rows.count(key) for key in rows.keys if key.startswith("affinity/"))


def _probed(now: Moment) -> Hashable:
    return tuple(probe_epochs(run_store().folder(now.run.id))), jobs.warmed()
