"""Summary of the conflict between tasks, from a run's recorded cosines (``mtl_core.training.conflict_probe``), in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mtl_core.analysis.part_words import part_words
from mtl_core.analysis.scalar_rows import ScalarRows, Table, scalar_rows
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


def blocks(frame: Table) -> list[str]:
    """The measured parts of the network: the whole shared network first, then its blocks."""
    keys = [key for key in scalar_rows(frame).keys if key.startswith("conflict/")]
    return [WHOLE, *sorted({key.split("/", 3)[3] for key in keys if key.count("/") >= 3})] if len(keys) else []


def why_none(config: RunConfig, info: dict[str, Any], frame: Table) -> str:
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


def why_no_norms(config: RunConfig, info: dict[str, Any], frame: Table) -> str:
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


def _has_trained(frame: Table) -> bool:
    """Whether the curves have a point after a training step."""
    return scalar_rows(frame).count("optimizer/loss") > 0


def measured_steps(frame: Table, block: str = WHOLE) -> list[int]:
    """Steps at which cosines of this block were recorded, in order."""
    rows = scalar_rows(frame)
    return sorted({step for key in rows.keys if _is_of(key, block) for step in rows.of(key)["step"].astype(int).tolist()})


def cosines_at(frame: Table, tasks: list[str], step: int, block: str = WHOLE) -> np.ndarray:
    """(T, T) cosines between the tasks' gradients as recorded at ``step``; 1 on the diagonal, NaN where a pair was not measured."""
    matrix = np.full((len(tasks), len(tasks)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    for one, other in combinations(range(len(tasks)), 2):
        rows = scalar_rows(frame).of(_key(tasks[one], tasks[other], block))
        for value in rows["value"][rows["step"] == step]:
            matrix[one, other] = matrix[other, one] = value
    return matrix


def mean_cosines_at(frame: Table, tasks: list[str], step: int, blocks: list[str]) -> np.ndarray:
    """``cosines_at`` averaged over blocks; a pair's mean is over the blocks on which it was measured."""
    found = np.stack([cosines_at(frame, tasks, step, block) for block in blocks])
    counts = np.isfinite(found).sum(axis=0)
    return np.where(counts > 0, np.nansum(found, axis=0) / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True)
class Pair:
    """Two tasks over the run so far and the whole shared network.

    Attributes:
        cosine: the mean. share: of the steps with a negative cosine; NaN where it was not recorded. points: recorded ones.
    """

    one: str
    other: str
    cosine: float
    share: float
    points: int


def pairs(frame: Table, tasks: list[str]) -> list[Pair]:
    """The pairs of tasks whose cosine was measured, in the order of the tasks."""
    return list(scalar_rows(frame).ask(_measured_pairs, *tasks))


def _measured_pairs(rows: ScalarRows, *tasks: str) -> list[Pair]:
    found = []
    for one, other in combinations(tasks, 2):
        cosines, shares = _values_of(rows, _key(one, other, WHOLE)), _values_of(rows, f"conflict_share/{one}/{other}")
        if len(cosines):
            found.append(Pair(one, other, float(cosines.mean()), float(shares.mean()) if len(shares) else np.nan, len(cosines)))
    return found


def reading(frame: Table, tasks: list[str]) -> list[str]:
    """Sentences on the cosines, the strongest conflict first; empty before the first measurement."""
    found = pairs(frame, tasks)
    if not found:
        return []
    if (points := max(pair.points for pair in found)) < ENOUGH:
        return [tr("It was measured only {points:once|twice}, which is too little for a conclusion.", points=points)]
    order = [found[place] for place in np.argsort([pair.cosine for pair in found])]
    told = [*(pair for pair in order if pair.cosine < -SEEN), *(pair for pair in order[::-1] if pair.cosine > SEEN)]
    sentences = [tr(_relation(pair.cosine), one=pair.one, other=pair.other, cosine=pair.cosine, share=share_in_words(pair.share)) for pair in told]
    rest = len(found) - len(told)
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


def meaning(frame: Table, tasks: list[str]) -> str:
    """What the measurements so far mean for this run, in one sentence on the pair that is most against each other; empty without any.

    A pair is in conflict if the whole interval of its share lies above one half, and it is not if the whole interval lies below.
    """
    found = [pair for pair in pairs(frame, tasks) if not np.isnan(pair.share)]
    if not found:
        return ""
    worst = max(found, key=_severity)
    low, high = share_interval(worst.share, worst.points)
    told = {"one": worst.one, "other": worst.other, "share": share_in_words(worst.share), "points": worst.points}
    if told["points"] == 1:
        sign = {
            0.0: mark("{one} and {other} are above 0 at the only measurement"),
            1.0: mark("{one} and {other} are below 0 at the only measurement"),
        }
        measured = tr(sign.get(worst.share, mark("{one} and {other} are below 0 in {share} of the steps of the only measurement")), **told)
    else:
        measured = tr(
            "{one} and {other} are below 0 in {share} of {points:,} measurements (95 % interval {low:.0%} to {high:.0%}, measurements taken as "
            "independent)",
            **told,
            low=low,
            high=high,
        )
    if low > 0.5 and worst.cosine >= -SEEN:  # as often as that also where the angles are hardly more than right ones
        hardly = mark("Tasks hardly work against each other in this run: {measured}, with a mean cosine of {cosine:+.2f}.")
        return tr(hardly, measured=measured, cosine=worst.cosine)
    if low > 0.5:
        return tr("Tasks work against each other in this run: {measured}. A method against conflict can make a difference here.", measured=measured)
    if all(share_interval(pair.share, pair.points)[1] < 0.5 for pair in found):
        return tr("No two tasks are in conflict in most measurements of this run; the most frequent: {measured}.", measured=measured)
    return tr("It is open whether tasks are in conflict in this run: {measured}.", measured=measured)


def _severity(pair: Pair) -> tuple[bool, bool, float, float]:
    """Orders pairs by how much they are against each other: conflict at angles that count, conflict, the share below 0, then the cosine.

    A pair that is in conflict at angles that count comes before one that is below 0 more often, but hardly.
    """
    fights = share_interval(pair.share, pair.points)[0] > 0.5
    return fights and pair.cosine < -SEEN, fights, pair.share, -pair.cosine


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


def _is_of(key: str, block: str) -> bool:
    """Whether a key is of cosines in this block."""
    if block == WHOLE:
        return key.startswith("conflict/") and key.count("/") == 2
    # Compared with both tasks' names, because a pair whose second task is named like a block has no block.
    return key.startswith("conflict/") and key.endswith(f"/{block}") and key.count("/") == 3 + block.count("/")


def _values_of(rows: ScalarRows, key: str) -> np.ndarray:
    """The values of a key in their order, the newest of each step, without NaN."""
    found = rows.of(key)["value"].astype(float)
    return found[~np.isnan(found)]
