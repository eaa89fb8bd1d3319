"""Report of a study as one HTML file without scripts: verdicts, table, front, divisions, runs, settings, environment."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtl_core.config_fingerprint import fingerprint
from mtl_core.html_pages import render
from mtl_core.language import HalfUp, language, mark, speaking, tr
from mtl_core.run_names import data_phrase
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import to_digits
from mtl_core.studies.aggregates import GAIN, GAIN_OVER_SINGLE, OVERALL_METRIC
from mtl_core.studies.answer import Answer, short_hash
from mtl_core.studies.comparison_lines import Line
from mtl_core.studies.label_worth import label_curves, worth_in_words
from mtl_core.studies.paper_table import heading, metric_title, number, regret_in_words
from mtl_core.studies.priced_grouping import BudgetTable, budget_tables
from mtl_core.studies.task_affinity import TaskAffinity, advice, beside_measured, study_affinity
from mtl_core.studies.verdict import LEAST_SEEDS, Word

INTERVALS = {"t": mark("Student's t interval"), "bca": mark("BCa bootstrap interval")}


def study_report(
    store: RunStore, answer: Answer, spoken: str = "", receipt: Mapping[str, Any] | None = None, labels: Mapping[str, str] | None = None
) -> str:
    """The HTML. Sections without content are omitted; text from people is escaped.

    Args:
        answer: its labels and verdicts are in the language of whoever made it.
        spoken: language of the page, a key of ``LANGUAGES``; by default the reader's.
        receipt: measured costs, as ``CostReceipt.to_dict`` or its JSON; then the report has them, and the best division for every budget.
        labels: the receipt's labels -> the answer's, where the receipt was written in another language.
    """
    with speaking(spoken or language()):
        return _report(store, answer, receipt, labels or {})


def _report(store: RunStore, answer: Answer, receipt: Mapping[str, Any] | None, labels: Mapping[str, str]) -> str:
    affinity = study_affinity(store, answer)
    study = answer.study
    names = {cell.key: cell.label for cell in study.cells}
    hashes = {cell.key: short_hash(fingerprint(cell.config)) for cell in study.cells}
    return render(
        Path(__file__).with_name("study_report.html"),
        study=study,
        made=time.strftime(tr("%d %B %Y"), time.localtime(study.created_at)),
        question=tr(study.part.title),
        facts=_facts(answer),
        notes=[tr(note) for note in answer.notes],
        lines=[_verdict_row(line) for line in answer.lines],
        explained=explained(answer),
        split=tr(answer.split),
        cell_head=[
            tr("cell"),
            *(heading(metric) for metric in answer.metrics.values()),
            tr(GAIN),
            tr("mean rank ↓"),
            tr("checkpoint regret ↓"),
        ],
        cells=_cell_rows(answer) if answer.metrics else [],
        cell_numbers=list(range(1, len(answer.metrics) + 3)),
        front=[names[key] for key in answer.front.on_front] if answer.front else [],
        labels=[[each.labels, heading(answer.metrics[each.task]), worth_in_words(each)] for each in label_curves(answer)],
        groupings=_grouping_rows(answer),
        advised=_advised_rows(affinity),
        beside=_beside_rows(answer, affinity),
        budgets=[_budget(table) for table in budget_tables(answer, affinity, receipt, labels)] if receipt else [],
        costs=_cost_rows(receipt, labels) if receipt else [],
        untrained=tr(", ").join(str(labels.get(label, label)) for label in receipt.get("untrained", ())) if receipt else "",
        runs=[
            [names[cell], seed, answer.run_ids[cell, seed], tr(status), hashes[cell], short_hash(answer.data_hashes.get((cell, seed)))]
            for (cell, seed), status in sorted(answer.statuses.items())
        ],
        settings=study.to_yaml(),
        environment=_environment(store, answer),
    )


def explained(answer: Answer) -> str:
    """How the verdicts of a study were made, in words."""
    settings = answer.study.settings
    band = tr("within {band:.3g} % of the baseline", band=100 * settings.band) if settings.band else tr("not used")
    value = tr("chosen checkpoint") if settings.value == "chosen" else tr("best checkpoint of each task")
    points = max((line.chosen_among for line in answer.lines), default=1)
    chosen = mark(" A loss against the best of the sweep counts {points} times, once for each of its points, because it is chosen on the same data.")
    return tr(
        "Differences are paired by seed; above 0, or “better”, is better whatever the metric. "
        "{interval} of 95 %. Equal: {band}. “Helps” and “hurts” stand where the interval excludes 0 and p is below 5 % after "
        "Holm's correction for the {comparisons} comparisons of this study. Below {least} seeds there is no verdict. "
        "Values on {split} with the {value}.",
        interval=tr(INTERVALS[settings.interval]),
        band=band,
        comparisons=len(answer.lines),
        least=LEAST_SEEDS,
        split=tr(answer.split),
        value=value,
    ) + (tr(chosen, points=points) if points > 1 else "")


def signed(value: float, line: Line) -> str:
    """A difference with its direction in words. Above 0 is better, whatever the metric."""
    if line.metric is None:
        return f"{value:+.2f} %"
    if value > 0:
        return tr("{value:.3g} better", value=value)
    return tr("{value:.3g} worse", value=-value) if value < 0 else f"{abs(value):.3g}"


def interval_of(line: Line) -> str:
    """The interval of a line that has a verdict, in words."""
    assert line.verdict is not None  # the caller asks
    found = line.verdict.difference
    if not math.isfinite(found.low):
        return tr("not known")
    return tr("{low} to {high}", low=signed(found.low, line), high=signed(found.high, line))


def _facts(answer: Answer) -> list[tuple[str, str]]:
    study = answer.study
    ended = answer.count("finished")
    return [
        (tr("Runs"), tr("{ended} of {total} finished", ended=ended, total=answer.total)),
        (tr("Seeds"), ", ".join(str(seed) for seed in study.seeds)),
        (tr("Tasks"), ", ".join(study.base.tasks)),
        (tr("Data"), data_phrase(study.base).said()),
        (tr("Epochs"), str(study.base.epochs)),
        (tr("precision").capitalize(), study.precision or tr("not settled yet")),
    ]


def _verdict_row(line: Line) -> dict[str, str]:
    said = line.verdict
    row = {"label": line.label, "task": line.task or tr("overall"), "baseline": "–", "value": "–"}
    row["metric"] = tr("main metric") if line.task else tr(OVERALL_METRIC)
    if line.metric:
        row["metric"] = metric_title(line.metric)
        if said:
            row |= {"baseline": to_digits(line.baseline, 4), "value": to_digits(line.value, 4)}
    if said is None:
        return row | {"difference": "–", "interval": "–", "n": "0", "p": "–", "odds": "–", "word": tr("no pair of runs"), "advice": ""}
    found = said.difference
    row |= {"difference": signed(found.mean, line), "n": str(found.n), "word": tr(str(said.word)), "advice": said.advice}
    if said.word == Word.NONE:
        return row | {"interval": "–", "p": "–", "odds": "–"}
    odds = "–"
    if not found.is_spread_unknown:
        odds = " · ".join(f"{100 * share:.0f} %" for share in (found.p_worse, found.p_equal, found.p_better))
    return row | {"interval": interval_of(line), "p": said.p_number, "odds": odds}


def _cell_rows(answer: Answer) -> list[list[str]]:
    rows = []
    for cell in answer.study.cells:
        gain = answer.delta_m.get(cell.key, (math.nan,))[0]
        spreads = answer.spreads.get(cell.key, {})
        rank = f"{answer.ranks[cell.key]:.2f}" if cell.key in answer.ranks else "–"
        values = [*(number(spreads.get(task)) for task in answer.metrics), f"{gain:+.2f}" if math.isfinite(gain) else "–"]
        rows.append([cell.label, *values, rank, regret_in_words(answer, cell.key)])
    return rows


def _grouping_rows(answer: Answer) -> list[list[Any]]:
    return [
        [budget, "; ".join(answer.group_names[place] for place in grouping.networks), f"{grouping.mean_gain:+.2f}"]
        for budget, grouping in answer.groupings.items()
    ]


def _advised_rows(affinity: TaskAffinity | None) -> list[list[Any]]:
    found = advice(affinity) if affinity else None
    if found is None:
        return []
    return [
        [budget, "; ".join(" + ".join(group) for group in found.chosen(budget)), f"{100 * found.gain(budget):+.2g}"] for budget in found.divisions
    ]


def _beside_rows(answer: Answer, affinity: TaskAffinity | None) -> list[list[Any]]:
    """Predictions beside measured gains, where a group has one."""
    rows = [row for row in beside_measured(answer, affinity) if row.seeds] if affinity else []
    cosines = [f"{row.cosine:+.3f}" if math.isfinite(row.cosine) else "–" for row in rows]
    return [
        [row.group, row.task, f"{row.gain:+.2f}", row.seeds, f"{100 * row.affinity:+.2g}", cosine] for row, cosine in zip(rows, cosines, strict=True)
    ]


def _budget(table: BudgetTable) -> dict[str, Any]:
    gain = tr("predicted: mean affinity (%)") if table.is_predicted else tr(GAIN_OVER_SINGLE)
    rows = [[f"{HalfUp(each.cost):.4g}", tr("; ").join(table.names(each)), table.gain(each)] for each in table.divisions]
    title = table.title
    return {"title": title[:1].upper() + title[1:], "head": [tr("from a budget of"), tr("division"), gain], "rows": rows}


def _cost_rows(receipt: Mapping[str, Any], labels: Mapping[str, str]) -> list[list[str]]:
    networks = [receipt["shared"], *receipt["apart"], receipt["all_apart"], *receipt.get("others", [])]
    times = [[f"{HalfUp(value):.3g}" for value in network[kind].values()] for network in networks for kind in ("torch_ms", "onnx_ms")]
    pairs = zip(times[::2], times[1::2], strict=True)
    return [
        [
            labels.get(network["label"], network["label"]),
            f"{network['parameters']:,}",
            f"{HalfUp(network['multiply_adds']):.4g}",
            f"{HalfUp(network['file'] / 1e6):.3g}",
            f"{HalfUp(network['memory'] / 1e6):.3g}",
            " / ".join(torch) or "–",
            " / ".join(onnx) or "–",
        ]
        for network, (torch, onnx) in zip(networks, pairs, strict=True)
    ]


def _environment(store: RunStore, answer: Answer) -> list[list[str]]:
    """Devices and versions of the finished runs; several where the runs differ."""
    found: dict[str, list[str]] = {}
    finished = [answer.run_ids[place] for place, status in answer.statuses.items() if status == "finished"]
    for run in reversed(store.several(finished)):
        info = run.info
        facts = {"device": info.get("device_name") or info.get("device"), "precision": info.get("precision")} | dict(info.get("versions", {}))
        for name, value in facts.items():
            if value and str(value) not in found.setdefault(name, []):
                found[name].append(str(value))
    return [[tr(name).capitalize(), ", ".join(values)] for name, values in found.items() if values]
