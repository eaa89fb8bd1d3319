"""What a start costs: processor time and modules of each import, in a process of its own, and the size of what is installed.

Processor time is user and system time together, the least of several starts, with bytecode files there: other work on the machine changes it little.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
STARTS = {  # what is started -> the statement
    "Python alone": "pass",
    "`import mtl_core`": "import mtl_core",
    "`import mtl_core.runs`": "import mtl_core.runs",
    "`import mtl_core.runs.store` (a program that reads runs)": "import mtl_core.runs.store",
    "`import mtl_core.runs.jobs` (the queue)": "import mtl_core.runs.jobs",
    "`import mtl_core.__main__` (the command `mtl`)": "import mtl_core.__main__",
    "the app until it answers, with the libraries of its pages": (
        "import streamlit.web.cli, ui.shell.server_access, ui.shell.library_imports; ui.shell.library_imports.import_libraries().join()"
    ),
    "`import torch`": "import torch",
    "`import torch._dynamo` (torchvision and every optimizer of torch import it)": "import torch, torch._dynamo",
    "`import torchvision`": "import torchvision",
    "`import mtl_core.training.trainer` (what trains)": "import mtl_core.training.trainer",
    "the same with `mtl_core.balancing.fixed`": "import mtl_core.training.trainer, mtl_core.balancing.fixed",
    "the same with `mtl_core.balancing.pcgrad`, which imports TorchJD": "import mtl_core.training.trainer, mtl_core.balancing.pcgrad",
    "the same with `torchmetrics`, at the first measurement": "import mtl_core.training.trainer, mtl_core.tasks.metrics.metric_library",
}
SAY = "\nimport os, sys; t = os.times(); print(t.user + t.system, len(sys.modules), 'torch' in sys.modules)"


def start(statement: str, times: int) -> tuple[float, int, bool]:
    """Seconds of a processor, number of modules, and whether torch is among them."""
    found = []
    for _ in range(times + 1):  # the first one compiles
        run = subprocess.run([sys.executable, "-c", statement + SAY], cwd=ROOT, capture_output=True, text=True, check=True)
        seconds, modules, torch = run.stdout.split()[-3:]
        found.append((float(seconds), int(modules), torch == "True"))
    return min(found[1:])


def needed(names: Iterator[str]) -> dict[str, metadata.Distribution]:
    """Installed packages that these need, themselves included, by normalised name."""
    found: dict[str, metadata.Distribution] = {}
    left = list(names)
    while left:
        requirement = Requirement(left.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        left += found[name].requires or []
    return found


def megabytes(package: metadata.Distribution) -> float:
    """Size of a package's files on disk."""
    paths = [Path(str(package.locate_file(file))) for file in package.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


@click.command(help=__doc__)
@click.option("--times", default=3, show_default=True, help="Starts of each.")
def main(times: int) -> None:
    os.environ.update(OMP_NUM_THREADS="1")
    print("| start | CPU s | modules | torch |\n|---|---|---|---|")
    for title, statement in STARTS.items():
        seconds, modules, torch = start(statement, times)
        print(f"| {title} | {seconds:.2f} | {modules:,} | {'yes' if torch else ''} |", flush=True)
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    sizes = {name: megabytes(package) for name, package in needed(line for line in lines if line and not line.startswith("-")).items()}
    for title, names in {"all": sizes, "without CUDA's": [name for name in sizes if not name.startswith(("nvidia-", "cuda-", "triton"))]}.items():
        largest = sorted(names, key=lambda name: -sizes[name])[:8]
        total = sum(sizes[name] for name in names)
        print(f"\n{title}: {len(names)} packages, {total:,.0f} MB: " + ", ".join(f"{name} {sizes[name]:,.0f}" for name in largest))


if __name__ == "__main__":
    main()
