"""Report of a run as one HTML file without scripts, which opens offline and can be printed.

matplotlib draws the charts as SVG, because Plotly's script alone would add 4.7 MB to every report. Pictures are PNG inside the file.
"""

from __future__ import annotations

import base64
import html
import json
import time
from pathlib import Path
from typing import Any

from mtl_core.analysis.conflict_summary import reading
from mtl_core.errors import StoreError
from mtl_core.exports import report_pictures, report_style
from mtl_core.exports.chart_files import INK, colours_of, conflict_figure, curve_charts, svg
from mtl_core.exports.export_source import ExportSource

TITLE = "Report, one HTML file"
SUMMARY = "Settings, curves, tables, conflict, pictures over the epochs, environment. Opens offline; print it to PDF."

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-report.html``."""
    (folder / f"{source.run.id}-report.html").write_text(report(source), encoding="utf-8")


def report(source: ExportSource) -> str:
    """The HTML of the report. Sections without content are omitted."""
    run = source.run
    parts = [_head(source), _facts(source)]
    if run.info:
        parts += [_results(source), _evaluations(source), _charts(source), _conflict(source), _pictures(source), _all_metrics(source)]
    parts += [_settings(source), _environment(source), _log(source)]
    return _PAGE.format(title=text(run.name), style=report_style.CSS, body="\n".join(part for part in parts if part))


def text(value: Any) -> str:
    """Escape text from people or files for HTML."""
    return html.escape(str(value))


def section(title: str, content: str, note: str = "", kind: str = "") -> str:
    """A section with a title; empty if ``content`` is empty."""
    if not content:
        return ""
    remark = f'<p class="note">{note}</p>' if note else ""
    return f'<section class="{kind}"><h2>{title}</h2>{remark}{content}</section>'


def table(head: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    """An HTML table. Cells are HTML; the columns in ``numbers`` are aligned to the right."""

    def cells(tag: str, values: list[str]) -> str:
        return "".join(f"<{tag}{' class=n' if place in numbers else ''}>{value}</{tag}>" for place, value in enumerate(values))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _head(source: ExportSource) -> str:
    run = source.run
    made = time.strftime("%d %B %Y", time.localtime(run.created_at))
    forked = f" · forked from {text(run.parent)} after epoch {run.parent_epoch}" if run.parent else ""
    note = f'<p class="said">{text(run.note)}</p>' if run.note else ""
    tags = "".join(f'<span class="tag">{text(tag)}</span>' for tag in run.tags)
    said = f"{run.status.value} after {run.step:,} steps ({run.epoch:.4g} of {run.epochs} epochs)"
    return f'<header><h1>{text(run.name)}</h1><p class="note">{run.id} · {made} · {said}{forked} {tags}</p>{note}</header>'


def _facts(source: ExportSource) -> str:
    run, info = source.run, source.run.info
    facts = {"Data": run.config.data.own_name, "Backbone": run.config.backbone.name, "Sharing": run.config.sharing.name}
    facts["Balancing"] = run.config.balancing.name
    if info:
        counts = info["parameters"]
        total = counts["shared"] + sum(counts["tasks"].values())
        frozen = f" · {counts['frozen']:,} frozen" if counts.get("frozen") else ""
        facts["Parameters"] = f"{total:,} ({counts['shared'] / max(1, total):.0%} shared){frozen}"
        facts["Images"] = " · ".join(f"{number:,} {split}" for split, number in info["images"].items())
    facts["Time"] = f"{run.seconds / 60:.1f} min" if run.seconds >= 60 else f"{run.seconds:.0f} s"
    cells = "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{cells}</dl>'


def _results(source: ExportSource) -> str:
    colours, rows = colours_of(source), []
    for name, info in source.tasks.items():
        metric = info["metrics"][info["main_metric"]]
        val, test = (source.summary.get(f"{split}/{name}/{info['main_metric']}") for split in ("val", "test"))
        arrow = "↑" if metric["higher_is_better"] else "↓"
        label = f'<span class="dot" style="background:{colours[name]}"></span>{text(name)}'
        best = f" <small>(epoch {val['best_epoch']:g})</small>" if val and val["best_epoch"] is not None else ""
        unit = f", {text(metric['unit'])}" if metric.get("unit") else ""
        values = [number(val["best"] if val else None) + best, number(val["last"] if val else None), number(test["last"] if test else None)]
        rows.append([label, text(info["kind"].replace("_", " ")), f"{text(metric['title'])}{unit}&nbsp;{arrow}", *values])
    note = "↑ higher is better, ↓ lower is better. Test was measured once, at the end, with the checkpoint that was best on val."
    return section("Results", table(["task", "kind", "metric", "val, best", "val, last", "test"], rows, (3, 4, 5)), note)


def _evaluations(source: ExportSource) -> str:
    """A table for each checkpoint with evaluations in the run's folder; empty if there are none."""
    tables: dict[tuple[int, int], dict[str, dict[tuple[str, str], dict[str, Any]]]] = {}
    for path in sorted((source.folder / "evaluations").glob("epoch_*_*.json")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            entries = {(task, entry["name"]): _checked(entry) for task, found in kept["tasks"].items() for entry in found["values"]}
            tables.setdefault((int(kept["epoch"]), int(kept["step"])), {})[str(kept["split"])] = entries
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # an unreadable evaluation of another version must not prevent the report
    parts = [f"<h3>Epoch {epoch}, step {step:,}</h3>" + _measured(by_split) for (epoch, step), by_split in tables.items()]
    return section(
        "Evaluation", "".join(parts), "Evaluated in detail on request; the test images only on explicit request." if parts else "", kind="dense"
    )


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of a value that the table needs. Raises KeyError if one is missing."""
    value = entry["value"]
    return {
        "title": f"{entry['title']}{', ' + entry['unit'] if entry['unit'] else ''}",
        "arrow": "↑" if entry["higher_is_better"] else "↓",
        "value": None if value is None else float(value),
    }


def _measured(by_split: dict[str, dict[tuple[str, str], dict[str, Any]]]) -> str:
    """A table of one checkpoint's metrics, with a column for each evaluated split."""
    splits = [split for split in ("train", "val", "test") if split in by_split]
    about = {key: entry for split in splits for key, entry in by_split[split].items()}
    rows = [
        [
            text(task),
            f"{text(entry['title'])}&nbsp;{entry['arrow']}",
            *(number(by_split[split].get((task, name), {}).get("value")) for split in splits),
        ]
        for (task, name), entry in about.items()
    ]
    return table(["task", "metric", *splits], rows, tuple(range(2, 2 + len(splits))))


def _charts(source: ExportSource) -> str:
    shown = [(title, figure) for _, title, figure in curve_charts(source) if figure is not None]
    boxes = "".join(f"<figure><figcaption>{text(title)}</figcaption>{_inline(figure)}</figure>" for title, figure in shown)
    note = "Solid: train, dashed: val. Faint: every recorded value; the line over it is its moving average."
    return section("Curves", f'<div class="charts">{boxes}</div>' if boxes else "", note)


def _conflict(source: ExportSource) -> str:
    matrix = conflict_figure(source)
    if matrix is None:
        return ""
    sentences = "".join(f"<li>{text(sentence)}</li>" for sentence in reading(source.scalars, list(source.tasks)))
    note = "Cosine between the tasks' gradients on the shared parameters, as last measured. Below 0 a step for one undoes part of the other's."
    return section("Gradient conflict", f'<div class="conflict"><figure>{_inline(matrix)}</figure><ul>{sentences}</ul></div>', note)


def _pictures(source: ExportSource) -> str:
    try:
        sheets = report_pictures.sheets(source)
    except StoreError:  # no predictions were saved, or their files are damaged
        return ""
    parts = []
    for name, picture, legend in sheets:
        encoded = base64.b64encode(picture).decode()
        dots = "".join(f'<span><span class="dot" style="background:{colour}"></span>{text(label)}</span>' for colour, label in legend)
        image = f'<img alt="Targets and predictions of {text(name)} over the epochs" src="data:image/png;base64,{encoded}">'
        parts.append(f'<figure class="sheet"><figcaption>{text(name)}</figcaption>{image}<div class="legend">{dots}</div></figure>')
    return section("Predictions during training", "".join(parts), "The same validation images in every row; epoch 0 is before training.")


def _all_metrics(source: ExportSource) -> str:
    rows = []
    for key, entry in source.summary.items():
        if entry["higher_is_better"] is None:
            continue
        arrow = "↑" if entry["higher_is_better"] else "↓"
        epoch = number(entry["best_epoch"])
        rows.append([f"<code>{text(key)}</code>", arrow, number(entry["best"]), epoch, number(entry["last"]), text(entry["unit"])])
    return section("All metrics", table(["key", "better", "best", "at epoch", "last", "unit"], rows, (2, 3, 4)) if rows else "", kind="dense")


def _settings(source: ExportSource) -> str:
    return section(
        "Settings", f"<pre>{text(source.run.config.to_yaml())}</pre>", "As YAML: <code>python -m mtl_core train run.yaml</code> trains it again."
    )


def _environment(source: ExportSource) -> str:
    info = source.run.info
    if not info:
        return ""
    facts = {"Device": info.get("device_name") or info["device"], "Precision": info["precision"], "Memory layout": info["layout"].replace("_", " ")}
    facts |= {name.capitalize(): version for name, version in info.get("versions", {}).items()}
    return section("Environment", table(["", ""], [[text(name), text(value)] for name, value in facts.items()]), kind="plain")


def _log(source: ExportSource) -> str:
    lines = source.store.log(source.run.id)
    stamps = "\n".join(f"{time.strftime('%H:%M:%S', time.localtime(line.time))}  {line.level:7} {line.text}" for line in lines[-60:])
    return section("Log", f"<pre>{text(stamps)}</pre>" if stamps else "", "The last 60 lines." if len(lines) > 60 else "")


def number(value: float | None) -> str:
    """Four significant digits; a dash for None."""
    return "–" if value is None else f"{value:.4g}"


def _inline(figure: Any) -> str:
    return svg(figure).replace(INK, "currentColor")
