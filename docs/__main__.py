"""Writes every generated page, and every generated part of a page: ``python -m docs``.

A test makes the same texts in memory and fails while a file differs, so after a file was added, moved or renamed, or an option changed, this one
command brings the pages up to date.
"""

from __future__ import annotations

import json
from pathlib import Path

from docs import architecture, balancing_pages, command_line, import_page, tables
from mtl_core import part_titles
from mtl_core.catalogue import REGISTRIES, described


def pages() -> dict[Path, str]:
    """Every file that is generated, whole or in part, with the text that it should have."""
    found = {architecture.PAGE: architecture.page(), command_line.PAGE: command_line.page(), import_page.PAGE: import_page.page()}
    found |= {balancing_pages.FOLDER / name: balancing_pages.page(name) for name in balancing_pages.INTRODUCTIONS}
    found[part_titles.FILE] = f"{json.dumps(_titles(), indent=1, ensure_ascii=False)}\n"
    return found | tables.pages()


def _titles() -> dict[str, dict[str, str]]:
    """Sort -> name -> title of this project's parts."""
    own = {sort: [entry for entry in described(sort) if entry["source"].startswith("mtl_core.")] for sort in REGISTRIES}
    return {sort: {entry["name"]: entry["title"] for entry in entries} for sort, entries in own.items()}


def main() -> None:
    """Write those that differ."""
    for path, text in pages().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.name}")


if __name__ == "__main__":
    main()
