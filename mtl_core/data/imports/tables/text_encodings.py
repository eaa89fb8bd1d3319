"""The encoding of a text: Unicode where it fits; else Western European (cp1252), and its rivals where that gives no words."""

from __future__ import annotations

import re
from typing import Any

from charset_normalizer import from_bytes

from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.table_options import CsvOptions
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.names import suggested_task_name

WESTERN = "cp1252"
LEGACY = {
    "cp1250": "Central European",
    "cp1251": "Cyrillic",
    "cp1253": "Greek",
    "cp1254": "Turkish",
    "cp932": "Japanese",
    "gb18030": "Chinese",
    "big5": "Chinese, traditional",
    "cp949": "Korean",
    "mac_roman": "Western European, old Macintosh",
    "cp850": "Western European, DOS",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", WESTERN, "latin-1", *LEGACY)
_MOST = 1 << 16  # bytes that are compared
_BETWEEN_WORDS = re.compile(r"[\s,;|\"'().:=\[\]{}<>/]+")
_BESIDE_WORDS = "‘’“”„–—…·«»°µ²³€£®™¿¡\xa0"


def encodings(content: bytes) -> list[str]:
    """Encodings in which a text can be read, the likeliest first: one if there is no doubt.

    Raises:
        UnreadableError: none fits.
    """
    marks = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))
    for mark, encoding in marks:
        if content.startswith(mark) and fits(content, encoding):
            return [encoding]
    western = [encoding for encoding in (WESTERN, "latin-1") if fits(content, encoding)][:1]
    if not western:
        raise UnreadableError("no encoding fits")
    if not _is_odd(content.decode(western[0])):
        return western
    head = content[: content.rfind(b"\n", 0, _MOST) + 1 or _MOST]
    found = [match.encoding for match in from_bytes(head, cp_isolation=list(LEGACY))]
    found = [name for name in found if name in LEGACY and fits(content, name) and not _has_signs(content.decode(name))]
    return [*found, *western]


def fits(content: bytes, encoding: str) -> bool:
    """Whether every byte can be read in an encoding."""
    try:
        content.decode(encoding)
    except UnicodeError:
        return False
    return True


def _foreign_words(text: str) -> list[str]:
    """Words of the text's beginning that are not all ASCII."""
    return [word for word in _BETWEEN_WORDS.split(text[:_MOST]) if not word.isascii()]


def _is_odd(text: str) -> bool:
    """Whether a text read as Western European holds words that no such language has: mostly accented letters, or signs inside."""
    return _has_signs(text) or any(
        set(word) & set("þðýÞÐÝ")
        or re.search(r"[a-zß-ÿ][A-ZÀ-Þ]", word)
        or sum(c > "\x7f" for c in word if c.isalpha()) > max(1, sum(map(str.isalpha, word)) / 2)
        for word in _foreign_words(text)
    )


def _has_signs(text: str) -> bool:
    """Whether signs that are no letters stand in words, or signs that may stand beside words between letters."""
    words = [word for word in _foreign_words(text) if len(word) > 1]
    return any(
        (c > "\x7f" and not c.isalpha() and c not in _BESIDE_WORDS)
        or (c in _BESIDE_WORDS and c not in "’·\xa0–—" and word[n - 1 : n].isalpha() and word[n + 1 : n + 2].isalpha())
        for word in words
        for n, c in enumerate(word)
    )


def ask_encoding(content: bytes, options: CsvOptions) -> list[Question]:
    """Ask for the encoding, if several fit. A reading writes the columns' names anew, too."""
    every = encodings(content)
    if options.encoding not in every or len(every) < 2:
        return []
    readings = []
    for name in every[:6]:
        text = content.decode(name)
        words = list(dict.fromkeys(_foreign_words(text)))[:5]
        what = LEGACY.get(name, "Western European")
        readings.append(Reading(name, f"{what}: {', '.join(words)}", {"encoding": name, **_renamed(options, name)}))
    text = f"In which encoding is '{options.file}'? Choose the reading whose words are right."
    evidence = "It is not Unicode, and names no encoding. Saving it as 'CSV UTF-8' leaves no doubt"
    return [Question("encoding", text, tuple(readings), options.encoding, evidence)]


def _renamed(options: CsvOptions, encoding: str) -> dict[str, Any]:
    """Options whose text comes from the file, as another encoding reads it: dotted path -> text."""

    def anew(text: str) -> str:
        try:
            return text.encode(options.encoding).decode(encoding).strip()
        except UnicodeError:
            return text

    changes: dict[str, Any] = {"image_column": anew(options.image_column)}
    for number, column in enumerate(options.columns):
        changes[f"columns.{number}.column"] = anew(column.column)
        if column.task == suggested_task_name(column.column):
            changes[f"columns.{number}.task"] = suggested_task_name(anew(column.column))
        if column.names:
            changes[f"columns.{number}.names"] = {anew(cell): anew(name) for cell, name in column.names.items()}
    for number, group in enumerate(options.indicators):
        changes[f"indicators.{number}.columns"] = [anew(name) for name in group.columns]
    if options.box:
        changes |= {"box": [anew(name) for name in options.box], "box_class": anew(options.box_class)}
    return changes
