"""``data check``, ``data import``, ``data show``, ``data send`` and ``data delete``: import of a user's own pictures on the command line."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from mtl_core.cli.output import JSON, complain, emit, emit_data, emit_json, emit_sent, emit_table, json_refusals, say
from mtl_core.language import filled
from mtl_core.machine.standard_streams import LossyStream
from mtl_core.terminal_text import visible

if TYPE_CHECKING:
    from mtl_core.data.imports.checking.check_report import Finding
    from mtl_core.data.imports.checking.finding_kinds import Group
    from mtl_core.data.imports.checking.scan import Examined
    from mtl_core.data.imports.looking.proposal import Proposal
    from mtl_core.data.imports.looking.questions import Question
    from mtl_core.data.imports.spec import ImportSpec

SPEC = click.option(
    "--spec", "spec_file", metavar="FILE.yaml", help="Description of the data; without it, dataset.yaml beside the data, else a guess."
)
ANSWER = click.option("--answer", "answers", multiple=True, metavar="QUESTION=READING", help="Answer a question that 'data check' asks; repeatable.")
_SHOWN = 25  # findings printed; --csv and --json have all
_OF_A_KIND = 5  # printed findings of one kind, at most, so that they do not hide the others
_LONGEST_FILE, _LONGEST_WHY = 50, 110  # characters
# Findings that are skipped, but no images -> what the line above the findings says, so that it counts every row below it.
_ALSO_SKIPPED: dict[Group, str] = {"file": "{n:,} {n:file|files} not read", "target": "{n:,} {n:target or row|targets or rows} skipped"}
MOST_CLASSES = 12  # in a list


@dataclass
class _Look:
    """The description with which a path is read.

    Attributes:
        spec: the description, with the given answers. proposal: None if the user gave a description.
        open: unanswered questions of the first look. later: answers to questions that only the check of every file can ask.
    """

    spec: ImportSpec
    proposal: Proposal | None = None
    open: list[Question] = field(default_factory=list)
    later: dict[str, str] = field(default_factory=dict)


def _look_at(path: str, spec_file: str | None, answers: Sequence[str]) -> _Look:
    """The user's description, or a proposal with the answers applied."""
    from mtl_core.data.imports import ImportSpec, answer, propose
    from mtl_core.errors import ConfigError

    if spec_file:
        if answers:
            raise click.UsageError("--answer belongs to questions of a first look; with --spec, write the answer into the description")
        return _Look(ImportSpec.from_file(spec_file))
    proposal = propose(path, say, _progress)
    look = _Look(proposal.spec, proposal)
    asked, given = {question.name: question for question in proposal.questions}, {}
    for text in answers:
        name, separator, reading = text.partition("=")
        if not separator:
            raise ConfigError(f"--answer '{text}' is not of the form QUESTION=READING")
        given[name] = reading
    for name, reading in given.items():
        if name in asked:
            look.spec = answer(look.spec, asked[name], reading)
        else:
            look.later[name] = reading
    look.open = [question for question in proposal.questions if question.name not in given]
    return look


def _examine(path: str, look: _Look, share: float) -> Examined:
    """Read every file once; twice if an answer belongs to a question of this check. Writes the answers into ``look.spec``."""
    from mtl_core.data.imports import answer, examine
    from mtl_core.errors import ConfigError
    from mtl_core.registry import unknown_name

    def progress(done: float, what: str) -> None:
        _progress(share * done, what)

    examined = examine(path, look.spec, progress)
    if not look.later:
        return examined
    asked = {question.name: question for question in examined.report.questions}
    for name, reading in look.later.items():
        if name not in asked:
            every = [*(question.name for question in look.proposal.questions), *asked] if look.proposal else list(asked)
            raise ConfigError(f"--answer: {unknown_name('question', name, every)}")
        look.spec = answer(look.spec, asked[name], reading)
    return examine(path, look.spec, progress)


def _emit_look(proposal: Proposal, open_questions: Sequence[Question]) -> None:
    """Print notes, files that are not read with the reason, and the open questions."""
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
            taken = " (used until you answer)" if reading.name == question.taken else ""
            emit(f"  --answer {question.name}={reading.name}   {reading.title}{taken}")


