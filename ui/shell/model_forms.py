"""Forms made from pydantic models: description -> help, range -> range, Literal -> choice.

A field that has no effect under some settings states ``json_schema_extra={"shown_when": {"<other field>": [values]}}``: it is shown
only while each named field of the same model has one of the values. ``{"words": {choice: text}}`` gives the choices of a field other texts.

Each widget takes its value from the settings before it is drawn and writes changes back, so the settings outlive the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel

from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.language import mark, tr
from ui.shell.form_editions import form_key, key_for
from ui.shell.state import MISSING, hold, read, write
from ui.shell.words import plain

LABELS = {
    "on_non_finite": mark("If a loss becomes NaN"),
    "first_scale": mark("Scale of the first loss"),
    "lr": mark("Learning rate"),
    "name": mark("Method"),
    "seed": mark("Seed"),
    "root": mark("Folder"),
    "probe_samples": mark("Probe images"),
    "accumulate": mark("Gradient accumulation"),
    # The words "step", "start" and "precision" have other senses elsewhere, which other languages have other words for.
    "step": mark("Distance of the bins"),
    "start": mark("First value"),
    "precision": mark("Numerical precision"),
}
LABELS_AT = {("seed",): mark("Seed"), ("data", "seed"): mark("Seed of the images"), ("data", "partition", "seed"): mark("Seed of the partition")}
COLUMNS = 2
PROBLEMS = "problems_at"  # session key: dotted key of a setting -> what is wrong with it, shown below its widget


@dataclass(frozen=True)
class Field:
    """One option of a form. ``kind`` is integer, number, boolean, choice, text or integers (a list)."""

    name: str
    kind: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""
    nullable: bool = False
    shown_when: dict[str, list[Any]] | None = None
    words: dict[str, str] | None = None

    def choice_text(self, choice: Any) -> str:
        """Text of a choice in the reader's language: the field's own words for it, else its name with spaces."""
        return tr((self.words or {}).get(choice) or str(choice).replace("_", " "))

    @property
    def about(self) -> str:
        """The description in the reader's language, with the texts of the choices in the place of their names, which no form shows."""
        texts = {f"'{choice}'": f"*{self.choice_text(choice)}*" for choice in self.choices or ()}
        return re.sub("|".join(map(re.escape, texts)), lambda found: texts[found[0]], tr(self.help)) if texts else tr(self.help)

    @property
    def label(self) -> str:
        """Label on screen, with the unit, in the reader's language."""
        text = tr(LABELS.get(self.name, self.name.replace("_", " ").capitalize()))
        return f"{text} ({tr(self.unit)})" if self.unit else text


@cache
def describe(model: type[BaseModel]) -> tuple[Field, ...]:
    """The fields of a model that a form can show, in order. Nested models have forms of their own.

    A model's schema is made once: making it for every drawing of the Train form took a seventh of the drawing's time.
    """
    schema = model.model_json_schema()
    fields = [_field(name, part, schema.get("$defs", {})) for name, part in schema.get("properties", {}).items()]
    return tuple(field for field in fields if field is not None)


