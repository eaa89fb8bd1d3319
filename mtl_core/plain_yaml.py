"""YAML as people write it: plain values only, and every key once."""

from __future__ import annotations

from typing import Any

import yaml

from mtl_core.errors import ConfigError


class _KeysOnce(yaml.SafeLoader):
    """Of a key that stands twice YAML's own reader silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                where = f"in line {line}" if seen[key] == line else f"in lines {seen[key]} and {line}"
                raise yaml.MarkedYAMLError(problem=f"'{key}' stands twice, {where}; leave one", problem_mark=key_node.start_mark)
            if key is not None:
                seen[key] = line
        return super().construct_mapping(node, deep)


class _NoAliases(_KeysOnce):
    """Without ``*aliases``: nested ones make gigabytes of a few lines."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases ('*name') are not read", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)


def read_yaml(text: str, aliases: bool = True) -> Any:
    """Plain values of a YAML text.

    Args:
        aliases: whether ``*name`` may stand for what ``&name`` marks; not in files that come with somebody's data.

    Raises:
        ConfigError: not valid, a key stands twice, or it asks for objects.
    """
    try:
        return yaml.load(text, _KeysOnce if aliases else _NoAliases)
    except yaml.YAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        reason = getattr(error, "problem", None) or "plain YAML values only, no objects"
        raise ConfigError(f"the text is not valid YAML{where}: {reason}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"the text is not usable YAML: {type(error).__name__} ({str(error)[:100]})") from None
