"""Report of a run as one HTML file without scripts, which opens offline and can be printed.

``report.html`` is the jinja2 template. matplotlib draws the charts as SVG, because Plotly's script alone would add
4.7 MB to every report. Pictures are PNG inside the file.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mtl_core.analysis.conflict_summary import reading
from mtl_core.errors import StoreError
from mtl_core.exports import report_pictures
from mtl_core.exports.chart_files import INK, colours_of, conflict_figure, curve_charts, svg
from mtl_core.exports.export_source import ExportSource
from mtl_core.html_pages import render
from mtl_core.language import HalfUp, speaking, tr
from mtl_core.scalar_words import to_digits

TITLE = "Report, one HTML file"
SUMMARY = "Settings, curves, tables, conflict, pictures over the epochs, environment. Opens offline; print it to PDF."

_LOG_LINES = 60


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-report.html``."""
    (folder / f"{source.run.id}-report.html").write_text(report(source), encoding="utf-8")


def report(source: ExportSource) -> str:
    """The HTML of the report, in the source's language. Sections without content are omitted.

    Text from people and files is escaped by the template.
    """
    with speaking(source.language):
        return _report(source)


def _report(source: ExportSource) -> str:
    run, log = source.run, source.store.log(source.run.id)
    values: dict[str, Any] = dict.fromkeys(("results", "evaluations", "charts", "conflict", "readings", "sheets", "metrics", "environment"))
    if run.info:
        values["results"] = _results(source)
        values["evaluations"] = _evaluations(source)
        values["charts"] = [(title, _inline(figure)) for _, title, figure in curve_charts(source) if figure is not None]
        values["sheets"] = _pictures(source)
        values["metrics"] = _all_metrics(source)
        values["environment"] = _environment(source)
        if (matrix := conflict_figure(source)) is not None:
            values["conflict"] = _inline(matrix)
            values["readings"] = [tr(sentence) for sentence in reading(source.scalars, list(source.tasks))]
    return render(
        Path(__file__).with_name("report.html"),
        run=run,
        made=time.strftime(tr("%d %B %Y"), time.localtime(run.created_at)),
        facts=_facts(source),
        settings=run.config.to_yaml(),
        log="\n".join(f"{time.strftime('%H:%M:%S', time.localtime(line.time))}  {line.level:7} {line.text}" for line in log[-_LOG_LINES:]),
        log_is_cut=len(log) > _LOG_LINES,
        **values,
    )


def _facts(source: ExportSource) -> list[tuple[str, str]]:
    run, info = source.run, source.run.info
    facts = {tr("Data"): run.config.data.own_name, tr("Backbone"): run.config.backbone.name, tr("Sharing"): run.config.sharing.name}
    facts[tr("Balancing")] = run.config.balancing.name
    if info:
        counts = info["parameters"]
        total = counts["shared"] + sum(counts["tasks"].values())
        frozen = tr(" · {frozen:,} frozen", frozen=counts["frozen"]) if counts.get("frozen") else ""
        share = counts["shared"] / max(1, total)
        facts[tr("Parameters")] = tr("{total:,} ({share:.0%} shared){frozen}", total=total, share=share, frozen=frozen)
        facts[tr("Images")] = " · ".join(f"{number:,} {tr(split)}" for split, number in info["images"].items())
    facts[tr("Time")] = _time(run.seconds)
    return list(facts.items())


def _time(seconds: float) -> str:
    if 0 < seconds < 1:
        return tr("under 1 s")
    return tr("{minutes:.1f} min", minutes=seconds / 60) if seconds >= 60 else tr("{seconds:.0f} s", seconds=seconds)


def _results(source: ExportSource) -> list[dict[str, str]]:
    colours, rows = colours_of(source), []
    for name, info in source.tasks.items():
        metric = info["metrics"][info["main_metric"]]
        val, test = (source.summary.get(f"{split}/{name}/{info['main_metric']}") for split in ("val", "test"))
        rows.append(
            {
                "colour": colours[name],
                "task": name,
                "kind": tr(info["kind"].replace("_", " ")),
                "metric": _titled(metric["title"], metric.get("unit", "")),
                "arrow": "↑" if metric["higher_is_better"] else "↓",
                "best": number(val["best"] if val else None),
                "best_epoch": f"{HalfUp(val['best_epoch']):g}" if val and val["best_epoch"] is not None else "",
                "last": number(val["last"] if val else None),
                "test": number(test["last"] if test else None),
            }
        )
    return rows


def _evaluations(source: ExportSource) -> list[dict[str, Any]]:
    """The values of each checkpoint with evaluations in the run's folder."""
    found: dict[tuple[int, int], dict[str, dict[tuple[str, str], dict[str, Any]]]] = {}
    for path in sorted((source.folder / "evaluations").glob("epoch_*_*.json")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            entries = {(task, entry["name"]): _checked(entry) for task, measured in kept["tasks"].items() for entry in measured["values"]}
            found.setdefault((int(kept["epoch"]), int(kept["step"])), {})[str(kept["split"])] = entries
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # an unreadable evaluation of another version must not prevent the report
    return [{"epoch": epoch, "step": step, **_measured(by_split)} for (epoch, step), by_split in found.items()]


def _titled(title: str, unit: str) -> str:
    return tr("{title}, {unit}", title=tr(title), unit=tr(unit)) if unit else tr(title)


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of a value that the table needs. Raises KeyError if one is missing."""
    value = entry["value"]
    return {
        "title": _titled(entry["title"], entry["unit"]),
        "arrow": "↑" if entry["higher_is_better"] else "↓",
        "value": None if value is None else float(value),
    }


def _measured(by_split: dict[str, dict[tuple[str, str], dict[str, Any]]]) -> dict[str, Any]:
    """One checkpoint's metrics, with a column for each evaluated split."""
    splits = [split for split in ("train", "val", "test") if split in by_split]
    about = {key: entry for split in splits for key, entry in by_split[split].items()}
    rows = []
    for (task, name), entry in about.items():
        values = [number(by_split[split].get((task, name), {}).get("value")) for split in splits]
        rows.append([task, f"{entry['title']}\N{NO-BREAK SPACE}{entry['arrow']}", *values])
    return {"splits": splits, "rows": rows, "numbers": list(range(2, 2 + len(splits)))}


def _pictures(source: ExportSource) -> list[dict[str, Any]]:
    try:
        sheets = report_pictures.sheets(source)
    except StoreError:  # no predictions were saved, or their files are damaged
        return []
    return [{"task": name, "picture": base64.b64encode(picture).decode(), "legend": legend} for name, picture, legend in sheets]


def _all_metrics(source: ExportSource) -> list[list[str]]:
    return [
        [key, "↑" if entry["higher_is_better"] else "↓", number(entry["best"]), number(entry["best_epoch"]), number(entry["last"]), entry["unit"]]
        for key, entry in source.summary.items()
        if entry["higher_is_better"] is not None
    ]


def _environment(source: ExportSource) -> list[list[str]]:
    info = source.run.info
    facts = {tr("Device"): info.get("device_name") or info["device"], tr("precision").capitalize(): info["precision"]}
    facts[tr("Memory layout")] = tr(info["layout"].replace("_", " "))
    facts |= {name.capitalize(): version for name, version in info.get("versions", {}).items()}
    return [[name, str(value)] for name, value in facts.items()]


def number(value: float | None) -> str:
    """Four significant digits; a dash for None."""
    return "–" if value is None else to_digits(value, 4)


def _inline(figure: Any) -> Markup:
    """A chart as SVG. matplotlib escapes the texts in it."""
    return Markup(svg(figure).replace(INK, "currentColor"))
