"""``data check``, ``data import``, ``data show`` and ``data delete``: a user's own pictures from the command line."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals

if TYPE_CHECKING:
    from mtl_core.data.imports.report import Finding

SPEC = click.option("--spec", "spec_file", metavar="FILE.yaml", help="How to read it; else dataset.yaml beside the data, or what it looks like.")
_SHOWN = 25  # findings printed; --csv and --json have all
_OF_A_KIND = 5  # of them, at most, so that many alike do not hide the others
_LONGEST_FILE, _LONGEST_WHY = 50, 110  # characters
MOST_CLASSES = 12  # in a list


def _spec(path: str, spec_file: str | None):
    from mtl_core.data.imports import ImportSpec, propose

    if spec_file:
        return ImportSpec.from_file(spec_file), ()
    proposal = propose(path)
    return proposal.spec, proposal.notes


def _progress(share: float, what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{share:4.0%}  {what[:70]:70}", nl=share >= 1, err=True)


@click.command("check")
@click.argument("path")
@SPEC
@click.option("--csv", "as_csv", is_flag=True, help="Print every finding as CSV.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print only how it would be read, to save, correct and give to --spec.")
@JSON
def check_data(path: str, spec_file: str | None, as_csv: bool, as_yaml: bool, as_json: bool) -> int:
    """Say what the folder or zip PATH holds: tasks, splits, and what is usable, repaired or skipped. Writes nothing.

    Exit code: 0 it can be imported, 1 it cannot, 2 it cannot be read at all.
    """
    from mtl_core.data.imports import check

    with json_refusals(as_json):
        spec, notes = _spec(path, spec_file)
        if as_yaml:
            emit(spec.to_yaml())
            return 0
        report = check(path, spec, _progress)
    if as_csv:
        emit(report.to_csv())
    elif as_json:
        emit_json({"notes": list(notes), "spec": spec.to_dict(), **report.to_dict()})
    else:
        emit("\n".join(notes))
        _emit_report(report)
    return 1 if report.problems else 0


@click.command("import")
@click.argument("path")
@click.option("--name", required=True, help="Name of the set: a-z, 0-9, '-' and '_'.")
@SPEC
@JSON
def import_data(path: str, name: str, spec_file: str | None, as_json: bool) -> None:
    """Prepare the folder or zip PATH as the data set NAME, for 'data: {name: imported, set: NAME}' in a config."""
    from mtl_core.data.imports import examine, import_dataset, name_problem
    from mtl_core.errors import DataError

    with json_refusals(as_json):
        problem = name_problem(name)
        if problem:
            raise DataError(problem)
        spec, _ = _spec(path, spec_file)
        examined = examine(path, spec, lambda share, what: _progress(share / 2, what))
        made = import_dataset(path, spec, name, checked=examined, progress=_progress)
    if as_json:
        emit_json(made.to_dict())
        return
    _emit_report(examined.report)
    emit(f"\nImported as '{name}'. Train on it with  data: {{name: imported, set: {name}}}")


@click.command("show")
@click.argument("name")
@JSON
def show_data(name: str, as_json: bool) -> None:
    """Tasks, splits and description of the imported data set NAME."""
    from mtl_core.data.imports import get_imported

    with json_refusals(as_json):
        found = get_imported(name)
    if as_json:
        emit_json({**found.to_dict(), "spec": found.spec().to_dict()})
        return
    channels, height, width = found.image_shape
    sizes = ", ".join(f"{count:,} {part}" for part, count in found.split_sizes.items())
    emit(f"{name}: {sizes}; {height} x {width} pixels, {'grey' if channels == 1 else 'colour'}\nfrom {found.path}\n")
    emit_table(("task", "kind", "classes or unit"), [(t.name, t.kind, _listed(t.classes, MOST_CLASSES) or t.unit) for t in found.tasks])
    emit(f"\n{found.spec().to_yaml()}")


@click.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def delete_data(name: str, yes: bool) -> None:
    """Delete the imported data set NAME from the store. The files it was made from stay."""
    from mtl_core.data.imports import delete, get_imported

    get_imported(name)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("deleting asks first, and there is no terminal to ask on: add --yes")
    if not yes:
        click.confirm(f"Delete the imported data set '{name}'? Runs that used it can no longer go on", abort=True, err=True)
    delete(name)
    emit(f"deleted '{name}'")


def _emit_report(report) -> None:
    sizes = ", ".join(f"{count:,} {part}" for part, count in report.split_sizes.items())
    emit(f"\n{report.images:,} of {report.found:,} images usable ({sizes}); {report.repaired:,} repaired, {report.skipped:,} skipped\n")
    rows = [(s.task.name, s.task.kind, *(f"{s.labelled[p]:,}" for p in ("train", "val", "test")), _range(s)) for s in report.tasks]
    emit_table(("task", "kind", "train", "val", "test", "classes, range"), rows, numbers=("train", "val", "test"))
    if report.findings:
        emit("")
        shown = _some_of_each_kind(report.findings)
        emit_table(
            ("outcome", "what", "file", "why"),
            [(f.outcome, f.kind, _end_of(f.file), textwrap.shorten(f.message, _LONGEST_WHY, placeholder="...")) for f in shown],
        )
        more = sum(report.counts.values()) - len(shown)
        if more:
            emit(f"and {more:,} more; 'data check PATH --csv' lists them")
    for leak in report.leaks[:5]:
        emit(f"leak: {leak.files[0]} ({leak.splits[0]}) and {leak.files[1]} ({leak.splits[1]}) are the same picture")
    for problem in report.problems:
        emit(f"problem: {problem}")


def _some_of_each_kind(findings: Sequence[Finding]) -> list[Finding]:
    seen: Counter[tuple[str, str]] = Counter()
    shown = []
    for finding in findings:
        seen[finding.outcome, finding.kind] += 1
        if seen[finding.outcome, finding.kind] <= _OF_A_KIND:
            shown.append(finding)
    return shown[:_SHOWN]


def _end_of(file: str) -> str:
    return file if len(file) <= _LONGEST_FILE else f"...{file[3 - _LONGEST_FILE :]}"


def _range(summary) -> str:
    if summary.lowest is not None:
        return f"{summary.lowest:g} to {summary.highest:g} {summary.task.unit}".strip()
    counts = [f"{name} {count:,}" for name, count in summary.class_counts.items()]
    return _listed(counts or summary.task.classes, 5)


def _listed(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} classes)" if len(names) > most else "")
