"""Columns of text that behave alike on every database.

ShortText has a longest length, which SQLite alone would not hold to. ReportedText takes every text, so that the end of a run is always recorded.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Dialect, String, Text
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from mtl_core.errors import StoreError

_REFUSED = re.compile("[\\0\ud800-\udfff]")


class LongTextError(DontWrapMixin, StoreError):
    """A text is longer than its column. Nothing was written."""


class ShortText(TypeDecorator[str]):
    """``String(length)`` that refuses a longer text in words, before any database sees it. A longer text in a condition matches nothing."""

    impl = String
    cache_ok = True

    def __init__(self, length: int, what: str):
        """``what``: the name of a value for people, as a sentence begins with it."""
        super().__init__(length)
        self.length, self.what = length, what

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None:
            self.check(value)
        return value

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return String()

    def check(self, value: str) -> None:
        """Raise LongTextError if the column cannot hold this text."""
        if len(value) > self.length:
            raise LongTextError(
                f"{self.what} has at most {self.length} characters in the run store; found {len(value):,}: '{value[:60]}...'. "
                "Nothing was written. Give a shorter one."
            )


class ReportedText(TypeDecorator[str]):
    """``Text`` of what a program reports, such as the message of an exception. Its parts come from anywhere, such as names of files.

    Bytes that are no text and zero characters, which a database refuses, become U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _REFUSED.sub("\ufffd", value)
