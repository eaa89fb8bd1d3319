"""Texts for people in the language of whoever reads them.

The source has every text in English. ``tr`` gives its translation from the gettext catalogue ``locale/<language>/LC_MESSAGES/messages.po``, and
``mark`` names a text that is translated later, such as a constant. The engine writes English wherever it does not know the reader: errors, notes
and reports that are kept. ``tr`` translates those too. It finds the text in the catalogue by its template, such as ``{run} has no task {task}``,
and fills the values in. A text without a translation stays English.

``python -m docs.translations`` collects the texts and compiles the catalogues.
"""

from __future__ import annotations

import gettext
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from string import Formatter

LANGUAGES = {"en": "English", "zh": "中文"}
SOURCE = "en"
FOLDER = Path(__file__).with_name("locale")
LEAST_WORDS = 3  # in a template's fixed text; one with fewer would match texts that have nothing to do with it
LONGEST = 1_000  # letters of a text that is looked for by its template; a longer one is translated sentence by sentence
MOST_SENTENCES = 4  # that are looked for together, where a text is translated sentence by sentence
KEPT = 20_000  # texts per process whose translation is remembered

_here: ContextVar[str] = ContextVar("language", default="")
LEAST_GROUPED = 10_000  # from here on a whole number has commas
LEAST_WRITTEN_OUT, MOST_WRITTEN_OUT = 1e-15, 1e15  # of a number beyond these only the power of ten is read
_PRECISION = re.compile(r"\.\d+[efg%]$")  # at the end of a format
_FIELD = re.compile(r"(?<!\{)\{(\w+)[^{}]*\}(?!\})")
_KEY = re.compile(r"[\w.\[\]-]+: (?=\S)")
_QUOTED, _JOINS = re.compile(r"'[^']*'(?:(?:, | and | or )'[^']*')+"), re.compile(r"(?<=')(?:, | and | or )(?=')")
_MORE, _AND_MORE = re.compile(r"(.+) and ([\d,]+) more"), " and {more} more"  # the end of a list that names the first few
_NUMBER = r"[-+\d.,e%]+"
_RANGE, _FROM_TO = re.compile(rf"(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})"), "{low} to {high}"
_REASON = re.compile(r" \((?P<reason>[^()]+)\)(?P<join>, |; |$)")  # behind what it is about, alone or in a list: 'a', 'b' (each is empty); 'c' (...)
_IN_BRACKETS = "{name} ({status})"
_JOINTS = {";": "；", ":": "："}  # at the end of a part of a sentence, which the catalogue has without it
_ENDS = ("。", "？", "！", *_JOINTS.values())
_FORMS = "|"  # in a place's format: the words for one and for several
_WORD = re.compile(r"[A-Za-z]{2,}")
_SENTENCE_END = re.compile(r"(?<=[.?!:;])(\s+)")


def mark(text: str) -> str:
    """The text itself. It is collected for the catalogue, and whoever shows it calls ``tr``."""
    return text


def tr(text: str, /, **values: object) -> str:
    """A text in the reader's language.

    Args:
        text: English, with the places of ``values`` in braces, as for ``str.format``. Without ``values`` braces mean themselves. Numbers are
            rounded as people expect (``HalfUp``). ``{runs} {runs:run|runs}``: the word for 1, and for any other number (``Counted``).
    """
    name = language()
    if values:
        return filled(text if name == SOURCE else _catalogue(name).get(text, text), **values)
    return text if name == SOURCE else _translated(text, name)


def filled(text: str, /, **values: object) -> str:
    """A text with its values, numbers as people write them (``HalfUp``). For English that is kept, such as a line of a log; ``tr`` translates it."""
    return text.format(**{place: _for_people(value) for place, value in values.items()})


