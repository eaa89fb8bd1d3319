"""Charts of a run's scalars: reading them, the view controls, and one panel per task."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from mtl_core.analysis.kept_results import Remade, made_of
from mtl_core.analysis.scalar_rows import ScalarRows, Table, scalar_rows
from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.figures.colours import GREY, PALETTE, task_colours
from mtl_core.figures.curves import TICKS, Curve, curve_chart, fitting_ticks, positions
from mtl_core.language import language, mark, tr
from mtl_core.runs.store import RunStore
from mtl_core.tasks import SELF_SUPERVISED
from ui.drawing.plotly_chart import plot, prepared
from ui.run.explain_popover import explain_popover, explain_task, explain_weights_of
from ui.run.parent_curves import marks_of, past_of
from ui.shell import words
from ui.shell.element_keys import element_key

CHART_SECONDS = 1.5  # viewers who ask for the same figure within this time share it
FIRST_ROWS = 10  # a figure of fewer recorded steps is rebuilt at every refresh, because a viewer waits for the first curves
KEPT_FIGURES = 80
SPLIT_DASH = {"train": "solid", "val": "dash"}
PER_STEP = ("optimizer/", "loss_weight/", "gradient_norm/", "gradient_share/", "task_vector_norm/", "task_vector_cosine/")
SUMMED_UP = ("val/", "test/")  # splits whose best and last values a run's page shows
PARTS = ("last", "best", "epoch")  # of the words on what was measured on val
PAST_COLOUR, PAST_DASH = GREY, "dot"


@dataclass(frozen=True)
class View:
    """Smoothing and axes of the curves, shared by all charts of a page."""

    smoothing: float
    axis: str
    log_y: bool
    compact: bool = False
    baseline: str = ""  # id of the run whose values are drawn behind
    height: float = 1.0  # factor of the charts' heights


def view_controls(
    title: str, note: str, sizes: bool = False, more: Callable[[], tuple[str, str]] | None = None, beside: Callable[[], None] | None = None
) -> View:
    """Draw a heading with the controls for smoothing, x axis and log y. The session keeps their values.

    Args:
        sizes: whether to offer the choice between compact and large panels.
        more: draws the choice of a baseline; returns its run's id and what the note says of it.
        beside: draws further controls at the end of the line.
    """
    with st.container(key="view", horizontal=True, vertical_alignment="center", gap="medium"):
        st.subheader(title, anchor=False, width="content")
        said = st.container(width="content")
        st.space("stretch")
        size = "large"
        if sizes:
            size = st.segmented_control(
                tr("Size of the charts"),
                [mark("compact"), mark("large")],
                default="compact",
                required=True,
                format_func=tr,
                key="view.size",
                label_visibility="collapsed",
                persist_state="session",
            )
        with st.popover(tr("View"), icon=":material/tune:"):
            looks = {"default": "step", "required": True, "format_func": tr, "persist_state": "session"}
            axis = st.segmented_control(tr("x axis"), [mark("step"), mark("epoch"), mark("minutes")], key="view.axis", **looks)
            log_y = st.toggle(tr("log y"), key="view.log", help=tr("Logarithmic y axis of the loss curves."), persist_state="session")
            about = tr("Moving average of the step curves. The faint line shows the measured values.")
            smoothing = st.slider(tr("Smoothing"), 0.0, 0.99, 0.6, 0.01, key="view.smoothing", help=about, persist_state="session")
            baseline, about = more() if more else ("", "")
        if beside:
            beside()
        across = tr(" · x: {axis}", axis=tr(axis or "step")) if sizes else ""  # in each compact chart it would take a line of its height
        said.caption(f"{note}{about}{across}")
    return View(smoothing, axis or "step", log_y, size == "compact", baseline)


def scalars_feed(store: RunStore, run_id: str) -> dict[str, Any]:
    """All scalars of a run so far, as ``feed["rows"]``. Each call reads only the new rows from the store.

    ``feed["past"]`` has the scalars of its parents up to the fork; it is empty for a run that is no fork.
    """
    feed = _feed(store.home.as_posix(), run_id)
    with feed["lock"]:
        if feed["past"] is None:
            feed["past"] = ScalarRows(past_of(store, store.get(run_id)))
        new = store.scalars(run_id, after=feed["row"])
        if feed["rows"] is None:
            feed["rows"] = ScalarRows(new)
        elif len(new):
            feed["rows"] = feed["rows"].with_newer(new)
        if len(new):
            feed["row"] = int(new["row"].max())
    return feed


def kept_summary(store: RunStore, run: Any, feed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The best and last values of a run on val and test. ``feed``, whose lock is held, keeps them until there are new ones."""
    counts = {key: feed["rows"].count(key) for key in feed["rows"].keys if key.startswith(SUMMED_UP)}
    if feed.get("summed_up") != (counts, str(run.status)):
        feed["summary"], feed["summed_up"] = store.summaries([run.id], list(counts))[run.id], (counts, str(run.status))
    return feed["summary"]


