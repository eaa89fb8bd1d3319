"""The sources of an import with a field for each option, and the fields that decide which files are images."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import streamlit as st
import yaml
from pydantic import BaseModel

from mtl_core.data.imports.formats import FORMATS
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.errors import ConfigError
from mtl_core.language import mark, tr
from mtl_core.plain_yaml import read_yaml
from ui.importing.import_draft import change, draft, field_key, take, value
from ui.shell import words
from ui.shell.form_editions import begin_edition
from ui.shell.model_forms import Field, describe
from ui.shell.state import hold

_OWN_FORM = ("delimiter", "encoding", "image_column", "columns")  # options of a table that are shown with its first rows
LIKE = mark("[a, b] or {0: a}")
_MOST_ENTRIES = 4  # of a list whose entries have fields of their own
_IMAGE_FIELDS = ("folders", "files", "exclude", "exclude_suffixes")


def sources_step() -> None:
    """Draw the fields of every source, a box to add one, and the fields for the image files."""
    with st.expander(tr("Sources of targets, with every option"), icon=":material/tune:", key="import.sources"):
        for number, source in enumerate(value("sources")):
            _source(number, source)
        _add()
        st.markdown(tr("**Which files are images**"))
        _fields(ImageSpec, ("images",), only=_IMAGE_FIELDS)


def _source(number: int, source: dict[str, Any]) -> None:
    name = source.get("format", "")
    if name not in FORMATS:
        st.caption(":material/block: " + words.plain(tr("There is no format '{name}'", name=name)))
        return
    format_class = FORMATS.load(name)
    where = source.get("file") or source.get("folder") or ""
    with st.container(border=True, key=f"import.source.{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{words.plain(tr(format_class.title))}** :gray[{words.plain(str(where))}]", width="content")
            st.space("stretch")
            st.button(tr("Leave out"), icon=":material/delete:", key=f"import.remove.{number}", type="tertiary", on_click=_remove, args=(number,))
        _fields(format_class.Options, ("sources", number), without=_OWN_FORM if name == "csv" else ())


def _remove(number: int) -> None:
    del draft()["spec"]["sources"][number]
    begin_edition("import")
    for key in [key for key in st.session_state if str(key).startswith(("import.sources.", "import.columns."))]:
        del st.session_state[key]  # their values belong to sources with other numbers now


def _add() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            tr("Add a source"),
            list(FORMATS),
            None,
            key="import.add",
            format_func=lambda name: tr(FORMATS.load(name).title),
            width=320,
            placeholder=tr("Choose a format"),
        )
        st.button(tr("Add"), icon=":material/add:", key="import.add_it", disabled=name is None, on_click=_take_source, args=(name,))


def _take_source(name: str) -> None:
    draft()["spec"]["sources"].append({"format": name})


def _fields(model: Any, path: tuple[Any, ...], only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> None:
    """Draw a widget for each option: a fitting widget where there is one, else a line of YAML."""
    simple = {field.name: field for field in describe(model)}
    names = [name for name in model.model_fields if (not only or name in only) and name not in without]
    for start in range(0, len(names), 3):
        for place, name in zip(st.columns(3, vertical_alignment="bottom"), names[start : start + 3], strict=False):
            info = model.model_fields[name]
            default = "" if info.is_required() else info.get_default(call_default_factory=True)
            with place:
                _field(simple.get(name), name, (*path, name), default, info.description or "")
    for name in names:
        _entries(model.model_fields[name].annotation, name, (*path, name))


def _entries(annotation: Any, name: str, path: tuple[Any, ...]) -> None:
    """Draw the fields of each entry of a list of models, such as the tasks of named points; long lists are left to their line of YAML."""
    [inner] = get_args(annotation) if get_origin(annotation) is list else [None]
    entries = value(*path) or []
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)) or not isinstance(entries, list) or len(entries) > _MOST_ENTRIES:
        return
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            with st.container(border=True, key="import." + ".".join(str(part) for part in (*path, number))):
                st.caption(tr("{option}, entry {number}", option=tr(name.replace("_", " ").capitalize()), number=number + 1))
                _fields(inner, (*path, number))


def _field(field: Field | None, name: str, path: tuple[Any, ...], default: Any, about: str) -> None:
    key = field_key(*path)
    current = value(*path, default=default)
    label = field.label if field is not None else tr(name.replace("_", " ").capitalize())
    shared: dict[str, Any] = {"key": key, "help": tr(about) if about else None}
    if field is not None and field.kind == "choice":
        choices = [*field.choices, *([current] if current not in field.choices else [])]
        hold(key, current)
        st.selectbox(label, choices, choices.index(current), format_func=field.choice_text, on_change=take, args=(path, key, default), **shared)
    elif field is not None and field.kind == "boolean":
        hold(key, bool(current))
        st.toggle(label, bool(current), on_change=take, args=(path, key, default), **shared)
    elif field is not None and field.kind in ("integer", "number"):
        hold(key, current)
        form = "%d" if field.kind == "integer" else "%g"
        step = 1 if field.kind == "integer" else 0.1
        st.number_input(label, value=current, step=step, format=form, on_change=take, args=(path, key, default), **shared)
    elif field is not None and field.kind == "text":
        text = "" if current is None else str(current)
        hold(key, text)
        st.text_input(label, text, on_change=take, args=(path, key, default), **shared)
    else:
        text = as_text(current)
        hold(key, text)
        st.text_input(label, text, on_change=_take_yaml, args=(path, key, default), placeholder=tr(LIKE), **shared)


def as_text(current: Any) -> str:
    """A list or mapping as YAML on one line; empty text for an empty one."""
    if not current and not isinstance(current, int | float):
        return ""
    if dump := getattr(current, "model_dump", None):
        current = dump(mode="json")
    return yaml.safe_dump(current, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


def _take_yaml(path: tuple[Any, ...], key: str, default: Any) -> None:
    text = st.session_state[key].strip()
    if key != field_key(*path) or text == as_text(value(*path, default=default)):
        return
    try:
        found = read_yaml(text) if text else None
    except ConfigError as error:
        st.session_state["import_refused"] = f"{path[-1]}: {error}"
        return
    if found is None:
        node = draft()["spec"]
        for part in path[:-1]:
            node = node[part]
        node.pop(path[-1], None)
    else:
        change(path, found)
