"""YAML of plain values: the writer, and a safe reader without duplicate keys and with limited length, depth and alias expansion."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml

from mtl_core.errors import ConfigError

LONGEST = 1 << 18  # characters; a preset written out in full has about 1,500
DEEPEST = 40  # levels of nesting
LARGEST = 1 << 128  # whole numbers from here on are no setting, and those of thousands of digits cannot even be shown
_MERGE = "tag:yaml.org,2002:merge"
MOST_VALUES = 20_000  # with every alias expanded
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's is four times as fast; a PyYAML without it has only its own


class _KeysOnce(yaml.SafeLoader):
    """A loader that rejects duplicate keys; YAML's own loader silently keeps the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: dict[Any, int] = {}  # checked here, because later the node also has the merged keys (<<)
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            is_scalar = isinstance(key_node, yaml.ScalarNode) and key_node.tag != _MERGE
            key = self.construct_object(key_node) if is_scalar else None  # compare the values: 1 and "1" are two keys, 1 and 0x1 are one
            if is_scalar and key in seen:
                where = f"in line {line}" if seen[key] == line else f"in lines {seen[key]} and {line}"
                raise yaml.MarkedYAMLError(problem=f"the key '{key_node.value}' occurs twice, {where}; remove one", problem_mark=key_node.start_mark)
            if is_scalar:
                seen[key] = line
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """In base 16 or 60 a short text is a number of more digits than Python writes."""
        value = super().construct_yaml_int(node)
        if abs(value) >= LARGEST:
            raise yaml.MarkedYAMLError(problem=f"the number '{node.value[:20]}...' has too many digits", problem_mark=node.start_mark)
        return value


_KeysOnce.add_constructor("tag:yaml.org,2002:int", _KeysOnce.construct_yaml_int)


class _Bounded(_KeysOnce):
    """A loader with limited depth."""

    _aliases, _depth = True, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if not self._aliases and self.check_event(yaml.AliasEvent):
            problem = "aliases ('*name') are not read; write the values out where they are needed"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)
        if self._depth >= DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"values are nested deeper than {DEEPEST} levels", problem_mark=self.peek_event().start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _NoAliases(_Bounded):
    """A loader without ``*aliases``: nested aliases expand a few lines to gigabytes."""

    _aliases = False


def write_yaml(values: Any) -> str:
    """YAML text of plain values, with the keys in their order. It is the same whether PyYAML has libyaml or not."""
    with contextlib.suppress(UnicodeEncodeError):  # of a file's name whose bytes are no text
        text = yaml.dump(values, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
        if '"' not in text:  # libyaml breaks quoted lines at other places, and escapes some characters that PyYAML writes as they are
            return text
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def read_yaml(text: str, longest: int = LONGEST, aliases: bool = False) -> Any:
    """Plain values of a YAML text.

    Args:
        aliases: whether ``*name`` may refer to ``&name``: True for a file on the user's own command line, False for pasted or uploaded text.
        longest: largest number of characters.

    Raises:
        ConfigError: the text is too long, nested too deeply or invalid, or has duplicate keys, objects, forbidden aliases or too many values.
    """
    if len(text) > longest:
        raise ConfigError(f"the YAML has {len(text):,} characters; at most {longest:,} are read. Leave out what is not part of the description")
    try:
        values = yaml.load(text, _Bounded if aliases else _NoAliases)
        if aliases and _more_than(MOST_VALUES, values):
            raise ConfigError(f"the text is not usable YAML: more than {MOST_VALUES:,} values with every alias written out")
        return values
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "plain YAML values only, no objects"
        raise ConfigError(f"the text is not valid YAML{where}: {reason}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"the text is not usable YAML: {type(error).__name__} ({str(error)[:100]})") from None


def sort_of(values: Any) -> str:
    """What stands in the place of keys and values, in words: for a message that says what was found."""
    if values is None:
        return "nothing"
    return "a list" if isinstance(values, list) else "a text" if isinstance(values, str) else f"'{values}'"


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    """Why a file of YAML cannot be read, in words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return "there is no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()


def _more_than(most: int, values: Any) -> bool:
    """Whether there are more values than ``most``; an object in several places counts once for each."""
    count, waiting = 0, [values]
    while waiting:
        value = waiting.pop()
        count += 1
        if count + len(waiting) > most:
            return True
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return False