def _field(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Field | None:
    kinds = schema.get("anyOf", [schema])
    real = [kind for kind in kinds if kind.get("type") != "null"]
    nullable = len(real) < len(kinds)
    rules = dict(real[0]) | {key: value for key, value in schema.items() if key != "anyOf"}
    if "$ref" in rules:
        rules = definitions.get(rules["$ref"].rpartition("/")[2], {}) | rules
    choices = tuple(rules.get("enum", ())) or ((rules["const"],) if "const" in rules else ())
    kind = "choice" if choices else {"string": "text", "array": _array_kind(rules)}.get(rules.get("type", ""), rules.get("type"))
    if kind not in ("integer", "number", "boolean", "choice", "text", "integers"):
        return None
    return Field(
        name=name,
        kind=kind,
        default=schema.get("default"),
        help=schema.get("description", ""),
        low=rules.get("minimum", rules.get("exclusiveMinimum")),
        high=rules.get("maximum", rules.get("exclusiveMaximum")),
        choices=choices,
        unit=rules.get("unit", ""),
        nullable=nullable,
        shown_when=rules.get("shown_when"),
        words=rules.get("words"),
    )


def _array_kind(rules: dict[str, Any]) -> str | None:
    items = rules.get("items") or (rules.get("prefixItems") or [{}])[0]
    return "integers" if items.get("type") == "integer" else None


def options_form(
    model: type[BaseModel],
    path: tuple[str, ...],
    *,
    columns: int = COLUMNS,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    choices: Mapping[str, tuple[Any, ...]] | None = None,
) -> None:
    """Draw widgets for a model's fields. Their values are under ``path`` in the settings. ``choices``: of a field, in place of all that it has."""
    every = [replace(field, choices=choices[field.name]) if choices and field.name in choices else field for field in describe(model)]
    values = {field.name: read((*path, field.name), field.default) for field in every}
    fields = [field for field in every if (not only or field.name in only) and field.name not in without and is_shown(field, values)]
    for start in range(0, len(fields), columns):
        with field_row(columns) as row:
            for place, field in enumerate(fields[start : start + columns]):
                row.draw(place, field, (*path, field.name))


class FieldRow:
    """Columns whose fields stand in line. What is wrong with them stands below the row, each in its field's column, and moves no field."""

    def __init__(self, places: list[Any]):
        self.places = places
        self.problems: dict[int, str] = {}

    def draw(self, place: int, field: Field, path: tuple[str, ...], label: str = "", **looks: bool) -> None:
        """Draw a field into a column; ``looks`` as in ``draw_field``."""
        with self.places[place]:
            _draw_widget(field, path, label, **looks)
        if problem := problem_at(path):
            self.problems[place] = problem


@contextmanager
def field_row(widths: int | Sequence[int], vertical_alignment: Literal["center", "bottom"] = "bottom") -> Iterator[FieldRow]:
    """A row of fields; ``widths`` as for ``st.columns``. The container keeps the place of what follows, whatever is wrong."""
    with st.container(gap="xsmall"):
        row = FieldRow(st.columns(widths, vertical_alignment=vertical_alignment))
        yield row
        if row.problems:
            for place, said in enumerate(st.columns(widths)):
                if place in row.problems:
                    said.caption(row.problems[place])


def is_shown(field: Field, values: dict[str, Any]) -> bool:
    """Whether the field has an effect under the model's current values (field name -> value)."""
    return all(values.get(other) in allowed for other, allowed in (field.shown_when or {}).items())


def draw_field(field: Field, path: tuple[str, ...], label: str = "", *, disabled: bool = False, hide_label: bool = False) -> None:
    """Draw the widget of one setting, and below it what is wrong with it. Fields beside each other are drawn in a ``field_row``."""
    _draw_widget(field, path, label, disabled=disabled, hide_label=hide_label)
    if problem := problem_at(path):
        st.caption(problem)


def problem_at(path: tuple[str, ...]) -> str:
    """What is wrong with a setting, for a caption; empty if nothing is."""
    problem = st.session_state.get(PROBLEMS, {}).get(".".join(path))
    return f":red[:material/error: {plain(tr(problem))}]" if problem else ""


def _draw_widget(field: Field, path: tuple[str, ...], label: str = "", *, disabled: bool = False, hide_label: bool = False) -> None:
    key, value = widget_key(path), as_shown(field, read(path, field.default))
    if key in st.session_state and as_shown(field, as_kept(field, st.session_state[key])) != value:  # more than the spaces of a typed list
        key = widget_key(path, value)
    hold(key, value)
    shared: dict[str, Any] = {
        "key": key,
        "help": field.about or None,
        "on_change": _write_back,
        "args": (field, path, key),
        "disabled": disabled,
        "label_visibility": "collapsed" if hide_label else "visible",
    }
    label = label or tr(LABELS_AT.get(path, "")) or field.label
    if field.kind == "boolean":
        st.toggle(label, value, **shared)
    elif field.kind == "choice":
        choices = [*field.choices, *([value] if value not in field.choices else [])]
        st.selectbox(label, choices, choices.index(value), format_func=field.choice_text, **shared)
    elif field.kind in ("integer", "number"):
        _number(field, label, shared)
    else:
        st.text_input(label, value, placeholder=tr("none") if field.nullable else None, **shared)


def _number(field: Field, label: str, shared: dict[str, Any]) -> None:
    # Without bounds: the browser does not send a number outside them, and the run would start with the old value. The form's problems name it.
    value = st.session_state[shared["key"]]
    extra: dict[str, Any] = {"placeholder": tr("no limit")} if field.nullable else {}
    step = 1 if field.kind == "integer" else number_step(field)
    st.number_input(label, value=value, step=step, format="%d" if field.kind == "integer" else "%g", **extra, **shared)


def number_step(field: Field) -> float:
    """The change of one click: about the default's order of magnitude; 0.1 for a default of 0, or of 1 and more."""
    default = abs(field.default or 0.0)
    if default == 0 or default >= 1:
        return 0.1
    magnitude = float(f"1e{f'{default:e}'.split('e')[1]}")
    return magnitude if default > magnitude else magnitude / 2


def widget_key(path: tuple[str, ...], shown: Any = MISSING) -> str:
    """Key of a setting's widget in the form as it is now. Parts can have options of the same name, so an option's key names its part.

    Args:
        shown: what the widget is about to show; with it, a widget that shows another value gets a new key (``key_for``).
    """
    part = part_at(path)
    name = "set." + ".".join(path) + (f"@{part}" if part else "")
    return form_key(name) if shown is MISSING else key_for(name, shown)


def part_at(path: tuple[str, ...]) -> str:
    """The chosen part whose option a setting is, such as the backbone's name; empty for other settings."""
    kind = RunConfig.model_fields[path[0]].annotation
    return read((path[0], "name"), "") if isinstance(kind, type) and issubclass(kind, PartConfig) else ""


def as_shown(field: Field, value: Any) -> Any:
    """A setting's value as its widget holds it."""
    if field.kind == "integers":
        return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value or "")
    if field.kind == "text":
        return "" if value is None else str(value)
    if value is None:
        return None
    return {"integer": int, "number": float, "boolean": bool}.get(field.kind, lambda same: same)(value)


def as_kept(field: Field, value: Any) -> Any:
    """A widget's value as a setting. List entries that are not numbers stay text, so that the problems can name them."""
    if field.kind == "integers":
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return [int(part) if part.lstrip("-").isdigit() else part for part in parts]
    if field.kind == "text" and field.nullable and not value:
        return None
    return value


def _write_back(field: Field, path: tuple[str, ...], key: str) -> None:
    """Take a widget's value, unless the form has been replaced since, or the value is the one that was shown."""
    value = as_kept(field, st.session_state[key])
    if key == widget_key(path) and as_shown(field, value) != as_shown(field, read(path, field.default)):
        write(path, value)
