"""``data check``, ``data import``, ``data show`` and ``data delete``: a user's own pictures from the command line."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mtl_core.cli.output import JSON, emit, emit_json, emit_table, json_refusals

if TYPE_CHECKING:
    from mtl_core.data.imports.proposal import Proposal
    from mtl_core.data.imports.questions import Question
    from mtl_core.data.imports.report import Finding
    from mtl_core.data.imports.spec import ImportSpec

SPEC = click.option("--spec", "spec_file", metavar="FILE.yaml", help="How to read it; else dataset.yaml beside the data, or what it looks like.")
ANSWER = click.option("--answer", "answers", multiple=True, metavar="QUESTION=READING", help="Answer a question that 'data check' asks; repeatable.")
_SHOWN = 25  # findings printed; --csv and --json have all
_OF_A_KIND = 5  # of them, at most, so that many alike do not hide the others
_LONGEST_FILE, _LONGEST_WHY = 50, 110  # characters
MOST_CLASSES = 12  # in a list


def _looked_at(path: str, spec_file: str | None, answers: Sequence[str]) -> tuple[ImportSpec, Proposal | None, list[Question]]:
    """How the path is read, what the look found (None with a description of one's own), and the questions that are still open."""
    from mtl_core.data.imports import ImportSpec, answer, propose
    from mtl_core.errors import ConfigError
    from mtl_core.registry import unknown_name

    if spec_file:
        if answers:
            raise click.UsageError("--answer belongs to questions of a first look; with --spec, write the answer into the description")
        return ImportSpec.from_file(spec_file), None, []
    proposal = propose(path)
    spec, asked = proposal.spec, {question.name: question for question in proposal.questions}
    given: dict[str, str] = {}
    for text in answers:
        name, separator, reading = text.partition("=")
        if not separator:
            raise ConfigError(f"--answer '{text}' is not of the form QUESTION=READING")
        if name not in asked:
            raise ConfigError(f"--answer: {unknown_name('question', name, asked)}")
        given[name] = reading
    for name, reading in given.items():
        spec = answer(spec, asked[name], reading)
    return spec, proposal, [question for question in proposal.questions if question.name not in given]


def _emit_look(proposal: Proposal, open_questions: Sequence[Question]) -> None:
    """Notes, files that are not read with the reason, and the open questions."""
    for note in proposal.notes:
        emit(note)
    for file in proposal.files:
        if not file.read:
            count = f" ({file.count:,} files)" if file.count > 1 else ""
            emit(f"not read: {file.files}{count}: {file.reason}")
    _emit_questions(open_questions)


def _emit_questions(questions: Sequence[Question]) -> None:
    for question in questions:
        emit(f"\nquestion {question.name}: {question.text}")
        if question.evidence:
            emit(textwrap.fill(question.evidence, 140, initial_indent="  ", subsequent_indent="  "))
        for reading in question.readings:
            taken = " (taken until you answer)" if reading.name == question.taken else ""
            emit(f"  --answer {question.name}={reading.name}   {reading.title}{taken}")


def _progress(share: float, what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{share:4.0%}  {what[:70]:70}", nl=share >= 1, err=True)


@click.command("check")
@click.argument("path")
@SPEC
@ANSWER
@click.option("--csv", "as_csv", is_flag=True, help="Print every finding as CSV.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print only how it would be read, to save, correct and give to --spec.")
@JSON
def check_data(path: str, spec_file: str | None, answers: tuple[str, ...], as_csv: bool, as_yaml: bool, as_json: bool) -> int:
    """Say what the folder or zip PATH holds: tasks, splits, and what is usable, repaired or skipped. Writes nothing.

    Where the files can be read in more than one way it asks, and reads them as it says until --answer or a description says otherwise.

    Exit code: 0 it can be imported (once its questions are answered), 1 it cannot, 2 it cannot be read at all.
    """
    from mtl_core.data.imports import check

    with json_refusals(as_json):
        spec, proposal, open_questions = _looked_at(path, spec_file, answers)
        if as_yaml:
            emit(spec.to_yaml())
            return 0
        report = check(path, spec, _progress)
    if as_csv:
        emit(report.to_csv())
    elif as_json:
        look = {"notes": list(proposal.notes), "files": [asdict(file) for file in proposal.files]} if proposal else {"notes": [], "files": []}
        emit_json({**look, "questions": [question.to_dict() for question in open_questions], "spec": spec.to_dict(), **report.to_dict()})
    else:
        if proposal:
            _emit_look(proposal, open_questions)
        _emit_report(report)
    return 1 if report.problems else 0


@click.command("import")
@click.argument("path")
@click.option("--name", required=True, help="Name of the set: a-z, 0-9, '-' and '_'.")
@SPEC
@ANSWER
@click.option("--accept", is_flag=True, help="Take the first look's reading wherever it asks and one reading is likelier.")
@JSON
def import_data(path: str, name: str, spec_file: str | None, answers: tuple[str, ...], accept: bool, as_json: bool) -> None:
    """Prepare the folder or zip PATH as the data set NAME, for 'data: {name: imported, set: NAME}' in a config.

    Where the files can be read in more than one way, nothing is imported before each question is answered: by --answer, --accept or a description.
    """
    from mtl_core.data.imports import examine, import_dataset, name_problem
    from mtl_core.errors import DataError

    with json_refusals(as_json):
        problem = name_problem(name)
        if problem:
            raise DataError(problem)
        spec, proposal, open_questions = _looked_at(path, spec_file, answers)
        unanswered = [question for question in open_questions if not (accept and question.taken)]
        if unanswered:
            _emit_unanswered(unanswered, as_json)
            listed = "; ".join(f"{question.text} (--answer {question.name}={_listed_readings(question)})" for question in unanswered)
            raise DataError(f"nothing is imported, because the files can be read in more than one way. {listed}")
        examined = examine(path, spec, lambda share, what: _progress(share / 2, what))
        made = import_dataset(path, spec, name, checked=examined, progress=_progress)
    if as_json:
        emit_json(made.to_dict())
        return
    for question in open_questions:
        emit(f"taken: {question.text} {question.reading(question.taken).title}")
    if proposal:
        _emit_look(proposal, ())
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


def _listed_readings(question: Question) -> str:
    return " or ".join(reading.name for reading in question.readings)


def _emit_unanswered(questions: Sequence[Question], as_json: bool) -> None:
    if not as_json:
        _emit_questions(questions)
        emit("")


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
