"""Streamlit's box for files, with its words in the reader's language.

Streamlit writes these words in English only (streamlit#1353). In another language a style hides them and shows the page's own, which a screen
reader reads. Where a later Streamlit has other elements, the style finds none and the English words stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import SOURCE, language, tr

_DROPZONE, _LIMITS = '[data-testid="stFileUploaderDropzone"]', '[data-testid="stFileUploaderDropzoneInstructions"]'
# Checks of accessibility want the words of a button in the page itself, so they stay there, unseen.
_UNSEEN, _GONE = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);", "display: none;"
_UPLOAD = f'{_DROPZONE} button [data-testid="stMarkdownContainer"]'


def upload_box(label: str, types: Sequence[str], key: str, megabytes: int, **looks: Any) -> Any:
    """Draw a box for one file; the file that was given, or None. ``looks``: further arguments of ``st.file_uploader``."""
    limits = tr("up to {megabytes} MB · {types}", megabytes=megabytes, types=", ".join(name.upper() for name in types))
    if language() != SOURCE:
        widget = f'[class*="st-key-{re.sub("[^a-zA-Z0-9_-]", "-", key)}"]'
        st.html(f"<style>{_instead(f'{widget} {_UPLOAD}', tr('Upload'), _UNSEEN)}{_instead(f'{widget} {_LIMITS}', limits, _GONE)}</style>")
    return st.file_uploader(label, type=list(types), key=key, max_upload_size=megabytes, **looks)


def _instead(place: str, text: str, hidden: str) -> str:
    """Rules that show a text in place of what an element holds."""
    return f"{place} > * {{{hidden}}} {place}::after {{content: {_css_text(text)}; font-size: .875rem;}} "


def _css_text(text: str) -> str:
    """A text between quotes in a style: every other character than letters, numbers and spaces is written as its number."""
    return '"' + "".join(letter if letter.isalnum() or letter == " " else f"\\{ord(letter):x} " for letter in text) + '"'
