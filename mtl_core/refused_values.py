"""Sentences on values that pydantic refuses: what was expected, and what was found. Pydantic's own name the types of Python."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from mtl_core.language import filled

LONGEST = 80  # letters of a value that a sentence repeats
_short = reprlib.Repr()  # shortens nested values
_short.maxlevel, _short.maxstring, _short.maxlong, _short.maxother = 3, 2 * LONGEST, 2 * LONGEST, 2 * LONGEST
_WHOLE, _NUMBER = "expected a whole number, found {found}", "expected a number, found {found}"
_TEXT, _YES_OR_NO = "expected text, found {found}", "expected true or false, found {found}"
_LIST, _KEYS = "expected a list, found {found}", "expected keys and values, found {found}"
_CHOICE = "expected one of {expected}, found {found}"
_SENTENCES = {  # type of pydantic's error -> sentence with the values of its context, the value and the number of its letters
    "bool_parsing": _YES_OR_NO,
    "bool_type": _YES_OR_NO,
    "dataclass_exact_type": _KEYS,
    "dataclass_type": _KEYS,
    "dict_type": _KEYS,
    "enum": _CHOICE,
    "extra_forbidden": "is unknown here; remove it",
    "finite_number": "expected a finite number, found {found}",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "frozen_field": "cannot be changed, found {found}",
    "greater_than": "expected more than {gt:,}, found {found}",
    "greater_than_equal": "expected at least {ge:,}, found {found}",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "expected a shorter whole number, found {found}",
    "int_type": _WHOLE,
    "json_invalid": "expected JSON, found text that is not JSON",
    "less_than": "expected less than {lt:,}, found {found}",
    "less_than_equal": "expected at most {le:,}, found {found}",
    "list_type": _LIST,
    "literal_error": _CHOICE,
    "missing": "is missing; give it",
    "model_attributes_type": _KEYS,
    "model_type": _KEYS,
    "multiple_of": "expected a multiple of {multiple_of:,}, found {found}",
    "none_required": "expected no value, found {found}",
    "recursion_loop": "expected values that do not contain themselves, found {found}",
    "set_type": _LIST,
    "string_pattern_mismatch": "expected text of the pattern {pattern}, found {found}",
    "string_sub_type": _TEXT,
    "string_too_long": "expected at most {max_length:,} {max_length:character|characters}, found {letters:,}; shorten it",
    "string_too_short": "expected at least {min_length:,} {min_length:character|characters}, found {letters:,}",
    "string_type": _TEXT,
    "string_unicode": "expected text in UTF-8, found {found}",
    "too_long": "expected at most {max_length:,} {max_length:entry|entries}, found {entries:,}",
    "too_short": "expected at least {min_length:,} {min_length:entry|entries}, found {entries:,}",
    "tuple_type": _LIST,
}


def refusal(detail: Mapping[str, Any]) -> str:
    """The sentence on one line of ``ValidationError.errors()``; pydantic's own where the type of the error is that of an added part."""
    value, context = detail["input"], {name: _written(limit) for name, limit in (detail.get("ctx") or {}).items()}
    sentence = _SENTENCES.get(detail["type"])
    if sentence is None:
        own = str(detail["msg"]).removeprefix("Value error, ")
        own = own[:1].lower() + own[1:]
        return own if detail["type"] == "value_error" else f"{own}; found {shown_value(value)}"  # our own sentences already say what was found
    count = len(value) if hasattr(value, "__len__") else 0
    return filled(sentence, **context, found=shown_value(value), letters=count, entries=context.get("actual_length") or count)


def _written(limit: Any) -> Any:
    """A limit as people write it: 2, not 2.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def shown_value(value: Any) -> str:
    """A value as a short text."""
    if value is None:
        return "nothing"
    text = _short.repr(value)  # never writes out more than it shows
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
