"""Curves and the conflict matrix as PNG and SVG files, drawn by matplotlib, because Plotly's export needs a browser.

matplotlib brings a font without Chinese. An SVG file holds its text as text, which whoever shows it draws in a font that it has. A PNG file is in the
reader's language where this machine has a font for it, and else in English.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mtl_core.analysis.conflict_summary import WHOLE, blocks, cosines_at, measured_steps
from mtl_core.data import open_source
from mtl_core.exports.export_source import ExportSource
from mtl_core.figures.colours import GREY, PALETTE, task_colours
from mtl_core.figures.curves import decimate, ema
from mtl_core.figures.matrix import SCALE
from mtl_core.figures.picture_font import FONTS, font_file
from mtl_core.language import SOURCE, language, speaking, tr

TITLE = "Charts, PNG and SVG"
SUMMARY = "Each task's loss and main metric, loss weights, learning rate, gradient conflict; on white, for papers and slides."
SMOOTHING = 0.6  # of curves with a value per step; the faint line shows the raw values
INK = "#010203"  # placeholder for the text colour


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-charts/<name>.png`` and ``.svg``."""
    place = folder / f"{source.run.id}-charts"
    place.mkdir()
    charts = all_charts(source)
    for name, _, figure in charts:
        (place / f"{name}.svg").write_text(svg(figure).replace(INK, "#222222"), encoding="utf-8")
    if not _font_of(language()):
        with speaking(SOURCE):
            charts = all_charts(source)
    for name, _, figure in charts:
        with _fonts():
            figure.savefig(place / f"{name}.png", dpi=160, facecolor="white")


def _font_of(name: str) -> str:
    """A font for a language: matplotlib's own where it has the letters, else one of this machine; empty where there is none."""
    if name not in FONTS:
        return "sans-serif"
    found = font_file(name)
    return _name_of(found[0]) if found else ""


@cache
def _name_of(path: str) -> str:
    """The name of a font by which matplotlib knows it from now on. Its own list of fonts may be older than the file."""
    from matplotlib.font_manager import FontProperties, fontManager

    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()


@contextmanager
def _fonts() -> Iterator[None]:
    """Draw with the fonts that there are. A letter without one is no reason to warn: in an SVG file it is text, and PNG files avoid it."""
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({"font.family": ["sans-serif", *filter(None, map(_font_of, FONTS))]}):
        warnings.filterwarnings("ignore", "Glyph .*missing")
        yield


def all_charts(source: ExportSource) -> list[tuple[str, str, Any]]:
    """(file name, title, figure) of every chart that the run has values for."""
    charts = [*curve_charts(source), ("conflict", tr("Cosine between the tasks' gradients, last measured"), conflict_figure(source))]
    return [(name, title, figure) for name, title, figure in charts if figure is not None]


def curve_charts(source: ExportSource) -> list[tuple[str, str, Any]]:
    """The charts over time; a figure is None if nothing was recorded for it."""
    charts, colours = [], colours_of(source)
    for name, info in source.tasks.items():
        for metric in ("loss", info["main_metric"]):
            about = info["metrics"][metric]
            lines = [(f"{split}/{name}/{metric}", split, colours[name], dash) for split, dash in (("train", "-"), ("val", "--"))]
            arrow = "↑" if about["higher_is_better"] else "↓"
            title = tr("{title}, in {unit}", title=tr(about["title"]), unit=tr(about["unit"])) if about.get("unit") else tr(about["title"])
            charts.append((f"{name}-{metric}", f"{name}: {title} {arrow}", _curves(source, lines)))
    for key, title in (("loss_weight", tr("Loss weights")), ("gradient_share", tr("Share of the gradient"))):
        lines = [(f"{key}/{name}", name, colours[name], "-") for name in source.tasks]
        charts.append((key.replace("_", "-"), title, _curves(source, lines)))
    charts.append(("learning-rate", tr("Learning rate"), _curves(source, [("optimizer/lr", tr("learning rate"), PALETTE[0], "-")])))
    return charts


def colours_of(source: ExportSource) -> dict[str, str]:
    """Colour of each task, as on screen."""
    try:
        names = [task.name for task in open_source(source.run.config.data).tasks()]
    except Exception:  # a missing source must not prevent the export of its runs
        names = []
    return task_colours([*names, *source.run.config.tasks])


def svg(figure: Any) -> str:
    """A figure as SVG text with a transparent background; text has the colour ``INK``, for replacement. Deterministic."""
    import matplotlib

    buffer = io.StringIO()
    with _fonts(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mtl"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _figure(width: float = 5.2, height: float = 2.3) -> tuple[Any, Any]:
    """A figure and its axes, made without pyplot, which keeps figures in a process-wide list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(colors=INK, labelsize=8, length=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    return figure, axes


@_fonts()
def _curves(source: ExportSource, lines: list[tuple[str, str, str, str]]) -> Any:
    """A figure of curves over epochs; None if none of the keys was recorded."""
    frame, found = source.scalars, []
    for key, label, colour, dash in lines:
        rows = frame[frame["key"] == key].sort_values("step")
        if len(rows):
            found.append((rows["epoch"].to_numpy(float), rows["value"].to_numpy(float), label, colour, dash))
    if not found:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure()
    epochs = max(1, max(int(np.ceil(x.max())) for x, *_ in found))
    for x, y, label, colour, dash in found:
        per_step = len(y) > 3 * epochs
        if per_step:
            axes.plot(*decimate(x, y), color=colour, linewidth=0.8, alpha=0.28)
            y = ema(y, SMOOTHING)
        x, y = decimate(x, y)
        axes.plot(x, y, dash, color=colour, linewidth=1.6, label=label, marker="" if per_step or len(y) > 30 else ".", markersize=5)
    axes.set_xlabel(tr("epoch"), color=INK, fontsize=8)
    axes.grid(axis="y", color=GREY, alpha=0.18, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(found) > 1:
        axes.legend(
            fontsize=8,
            frameon=False,
            labelcolor=INK,
            ncols=min(4, len(found)),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0,
            handlelength=3,
        )
    return figure


@_fonts()
def conflict_figure(source: ExportSource) -> Any:
    """Matrix of the last measured cosines between the tasks' gradients; None if there is no measurement."""
    frame, tasks = source.scalars, list(source.tasks)
    if len(tasks) < 2 or not blocks(frame):
        return None
    from matplotlib.colors import LinearSegmentedColormap

    cosines = cosines_at(frame, tasks, measured_steps(frame, WHOLE)[-1])
    np.fill_diagonal(cosines, np.nan)
    figure, axes = _figure(2.4 + 0.5 * len(tasks), 1.2 + 0.34 * len(tasks))
    picture = axes.imshow(cosines, vmin=-1, vmax=1, cmap=LinearSegmentedColormap.from_list("agreement", SCALE), aspect="auto")
    axes.set_xticks(range(len(tasks)), tasks, rotation=30, ha="right")
    axes.set_yticks(range(len(tasks)), tasks)
    for (row, column), value in np.ndenumerate(cosines):
        if np.isfinite(value):
            axes.text(column, row, f"{value:+.2f}", ha="center", va="center", fontsize=7, color="white" if abs(value) > 0.5 else "black")
    bar = figure.colorbar(picture, ax=axes, ticks=[-1, 0, 1])
    bar.ax.tick_params(colors=INK, labelsize=7)
    bar.outline.set_visible(False)
    return figure
