"""``doctor``: what this machine has for training, and what is wrong with it, in words."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import click
from packaging.requirements import Requirement

from mtl_core import settings
from mtl_core.cli.output import JSON, emit, emit_json
from mtl_core.errors import MTLError
from mtl_core.machine import free_memory
from mtl_core.machine.processor_cores import cores

PACKAGE = "multitask-vision-dashboard"
CHECKOUT = Path(__file__).resolve().parents[2]
LEAST_PYTHON = (3, 11)
LEAST_SPACE = 1 << 30  # bytes; checkpoints and prepared data of one small run take less
LEAST_MEMORY = 1 << 30  # bytes; PyTorch and the smallest preset need about that
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
OK, NOTE, WRONG = "ok", "note", "wrong"
EXTRA_FILES = {  # part of a requirements file's name -> its extra
    "export": "export",
    "weights": "offline-weights",
    "search": "search",
    "cluster": "cluster",
}
NEEDED_BY = {
    "export": "Only some exports need it",
    "offline-weights": "Only the starting weights in it are missing",
    "search": "Only the search of loss weights in studies needs it",
    "cluster": "Only several machines on one store need it",
}


@dataclass(frozen=True)
class Finding:
    """One line of the answer. ``state`` is ok, note (nothing stops working) or wrong (something does); ``advice`` says what to do."""

    group: str
    name: str
    found: str
    state: str = OK
    advice: str = ""


@click.command()
@JSON
def doctor(as_json: bool) -> int:
    """Say what this machine has (device, precision, threads, folders, versions, browser, settings) and what is wrong with it.

    Exit code: 0 nothing is wrong, 1 something is.
    """
    found = [finding for look in LOOKS for finding in _looked(look)]
    wrong = [finding for finding in found if finding.state == WRONG]
    if as_json:
        emit_json({"status": WRONG if wrong else OK, "findings": [asdict(finding) for finding in found]})
    else:
        emit("\n".join(_lines(found)))
    return 1 if wrong else 0


def _looked(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What one look found; one that fails is a finding itself, and keeps none of the others from being made."""
    found = []
    try:
        found.extend(look())
    except Exception as error:
        name = look.__name__.strip("_").replace("_", " ")
        found.append(Finding(name, name, f"{type(error).__name__}: {error}", WRONG, "This could not be looked at."))
    return found


def _lines(found: list[Finding]) -> Iterator[str]:
    group, width = "", max(len(finding.name) for finding in found)
    for finding in found:
        if finding.group != group:
            group = finding.group
            yield group
        mark = {OK: " ", NOTE: "-", WRONG: "!"}[finding.state]
        yield f"  {mark} {finding.name:{width}}  {finding.found}"
        if finding.advice:
            yield f"    {'':{width}}  {finding.advice}"
    wrong, notes = (sum(finding.state == state for finding in found) for state in (WRONG, NOTE))
    yield ""
    said = {0: "Nothing is wrong.", 1: "One thing is wrong (!)."}.get(wrong, f"{wrong} things are wrong (!).")
    yield said + {0: "", 1: " One thing to know (-)."}.get(notes, f" {notes} things to know (-).")


def versions() -> Iterator[Finding]:
    """Python, the system, and whether each required package is here in a version that fits."""
    fits = sys.version_info >= LEAST_PYTHON
    least = ".".join(map(str, LEAST_PYTHON))
    yield Finding("versions", "Python", platform.python_version(), OK if fits else WRONG, "" if fits else f"Install Python {least} or newer.")
    yield Finding("versions", "system", f"{platform.system()} {platform.release()} {platform.machine()}")
    for requirement, needed_for in required():
        yield _package(requirement, needed_for)