@st.cache_resource(max_entries=16, show_spinner=False)
def _feed(home: str, run_id: str) -> dict[str, Any]:
    return {"rows": None, "past": None, "row": 0, "figures": {}, "lock": threading.Lock()}


def draw_chart(feed: dict[str, Any], key: str, view: View, build: Callable[[ScalarRows], Any], alt: str) -> None:
    """Draw a chart of a run's scalars. ``feed["page"]``, where there is one, sends it new values from then on."""
    chart, page = current_chart(feed, key, view, build, alt), feed.get("page")
    if page is None:
        plot(chart, key=f"chart.{key}")
        return
    page.keep_chart(key, feed.get("marks"), view, build, alt, chart["revision"])
    plot(chart, key=f"chart.{key}", fed_as=(page.base, key))


def draw_text(feed: dict[str, Any], name: str, build: Callable[[ScalarRows], str]) -> None:
    """Draw words on a run's scalars, in small letters and lines as they are. ``feed["page"]``, where there is one, sends newer words from then on.

    Args:
        name: CSS class of the element, for these words alone.
    """
    made = Remade(build)
    text, page = made(feed["rows"]), feed.get("page")
    st.html(f'<div class="said {name}">{html.escape(text)}</div>')
    if page is not None:
        page.keep_values(lambda now: {"texts": {name: made(now.feed["rows"])}}, {"texts": {name: text}})


def current_chart(feed: dict[str, Any], key: str, view: View, build: Callable[[ScalarRows], Any], alt: str) -> dict[str, Any]:
    """A chart of a run's scalars, ``prepared``. Its figure is rebuilt only when there are new rows that it shows, and after the first ones at most
    every ``CHART_SECONDS``.

    In between it is the same figure, which costs the browser nothing. All viewers of a run share it.
    """
    figures, rows, looks = feed["figures"], feed["rows"], (view.smoothing, view.axis, view.log_y, view.baseline, view.height)
    asked = (key, looks, feed.get("marks"), feed.get("has_ended"), language())
    entry = figures.get(asked)
    is_early = entry is not None and entry["row"] < FIRST_ROWS
    if entry is None or (entry["row"] != feed["row"] and (is_early or time.monotonic() - entry["built"] > CHART_SECONDS)):
        behind = len(feed["baseline"]) if feed.get("baseline") is not None else 0
        kept = entry["kept"] if entry is not None and entry["behind"] == behind and entry["kept"].holds_for(rows) else None
        if entry is None and len(figures) >= KEPT_FIGURES:
            figures.clear()
        kept = kept or made_of(rows, lambda rows: _built(feed, view, build, rows, alt))
        entry = figures[asked] = {"row": feed["row"], "behind": behind, "built": time.monotonic(), "kept": kept}
    return entry["kept"].result


def _built(feed: dict[str, Any], view: View, build: Callable[[ScalarRows], Any], rows: ScalarRows, alt: str) -> dict[str, Any]:
    figure = build(rows)
    if feed.get("has_ended") and not figure["data"]:
        figure["layout"]["annotations"][0]["text"] = tr("no values")
    if view.height != 1:
        layout = figure["layout"]
        layout["height"] = round(view.height * layout["height"])
        if "nticks" in layout.get("yaxis", {}):
            layout["yaxis"]["nticks"] = min(TICKS, fitting_ticks(layout))
    return prepared(figure, alt)


def nothing_of(runs: Iterable[Any]) -> str:
    """The text of a chart without values: empty, which is that there are none yet, while one of its runs goes on."""
    return tr("no values") if all(run.status.is_ended() for run in runs) else ""


