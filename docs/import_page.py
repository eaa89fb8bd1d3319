"""Writes docs/importing.md: what a description of one's own pictures can say, from the models that check it.

    python -m docs.import_page

A test fails while the page differs from what this would write.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mtl_core.data.imports.formats import FORMATS
from mtl_core.data.imports.spec import ImageSpec, ImportSpec, SplitSpec

PAGE = Path(__file__).with_name("importing.md")
INTRODUCTION = """# Importing your own pictures

`python -m mtl_core data check PATH` looks at a folder or zip and says what it holds.
`data import PATH --name NAME` makes a data set of it. The Data page does the same with *Bring your own images*.

- **The look** goes through every format below and says, file by file, what is read and what is not, with the reason.
- **Questions.** Where the files can be read in more than one way, the look asks. The page draws each reading on pictures. On the command line
  `data check` lists the questions, and `data import` imports nothing before each is answered: `--answer QUESTION=READING` answers one,
  `--accept` takes what is suggested.
- **The description** is a YAML file that says how the files are read. `data check PATH --yaml` prints the one that the look proposes.
  Every answer is an ordinary key in it. Give it with `--spec`, or save it as `dataset.yaml` beside the data. A description leaves nothing to ask.
- **The check** reads every file once and says what is usable, repaired or skipped. `--csv` prints all findings. What only it can meet, such as a
  number in one mask that has no class, it asks as well; its questions are answered in the same ways, and the files are read again.

A description without `sources` imports the pictures alone, for self-supervised tasks.
"""


def page() -> str:
    """The text of docs/importing.md."""
    parts = [INTRODUCTION, "## The description", _table(ImportSpec, nested=False)]
    parts += ["### `images`", _table(ImageSpec), "### `splits`", _table(SplitSpec), "## Formats of targets"]
    parts.append("Each entry of `sources` has the key `format` with one of the names below, and that format's options.")
    for name in FORMATS:
        format_class = FORMATS.load(name)
        about = inspect.cleandoc(inspect.getmodule(format_class).__doc__ or "").split("\n\n")[0].replace("\n", " ")
        parts += [f"### `{name}`: {format_class.title}", about, _table(format_class.Options)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(model: type[BaseModel], nested: bool = True) -> str:
    """One row per key; keys of a model inside it follow under its name."""
    lines = ["| key | values | default | what it says |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        lines.append(_row(name, info))
        inner = _model_in(info.annotation)
        if nested and inner is not None:
            lines += [_row(f"{name}[].{key}", field) for key, field in inner.model_fields.items()]
    return "\n".join(lines)


def _row(name: str, info: FieldInfo) -> str:
    default = "" if info.is_required() else _plain(info.get_default(call_default_factory=True))
    cells = (f"`{name}`", _values(info.annotation), default, info.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys and values"
    if origin is None:
        return {str: "text", int: "whole number", float: "number", bool: "true, false"}.get(
            annotation, getattr(annotation, "__name__", str(annotation))
        )
    if str(origin).endswith("Literal"):
        return ", ".join(f"`{choice}`" for choice in inside)
    if origin is list:
        return f"list of {_values(inside[0])}"
    if origin is tuple:
        return ", ".join(_values(part) for part in inside if part is not Ellipsis)
    if origin is dict:
        return f"{_values(inside[0])}: {_values(inside[1])}"
    return " or ".join(_values(part) for part in inside if part is not type(None))


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel) or value is None or value in ("", [], {}):
        return "" if value != "" else "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    found = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    return found[0] if found else None


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
