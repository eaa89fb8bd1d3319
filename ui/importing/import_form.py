"""Second step of an import: the form with what the scan found, in which every guess can be corrected."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, get_args

import pandas as pd
import streamlit as st

from mtl_core.data.imports.formats import FORMATS
from mtl_core.data.imports.spec import ImageSpec, ImportSpec, SplitSpec, task_title_problem
from mtl_core.data.imports.tables.table_options import Column
from mtl_core.data.imports.tables.text_encodings import ENCODINGS
from mtl_core.language import mark, tr
from mtl_core.names import task_name_problem
from mtl_core.tasks import kind_of
from ui.importing.import_draft import RESIZED, change, draft, field_key, place_of, rename_task, take, tasks_now, value
from ui.importing.import_files import files_step
from ui.importing.import_questions import questions_step
from ui.importing.import_sources import sources_step
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.form_editions import begin_edition
from ui.shell.page_address import rerun_page
from ui.shell.state import hold, wait_for

DELIMITERS = {",": mark("comma"), ";": mark("semicolon"), "tab": mark("tab"), "|": mark("bar"), "space": mark("white space")}
COLUMN_KINDS = list(get_args(Column.model_fields["kind"].annotation))
COLOURS = {"auto": mark("As the files are"), "grey": mark("Grey"), "colour": mark("Colour")}
HOW = {"ratio": mark("By ratio"), "lists": mark("Given lists"), "folders": mark("Folders"), "column": mark("A column")}
HOW_GIVEN = {
    "lists": mark("The data set's own lists decide the split of each image. No split is drawn at random."),
    "folders": mark("The folders decide the split of each image. No split is drawn at random."),
    "column": mark("The column's values decide the split of each image. No split is drawn at random."),
}
ABOUT_SHAPES = mark("What happens to images whose width and height have another ratio than those above.")
NARROW = 18  # letters of names that fit in a third of the box
GROUPS = {
    "none": mark("Nothing"),
    "column": mark("Images with one value of a column"),
    "folder": mark("Images of one folder"),
    "blocks": mark("Neighbours by name (video frames)"),
}


def form_step(proposal: Any) -> None:
    """Draw the findings of the scan and the fields for tasks, tables, images and splits."""
    now, known = tasks_now(proposal)
    st.markdown(tr("**{images:,} {images:image|images}** in {title}", images=now.images, title=words.plain(draft()["title"])))
    if proposal.notes:
        st.markdown("\n".join(f"- :small[{words.plain(tr(note))}]" for note in proposal.notes))
    questions_step(proposal)
    files_step(proposal)
    with st.container(border=True):
        _tasks(now, known)
    if not known:
        wait_for("work")
    for number, table in enumerate(proposal.tables):
        place = place_of(proposal, table.source)
        if place is not None:
            with st.expander(tr("Table {file}", file=words.plain(table.file)), icon=":material/table:", key=f"import.table.{number}"):
                _table(replace(table, source=place))
    left, right = st.columns([2, 3], gap="large")
    with left, st.container(border=True, height="stretch"):
        _images()
    with right, st.container(border=True, height="stretch"):
        _splits(proposal, now)
    sources_step()
    _yaml()


def _tasks(proposal: Any, known: bool) -> None:
    if known:
        st.markdown(tr("**Tasks** :gray[untick those to leave out; the scan made the counts]"))
    else:
        st.markdown(tr("**Tasks** :gray[counting again with the changed settings...]"))
    if not proposal.tasks:
        st.caption(
            tr(
                "No targets were recognised. The images alone can be imported for self-supervised tasks, whose targets are made from the pixels. "
                "If the files have targets, add their source below, under 'Sources of targets'."
            )
        )
        return
    kept = value("tasks")
    rows = [
        {
            "keep": kept is None or task.name in kept,
            "task": task.name,
            "title": (value("titles") or {}).get(task.name, ""),
            "kind": tr(task.kind.replace("_", " ")),
            "classes or unit": _listed(task.classes) or tr(task.unit),
            "labelled": task.labelled,
            "from": tr(_format_title(task.source)),
            **({"note": tr(task.note)} if any(other.note for other in proposal.tasks) else {}),
        }
        for task in proposal.tasks
    ]
    edited = st.data_editor(
        pd.DataFrame(rows),
        hide_index=True,
        key=f"import.tasks.{_mark([row['task'] for row in rows])}",  # edits belong to these rows only
        disabled=[name for name in rows[0] if name not in ("keep", "title")] if known else True,
        column_config={
            "keep": st.column_config.CheckboxColumn(tr("Keep"), width=60),
            "task": st.column_config.TextColumn(tr("task")),
            "title": st.column_config.TextColumn(tr("title (optional)")),
            "kind": st.column_config.TextColumn(tr("kind")),
            "classes or unit": st.column_config.TextColumn(tr("classes or unit"), width=330),
            "labelled": st.column_config.NumberColumn(tr("labelled"), format="localized", width=80),
            "from": st.column_config.TextColumn(tr("from")),
            "note": st.column_config.TextColumn(tr("note")),
        },
    )
    if not known:  # the rows have task names from before the settings changed; these must not be taken into the settings
        return
    edited_rows = edited.to_dict("records")
    chosen = [row["task"] for row in edited_rows if row["keep"]]
    change(("tasks",), None if len(chosen) == len(rows) else chosen)
    titles = {row["task"]: row["title"] for row in edited_rows if row["title"]}
    change(("titles",), titles)
    for problem in filter(None, (task_title_problem(task, title) for task, title in titles.items())):
        st.error(words.plain(tr(problem)), icon=":material/block:")


def _mark(names: list[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:10]


def _format_title(source: int) -> str:
    name = value("sources", source, "format") if source < len(value("sources")) else ""
    return FORMATS.load(name).title if name in FORMATS else name


def _listed(classes: tuple[str, ...]) -> str:
    return f"{len(classes)}: {words.names_that_fit(classes, 44)}" if classes else ""


def _table(table: Any) -> None:
    """Draw the guesses about a CSV file and its first rows."""
    where: tuple[Any, ...] = ("sources", table.source)
    left, middle, right = st.columns(3)
    with left:
        _select(tr("Delimiter"), (*where, "delimiter"), list(DELIMITERS), table.delimiter, lambda text: tr(DELIMITERS.get(text) or str(text)))
    with middle:
        _select(tr("Encoding"), (*where, "encoding"), list(ENCODINGS), table.encoding)
    with right:
        _select(tr("Column with the image's name"), (*where, "image_column"), list(table.columns), None)
    st.dataframe(pd.DataFrame(list(table.rows), columns=_distinct(table.columns)), height=180, hide_index=True)
    columns = value(*where, "columns") or []
    if isinstance(columns, list) and all(isinstance(entry, dict) and "column" in entry for entry in columns) and columns:
        st.caption(tr("Columns that become tasks"))
        shown = [{"column": entry["column"], "task": entry.get("task", ""), "kind": entry.get("kind", "")} for entry in columns]
        # An editor stores its edits by row number. Each edit goes into the settings once, and the next editor (another key) starts without edits:
        # a stored edit would move to another column when the columns change, and would undo a later answer or YAML.
        mark = _mark([table.file, *(text for row in shown for text in row.values())])
        edited = st.data_editor(
            pd.DataFrame(shown),
            hide_index=True,
            key=f"import.columns.{mark}",
            disabled=["column"],
            column_config={
                "column": st.column_config.TextColumn(tr("column")),
                "kind": st.column_config.SelectboxColumn(tr("kind"), options=COLUMN_KINDS, required=True, format_func=lambda kind: tr(str(kind))),
                "task": st.column_config.TextColumn(tr("task"), required=True),
            },
        )
        renamed = False
        for entry, row in zip(columns, edited.to_dict("records"), strict=True):
            if (row["task"], row["kind"]) == (entry.get("task", ""), entry.get("kind", "")):
                continue
            if wrong := task_name_problem(row["task"]):
                st.error(words.plain(tr(wrong)), icon=":material/block:")
                continue
            rename_task(entry.get("task", ""), row["task"])
            entry |= {"task": row["task"], "kind": row["kind"]}
            renamed = True
        if renamed:
            rerun_page()  # the tasks above were drawn with the old settings


def _distinct(names: tuple[str, ...]) -> list[str]:
    """Column names for a table on screen: not empty, and unique."""
    seen: dict[str, int] = {}
    found = []
    for place, name in enumerate(names):
        name = name or tr("(column {place})", place=place + 1)
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _select(label: str, path: tuple[Any, ...], options: list[str], default: str | None, words_of: Any = str, about: str = "") -> None:
    current = value(*path, default=default)
    choices = [*options, *([current] if current is not None and current not in options else [])]
    key = field_key(*path)
    hold(key, current)

    def take_choice() -> None:
        if key == field_key(*path) and st.session_state[key] != value(*path, default=default):
            change(path, st.session_state[key])

    index = choices.index(current) if current in choices else None
    st.selectbox(label, choices, index, key=key, format_func=words_of, on_change=take_choice, help=tr(about) or None)


def _number(label: str, path: tuple[Any, ...], step: float, about: str = "") -> None:
    """Draw a number field without bounds: the browser would not send a number outside them. The check of the spec names what is wrong."""
    current = value(*path)
    key = field_key(*path)
    hold(key, current)
    form = "%d" if isinstance(current, int) else "%g"
    st.number_input(label, value=current, step=step, format=form, key=key, on_change=take, args=(path, key), help=tr(about) or None)


def _images() -> None:
    st.markdown(tr("**Images**"))
    height, width = st.columns(2)
    with height:
        _number(tr("Height in pixels"), ("images", "size", 0), 8)
    with width:
        _number(tr("Width in pixels"), ("images", "size", 1), 8)
    fields = ImageSpec.model_fields
    colour, resize = st.columns(2)
    with colour:
        _select(tr("Colour"), ("images", "colour"), list(COLOURS), None, words.translated(COLOURS), about=fields["colour"].description or "")
    with resize:
        _select(tr("Other aspect ratios"), ("images", "resize"), list(RESIZED), None, lambda how: tr(RESIZED[how]).capitalize(), ABOUT_SHAPES)
    st.caption(tr("The import resizes every image to this size, and runs train on it. Larger images show more detail and train slower."))


def _splits(proposal: Any, now: Any) -> None:
    st.markdown(tr("**Train, val and test**"))
    about = {name: field.description or "" for name, field in SplitSpec.model_fields.items()}
    path = ("splits", "how")
    key = field_key(*path)
    current = hold(key, value(*path))
    options = list(get_args(SplitSpec.model_fields["how"].annotation))
    st.segmented_control(
        tr("How the splits are made"),
        options,
        default=current,
        required=True,
        key=key,
        format_func=lambda name: tr(HOW.get(name) or name),
        on_change=take,
        args=(path, key),
    )
    how = value(*path)
    if how != "ratio":
        if how == "column":
            _column_of(proposal, "file", "column", about)
        parts = ("train", "val", "test")
        beside = max(len(", ".join(value("splits", part))) for part in parts) <= NARROW
        for place, part in zip(st.columns(3) if beside else [st.container() for _ in parts], parts, strict=True):
            with place:
                _names(part, about[part])
    drawn = [part for part in ("val", "test") if how == "ratio" or not value("splits", part)]
    if drawn:
        _drawing(proposal, now, drawn, about)
    else:
        st.caption(tr(HOW_GIVEN[how]))


def _drawing(proposal: Any, now: Any, drawn: list[str], about: dict[str, str]) -> None:
    """Draw the fields for the splits that are drawn at random, from all images or from those of train."""
    whole = value("splits", "how") == "ratio"
    labels = [tr("Share for {part}", part=tr(part)) if whole else tr("Share of train for {part}", part=tr(part)) for part in drawn]
    shares = [(label, f"{part}_share", 0.05) for label, part in zip(labels, drawn, strict=True)]
    for place, (label, name, step) in zip(st.columns(3), [*shares, (tr("Seed"), "seed", 1)], strict=False):
        with place:
            _number(label, ("splits", name), step, about[name])
    left, right = st.columns(2)
    with left:
        names = ["", *(task.name for task in now.tasks if kind_of(task.kind).stratifies)]
        _select(tr("Equal shares of the classes of"), ("splits", "stratify"), names, "", lambda name: name or tr("none"), about["stratify"])
    with right:
        _select(tr("What stays together"), ("splits", "groups"), list(GROUPS), None, lambda name: tr(GROUPS.get(name) or str(name)), about["groups"])
    if value("splits", "groups") == "column":
        _column_of(proposal, "group_file", "group_column", about)
    if value("splits", "groups") == "blocks":
        left, right = st.columns(2)
        with left:
            _number(tr("Frames in a block"), ("splits", "block"), 1, about["block"])
        with right:
            _number(tr("Frames left out between splits"), ("splits", "gap"), 1, about["gap"])


def _column_of(proposal: Any, file: str, column: str, about: dict[str, str]) -> None:
    left, right = st.columns(2)
    with left:
        _select(tr("Table"), ("splits", file), [table.file for table in proposal.tables], None, about=about[file])
    with right:
        table = next((table for table in proposal.tables if table.file == value("splits", file)), None)
        _select(tr("Column"), ("splits", column), list(table.columns) if table else [], None, about=about[column])


def _names(part: str, about: str) -> None:
    key = field_key("splits", part)
    text = ", ".join(value("splits", part))
    hold(key, text)

    def take_names() -> None:
        names = [name.strip() for name in st.session_state[key].split(",") if name.strip()]
        if key == field_key("splits", part) and names != value("splits", part):
            change(("splits", part), names)

    st.text_input(tr(part), text, key=key, on_change=take_names, help=tr("{about} Several are separated by commas.", about=tr(about)))


def _yaml() -> None:
    """Draw the whole spec as YAML: for options without a field, and to repeat the import from the command line."""
    with st.expander(tr("All settings as YAML"), icon=":material/code:", key="import.yaml"):
        with st.form("import_yaml", border=False):
            try:
                text = ImportSpec.from_dict(draft()["spec"]).to_yaml()
            except Exception as error:
                if not is_ours(error):
                    raise
                text = None
                st.error(words.plain(tr(str(error))), icon=":material/block:")
            if text is not None:
                hold(field_key("yaml_text"), text)
            st.text_area("YAML", text or "", key=field_key("yaml_text"), height=320, label_visibility="collapsed")
            st.form_submit_button(tr("Use this YAML"), icon=":material/check:", on_click=_take_yaml)
        st.caption(tr("Save this as dataset.yaml beside the data to make the same set with `python -m mtl_core data import PATH --name NAME`."))


def _take_yaml() -> None:
    st.session_state.pop("import_refused", None)
    try:
        draft()["spec"] = ImportSpec.from_yaml(st.session_state[field_key("yaml_text")]).to_dict()
        begin_edition("import")
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["import_refused"] = str(error)
