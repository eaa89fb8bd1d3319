"""HTML pages for people, made with jinja2: one file each, without scripts, opened offline. Every value is escaped unless it is ``Markup``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mtl_core.language import language, tr

_HERE = Path(__file__).parent


def render(template: Path, **values: Any) -> str:
    """The page of a template file, which may import ``page_parts.html``, in the reader's language. ``style`` is the style sheet of all pages."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]), autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.globals |= {"tr": tr, "language": language}
    style = Markup((_HERE / "page.css").read_text(encoding="utf-8"))
    return environment.get_template(template.name).render(style=style, **values).lstrip()
