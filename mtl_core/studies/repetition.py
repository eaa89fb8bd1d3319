"""A study that is run again: new runs of the same cells and seeds, and what came out differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.language import mark, tr
from mtl_core.runs.actions import LONGEST_TITLE
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies import study_actions
from mtl_core.studies.answer import Answer, answer_of
from mtl_core.studies.study import Study

FACTS = {"device_name": mark("device"), "precision": mark("precision"), "layout": mark("memory layout")}  # of a run's info; its versions are added


@dataclass(frozen=True)
class RepeatedValue:
    """The chosen value of a task's main metric on val in one run, before and again, in the metric's unit."""

    cell: str
    seed: int
    task: str
    metric: str
    before: float
    again: float

    @property
    def is_same(self) -> bool:
        """Whether both are equal in every bit."""
        return self.before == self.again

    @property
    def difference(self) -> float:
        """The later value minus the earlier one."""
        return self.again - self.before

    @property
    def difference_text(self) -> str:
        """``identical``, or the difference with its sign."""
        return tr("identical") if self.is_same else f"{self.difference:+.3g}"


@dataclass(frozen=True)
class Repetition:
    """What came out of a study that was run again.

    Attributes:
        original: id of the study that was repeated.
        values: of every run that has finished in both studies.
        missing: number of the original's finished runs that have not finished again.
        facts: what differs between the machines, such as a version -> (before, again).
    """

    original: str
    values: tuple[RepeatedValue, ...]
    missing: int
    facts: dict[str, tuple[str, str]]

    def in_words(self) -> str:
        """The result as one or two sentences."""
        if not self.values:
            return tr("No run of {original} has finished again so far.", original=self.original)
        changed = [value for value in self.values if not value.is_same]
        runs, values = len({(value.cell, value.seed) for value in self.values}), len(self.values)
        again = tr("1 run has finished again") if runs == 1 else tr("{runs} runs have finished again", runs=runs)
        if not changed:
            said = tr("{again}: all {values} values are identical to those of {original}.", again=again, values=values, original=self.original)
        else:
            said = tr(
                "{again}: {changed} of {values} {values:value|values} {changed:differs|differ} from those of {original}.",
                again=again,
                changed=len(changed),
                values=values,
                original=self.original,
            )
        if self.facts:
            facts = [tr("{name} {now} (was {before})", name=tr(name), now=now, before=before) for name, (before, now) in self.facts.items()]
            said += tr(" Other than before: {facts}.", facts=tr("; ").join(facts))
        elif changed:
            said += tr(" Device, precision, memory layout and versions are the same as before.")
        return said

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        values = [{**vars(value), "is_same": value.is_same, "difference": value.difference} for value in self.values]
        return {
            "original": self.original,
            "missing": self.missing,
            "facts": {name: list(pair) for name, pair in self.facts.items()},
            "values": values,
        }


def repeat(store: RunStore, study_id: str, request_id: str | None = None) -> Study:
    """Make a study that trains all cells and seeds of another one anew; no existing run is taken. Nothing is queued: see ``study_actions.start``.

    Precision and memory layout are those that the other study has settled, so that a difference has another cause.

    Args:
        request_id: a second call with the same id returns the study of the first.

    Raises:
        NotPossibleError: no run of the study has finished, so there is nothing to compare with.
        StoreError: there is no such study.
    """
    study = study_actions.get(store, study_id)
    if all(run.status != RunStatus.FINISHED for run in study_actions.runs_of(store, study).values()):
        raise NotPossibleError(f"no run of {study.id} has finished, so there is nothing to compare a repetition with")
    settled = {key: getattr(study, key) or getattr(study.base, key) for key in ("precision", "layout")}
    settings = {**study.settings.model_dump(mode="json"), "repeats": study.id}
    title = f"Again: {study.title}"[:LONGEST_TITLE]
    return study_actions.create(
        store, study_actions.draft(study.kind, study.base.model_copy(update=settled), settings, study.seeds, title), request_id
    )


def repetition_of(store: RunStore, again: Answer) -> Repetition | None:
    """What came out differently; None if the study repeats no other one.

    Args:
        again: the answer of the study that may repeat another one.

    Raises:
        StoreError: the other study was deleted.
    """
    repeats = again.study.settings.repeats
    if not repeats:
        return None
    try:
        original = study_actions.get(store, repeats)
    except StoreError as error:
        raise StoreError(f"{repeats}, which this study repeats, was deleted, so nothing can be compared") from error
    before = answer_of(store, original)
    labels = {cell.key: cell.label for cell in original.cells}
    values = [
        RepeatedValue(labels[cell], seed, task, before.metrics[task].title, value, again.spreads[cell][task].values[seed])
        for cell, spreads in before.spreads.items()
        for task, spread in spreads.items()
        for seed, value in sorted(spread.values.items())
        if seed in _values(again, cell, task)
    ]
    finished = [{place for place, status in one.statuses.items() if status == RunStatus.FINISHED} for one in (before, again)]
    return Repetition(original.id, tuple(values), len(finished[0] - finished[1]), _facts(store, before, again, finished[0] & finished[1]))


def _values(answer: Answer, cell: str, task: str) -> Mapping[int, float]:
    spread = answer.spreads.get(cell, {}).get(task)
    return spread.values if spread else {}


def _facts(store: RunStore, before: Answer, again: Answer, both: set[tuple[str, int]]) -> dict[str, tuple[str, str]]:
    """What differs between the first run that both have."""
    if not both:
        return {}
    place = min(both)
    known = [_facts_of(store.get(one.run_ids[place]).info) for one in (before, again)]
    names = dict.fromkeys([*known[0], *known[1]])
    pairs = {name: (known[0].get(name, "unknown"), known[1].get(name, "unknown")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _facts_of(info: Mapping[str, Any]) -> dict[str, str]:
    versions = {str(name): str(version) for name, version in info.get("versions", {}).items()}
    return {title: str(info.get(key, "unknown")) for key, title in FACTS.items()} | versions
