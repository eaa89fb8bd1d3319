"""Imports run one way, and what only reads runs does without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.presets import load_presets
from mtl_core.sharing import SHARING_SCHEMES

ROOT = Path(__file__).parents[1]
# Low to high. A module may import from its own layer and from lower ones.
LAYERS = [
    {
        "mtl_core.csv_text",
        "mtl_core.errors",
        "mtl_core.refused_values",
        "mtl_core.registry",
        "mtl_core.events",
        "mtl_core.machine",
        "mtl_core.html_pages",
        "mtl_core.randomness",
        "mtl_core.scalar_words",
        "mtl_core.settings",
        "mtl_core.terminal_text",
        "mtl_core",
    },
    {"mtl_core.config", "mtl_core.config_fingerprint", "mtl_core.config_differences"},
    {
        "mtl_core.data",
        "mtl_core.tasks",
        "mtl_core.backbones",
        "mtl_core.sharing",
        "mtl_core.balancing",
        "mtl_core.plane",
        "mtl_core.figures",
        "mtl_core.presets",
        "mtl_core.analysis",
        "mtl_core.run_names",
    },
    {"mtl_core.training"},
    {"mtl_core.runs"},
    {"mtl_core.inference"},
    {"mtl_core.exports"},
    {"mtl_core.studies"},
    {"mtl_core.lessons"},
    {"mtl_core.catalogue"},
    {"mtl_core.cli", "mtl_core.__main__"},
    {"ui"},
    {"pages", "app", "serve"},
]


def _modules() -> dict[str, Path]:
    paths = [ROOT / "app.py", ROOT / "serve.py", *(path for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*.py"))]
    return {_name(path): path for path in paths}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _nodes(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Import statements anywhere in a file."""
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Import | ast.ImportFrom)]


def _imports(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of this project that a file imports anywhere in it, inside functions too."""
    found: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in modules else node.module for alias in node.names}
    return {module for module in found if module in modules and module != name}


def _layer(name: str) -> int:
    matches = [(len(prefix), number) for number, layer in enumerate(LAYERS) for prefix in layer if name == prefix or name.startswith(prefix + ".")]
    assert matches, f"{name} stands in no layer: add it to LAYERS"
    return max(matches)[1]


MODULES = _modules()


def test_imports_only_downward():
    upward = [
        f"{name} imports {module}, which is higher"
        for name in sorted(MODULES)
        for module in sorted(_imports(name, MODULES[name], MODULES))
        if _layer(module) > _layer(name)
    ]
    assert upward == []


def test_no_circles():
    graph = {name: _imports(name, path, MODULES) for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for module in sorted(graph[name]):
                visit(module, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_core_never_imports_streamlit():
    for name, path in MODULES.items():
        if name.startswith("mtl_core"):
            nodes = _nodes(path)
            roots = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            roots |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
            assert "streamlit" not in roots, name


def test_reading_runs_needs_no_torch():
    modules = [
        "mtl_core.config",
        "mtl_core.presets",
        "mtl_core.runs.jobs",
        "mtl_core.runs.artifacts",
        "mtl_core.figures.curves",
        "mtl_core.figures.overlays",
        "mtl_core.analysis.conflict_summary",
        "mtl_core",
    ]
    code = f"import sys, importlib\nfor name in {modules}: importlib.import_module(name); print(name, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} False" for name in modules]


# Seconds of a processor each, which every process that trains would pay: a worker, each device of a run, a command, the server.
HEAVY = {"torchjd", "cvxpy", "matplotlib", "torchmetrics", "sklearn", "scipy.stats", "onnx"}


def _at_import(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that run when a file is imported: not those in functions, nor those for the type checker."""
    left: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            left += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            left += ast.iter_child_nodes(node)


def _brought_along(names: list[str]) -> dict[str, set[str]]:
    """Modules of this project that these import when they are imported, themselves included, with what each imports by name."""
    found: dict[str, set[str]] = {}
    while names:
        name = names.pop()
        if name in found or name not in MODULES:
            continue
        imported: set[str] = set()
        for node in _at_import(MODULES[name]):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        found[name] = imported
        names += [name.rpartition(".")[0], *imported]
    return found


def test_the_first_presets_run_imports_nothing_heavy_before_it_measures():
    config = load_presets()[0].config
    parts = [BALANCERS.table[config.balancing.name], BACKBONES.table[config.backbone.name], SHARING_SCHEMES.table[config.sharing.name]]
    found = _brought_along(["mtl_core.training.trainer", *(place.partition(":")[0] for place in parts)])
    assert len(found) > 60
    assert not [(name, heavy) for name, imported in found.items() for heavy in HEAVY if any(f"{each}.".startswith(f"{heavy}.") for each in imported)]


# Packages whose modules import each other in circles: a thread that imports one of their modules while another imports the package may get it half
# initialised. A thread that imports the package first waits for the other one.
CIRCULAR = {"torch", "torchvision", "torchmetrics"}


def _statements(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements of a scope in order, without those of functions inside it and those for the type checker."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _statements(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "finalbody", "handlers"):
                yield from _statements(getattr(node, part, []))


def test_a_circular_package_is_imported_before_its_modules():
    early = []
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        outer = _packages(_statements(tree.body), set(), early, name)
        for function in functions:
            _packages(_statements(function.body), set(outer), early, name)
    assert early == []


def _packages(statements: Iterator[ast.Import | ast.ImportFrom], known: set[str], early: list[str], name: str) -> set[str]:
    """The packages of CIRCULAR that these statements import, and those known before; adds to ``early`` where a module comes before its package."""
    for node in statements:
        for module in [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]:
            package, _, inside = module.partition(".")
            if package in CIRCULAR:
                if inside and package not in known:
                    early.append(f"{name}:{node.lineno} imports {module}; write 'from {package} import ...' first")
                known.add(package)
    return known