def _progress(share: float, what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{share:4.0%}  {visible(what[:70], one_line=True):70}", nl=share >= 1, file=LossyStream(sys.stderr))  # type: ignore[arg-type]


@click.command("check")
@click.argument("path")
@SPEC
@ANSWER
@click.option("--csv", "as_csv", is_flag=True, help="Print every finding as CSV.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print only the description, to save, correct and give to --spec.")
@JSON
def check_data(path: str, spec_file: str | None, answers: tuple[str, ...], as_csv: bool, as_yaml: bool, as_json: bool) -> int:
    """Print the contents of the folder or zip PATH: tasks, splits, and usable, repaired and skipped images. Writes nothing.

    If the files can be read in more than one way, the command asks, and uses the marked reading until --answer or a description decides.

    Exit code: 0 it can be imported (after its questions are answered), 1 it cannot be imported, 2 it cannot be read at all.
    """
    with json_refusals(as_json):
        look = _look_at(path, spec_file, answers)
        report = None if as_yaml and not look.later else _examine(path, look, 1.0).report
        if as_yaml or report is None:
            emit_data(look.spec.to_yaml())
            return 0
        proposal, open_questions = look.proposal, [*look.open, *report.questions]
    if as_csv:
        emit_data(report.to_csv())
    elif as_json:
        said = {"notes": list(proposal.notes), "files": [asdict(file) for file in proposal.files]} if proposal else {"notes": [], "files": []}
        emit_json({**said, "questions": [question.to_dict() for question in open_questions], "spec": look.spec.to_dict(), **report.to_dict()})
    else:
        if proposal:
            _emit_look(proposal, look.open)
        _emit_report(report)
        _emit_questions(report.questions)
    return 1 if report.problems else 0


@click.command("import")
@click.argument("path")
@click.option("--name", required=True, help="Name of the set: a-z, 0-9, '-' and '_'.")
@SPEC
@ANSWER
@click.option("--accept", is_flag=True, help="Answer every question that has a likelier reading with that reading.")
@JSON
def import_data(path: str, name: str, spec_file: str | None, answers: tuple[str, ...], accept: bool, as_json: bool) -> None:
    """Prepare the folder or zip PATH as the data set NAME, for 'data: {name: imported, set: NAME}' in a config.

    If the files can be read in more than one way, each question needs an answer first: by --answer, --accept or a description.
    """
    from mtl_core.data.imports import import_dataset, name_problem
    from mtl_core.data.imports.import_library import shared_library
    from mtl_core.data.imports.imported_config import config_of_set
    from mtl_core.errors import DataError
    from mtl_core.registry import unknown_name

    with json_refusals(as_json):
        share_sets()
        problem = name_problem(name)
        if problem:
            raise DataError(problem)
        look = _look_at(path, spec_file, answers)
        unanswered = [question for question in look.open if not (accept and question.taken)]
        unknown = f". --answer: {unknown_name('question', next(iter(look.later)), [one.name for one in unanswered])}" if look.later else ""
        _refuse_unanswered(unanswered, as_json, unknown)
        examined = _examine(path, look, 0.5)
        _refuse_unanswered(examined.report.questions, as_json)
        made = import_dataset(path, look.spec, name, checked=examined, progress=_progress)
    if as_json:
        emit_json(made.to_dict())
        return
    for question in look.open:
        emit(f"taken: {question.text} {question.reading(question.taken).title}")
    if look.proposal:
        _emit_look(look.proposal, ())
    _emit_report(examined.report)
    emit(f"\nImported as '{name}'. A config that trains on it, to be saved as {name}.yaml and started with  python -m mtl_core train {name}.yaml\n")
    emit(config_of_set(name, made.split_sizes["train"]))
    if (shared := shared_library()) and (problem := shared.problems.get(name)):
        complain(f"'{name}' is on this machine alone: {problem}")


def share_sets() -> None:
    """Where the store has an object store, see the data sets of all machines, and send what is imported here."""
    from mtl_core.settings import artifacts_url

    if artifacts_url():
        from mtl_core.runs.store import open_store

        open_store()


@click.command("send")
def send_data() -> int:
    """Send the imported data sets that this machine has and the object store (MTL_ARTIFACTS_URL) has not.

    An import does this by itself, and so does a run that is queued. Exit code: 0 everything is sent, 1 something stays here."""
    from mtl_core.errors import NotPossibleError
    from mtl_core.runs.objects.object_artifacts import ObjectArtifacts
    from mtl_core.runs.store import open_store

    artifacts = open_store().artifacts
    if not isinstance(artifacts, ObjectArtifacts):
        raise NotPossibleError("this store's data sets have no object store; set MTL_ARTIFACTS_URL to its address")
    artifacts.sets.mark_all()
    found = artifacts.sets.send_waiting(is_asked=True, progress=_progress)
    return emit_sent(found, "sent to the object store: {sent} of {count} data sets that waited here")


@click.command("show")
@click.argument("name")
@JSON
def show_data(name: str, as_json: bool) -> None:
    """Tasks, splits and description of the imported data set NAME."""
    from mtl_core.data.imports import get_imported

    with json_refusals(as_json):
        share_sets()
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
@click.option("--even-if-needed", is_flag=True, help="Delete it although runs wait for it. They fail then.")
def delete_data(name: str, yes: bool, even_if_needed: bool) -> None:
    """Delete the imported data set NAME from the store. The original files stay.

    The command refuses while runs are queued or train on it, or a study will still make some."""
    from mtl_core.data.imports import get_imported
    from mtl_core.runs.sets.needed_sets import delete_set, refuse_if_needed
    from mtl_core.runs.store import open_store
    from mtl_core.studies.weight_search import searches_on

    store = open_store()
    get_imported(name)
    studies = searches_on(store, name)
    if not even_if_needed:
        refuse_if_needed(store, name, studies)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("'delete' asks for confirmation, and standard input is no terminal; add --yes")
    if not yes:
        click.confirm(f"Delete the imported data set '{name}'? Runs that used it can no longer be resumed", abort=True, err=True)
    delete_set(store, name, studies, even_if_needed)
    emit(f"deleted '{name}'")


def _listed_readings(question: Question) -> str:
    return " or ".join(reading.name for reading in question.readings)


def _refuse_unanswered(questions: Sequence[Question], as_json: bool, also: str = "") -> None:
    """Raise DataError with the questions, if there are any. ``also``: text after them."""
    from mtl_core.errors import DataError

    if not questions:
        return
    if not as_json:
        _emit_questions(questions)
        emit("")
    listed = "; ".join(f"{question.text} (--answer {question.name}={_listed_readings(question)})" for question in questions)
    raise DataError(f"nothing is imported, because the files can be read in more than one way. {listed}{also}")


def _emit_report(report) -> None:
    sizes = ", ".join(f"{count:,} {part}" for part, count in report.split_sizes.items())
    groups = report.groups()
    others = "".join(f"; {filled(said, n=groups[group])}" for group, said in _ALSO_SKIPPED.items() if groups[group])
    emit(f"\n{report.images:,} of {report.found:,} images usable ({sizes}); {report.repaired:,} repaired, {report.skipped:,} skipped{others}\n")
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
