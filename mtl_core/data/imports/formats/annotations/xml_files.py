"""The root elements of a set's XML files, read once for all formats."""

from __future__ import annotations

import re

from mtl_core.data.imports.tree import Tree, UnreadableError

_BEGIN = 4096
_FIRST = re.compile(rb"<(?![?!])\s*([A-Za-z_][\w.:-]*)")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


def roots(tree: Tree) -> dict[str, str]:
    """File -> name of its first element, for every ``.xml``; '' if there is none at the beginning."""
    if "xml" not in tree.looked_at:
        tree.looked_at["xml"] = {name: _root(tree, name) for name in tree.files if name.lower().endswith(".xml")}
    return tree.looked_at["xml"]  # type: ignore[return-value]


def _root(tree: Tree, name: str) -> str:
    try:
        begin = tree.begin(name, _BEGIN)
    except UnreadableError:
        return ""
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        begin = begin.decode("utf-16", "replace").encode()
    found = _FIRST.search(_COMMENT.sub(b"", begin))
    return found.group(1).decode("ascii", "replace") if found else ""