def colours_of(config: RunConfig) -> dict[str, str]:
    """Task colours of a run. They follow the order of all tasks of the data set, then the self-supervised ones, so all runs on it agree."""
    try:
        names = [task.name for task in open_source(config.data).tasks()]
    except Exception:  # a missing data set must not hide its runs
        names = []
    return task_colours([*names, *(name for name in (*SELF_SUPERVISED, *config.tasks) if name not in names)])


def task_panels(run, feed: dict[str, Any], summary: dict[str, dict[str, Any]], views: Mapping[str, View]) -> None:
    """Draw a panel per task, in two columns, with its loss and its main metric. ``views``: task -> its view, in the order on screen."""
    colours, tasks = colours_of(run.config), run.info["tasks"]
    panel_style(tasks, colours)
    for start in range(0, len(tasks), 2):
        places = st.columns(2) if len(tasks) > 1 else [st.container()]
        for place, name in zip(places, list(views)[start : start + 2], strict=False):
            with place, st.container(border=True, key=element_key("panel", name), gap="small"):
                _task_panel(run, name, feed, summary, views[name], colours[name])


def panel_style(tasks: Any, colours: dict[str, str], prefix: str = "panel") -> None:
    """Give the top edge of each task's panel the task's colour."""
    rules = (f".st-key-{element_key(prefix, name)}{{border-top:3px solid {colours[name]}!important}}" for name in tasks)
    st.html(f"<style>{''.join(rules)}</style>")


def _task_panel(run, name: str, feed: dict[str, Any], summary: dict[str, dict[str, Any]], view: View, colour: str) -> None:
    info = run.info["tasks"][name]
    main, has_ended = info["main_metric"], run.status.is_ended()
    metric = info["metrics"][main]
    arrow = words.better(metric["higher_is_better"])
    st.markdown(f"**{words.plain(name)}** :gray[{words.plain(tr(info.get('title') or info['kind']))}]")
    left, right = st.columns(2, gap="small")
    with left:
        draw_measured(feed, "", tr("Loss ↓"), f"val/{name}/loss", summary, has_ended)

        def losses(rows: ScalarRows) -> Any:
            curves = [*past_curves(feed, f"{name}/loss", view.axis), *split_curves(rows, f"{name}/loss", colour, view.axis)]
            return curve_chart(curves, smoothing=view.smoothing, log_y=view.log_y, marks=marks_of(run, rows, view.axis))

        draw_chart(feed, f"{name}.loss", view, losses, tr("Loss of {task}", task=name))
    title = words.with_unit(metric["title"], metric.get("unit", ""))
    with right:
        draw_measured(feed, "", f"{title} {arrow}", f"val/{name}/{main}", summary, has_ended)

        def metrics(rows: ScalarRows) -> Any:
            curves = [*past_curves(feed, f"{name}/{main}", view.axis), *split_curves(rows, f"{name}/{main}", colour, view.axis)]
            return curve_chart(curves, share=is_share(metric), marks=marks_of(run, rows, view.axis))

        draw_chart(feed, f"{name}.{main}", view, metrics, tr("{metric} of {task}", metric=tr(metric["title"]), task=name))
    explain_popover(element_key("task", name), *explain_task(feed["rows"], name, info))


def is_share(metric: dict[str, Any]) -> bool:
    """Whether a metric lies between 0 and 1, such as accuracy. An index that can fall below 0, such as R2, counts as one, too."""
    return bool(metric.get("higher_is_better")) and not metric.get("unit")


def draw_measured(feed: dict[str, Any], name: str, about: str, key: str, summary: dict[str, dict[str, Any]], has_ended: bool) -> None:
    """Draw what is measured and, below it, its last and best value on val. Where there is none, a run that has not ended says when it comes.

    A live page changes the values in place, so they are HTML of our own, whose text the browser may change.

    Args:
        name: bold, before ``about``; may be empty.
        key: of the scalar.
    """
    entry, place, page = summary.get(key), element_key("measured", key), feed.get("page")
    texts = best_and_last(entry, place)
    spans = {part: f'<span class="{place}-{part}">{html.escape(texts[f"{place}-{part}"])}</span>' for part in PARTS if f"{place}-{part}" in texts}
    if not entry:
        said = f'<span class="faint">{html.escape(tr("val: no value") if has_ended else tr("val: after each epoch"))}</span>'
    elif entry["best"] is None:  # no finite value was measured yet
        said = tr("val: last {last}", last=f"<b>{spans['last']}</b>")
    else:
        said = tr(
            "val: last {last} · best {best} {epoch}",
            last=f"<b>{spans['last']}</b>",
            best=f"<b>{spans['best']}</b>",
            epoch=f'<span class="faint">{spans["epoch"]}</span>',
        )
    bold = f"<strong>{html.escape(name)}</strong> " if name else ""
    st.html(f'<div class="measured">{bold}<span class="small faint">{html.escape(about)}</span><div class="small">{said}</div></div>')
    if page is not None:
        page.keep_values(lambda now: {"texts": best_and_last(now.summary.get(key), place)}, {"texts": texts})


