"""Atomic writing of exports: into a temporary folder beside the target, then renamed."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import psutil

from mtl_core.errors import ConfigError, MTLError, NotPossibleError, StoreError
from mtl_core.exports import EXPORTS
from mtl_core.exports.export_source import ExportSource
from mtl_core.registry import unknown_name
from mtl_core.runs.process_identity import is_gone, owner_in_name

WITH_ALL = "zip"
INSTALL_EXPORTS = (
    "Install what exports need: pip install 'multitask-vision-dashboard[export]', or in a checkout pip install -r requirements-export.txt"
)
_TEMPORARY = re.compile(r"\.exporting-[0-9a-f]{8}-(?P<owner>\d+-.+)")
_OLD_TEMPORARY = re.compile(r"\.exporting-(?P<pid>\d+)-[0-9a-f]{8}")  # names of earlier versions, without the host
_ABANDONED_SECONDS = 24 * 3600.0


def format_of(name: str) -> ModuleType:
    """The module of a format. Raises ConfigError, listing the formats, for an unknown one."""
    if name not in EXPORTS:
        raise ConfigError(unknown_name("export format", name, [*EXPORTS, WITH_ALL]))
    return import_module(EXPORTS[name])


def write_format(source: ExportSource, name: str, folder: Path) -> None:
    """Write one format into ``folder``.

    Raises:
        NotPossibleError: a package that only exports need is not installed; says how to install it.
    """
    try:
        format_of(name).write(source, folder)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "mtl_core"):
            raise
        raise NotPossibleError(
            f"the export '{name}' needs the Python package '{package}', which cannot be loaded ({error}). {INSTALL_EXPORTS}"
        ) from error


def export(source: ExportSource, formats: Iterable[str], out: Path, *, force: bool = False) -> tuple[list[Path], dict[str, str]]:
    """Write formats into the folder ``out``, one after another.

    Args:
        formats: names of ``EXPORTS``, or ``zip`` for all formats that the run permits, in one file.
        force: replace existing files and folders.

    Returns:
        The written files and folders; and, for ``zip`` only, the reason for each omitted format.

    Raises:
        NotPossibleError: a file or folder of that name exists, or the run has nothing for this format.
        StoreError: the disk is full or cannot be written.
    """
    names, skipped, written = list(dict.fromkeys(formats)), {}, []
    for name in names:
        if name != WITH_ALL:
            format_of(name)
    temporary = out / f".exporting-{uuid.uuid4().hex[:8]}-{owner_in_name()}"
    try:
        _sweep(out)
        temporary.mkdir(parents=True)
        for number, name in enumerate(names):
            source.progress(number / len(names), name)
            place = temporary / name
            place.mkdir()
            if name == WITH_ALL:
                skipped = _all_in_one(source, place)
            else:
                write_format(source, name, place)
        written = _publish(temporary, out, force)
        source.progress(1.0, "done")
    except OSError as error:
        raise StoreError(f"cannot write the export into '{out}': {error.strerror or error}. Free some space, or choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return written, skipped


def _sweep(out: Path) -> None:
    """Remove temporary folders of killed processes. Folders of processes that may still run, here or on another host, stay."""
    for path in out.glob(".exporting-*") if out.is_dir() else ():
        if path.is_dir() and not path.is_symlink() and _is_left_over(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_left_over(path: Path) -> bool:
    if found := _TEMPORARY.fullmatch(path.name):
        return is_gone(found["owner"])
    old = _OLD_TEMPORARY.fullmatch(path.name)
    return bool(old) and not psutil.pid_exists(int(old["pid"])) and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS


def _all_in_one(source: ExportSource, place: Path) -> dict[str, str]:
    """Write every format that the run permits into one zip. Returns the reason for each omitted format."""
    inside, skipped = place / "files", {}
    for number, name in enumerate(EXPORTS):
        source.progress(number / (len(EXPORTS) + 1), name)
        part = inside / name
        part.mkdir(parents=True)
        try:
            write_format(source, name, part)
        except NotPossibleError as error:
            skipped[name] = str(error)
            shutil.rmtree(part)
        except MTLError as error:
            raise type(error)(f"{name}: {error}") from error
    source.progress(len(EXPORTS) / (len(EXPORTS) + 1), "zip")
    if skipped:
        (inside / "left-out.txt").write_text("".join(f"{name}: {why}\n" for name, why in skipped.items()), encoding="utf-8")
    with zipfile.ZipFile(place / f"{source.run.id}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for path in sorted(inside.rglob("*")):
            if path.is_file():
                archive.write(path, f"{source.run.id}/{path.relative_to(inside).as_posix()}")
    shutil.rmtree(inside)
    return skipped


def _publish(temporary: Path, out: Path, force: bool) -> list[Path]:
    """Move the written files to their targets. Raises NotPossibleError, and moves nothing, if a target exists and ``force`` is False."""
    made = sorted(path for part in temporary.iterdir() for path in part.iterdir())
    in_the_way = [out / path.name for path in made if (out / path.name).exists() or (out / path.name).is_symlink()]
    if in_the_way and not force:
        raise NotPossibleError(f"'{in_the_way[0]}' exists already, and nothing was written. Choose another folder, or replace it with --force")
    replaced = temporary / "replaced"
    replaced.mkdir()
    for path in made:
        target = out / path.name
        if target.is_dir() and not target.is_symlink():  # moved aside instead of removed, so that it can be restored if the next step fails
            os.replace(target, replaced / path.name)
            try:
                os.replace(path, target)
            except OSError:
                os.replace(replaced / path.name, target)
                raise
        else:
            os.replace(path, target)
    return [out / path.name for path in made]
