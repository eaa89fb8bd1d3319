"""The beginnings of a set's JSON files, read once for all formats: keys and first entries identify the tool that wrote them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mtl_core.data.imports.looking.json_stream import JsonError, JsonReader
from mtl_core.data.imports.tree import MOST_STREAM_BYTES, Tree, UnreadableError
from mtl_core.errors import DataError

_BEGIN = 64 << 10
_MOST_KEYS = 200


@dataclass
class Head:
    """The beginning of a JSON file.

    Attributes:
        top: first character: ``{``, ``[`` or another; '' for an empty file.
        keys: of the object at the top: name -> its value where it is short, the first entry of a list, or None.
        first: first entry of the list at the top.
        error: why it is not JSON, if the beginning shows it.
    """

    top: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    first: Any = None
    error: str = ""

    def entry(self, key: str) -> dict:
        """The first entry of a list, or the value, if it is an object; else an empty dict."""
        found = self.keys.get(key)
        return found if isinstance(found, dict) else {}

    @property
    def item(self) -> dict:
        """The first entry of the top-level list if it is an object; else an empty dict."""
        return self.first if isinstance(self.first, dict) else {}


def heads(tree: Tree) -> dict[str, Head]:
    """File -> its beginning, for every ``.json``."""
    if "json" not in tree.looked_at:
        tree.looked_at["json"] = {name: _head(tree, name) for name in tree.files if name.lower().endswith(".json")}
    return tree.looked_at["json"]  # type: ignore[return-value]


def by_folder(files: list[str]) -> dict[str, list[str]]:
    """Folder -> its files."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        found[file.rpartition("/")[0]].append(file)
    return dict(found)


def load(tree: Tree, name: str) -> Any:
    """A whole JSON file.

    Raises:
        DataError: the file can't be read, or is not JSON; the message names it.
    """
    return _with_reader(tree, name, lambda reader: (reader.value(), reader.finish())[0])


def entries(tree: Tree, name: str) -> Iterator[Any]:
    """The entries of the top-level list, one by one.

    Raises:
        DataError: as ``load``.
    """
    try:
        with tree.stream(name, MOST_STREAM_BYTES) as file:
            yield from JsonReader(file).entries()
    except (JsonError, UnreadableError) as error:
        raise DataError(f"'{name}' cannot be read: {error}") from None


def _with_reader(tree: Tree, name: str, work: Callable[[JsonReader], Any]) -> Any:
    try:
        with tree.stream(name, MOST_STREAM_BYTES) as file:
            return work(JsonReader(file))
    except (JsonError, UnreadableError) as error:
        raise DataError(f"'{name}' cannot be read: {error}") from None


def _head(tree: Tree, name: str) -> Head:
    head, whole = Head(), tree.files[name] <= _BEGIN
    try:
        reader = JsonReader(io.BytesIO(tree.begin(name, _BEGIN)), cut=not whole)
        head.top = reader.top()
        if head.top == "{":
            for key, begin in reader.members():
                if len(head.keys) < _MOST_KEYS:
                    head.keys[key] = None  # the key is known even if its value reaches beyond the bytes read
                    head.keys[key] = _first(reader, head, key) if begin == "[" else reader.value()
                elif begin:
                    reader.value()
        elif head.top == "[":
            for entry in reader.entries():
                head.first = entry if head.first is None else head.first
        elif not head.top:
            head.error = "the file is empty"
        else:
            reader.value()
        reader.finish()
    except (JsonError, UnreadableError) as error:
        if whole or isinstance(error, UnreadableError) or "ends in the middle" not in str(error):
            head.error = str(error)
    return head


def _first(reader: JsonReader, head: Head, key: str) -> Any:
    for entry in reader.entries():
        if head.keys[key] is None:
            head.keys[key] = entry
    return head.keys[key]
