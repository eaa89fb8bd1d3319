"""The outcome of a race in one sentence, made from the numbers of its table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from mtl_core.language import mark, tr
from ui.compare.race_entries import Entry
from ui.compare.race_table import LEAST_SEEDS, constants_of, no_better, seeds_of, stars
from ui.shell import words


def outcome(entries: list[Entry], table: pd.DataFrame, better: dict[str, bool]) -> str:
    """Which method has the best value of which task on val, and whether that proves anything.

    Args:
        table, better: as from ``race_table.results_of``.
    """
    columns = [column for column in better if column.endswith(" val")]
    finished = [number for number, entry in enumerate(entries) if str(entry.run.status) == "finished"]
    if len(finished) < 2 or not columns:
        return tr(
            "{finished} of {entries} {entries:run|runs} {finished:has|have} finished: there is nothing to compare.",
            finished=len(finished),
            entries=len(entries),
        )
    enough = seeds_of(entries) >= LEAST_SEEDS
    constants = constants_of(entries)
    won: dict[str, list[str]] = {}
    open_tasks, unlearnt = [], []
    for column in columns:
        task = column.rsplit(" ", 3)[0]
        values = table[column].iloc[finished].dropna()
        best = (values.max() if better[column] else values.min()) if len(values) else math.nan
        constant = constants.get(column)
        if math.isnan(best) or (constant is not None and no_better(best, constant, better[column])):
            unlearnt.append(task)
            continue
        if enough:
            marked = stars(table, column, better[column], entries, constant)
            methods = {entry.run.config.balancing.name: entry.method for entry, star in zip(entries, marked, strict=True) if star}
            names = list(methods.values())[:1]
        else:
            names = [entries[number].method for number in finished if table[column].iloc[number] == best]
        if len(names) == 1:
            won.setdefault(names[0], []).append(task)
        else:
            open_tasks.append(task)
    return _sentence(won, open_tasks, unlearnt, len(columns), enough)


def _sentence(won: dict[str, list[str]], open_tasks: list[str], unlearnt: list[str], tasks: int, enough: bool) -> str:
    ahead = mark("**{method}** is clearly ahead in {among}") if enough else mark("**{method}** has the best value on val in {among}")
    order = sorted(won.items(), key=lambda each: -len(each[1]))
    said = [tr(ahead, method=words.plain(method), among=_among(names, tasks)) for method, names in order]
    if open_tasks:
        nobody = mark("no method is clearly ahead in {listed}") if enough else mark("no method is alone at the top in {listed}")
        said.append(tr(nobody, listed=_listed(open_tasks)))
    if unlearnt:
        said.append(tr("no method has learnt {listed} (no better than a constant prediction)", listed=_listed(unlearnt)))
    sentence = tr("; ").join(said)
    proof = (
        ""
        if enough
        else tr(
            " With fewer than {least_seeds} seeds of each method this proves nothing: another seed may reverse the order.", least_seeds=LEAST_SEEDS
        )
    )
    return tr("{sentence}.{proof}", sentence=words.capitalised(sentence), proof=proof)


def _among(names: Sequence[str], tasks: int) -> str:
    return (
        tr("{listed} ({names} of {tasks} tasks)", listed=_listed(names), names=len(names), tasks=tasks)
        if len(names) < tasks or tasks == 1
        else tr("all {tasks} tasks", tasks=tasks)
    )


def _listed(names: Sequence[str]) -> str:
    plain = [words.plain(name) for name in names]
    return plain[0] if len(plain) == 1 else tr("{names} and {last}", names=tr(", ").join(plain[:-1]), last=plain[-1])
