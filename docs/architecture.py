"""Writes docs/architecture.md: what each file is, from the first sentence that it says of itself.

    python -m docs

writes it with all other pages.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
TOP = ("app.py", "serve.py", "hatch_build.py")
FOLDERS = ("pages", "ui", "mtl_core", "benchmarks", "docs")
KINDS = (".py", ".js", ".css")
OF_OTHERS = ".min.js"  # scripts of other projects have no sentence of ours
WRITTEN_IN = {".js": "//", ".css": "/*"}
INTRODUCTION = """<!-- Written by `python -m docs` from the first sentence of each file; change that, not this page. -->

# Architecture

Imports run one way, from the top of this picture to the bottom; `tests/test_imports.py` holds the order. `mtl_core` works without the dashboard
and never imports Streamlit. What only reads runs does not import PyTorch.

```
 browser ── app.py, pages/            one script for each page: it reads the address and calls pieces of ui
                │
               ui/                    pieces of pages; forms are made from the options of the parts
                │
  shell ── mtl_core/cli               the command line: the same engine without pages
                │
           mtl_core/exports           a run in other forms: ONNX, report, tables
           mtl_core/inference         a trained network on new pictures
                │
           mtl_core/runs              the run store (SQLite and files): queue, claims, checkpoints, results
                │                     the only channel between what trains and what shows
           mtl_core/training          the loop: a generator of events, which the store records
                │
           mtl_core/data, tasks, backbones, sharing, balancing
                │                     the parts of a run: one file each, listed in a registry
           mtl_core/config, registry, events, errors, settings
```

**A run from click to curve.** The Train page makes a `RunConfig` and puts it into the store's queue. A worker (a thread of the server, or a process
of its own) claims it and calls `training.trainer.train`, which yields events: metrics, checkpoints, predictions of the probe images. The store writes
them down. The Run page reads the store every few seconds; a second tab, the command line and a run that ended long ago read the same.
"""


def page() -> str:
    """The text of docs/architecture.md."""
    parts = [INTRODUCTION, "## At the top", "\n".join(_line(ROOT / name) for name in TOP)]
    for name in FOLDERS:
        parts += _folder(ROOT / name, depth=2)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def sources() -> list[Path]:
    """Every file that the page lists."""
    return [ROOT / name for name in TOP] + [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*")) if is_source(path)]


def is_source(path: Path) -> bool:
    """Whether the page lists the file."""
    return path.suffix in KINDS and not path.name.endswith(OF_OTHERS)


def sentence(path: Path) -> str:
    """What a file says of itself: the first paragraph of a module's docstring, or the first comment; empty where it says nothing."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
        return " ".join(said.split("\n\n")[0].split()).replace("``", "`")
    mark, said = WRITTEN_IN[path.suffix], []
    for line in text.splitlines():
        if not line.lstrip().startswith((mark, "*")) or (mark == "/*" and said):
            break
        said.append(line.strip().strip("/*").strip())
    return " ".join(said)


def _folder(folder: Path, depth: int) -> Iterator[str]:
    """A heading, what the package says of itself, a line for each file; then the folders in it."""
    about = folder / "__init__.py"
    yield f"{'#' * min(depth, 4)} {folder.relative_to(ROOT).as_posix()}/"
    if about.is_file():
        yield sentence(about)
    files = sorted(path for path in folder.iterdir() if is_source(path) and path != about)
    if files:
        yield "\n".join(map(_line, files))
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if any(is_source(path) for path in inner.rglob("*")):
            yield from _folder(inner, depth + 1)


def _line(path: Path) -> str:
    return f"- [{path.name}](../{path.relative_to(ROOT).as_posix()}): {sentence(path)}"