def required() -> list[tuple[Requirement, str]]:
    """Every requirement with the extra it belongs to (empty: everything needs it): of the checkout, else of the installed package."""
    if (CHECKOUT / "requirements.txt").is_file():
        files = {"requirements.txt": "", **{f"requirements-{part}.txt": extra for part, extra in EXTRA_FILES.items()}}
        lines = [(line.partition(" #")[0].strip(), extra) for file, extra in files.items() for line in _text(CHECKOUT / file)]
        return [(Requirement(line), extra) for line, extra in lines if line and not line.startswith(("#", "-"))]
    found = []
    for requirement in map(Requirement, requires(PACKAGE) or []):
        marker = str(requirement.marker or "")
        extra = next((name for name in (*EXTRA_FILES.values(), "dev") if f'extra == "{name}"' in marker.replace("'", '"')), "")
        if extra != "dev":
            found.append((requirement, extra))
    return found


def _package(requirement: Requirement, extra: str) -> Finding:
    name, install = requirement.name, f"Install it with: pip install '{requirement.name}{requirement.specifier}'."
    try:
        here = version(name)
    except PackageNotFoundError:
        missing = f"not installed; {requirement.name}{requirement.specifier} is required"
        if extra:
            who = NEEDED_BY[extra]
            return Finding("versions", name, missing, NOTE, f"{who}. Install them with: pip install '{PACKAGE}[{extra}]'.")
        return Finding("versions", name, missing, WRONG, install)
    if requirement.specifier.contains(here, prereleases=True):
        return Finding("versions", name, here)
    return Finding("versions", name, f"{here}; {requirement.specifier} is required", WRONG, install)


def device() -> Iterator[Finding]:
    """Devices that PyTorch can train on, and what ``auto`` takes."""
    import torch

    from mtl_core.training.execution import device_name, resolve_device

    chosen = resolve_device("auto")
    yield Finding("device", "auto", f"{chosen}: {device_name(chosen)}")
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        yield Finding("device", f"cuda:{number}", f"{torch.cuda.get_device_name(number)}, {_size(free)} of {_size(total)} free")
    if torch.version.cuda and not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        advice = f"This PyTorch is built for CUDA {torch.version.cuda}. Install a driver for it, or the PyTorch build that fits the driver."
        yield Finding("device", "cuda", "an NVIDIA driver is installed, and PyTorch cannot use it", WRONG, advice)
    yield from _memory()
    yield Finding("precision", "fp32", "yes")
    yield Finding("precision", "bf16", _bf16(chosen), OK, "precision: auto measures at a run's start whether it is faster.")


def _memory() -> Iterator[Finding]:
    free = free_memory.free_bytes()
    enough = free >= LEAST_MEMORY
    advice = "" if enough else "End other programs: the smallest preset needs about 1 GB."
    yield Finding("device", "memory", f"{_size(free)} free", OK if enough else WRONG, advice)


def _bf16(chosen: str) -> str:
    import torch

    if chosen == "cuda":
        return "yes" if torch.cuda.is_bf16_supported(including_emulation=False) else "emulated, slower than fp32"
    if chosen == "mps":
        return "yes"
    flags = next((line.split() for line in _text(Path("/proc/cpuinfo")) if line.startswith("flags")), [])
    instructions = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    return f"yes, with instructions ({', '.join(instructions)})" if instructions else "yes, without instructions for it, or they are not told"


def threads() -> Iterator[Finding]:
    """Threads that PyTorch computes with, beside the cores there are."""
    import torch

    available = cores()
    count = torch.get_num_threads()
    slow = count > available
    advice = "More threads than cores make training several times slower. Set MTL_THREADS to the number of cores, or less." if slow else ""
    told = "MTL_THREADS" if settings.threads() else "MTL_THREADS is not set"
    yield Finding("threads", "PyTorch", f"{count} on {available} {'core' if available == 1 else 'cores'} ({told})", NOTE if slow else OK, advice)
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 1.5 * available:
        yield Finding("threads", "load", f"{load:.1f} programs want {available} cores", NOTE, "Runs are slower until the others are done.")


