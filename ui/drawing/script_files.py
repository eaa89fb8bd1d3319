"""Scripts of several files as one: Streamlit's components take one text, and a file is easier to read and to test when it has one subject."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)


def joined_script(path: Path) -> str:
    """A script and the files beside it that it imports by name, each once, before what needs it. Imports and the exports of names are taken out."""
    texts: dict[Path, str] = {}
    _collect(path, texts)
    return "\n".join(texts.values())


def _collect(path: Path, texts: dict[Path, str]) -> None:
    if path in texts:
        return
    text = path.read_text(encoding="utf-8")
    for name in _IMPORT.findall(text):
        _collect(path.with_name(name), texts)
    texts[path] = _EXPORT.sub("", _IMPORT.sub("", text))
