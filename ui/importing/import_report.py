"""Third step of an import: the findings of the check, file by file, and the Import button."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.data.imports import name_problem
from mtl_core.data.imports.checking.finding_kinds import group_of, kind_title
from mtl_core.language import mark, tr
from ui.drawing.table_sizes import ROW_PIXELS, TWO_LINES, head_width, whole_height
from ui.importing.import_draft import RESIZED, draft, field_key, fingerprint, start_import, value
from ui.importing.import_pictures import checked_pictures
from ui.shell import words
from ui.shell.state import hold, run_store

ROWS = 1000  # of the table on screen; the CSV has all listed findings
GROUPS = {  # group of findings -> text on its button, text in the table
    "image": (mark("Images that cannot be used"), mark("Image not used")),
    "file": (mark("Files that are not read"), mark("File not read")),
    "target": (mark("Targets and rows that are not used"), mark("Target or row not used")),
    "repaired": (mark("Repaired"), mark("Repaired")),
    "note": (mark("Unusual, but used"), mark("Unusual")),
}
LEAKS = 10
FILE_PIXELS = 300  # of the column of files, at most
CLASS_LETTERS = 50  # of a task's classes in one line
SIZES = 6  # the most frequent ones


def report_step(examined: Any) -> None:
    """Draw the counts, some pictures if asked for, the findings, the leaks, and the Import button. ``examined``: the result of the check."""
    report = examined.report
    left_out = report.found - report.images - report.skipped  # frames between splits, images in no list
    facts = {
        tr("usable images"): tr("{images:,} of {found:,}", images=report.images, found=report.found),
        tr("images that cannot be used"): f"{report.skipped:,}",
        tr("images repaired"): f"{report.repaired:,}",
        **({tr("left out by the split"): f"{left_out:,}"} if left_out > 0 else {}),
        **{tr(split): f"{size:,}" for split, size in report.split_sizes.items()},
        tr("prepared size"): f"{report.bytes_prepared / 1e6:,.1f} MB",
    }
    with st.container(border=True, key="import_report"):
        st.markdown(tr("**Result of the check** :gray[nothing is imported yet]"))
        cells = "".join(f'<div><div class="fact-name">{name}</div>{text}</div>' for name, text in facts.items())
        st.html(f'<div class="facts">{cells}</div>')
        _tasks(report)
        checked_pictures(examined)
        _findings(report)
        _leaks(report)
        _sizes(report)
    _decision(report)


def _tasks(report: Any) -> None:
    rows = [
        {
            tr("task"): summary.task.name,
            tr("kind"): tr(summary.task.kind.replace("_", " ")),
            tr("classes or range"): _classes(summary),
            **{tr("labelled in {split}", split=tr(split)): count for split, count in summary.labelled.items()},
        }
        for summary in report.tasks
    ]
    if rows:
        wide = {tr("classes or range"): st.column_config.TextColumn(width=420)}
        high = TWO_LINES if any(len(row[tr("classes or range")]) > CLASS_LETTERS for row in rows) else ROW_PIXELS
        st.dataframe(pd.DataFrame(rows), hide_index=True, height=whole_height(len(rows), 520, high), row_height=high, column_config=wide)


def _classes(summary: Any) -> str:
    if summary.class_counts:
        listed = ", ".join(f"{name} {count:,}" for name, count in summary.class_counts.items())
        return words.shortened(listed, 120)
    if summary.lowest is not None and summary.highest is not None:
        return tr("{lowest:.4g} to {highest:.4g} {unit}", lowest=summary.lowest, highest=summary.highest, unit=tr(summary.task.unit)).strip()
    return words.shortened(", ".join(summary.task.classes), 120)


def _findings(report: Any) -> None:
    if not report.counts:
        st.success(tr("Every file can be used unchanged."), icon=":material/check:")
        return
    groups = report.groups()
    with st.container(horizontal=True, vertical_alignment="center"):
        options = [group for group in GROUPS if groups[group]]
        shown = st.pills(
            tr("Findings"),
            options,
            selection_mode="multi",
            default=options,
            key="import.outcomes",
            format_func=lambda group: tr("{title}: {value}", title=tr(GROUPS[group][0]), value=f"{groups[group]:,}"),
            label_visibility="collapsed",
        )
        st.space("stretch")
        st.download_button(
            tr("All findings as CSV"), report.to_csv(), "findings.csv", "text/csv", icon=":material/download:", key="import.csv", on_click="ignore"
        )
    if groups["target"]:
        st.caption(tr("An image with an unusable target or table row is still imported, without that target."))
    if not shown:
        st.caption(tr("No findings are selected. Choose above which ones to list."))
        return
    rows = [finding for finding in report.findings if group_of(finding.outcome, finding.kind) in shown]
    rows.sort(key=lambda row: report.counts[f"{row.outcome}/{row.kind}"])  # rare kinds first, so that frequent ones do not hide them
    with_task = any(row.task for row in rows)
    table = pd.DataFrame(
        [
            {
                "": tr(GROUPS[group_of(row.outcome, row.kind)][1]),
                tr("type"): f"{tr(kind_title(row.kind))} ({report.counts[f'{row.outcome}/{row.kind}']:,})",
                tr("file"): row.file,
                **({tr("task"): row.task} if with_task else {}),
                tr("finding"): tr(row.message),
            }
            for row in rows[:ROWS]
        ]
    )
    names = min(FILE_PIXELS, max(head_width(row.file) for row in rows[:ROWS]))  # what the names leave is for the sentences
    st.dataframe(
        table,
        hide_index=True,
        placeholder="",
        height=whole_height(len(table), 320),
        column_config={tr("file"): st.column_config.TextColumn(width=names), tr("finding"): st.column_config.TextColumn(width=480)},
    )
    if len(rows) > ROWS or report.left_out:
        st.caption(
            tr("The first {rows:,} are shown. {left_out:,} more are counted but not listed.", rows=min(ROWS, len(rows)), left_out=report.left_out)
            if report.left_out
            else tr("The first {shown:,} of {rows:,} are shown; the CSV has all.", shown=ROWS, rows=len(rows))
        )


def _leaks(report: Any) -> None:
    if not report.leak_count:
        st.caption(tr(":material/check: No image is in two splits (compared pixel by pixel)."))
        return
    lines = [
        tr(
            "- {first} ({first_split}) is {second} ({second_split})",
            first=words.plain(leak.files[0]),
            first_split=tr(leak.splits[0]),
            second=words.plain(leak.files[1]),
            second_split=tr(leak.splits[1]),
        )
        for leak in report.leaks[:LEAKS]
    ]
    if report.leak_count > LEAKS:
        lines.append(tr("- and {count:,} more", count=report.leak_count - LEAKS))
    said = tr(
        "{count:,} images are in two splits. Results on the second split would be too good. Keep the copies together with "
        "'What stays together' above, or remove one of them.",
        count=report.leak_count,
    )
    st.warning("\n".join([said, *lines]), icon=":material/warning:")


def _sizes(report: Any) -> None:
    sizes = [f"{width} x {height} ({count:,})" for (width, height), count in list(report.original_sizes.items())[:SIZES]]
    if len(report.original_sizes) > SIZES:
        sizes.append(tr("and others"))
    channels, height, width = report.image_shape
    listed = ", ".join(sizes)
    colour = tr("grey") if channels == 1 else tr("colour")
    other = any(abs(across * height / (down * width) - 1) > 0.02 for across, down in report.original_sizes)
    said = {"listed": listed, "width": width, "height": height, "colour": colour}
    if other:
        resized = tr(RESIZED[value("images", "resize")])
        text = tr(
            "Sizes of the files in pixels: {listed}. Prepared: {width} x {height}, {colour}; those of another aspect ratio are {resized}.",
            resized=resized,
            **said,
        )
    else:
        text = tr("Sizes of the files in pixels: {listed}. Prepared: {width} x {height}, {colour}.", **said)
    st.caption(text)


def _decision(report: Any) -> None:
    changed = fingerprint() != draft()["checked"]
    for problem in report.problems:
        st.error(words.plain(tr(problem)), icon=":material/block:")
    if changed:
        st.warning(tr("The settings have changed since this check. Check the files again."), icon=":material/sync_problem:")
    with st.container(key="import_decision", horizontal=True, vertical_alignment="bottom"):
        key = field_key("name")
        hold(key, draft()["name"])
        st.text_input(tr("Name of the data set"), draft()["name"], key=key, on_change=_take_name, args=(key,), width=320)
        wrong = name_problem(draft()["name"].strip(), run_store().home)
        off = changed or bool(report.problems) or bool(report.questions) or not report.images or bool(wrong)
        label = tr("Import {images:,} {images:image|images}", images=report.images)
        st.button(label, type="primary", icon=":material/download_done:", key="import.go", disabled=off, on_click=start_import)
    if wrong:
        st.caption(tr(":material/block: {problem}.", problem=words.plain(words.capitalised(tr(wrong)))))


def _take_name(key: str) -> None:
    if key == field_key("name"):
        draft()["name"] = st.session_state[key]