def folders() -> Iterator[Finding]:
    """Where runs, published sets and temporary files go: writable, and with space."""
    home = settings.home()
    yield _folder("runs (MTL_HOME)", home)
    yield from _store(home)
    data = Path(settings.data_root() or settings.DATA_CACHE).expanduser()
    yield _folder("published sets (MTL_DATA_ROOT)", data, state=NOTE)
    if settings.mnist_root():
        yield _folder("MNIST (MTL_MNIST_ROOT)", Path(settings.mnist_root()).expanduser(), state=NOTE)
    yield _folder("temporary files", Path(tempfile.gettempdir()))


def _folder(name: str, path: Path, state: str = WRONG) -> Finding:
    """Whether ``path`` can be written, or made, and how much space is left there; ``state`` is how bad it is where it cannot."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        return Finding("folders", name, f"{path}: '{there}' is a file", WRONG, "Name a folder, or move the file away.")
    free = shutil.disk_usage(there).free
    made = "" if there == path else ", is made when it is needed"
    found = f"{path}{made}, {_size(free)} free"
    if not _is_writable(there):
        advice = "Runs can be looked at, not trained." if name.startswith("runs") else "Files that are there are read; nothing new is fetched."
        return Finding("folders", name, f"{found}, cannot be written", state, f"{advice} Make it writable, or name another folder.")
    if free < LEAST_SPACE:
        return Finding("folders", name, found, state, "Free some space: a run that meets a full disk fails.")
    return Finding("folders", name, found)


def _is_writable(folder: Path) -> bool:
    """By writing: rights alone say nothing of a disk that is mounted read-only."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
    except OSError:
        return False
    return True


def _store(home: Path) -> Iterator[Finding]:
    from mtl_core.runs.store import DATABASE, open_store

    try:
        if not (home / DATABASE).exists() and not settings.store_url():
            return
        store = open_store(home)
        count = store.count()
    except MTLError as error:
        yield Finding("folders", "list of runs", str(error), WRONG)
        return
    yield Finding("folders", "list of runs", f"{count} {'run' if count == 1 else 'runs'}")


def browser() -> Iterator[Finding]:
    """Chromium, which the browser tests and the pictures of the documentation need. The dashboard works in any browser."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    advice = "" if path else "Only the browser tests need it. The dashboard opens in any browser."
    yield Finding("browser", "Chromium", path or "not found", OK if path else NOTE, advice)


def environment() -> Iterator[Finding]:
    """Every MTL_ variable that is set, and what is wrong with it."""
    for variable in settings.VARIABLES:
        if value := os.environ.get(variable.name, "").strip():
            shown = "set; not shown, because it may hold a password" if variable.is_secret else value
            yield Finding("settings", variable.name, shown)
    for problem in settings.problems():
        yield Finding("settings", problem.field, problem.message, WRONG)
    for remark in settings.remarks():
        name, _, said = remark.partition(": ")
        yield Finding("settings", name, said, NOTE)


def parts() -> Iterator[Finding]:
    """Parts of other installed packages: whether each can be loaded."""
    from mtl_core.catalogue import REGISTRIES
    from mtl_core.errors import ConfigError

    for sort, registry in REGISTRIES.items():
        for name, place in registry.hidden.items():
            said = f"{place} is not used, because '{name}' is already the name of {registry.table[name]}; give its entry point another name"
            yield Finding("parts", f"{sort}: {name}", said, WRONG)
        for name, place in registry.table.items():
            if place.startswith("mtl_core."):
                continue
            try:
                registry.load(name)
            except ConfigError as error:
                yield Finding("parts", f"{sort}: {name}", str(error), WRONG)
            else:
                yield Finding("parts", f"{sort}: {name}", place)


LOOKS = (versions, device, threads, folders, browser, environment, parts)


def _text(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _size(count: float) -> str:
    return f"{count / 2**30:,.1f} GB"
