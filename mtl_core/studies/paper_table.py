"""The table of a study, tasks by cells with mean and interval, as CSV and as LaTeX: both in English, for programs and papers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mtl_core.csv_text import csv_of
from mtl_core.language import SOURCE, speaking, tr
from mtl_core.studies.answer import Answer
from mtl_core.studies.study_kind import Cell
from mtl_core.studies.study_values import Spread, TaskMetric

if TYPE_CHECKING:
    import pandas

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{each: f"\\{each}" for each in "&%$#_{}"}}
_SIGNS = {"·": r"$\cdot$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "Δ": r"$\Delta$", "→": r"$\to$", "±": r"$\pm$"}


def frame_of(answer: Answer) -> pandas.DataFrame:
    """One row for each cell and task: mean, 95 % interval, n, and the values of the seeds."""
    import pandas as pd

    rows = []
    for cell in english_cells(answer):
        gains, drops = answer.delta_m.get(cell.key, (math.nan, math.nan))
        for task, metric in answer.metrics.items():
            spread = answer.spreads.get(cell.key, {}).get(task)
            if spread:
                rows.append(
                    {
                        "cell": cell.label,
                        "task": task,
                        "metric": metric.name,
                        "unit": metric.unit,
                        "better": "higher" if metric.higher_is_better else "lower",
                        "split": answer.split,
                        "mean": spread.mean,
                        "low": spread.low,
                        "high": spread.high,
                        "n": spread.n,
                        "checkpoint_regret": answer.regrets.get(cell.key, {}).get(task, math.nan),
                        "mean_rank": answer.ranks.get(cell.key, math.nan),
                        "delta_m_tasks_percent": gains,
                        "delta_m_metrics_percent": drops,
                        "values": " ".join(f"{seed}:{value:.6g}" for seed, value in spread.values.items()),
                    }
                )
    columns = [
        "cell",
        "task",
        "metric",
        "unit",
        "better",
        "split",
        "mean",
        "low",
        "high",
        "n",
        "checkpoint_regret",
        "mean_rank",
        "delta_m_tasks_percent",
        "delta_m_metrics_percent",
        "values",
    ]
    return pd.DataFrame(rows, columns=columns)


def to_csv(answer: Answer) -> str:
    """The table as CSV."""
    return csv_of(frame_of(answer))


def to_latex(answer: Answer) -> str:
    """The table for a paper that uses ``booktabs``: a row for each cell, a column for each task, and delta_m."""
    with speaking(SOURCE):
        return _latex_table(answer)


def regret_in_words(answer: Answer, cell: str) -> str:
    """What each task of a cell loses at the chosen checkpoint, such as ``digit 0.012, boxes 0``; a dash before a run has finished."""
    found = answer.regrets.get(cell, {})
    said = [tr("{task} {value}", task=task, value=f"{found[task]:.2g}") for task in answer.metrics if task in found]
    return tr(", ").join(said) or "–"


def _latex_table(answer: Answer) -> str:
    metrics = list(answer.metrics.values())
    head = " & ".join(["", *(_latex(heading(metric)) for metric in metrics), r"$\Delta_m$ (\%) $\uparrow$"])
    rows = []
    for cell in english_cells(answer):
        gain = answer.delta_m.get(cell.key, (math.nan,))[0]
        cells = [number(answer.spreads.get(cell.key, {}).get(metric.task), latex=True) for metric in metrics]
        rows.append(" & ".join([_latex(cell.label), *cells, f"{gain:+.2f}" if math.isfinite(gain) else "--"]) + r" \\")
    seeds = ", ".join(str(seed) for seed in answer.study.seeds)
    about = f"{answer.study.title}. {answer.split}; mean and half of Student's 95 % interval of the mean; n: number of seeds (seeds {seeds}). "
    about += f"Computed in {answer.study.precision or 'a precision that is not settled'}."
    lines = [
        f"% {answer.study.id}, needs \\usepackage{{booktabs}}",
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{l{'r' * (len(metrics) + 1)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{_latex(about)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def english_cells(answer: Answer, with_untrained: bool = False) -> list[Cell]:
    """The study's cells with English labels; ``with_untrained``: and the networks that it predicts about."""
    with speaking(SOURCE):
        english = replace(answer.study)  # a new object: a study keeps its cells in the language in which they were made
        return [*english.cells, *(english.untrained_cells if with_untrained else [])]


def heading(metric: TaskMetric) -> str:
    """``digit: Accuracy ↑`` or ``slant: MAE (degrees) ↓``."""
    return f"{metric.task}: {metric_title(metric)}"


def metric_title(metric: TaskMetric) -> str:
    """``Accuracy ↑`` or ``MAE (degrees) ↓``."""
    unit = f" ({tr(metric.unit)})" if metric.unit else ""
    return f"{tr(metric.title)}{unit} {'↑' if metric.higher_is_better else '↓'}"


def number(spread: Spread | None, latex: bool = False) -> str:
    """``0.912 ± 0.013 (n 5)``; no interval for one seed or equal values, a dash for none. Digits follow the interval's size.

    ``0.98 ± 0.05 (n 3, cut at 1)``: the interval would leave the metric's range, so it ends there.
    """
    if spread is None:
        return "--" if latex else "–"
    half = (spread.high - spread.low) / 2
    digits = 4 if not half > 0 else min(max(1 - math.floor(math.log10(half)), 0), 6)
    text = f"{spread.mean:.{digits}f}"
    if spread.n > 1 and not math.isfinite(half):
        return tr("{text} (n {n}, all equal)", text=text, n=spread.n)
    if math.isfinite(half):
        text += f" $\\pm$ {half:.{digits}f}" if latex else f" ± {half:.{digits}f}"
    ends = [f"{end:g}" for end in ends_reached(spread)]
    return tr("{text} (n {n}, cut at {ends})", text=text, n=spread.n, ends=tr(" and ").join(ends)) if ends else f"{text} (n {spread.n})"


def ends_reached(spread: Spread) -> list[float]:
    """The ends of the metric's range beyond which Student's interval would go."""
    low, high = spread.bounds
    return [low] * (spread.low < low) + [high] * (spread.high > high)


def any_is_cut(answer: Answer) -> bool:
    """Whether an interval of a cell is cut at an end of its metric's range."""
    return any(ends_reached(spread) for spreads in answer.spreads.values() for spread in spreads.values())


def _latex(text: str) -> str:
    """Text with LaTeX's own characters escaped. A '[' or '*' at the start, which the line end before it would take as its option, is in braces."""
    made = "".join(_SIGNS.get(each) or _SPECIAL.get(each, each) for each in " ".join(text.split()) if each.isprintable())
    return f"{{{made[0]}}}{made[1:]}" if made[:1] in ("[", "*") else made