def best_and_last(entry: dict[str, Any] | None, place: str) -> dict[str, str]:
    """The last and the best value on val and its epoch, as far as there are any: ``place``-``last``, -``best``, -``epoch`` -> text."""
    if not entry:
        return {}
    texts = {f"{place}-last": words.measured(entry["last"])}
    if entry["best"] is not None:
        texts |= {f"{place}-best": words.measured(entry["best"]), f"{place}-epoch": tr("(epoch {epoch:g})", epoch=entry["best_epoch"])}
    return texts


def split_curves(rows: Table, name: str, colour: str, axis: str) -> list[Curve]:
    """Train (solid) and val (dashed) of ``<task>/<metric>``."""
    return [curve for split, dash in SPLIT_DASH.items() if len((curve := one_curve(rows, f"{split}/{name}", tr(split), colour, axis, dash)).x)]


def past_curves(feed: dict[str, Any], name: str, axis: str, splits: tuple[str, ...] = ("train", "val")) -> list[Curve]:
    """The parents' curves of ``name`` before the fork, and the baseline's on val: grey, behind the run's own curves."""
    past = feed["past"]
    curves = [one_curve(past, f"{split}/{name}", tr("{split}, before the fork", split=tr(split)), PAST_COLOUR, axis, PAST_DASH) for split in splits]
    if feed.get("baseline") is not None and "val" in splits:
        curves.append(one_curve(feed["baseline"], f"val/{name}", tr("baseline"), PAST_COLOUR, axis, SPLIT_DASH["val"]))
    return [replace(curve, faint=True) for curve in curves if len(curve.x)]


def one_curve(rows: Table, key: str, name: str, colour: str, axis: str, dash: str = "solid") -> Curve:
    """One scalar key as a curve. Values per step can be smoothed; values per epoch cannot."""
    found = scalar_rows(rows).of(key)
    per_step = key.startswith(PER_STEP) or (key.startswith("train/") and key.endswith("/loss"))
    return Curve(name, positions(found, axis), found["value"].astype(float), colour, dash, smooth=per_step)


def training_charts(run, feed: dict[str, Any], view: View) -> None:
    """Draw the loss weights and the learning rate over time."""
    colours = colours_of(run.config)

    def loss_weights(rows: ScalarRows) -> Any:
        curves = [one_curve(rows, f"loss_weight/{task}", task, colours[task], view.axis) for task in run.info["tasks"]]
        return curve_chart(curves, legend=True, height=190, marks=marks_of(run, rows, view.axis))

    def rate(rows: ScalarRows) -> Any:
        curves = [
            *past_curves(feed, "lr", view.axis, splits=("optimizer",)),
            one_curve(rows, "optimizer/lr", tr("learning rate"), PALETTE[0], view.axis),
        ]
        return curve_chart(curves, height=190, marks=marks_of(run, rows, view.axis))

    left, right = st.columns(2)
    with left.container(border=True):
        st.markdown(tr("**Loss weights** :gray[the factor on each task's loss or gradient]"))
        draw_chart(feed, "loss_weights", view, loss_weights, tr("Loss weights"))
        explain_popover("loss_weights", explain_weights_of(feed["rows"], list(run.info["tasks"])))
        if run.info.get("heads"):
            st.caption(tr("These weights apply to the shared network. {heads}", heads=tr(run.info["heads"])))
    with right.container(border=True):
        st.markdown(tr("**Learning rate** :gray[of the optimizer, at each step]"))
        draw_chart(feed, "lr", view, rate, tr("Learning rate"))
