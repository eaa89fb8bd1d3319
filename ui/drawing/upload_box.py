"""Streamlit's box for files, with its words in the reader's language.

Streamlit writes these words in English only (streamlit#1353). In another language a style hides them and shows the page's own; a screen reader
reads what is shown. Where a later Streamlit has other elements, the style finds none and the English words stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import SOURCE, language, tr

_DROPZONE, _LIMITS = '[data-testid="stFileUploaderDropzone"]', '[data-testid="stFileUploaderDropzoneInstructions"]'
_UPLOAD = f'{_DROPZONE} button [data-testid="stMarkdownContainer"]'


def upload_box(label: str, types: Sequence[str], key: str, megabytes: int, **looks: Any) -> Any:
    """Draw a box for one file; the file that was given, or None. ``looks``: further arguments of ``st.file_uploader``."""
    limits = tr("up to {megabytes} MB · {types}", megabytes=megabytes, types=", ".join(name.upper() for name in types))
    _say_instead(key, {_UPLOAD: tr("Upload"), _LIMITS: limits}, hidden="> *")
    return st.file_uploader(label, type=list(types), key=key, max_upload_size=megabytes, **looks)


def _say_instead(key: str, texts: dict[str, str], hidden: str) -> None:
    """Show texts in place of Streamlit's in the widget of this key.

    Args:
        texts: selector of an element -> its text. hidden: selector, below each of them, of what has the English words.
    """
    if language() == SOURCE:
        return
    widget = f'[class*="st-key-{re.sub("[^a-zA-Z0-9_-]", "-", key)}"]'
    rules = "".join(
        f"{widget} {place} {hidden} {{display: none;}} {widget} {place}::after {{content: {_css_text(text)}; font-size: .875rem;}}"
        for place, text in texts.items()
    )
    st.html(f"<style>{rules}</style>")


def _css_text(text: str) -> str:
    """A text between quotes in a style: every other character than letters, numbers and spaces is written as its number."""
    return '"' + "".join(letter if letter.isalnum() or letter == " " else f"\\{ord(letter):x} " for letter in text) + '"'
