"""JsonReader: streaming reader of JSON files. It gives the entries of long lists one by one, so a file may be larger than memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from mtl_core.errors import DataError

_PIECE = 1 << 20  # bytes per read
MOST_VALUE = 256 << 20  # most characters of one value
_SPACE = re.compile(r"[ \t\n\r]*")
_SIMPLE_END = re.compile(r"[,\]}\s]")
_DECODER = json.JSONDecoder()


class JsonError(DataError):
    """The content is not JSON, or ends too early; the message gives the position and what was found."""


class JsonReader:
    """Reads the values of one file in their order.

    Args:
        file: binary file in UTF-8, with or without a byte order mark, or UTF-16 with one.
        cut: whether only the beginning of the file is read, so that an end within a value is no error.
    """

    def __init__(self, file: BinaryIO, cut: bool = False):
        self._file, self._cut = file, cut
        self._text, self._at, self._passed, self._ended = "", 0, 0, False
        first = file.read(_PIECE)
        encoding = "utf-16" if first[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        import codecs

        self._decode = codecs.getincrementaldecoder(encoding)()
        self._take(first)

    def top(self) -> str:
        """The first character, such as ``{`` or ``[``; '' for an empty file."""
        return self._next()

    def members(self) -> Iterator[tuple[str, str]]:
        """Each key of the next object with the first character of its value. The caller must read the value with ``value`` or ``entries``.

        Raises:
            JsonError: not an object.
        """
        self._expect("{", "an object")
        if self._next() == "}":
            self._at += 1
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                self._fail(f"a name in quotes, found {str(key)[:40]!r}")
            self._expect(":", f"':' after \"{key[:60]}\"")
            yield key, self._next()
            if self._next() == ",":
                self._at += 1
                if self._next() == "}":
                    self._fail("another name after ',' (a comma too many)")
                continue
            self._expect("}", "',' or '}'")
            return

    def entries(self) -> Iterator[Any]:
        """The entries of the next list, one by one.

        Raises:
            JsonError: not a list.
        """
        self._expect("[", "a list")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if self._next() == ",":
                self._at += 1
                if self._next() == "]":
                    self._fail("another entry after ',' (a comma too many)")
                continue
            self._expect("]", "',' or ']'")
            return

    def value(self) -> Any:
        """The next value as a whole.

        Raises:
            JsonError: not a value, or longer than ``MOST_VALUE`` characters.
        """
        begin = self._next()
        if begin == "":
            self._fail("a value")
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
                if begin in '{["' or self._ended or (end < len(self._text) and _SIMPLE_END.match(self._text, end)):
                    self._at = end
                    return found
            except RecursionError:
                self._fail("values that lie in each other at most a thousand deep")
            except ValueError as error:
                if self._ended:
                    raise self._error(str(error).partition(": line")[0].partition(": char")[0], getattr(error, "pos", self._at)) from None
            if len(self._text) - self._at > MOST_VALUE:
                self._fail(f"a value of at most {MOST_VALUE:,} characters")
            self._more(max(_PIECE, len(self._text) - self._at))

    def finish(self) -> None:
        """Check that only white space follows.

        Raises:
            JsonError: something else follows.
        """
        if self._next():
            self._fail("the end of the file")

    def _next(self) -> str:
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None  # the pattern matches nothing, too
            self._at = space.end()
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(_PIECE)

    def _expect(self, character: str, what: str) -> None:
        if self._next() != character:
            self._fail(what)
        self._at += 1

    def _more(self, size: int) -> None:
        self._passed += self._at
        self._text, self._at = self._text[self._at :], 0
        self._take(self._file.read(size))

    def _take(self, content: bytes) -> None:
        try:
            self._text += self._decode.decode(content, final=not content and not self._cut)
        except UnicodeDecodeError as error:
            raise JsonError(f"not UTF-8 at byte {error.start + self._passed:,}") from None
        self._ended = not content

    def _fail(self, expected: str) -> None:
        found = self._text[self._at : self._at + 20]
        raise self._error(f"expected {expected}, found {found!r}" if found else f"expected {expected}", self._at)

    def _error(self, text: str, at: int) -> JsonError:
        if self._ended and (not self._text[at:].strip() or text.startswith("Unterminated") or (self._cut and len(self._text) - at < 10)):
            return JsonError(f"it ends in the middle, after {self._passed + at:,} characters: was it copied whole?")
        if "\0" in self._text[at : at + 2]:
            text = "a NUL character"
        return JsonError(f"not JSON at character {self._passed + at:,}: {text}")