def _for_people(value: object) -> object:
    if isinstance(value, float):
        return HalfUp(value)
    return Counted(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _one_of(forms: str, is_single: bool) -> str:
    one, several = forms.split(_FORMS)
    return one if is_single else several


class Counted(int):
    """A whole number for people. The format ``run|runs`` gives the first word for 1 and the second for any other number."""

    def __format__(self, spec: str) -> str:
        return _one_of(spec, is_single=self == 1) if _FORMS in spec else format(int(self), spec)


class HalfUp(float):
    """A number for people: a half is rounded away from zero, as in school. So 0.465 is 0.47 with two digits, and 0.125 is 13 %.

    Python rounds the binary number: 0.145, which is a little less than its name says, to 0.14, and 0.125 to the even 12 %.
    The format ``g`` writes numbers out: ``12,345`` where Python has ``1.23e+04`` or ``12345``, and ``0.0000543`` where it has ``5.43e-05``.
    """

    def __format__(self, spec: str) -> str:
        value = float(self)
        if _FORMS in spec:
            return _one_of(spec, is_single=value == 1)
        if value and _PRECISION.search(spec):
            value = math.nextafter(value, math.copysign(math.inf, value))  # past the half, for a number that is printed as one
        text = format(value, spec)
        is_whole = abs(value) >= LEAST_GROUPED and "." not in text and "e" not in text
        sign = "+" if spec.startswith("+") else ""
        if spec.endswith("g") and (is_whole or "e+" in text) and abs(value) < MOST_WRITTEN_OUT:
            return format(value, f"{sign},.0f")
        if spec.endswith("g") and "e-" in text and abs(value) >= LEAST_WRITTEN_OUT:
            return format(Decimal(text), f"{sign}f")  # exactly the digits of the text
        return text


def language() -> str:
    """The reader's language, a key of ``LANGUAGES``: that of the innermost ``speaking``, else what the screen says, else English."""
    return _here.get() or _screen() or SOURCE


def _screen() -> str | None:
    return _ask() if _ask else None


_ask: Callable[[], str | None] | None = None


def follow(ask: Callable[[], str | None]) -> None:
    """Take the language from the screen. ``ask`` gives None where the caller draws no screen."""
    global _ask
    _ask = ask


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Texts made inside are in this language, whatever the screen says."""
    token = _here.set(name)
    try:
        yield
    finally:
        _here.reset(token)


def best_language(wanted: str) -> str:
    """The language for a browser's locale, such as ``zh-CN``; English for one that has no catalogue."""
    name = re.split(r"[-_]", wanted.lower())[0]
    return name if name in LANGUAGES else SOURCE


@cache
def _catalogue(name: str) -> dict[str, str]:
    """English text -> translation, of all texts that have one."""
    if name == SOURCE:
        return {}
    found = gettext.translation("messages", FOLDER, languages=[name], fallback=True)
    texts = getattr(found, "_catalog", {})
    return {english: text for english, text in texts.items() if english and text and isinstance(english, str)}


@lru_cache(maxsize=KEPT)
def _translated(text: str, name: str) -> str:
    """The translation of a finished text: as it is, by its template, or sentence by sentence."""
    known = _catalogue(name)
    if text in known:
        return known[text]
    if not _WORD.search(text):
        return text
    if numbers := _RANGE.fullmatch(text):
        return known.get(_FROM_TO, _FROM_TO).format(**numbers.groupdict())
    if f" {text}" in known:  # what follows another text begins with a space in the catalogue
        return known[f" {text}"].lstrip(" ")
    core = text.strip()
    if core != text:
        start = text.index(core[0])
        return f"{text[:start]}{_translated(core, name)}{text[start + len(core) :]}"
    return _by_template(text, name) or _after_key(text, name) or _with_reasons(text, name) or _by_sentence(text, name)


@dataclass(frozen=True)
class _Template:
    english: str
    anchor: str  # the longest fixed part, which the text must contain
    letters: int
    translation: str


@cache
def _templates(name: str) -> tuple[_Template, ...]:
    """The catalogue's texts with places for values, those with the longest fixed text first. A text that follows another one begins with a space
    there; it is looked for without."""
    found = []
    for english, text in ((english.lstrip(" "), text.lstrip(" ")) for english, text in _catalogue(name).items()):
        parts = _fixed_parts(english)
        if sum(len(_WORD.findall(part)) for part in parts) >= LEAST_WORDS:
            letters = sum(map(len, parts))
            found.append(_Template(english, max(parts, key=len), letters, _FIELD.sub(r"{\1}", text)))
    return tuple(sorted(found, key=lambda each: -each.letters))


def _fixed_parts(english: str) -> list[str]:
    """The text between the places of a template; empty for a text without places, whose braces mean themselves."""
    try:
        pieces = list(Formatter().parse(english))
    except ValueError:
        return []
    fields = [field for _, field, *_ in pieces if field is not None]
    return [fixed for fixed, *_ in pieces] if fields and all(field.isidentifier() for field in fields) else []


@cache
def _pattern(english: str) -> re.Pattern[str]:
    """A regular expression for the texts that a template makes. A place that occurs again has the same value."""
    made, seen = "", set()
    pieces = [*Formatter().parse(english), ("end", None, None, None)]
    for (fixed, field, form, _), (following, *_) in pairwise(pieces):
        made += re.escape(fixed)
        if field is not None:
            value = ".*?" if following else ".+"  # of two values side by side the first has the text; the second may be empty
            if form and _FORMS in form:
                made += f"(?:{'|'.join(map(re.escape, form.split(_FORMS)))})"
                continue
            if form and form[-1] in ",fegd%":
                value = _NUMBER
            made += f"(?P={field})" if field in seen else f"(?P<{field}>{value})"
            seen.add(field)
    return re.compile(made, re.DOTALL)


def _by_template(text: str, name: str, is_part: bool = False) -> str | None:
    """``is_part``: of a longer text. A value that has a semicolon is none then: it would be the rest of a list."""
    if len(text) > LONGEST:
        return None
    for template in _templates(name):
        if template.anchor in text and (match := _pattern(template.english).fullmatch(text)):
            if is_part and any("; " in value for value in match.groupdict().values()):
                continue
            return template.translation.format(**{place: _translated_value(value, name) for place, value in match.groupdict().items()})
    return None


def _translated_value(value: str, name: str) -> str:
    """A value of a template. A single word stays as it is, because it may be the name of a task or of a run; so do quoted ones in a list.

    Of a list that names the first few, the end that counts the others is translated.
    """
    if cut := _MORE.fullmatch(value):
        return _translated_value(cut[1], name) + _catalogue(name).get(_AND_MORE, _AND_MORE).format(more=cut[2])
    if _QUOTED.fullmatch(value):
        return _JOINS.sub(lambda join: _catalogue(name).get(join[0], join[0]), value)
    return _translated(value, name) if " " in value else value


def _after_key(text: str, name: str) -> str | None:
    """An error's text behind the dotted key of a setting, as in ``tasks.digit.loss_weight: expected ...``."""
    key, text = _KEY.match(text), _KEY.sub("", text, count=1)
    translated = _translated(text, name) if key else text
    return f"{key[0]}{translated}" if key and translated != text else None


def _with_reasons(text: str, name: str) -> str | None:
    """Names with a reason or a kind in brackets behind them, such as ``'a', 'b' (every cell is empty); 'c' (it counts the rows)``."""
    if not text.endswith(")"):
        return None
    said, place, known = "", 0, False
    for match in _REASON.finditer(text):
        about, reason = text[place : match.start()], _translated(match["reason"], name)
        known = known or reason != match["reason"]
        about = _translated_value(about, name)
        said += _catalogue(name).get(_IN_BRACKETS, _IN_BRACKETS).format(name=about, status=reason) + _catalogue(name).get(
            match["join"], match["join"]
        )
        place = match.end()
    return said if known else None


def _by_sentence(text: str, name: str) -> str:
    """Each line and each sentence by itself; what is not known stays English."""
    if "\n" in text:
        return "\n".join(_translated(line, name) for line in text.split("\n"))
    parts = _SENTENCE_END.split(text)
    if len(parts) < 3:
        return text
    said, place = "", 0
    while place < len(parts):
        end, known = _longest_known(parts, place, name)
        said += known
        if end < len(parts) and not known.endswith(_ENDS):
            said += parts[end]
        place = end + 1
    return said


def _longest_known(parts: list[str], place: int, name: str) -> tuple[int, str]:
    """The longest sequence of sentences from ``place`` on that has a translation: where it ends, and the translation. Else the first sentence.

    ``parts``: sentences, and what stands between them, in turn.
    """
    for end in range(min(len(parts), place + 2 * MOST_SENTENCES - 1), place + 1, -2):
        text = "".join(parts[place:end])
        known = _catalogue(name).get(text) or (text != "".join(parts) and _by_template(text, name, is_part=True))
        if known:
            return end, known
        if text[-1] in _JOINTS and (known := _catalogue(name).get(text[:-1]) or _by_template(text[:-1], name, is_part=True)):
            return end, known + _JOINTS[text[-1]]
    text = parts[place]
    if text[-1:] in _JOINTS and (known := _translated(text[:-1], name)) != text[:-1]:  # one of a list of reasons
        return place + 1, known + _JOINTS[text[-1]]
    return place + 1, _translated(text, name)
