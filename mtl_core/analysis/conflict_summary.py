"""Summary of the conflict between tasks, from a run's recorded cosines (``mtl_core.training.conflict_probe``), in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any, cast

import numpy as np
import pandas as pd

from mtl_core.analysis.part_words import part_words
from mtl_core.analysis.scalar_rows import scalar_rows
from mtl_core.config import RunConfig
from mtl_core.language import mark, tr
from mtl_core.scalar_words import share_in_words

WHOLE = mark("all shared layers")
STRONG = 0.2  # mean cosine from which a pair is aligned, or in conflict, without "slightly"
PLACES = {2: ("early", "late"), 3: (mark("early"), mark("middle"), mark("late"))}  # names by the number of blocks
OTHER_PARTS = mark("other parts")  # of a network: gates, reductions and the like
STEMS = ("stem", "conv1", "bn1")  # blocks that come before all numbered ones
ENOUGH = 3  # smallest number of measurements for a share in a sentence
SEEN = 0.05  # mean cosines nearer to 0 count as unrelated: gradients of single batches then point against each other in half of the steps


def blocks(frame: pd.DataFrame) -> list[str]:
    """The measured parts of the network: the whole shared network first, then its blocks."""
    keys = frame.loc[frame["key"].str.startswith("conflict/"), "key"].unique()
    return [WHOLE, *sorted({key.split("/", 3)[3] for key in keys if key.count("/") >= 3})] if len(keys) else []


def why_none(config: RunConfig, info: dict[str, Any], frame: pd.DataFrame) -> str:
    """A sentence on why no cosine was recorded: not yet, or not possible.

    Args:
        info: the run's facts (``run_info``), with its counts of trained parameters.
    """
    if config.conflict_every == 0:
        return "It was switched off (conflict_every is 0)."
    if _shares_nothing(info):
        return "The tasks share no parameters, so there is no angle to measure."
    if _is_frozen(info):
        return "The shared network is frozen: no task's gradient moves it, so there is no angle to measure."
    if not _has_trained(frame):
        return "Measured at the first step, and then at intervals."
    if config.balancing.options.get("gradients") == "features":
        return "Not measured. Runs with gradients at the features that were trained with an earlier version have no angles."
    return (
        "Not measured: at the measured steps, no two tasks had targets in the same batch, or their gradients there were zero. "
        f"It is measured at least every {config.conflict_every:,} steps."
    )


def why_no_norms(config: RunConfig, info: dict[str, Any], frame: pd.DataFrame) -> str:
    """A sentence on why no gradient norm was recorded, at the shared features, or on the shared parameters if there are no such features."""
    if not config.gradient_norms:
        return "It was switched off (gradient_norms is off)."
    if _shares_nothing(info):
        return "The tasks share no parameters, so there are no gradients on shared ones."
    if _is_frozen(info):
        return "The shared network is frozen: no task's gradient reaches it."
    if info.get("tasks_share") == "parameters":
        if config.conflict_every == 0:
            return (
                "Under this sharing scheme it is measured together with the angles, which are switched off (conflict_every is 0). "
                "Only balancing methods that compute the tasks' gradients measure it all the same."
            )
        if _has_trained(frame):
            return "Not measured: at the measured steps, no two tasks had targets in the same batch."
    return "Not measured: no task's gradient reached the shared features." if _has_trained(frame) else "Measured from the first step on."


def _shares_nothing(info: dict[str, Any]) -> bool:
    """Whether the tasks share no parameters. Runs of earlier versions record nothing here: their tasks shared a backbone."""
    return info.get("tasks_share") == "nothing"


def _is_frozen(info: dict[str, Any]) -> bool:
    return info.get("parameters", {}).get("shared") == 0


def _has_trained(frame: pd.DataFrame) -> bool:
    """Whether the curves have a point after a training step."""
    return bool((frame["key"] == "optimizer/loss").any())


def measured_steps(frame: pd.DataFrame, block: str = WHOLE) -> list[int]:
    """Steps at which cosines of this block were recorded, in order."""
    rows = frame[_is_of(frame, block)]
    return sorted(int(step) for step in rows["step"].unique())


def cosines_at(frame: pd.DataFrame, tasks: list[str], step: int, block: str = WHOLE) -> np.ndarray:
    """(T, T) cosines between the tasks' gradients as recorded at ``step``; 1 on the diagonal, NaN where a pair was not measured."""
    matrix = np.full((len(tasks), len(tasks)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    rows = frame[_is_of(frame, block) & (frame["step"] == step)]
    values = dict(zip(rows["key"], rows["value"], strict=True))
    for one, other in combinations(range(len(tasks)), 2):
        value = values.get(_key(tasks[one], tasks[other], block))
        if value is not None:
            matrix[one, other] = matrix[other, one] = value
    return matrix


def mean_cosines_at(frame: pd.DataFrame, tasks: list[str], step: int, blocks: list[str]) -> np.ndarray:
    """``cosines_at`` averaged over blocks; a pair's mean is over the blocks on which it was measured."""
    found = np.stack([cosines_at(frame, tasks, step, block) for block in blocks])
    counts = np.isfinite(found).sum(axis=0)
    return np.where(counts > 0, np.nansum(found, axis=0) / np.maximum(counts, 1), np.nan)


def pairs(frame: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """A row for each pair of tasks: ``one``, ``other``, ``cosine`` (mean over the run so far), ``share`` of the steps with a negative cosine, and
    ``points``, the number of recorded points. Over the whole shared network only."""
    keys = {(one, other): (_key(one, other, WHOLE), f"conflict_share/{one}/{other}") for one, other in combinations(tasks, 2)}
    values, found = _values_of(frame, [key for both in keys.values() for key in both]), []
    for (one, other), (cosine_key, share_key) in keys.items():
        cosines, shares = values.get(cosine_key, np.zeros(0)), values.get(share_key, np.zeros(0))
        if len(cosines):
            share = shares.mean() if len(shares) else np.nan
            found.append({"one": one, "other": other, "cosine": cosines.mean(), "share": share, "points": len(cosines)})
    return pd.DataFrame(found, columns=["one", "other", "cosine", "share", "points"])


def reading(frame: pd.DataFrame, tasks: list[str]) -> list[str]:
    """Sentences on the cosines, the strongest conflict first; empty before the first measurement."""
    table = pairs(frame, tasks)
    if table.empty:
        return []
    if table["points"].max() < ENOUGH:
        return [tr("It was measured only {points:once|twice}, which is too little for a conclusion.", points=table["points"].max())]
    order = table.sort_values("cosine")
    told = pd.concat([order[order["cosine"] < -SEEN], order[order["cosine"] > SEEN][::-1]])
    sentences = [
        tr(_relation(row.cosine), one=row.one, other=row.other, cosine=row.cosine, share=share_in_words(row.share))
        for row in cast("Iterable[Any]", told.itertuples())
    ]
    rest = len(table) - len(told)
    if rest > 1 and sentences:
        sentences.append(tr("The other {rest} pairs are unrelated (mean cosine within {bound:g} of 0).", rest=rest, bound=SEEN))
    elif rest > 1:
        sentences.append(tr("All pairs are unrelated (mean cosine within {bound:g} of 0).", bound=SEEN))
    elif rest:
        single = mark("The other pair is unrelated (mean cosine within {bound:g} of 0).")
        sentences.append(tr(single if sentences else mark("The tasks are unrelated (mean cosine within {bound:g} of 0)."), bound=SEEN))
    return sentences


def share_interval(share: float, points: int) -> tuple[float, float]:
    """95 % interval of a share of ``points`` measurements that are taken as independent (Wilson 1927): in 0..1, also for 0 and 1."""
    z = 1.96
    middle = (share + z * z / (2 * points)) / (1 + z * z / points)
    half = z / (1 + z * z / points) * np.sqrt(share * (1 - share) / points + z * z / (4 * points * points))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def meaning(frame: pd.DataFrame, tasks: list[str]) -> str:
    """What the measurements so far mean for this run, in one sentence with the share below 0 of the pair with the largest one; empty without any.

    A pair is in conflict if the whole interval of its share lies above one half, and it is not if the whole interval lies below.
    """
    table = pairs(frame, tasks).dropna(subset=["share"])
    if table.empty:
        return ""
    worst = table.iloc[int(table["share"].argmax())]
    low, high = share_interval(worst["share"], int(worst["points"]))
    told = {"one": worst["one"], "other": worst["other"], "share": share_in_words(worst["share"]), "points": int(worst["points"])}
    if told["points"] == 1:
        sign = {
            0.0: mark("{one} and {other} are above 0 at the only measurement"),
            1.0: mark("{one} and {other} are below 0 at the only measurement"),
        }
        measured = tr(sign.get(worst["share"], mark("{one} and {other} are below 0 in {share} of the steps of the only measurement")), **told)
    else:
        measured = tr(
            "{one} and {other} are below 0 in {share} of {points} measurements (95 % interval {low:.0%} to {high:.0%}, measurements taken as "
            "independent)",
            **told,
            low=low,
            high=high,
        )
    if low > 0.5:
        return tr("Tasks work against each other in this run: {measured}. A method against conflict can make a difference here.", measured=measured)
    if all(share_interval(row.share, int(row.points))[1] < 0.5 for row in cast("Iterable[Any]", table.itertuples())):
        return tr("No two tasks are in conflict in most measurements of this run; the most frequent: {measured}.", measured=measured)
    return tr("It is open whether tasks are in conflict in this run: {measured}.", measured=measured)


def _relation(cosine: float) -> str:
    """The template of a sentence on a pair with this mean cosine."""
    if abs(cosine) >= STRONG:
        return (
            mark("{one} and {other} are aligned (mean cosine {cosine:+.2f}; below 0 in {share} of the measurements).")
            if cosine > 0
            else mark("{one} and {other} are in conflict (mean cosine {cosine:+.2f}; below 0 in {share} of the measurements).")
        )
    return (
        mark("{one} and {other} are slightly aligned (mean cosine {cosine:+.2f}; below 0 in {share} of the measurements).")
        if cosine > 0
        else mark("{one} and {other} are slightly in conflict (mean cosine {cosine:+.2f}; below 0 in {share} of the measurements).")
    )


def block_titles(names: list[str]) -> dict[str, str]:
    """Titles of the ``blocks`` in the reader's language and in the network's order: the whole, then each block's place, such as ``early``.

    A block of one expert or task has its place and its owner, such as ``late, expert 2``. Other names, such as ``gate of digit``, are not changed.
    """
    parts = sorted((name for name in names if name != WHOLE), key=lambda name: _place(_in_place(name)[0]))
    places = _places_in_words(parts)
    titles = {}
    for name in parts:
        place, owner = _in_place(name)
        where = tr(places[place]) if place in places else ""
        titles[name] = (tr("{place}, {owner}", place=where, owner=part_words(owner)) if owner else where) if where else part_words(name)
    if len(set(titles.values())) < len(titles):  # two blocks would look the same
        titles = {name: name for name in parts}
    return {WHOLE: tr(WHOLE)} | titles if WHOLE in names else titles


def regions(names: list[str]) -> dict[str, list[str]]:
    """Region -> its blocks, in the network's order: all shared layers, early, middle, late, and ``other parts`` such as gates.

    The places of a network (stem, ``stages.0``, ...) are divided into thirds; with two places there is no middle. Empty regions are left out.
    """
    found: dict[str, list[str]] = {WHOLE: [WHOLE]} if WHOLE in names else {}
    parts = sorted((name for name in names if name != WHOLE), key=lambda name: _place(_in_place(name)[0]))
    order = list(dict.fromkeys(place for name in parts if _is_in_sequence(place := _in_place(name)[0])))
    for name in parts:
        place = _in_place(name)[0]
        found.setdefault(_third(order.index(place), len(order)) if place in order else OTHER_PARTS, []).append(name)
    last = found.pop(OTHER_PARTS, None)
    return found | ({OTHER_PARTS: last} if last else {})


def _third(number: int, of: int) -> str:
    if of == 2:
        return PLACES[2][number]
    return PLACES[3][min(2, 3 * number // of)] if of > 1 else PLACES[3][1]


def _places_in_words(parts: list[str]) -> dict[str, str]:
    """Place (``stages.0``) -> its words, for the places that occur in these blocks; empty if no place is in a sequence."""
    order = list(dict.fromkeys(place for name in parts if _is_in_sequence(place := _in_place(name)[0])))
    return dict(zip(order, PLACES[len(order)] if len(order) in PLACES else _numbered(order), strict=True))


def _in_place(block: str) -> tuple[str, str]:
    """``stages.1 of expert 2`` -> (``stages.1``, ``expert 2``); the owner is empty for a block of the whole network."""
    place, _, owner = block.partition(" of ")
    return (place, owner) if owner and _is_in_sequence(place) else (block, "")


def _is_in_sequence(block: str) -> bool:
    """Whether a block's name is a place in a backbone: ``stages.0`` or a stem."""
    kind, _, number = block.partition(".")
    return kind in STEMS or (kind.isidentifier() and number.isdigit())


def _place(block: str) -> tuple[int, str, int]:
    """Sort key: the stem is first; ``stages.10`` comes after ``stages.2``."""
    kind, _, number = block.partition(".")
    return (0 if kind in STEMS else 1, kind, int(number) if number.isdigit() else 0)


def _numbered(blocks: list[str]) -> list[str]:
    """``stages.0`` -> ``stage 1``. Counts within each kind, because the numbers between belong to layers without parameters."""
    kinds = [block.partition(".")[0] for block in blocks]
    words = [kind.removesuffix("s").replace("_", " ") for kind in kinds]
    return [
        f"{word} {kinds[: place + 1].count(kind)}" if kinds.count(kind) > 1 else word
        for place, (word, kind) in enumerate(zip(words, kinds, strict=True))
    ]


def _key(one: str, other: str, block: str) -> str:
    return f"conflict/{one}/{other}" + ("" if block == WHOLE else f"/{block}")


def _is_of(frame: pd.DataFrame, block: str) -> pd.Series:
    keys = frame["key"]
    if block == WHOLE:
        return keys.str.startswith("conflict/") & (keys.str.count("/") == 2)
    # Compared with both tasks' names, because a pair whose second task is named like a block has no block.
    return keys.str.startswith("conflict/") & keys.str.endswith(f"/{block}") & (keys.str.count("/") == 3 + block.count("/"))


def _values_of(frame: pd.DataFrame, keys: list[str]) -> dict[str, np.ndarray]:
    """Key -> its values in their order, the newest of each step, without NaN."""
    rows = scalar_rows(frame)
    found = {key: rows.of(key)["value"].astype(float) for key in keys if key in rows.places}
    return {key: each[~np.isnan(each)] for key, each in found.items()}
