"""Guesses of depth maps: their pictures, their possible units, and the numbers that mean "not measured"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.set_aside import ask_what, is_depth, of_pair, outside, set_aside
from mtl_core.data.imports.looking.dense_sizes import ask_size
from mtl_core.data.imports.looking.number_maps import is_map, read_map
from mtl_core.data.imports.looking.pairing import Pair, pairs_in
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, is_picture
from mtl_core.data.imports.tree import UnreadableError

_LOOKED_AT = 24
_INVERSE = re.compile(r"dispar|(?<![a-z])disp|inverse|(?<![a-z])inv(?![a-z])")
_KITTI = re.compile(r"proj_depth|velodyne|groundtruth|kitti")
_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class _Numbers:
    """Statistics of the numbers in some of the maps."""

    values: list[np.ndarray] = field(default_factory=list)
    zero: float = 0.0
    top: float = 0.0  # share of the pixels with the largest number of the type
    negative: float = 0.0
    pixels: int = 0
    whole: bool = True
    eight: bool = True

    def known(self) -> np.ndarray:
        """Numbers above 0 without sentinels."""
        every = np.concatenate(self.values) if self.values else np.zeros(0)
        return every[np.isfinite(every) & (every > 0) & ~((every == 65535) & self.whole)]


def guesses(context: Context) -> list[Guess]:
    """Guesses for all sources of depth maps."""
    pictures = {picture for pair in pairs_in(context.tree) for _, picture in pair.pairs}
    found = []
    for pair in pairs_in(context.tree):
        if not is_depth(pair):
            continue
        if not pair.certain:
            _in_doubt(context, pair, pictures)
            continue
        numbers = _looked_at(context, pair)
        if not numbers.known().size:
            set_aside(context, pair, pictures, "seen, not understood: maps of numbers of which none is above 0")
            continue
        found.append(_guess(context, pair, numbers, pictures))
    return found


def _in_doubt(context: Context, pair: Pair, pictures: set[str]) -> None:
    """Note that maps may be depth, but neither names nor pixels show of which picture."""
    if all(is_picture(file) for file, _ in pair.pairs):
        ask_what(context, pair, pictures)
        return
    example = pair.pairs[0]
    reason = f"seen, not understood: '{example[0]}' could be the depth of '{example[1]}' or of another picture of this name; a source 'depth' in a "
    context.not_understood(pair.files.words(), f"{reason}description says which, or folders for each", len(pair.pairs))


def _looked_at(context: Context, pair: Pair) -> _Numbers:
    found = _Numbers()
    files = [file for file, _ in pair.pairs]
    for name in files[:: max(1, len(files) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            values = read_map(context.tree.read(name, MOST_BYTES), name)
        except UnreadableError:
            continue
        found.pixels += values.size
        found.zero += float((values == 0).sum())
        found.top += float((values == 65535).sum())
        found.negative += float((values < 0).sum())
        finite = values[np.isfinite(values)]
        found.whole = found.whole and not (finite % 1).any()
        found.eight = found.eight and (not finite.size or finite.max() <= 255)
        found.values.append(values.reshape(-1)[:: max(1, values.size // 20_000)])
    kinds = {content.kind for content in pair.contents.values()}
    modes = {content.mode for content in pair.contents.values()}
    found.eight = found.eight and found.whole and (kinds <= {"grey", "index", "soft"}) and modes <= {"L", "RGB", "P", "RGBA", "LA", "1"}
    return found


def _guess(context: Context, pair: Pair, numbers: _Numbers, pictures: set[str]) -> Guess:
    known = numbers.known()
    name = pair.files.words().lower()
    readings = _readings(numbers, bool(_INVERSE.search(name)))
    taken = _most_likely(readings, known, numbers, name)
    options: dict = of_pair(pair) | {"task": "depth"}
    options |= dict(next(reading for reading in readings if reading.name == taken).changes)
    questions: list[Question] = []
    count = sum(1 for file in context.tree.files if is_map(file) and pair.files.core(file) is not None)
    says = []
    missing = [0.0]
    says.append(f"0 ({numbers.zero / numbers.pixels:.1%} of the pixels looked at)")
    if numbers.top and numbers.whole:
        missing.append(65535.0)
        says.append(f"65535 ({numbers.top / numbers.pixels:.1%})")
    if numbers.negative:
        options["lowest"] = 0.0
        says.append(f"numbers below 0 ({numbers.negative / numbers.pixels:.1%})")
    options["missing"] = missing
    chosen = next(reading for reading in readings if reading.name == taken)
    described = _described(known, numbers)
    examples = tuple(picture for _, picture in pair.pairs[:4])
    if len(readings) > 1:
        evidence = f"{described} Each reading says which distances that gives; the file names no unit."
        questions.append(Question("unit", f"In which unit are the depth maps '{pair.files.words()}'?", readings, taken, evidence, examples))
    ask_size(context, pair, questions, options, examples)
    notes = [f"'{pair.files.words()}': {count:,} depth maps, read as {chosen.title}; no measurement: {', '.join(says)}. {described}"]
    if numbers.eight:
        notes.append(f"'{pair.files.words()}' has only 8 bits: at most 255 steps, and often a picture of depth rather than depth.")
    context.understood(pair.files.words(), f"depth maps, read as {chosen.title}", count)
    return Guess(options, labelled={"depth": count}, images=outside(pair.files, pictures), notes=notes, questions=questions)


def _described(known: np.ndarray, numbers: _Numbers) -> str:
    """A sentence with range and histogram of the numbers in the files."""
    low, quarter, middle, most, high = np.quantile(known, (0, 0.25, 0.5, 0.75, 1))
    counts, _ = np.histogram(known, 24, (low, high if high > low else low + 1))
    bars = "".join(_BARS[round(7 * float(count) / float(counts.max()))] for count in counts)
    kind = "8-bit numbers" if numbers.eight else "whole numbers" if numbers.whole else "floats"
    return f"The pixels looked at hold {kind} from {low:.5g} to {high:.5g} (quarters at {quarter:.5g}, {middle:.5g}, {most:.5g}): {bars}."


def _readings(numbers: _Numbers, inverse: bool) -> tuple[Reading, ...]:
    known = numbers.known()
    low, high = float(np.quantile(known, 0.001)), float(known.max())

    def one(name: str, title: str, scale: float, unit: str = "m", upside: bool = False) -> Reading:
        ends = (scale / high, scale / low) if upside else (low * scale, high * scale)
        range_ = f"{ends[0]:.3g} to {ends[1]:.3g}{f' {unit}' if unit else ''}"
        return Reading(name, f"{title}: {range_}", {"scale": scale, "unit": unit, "inverse": upside})

    if numbers.eight:
        return (
            one("relative", "shares of an unknown range, larger is farther", 1 / 255, ""),
            one("disparity", "inverse depth, larger is nearer, of an unknown scale", 255.0, "", True),
            one("m", "metres", 1.0),
            one("cm", "centimetres", 0.01),
        )
    if numbers.whole and high > 100:
        return (
            one("mm", "millimetres", 0.001),
            one("256", "metres * 256, as KITTI's", 1 / 256),
            one("5000", "metres * 5000, as TUM RGB-D's", 1 / 5000),
            one("cm", "centimetres", 0.01),
            one("disparity", "disparity * 256 in pixels, as KITTI's and Cityscapes' (depth of an unknown scale)", 256.0, "", True),
        )
    if high <= 1.0:
        return (
            one("relative", "shares of an unknown range, larger is farther", 1.0, ""),
            one("disparity", "inverse depth, larger is nearer, of an unknown scale", 1.0, "", True),
            one("m", "metres", 1.0),
        )
    metres = one("m", "metres", 1.0)
    others = [one("disparity", "disparities in pixels, or inverse depths, of an unknown scale", 1.0, "", True)] if inverse else []
    if high > 100:
        others += [one("mm", "millimetres", 0.001), one("cm", "centimetres", 0.01)]
    return (metres, *others)


def _most_likely(readings: tuple[Reading, ...], known: np.ndarray, numbers: _Numbers, name: str) -> str:
    names = [reading.name for reading in readings]
    if _INVERSE.search(name) and "disparity" in names:
        return "disparity"
    if _KITTI.search(name) and "256" in names:
        return "256"
    if not numbers.whole and float(np.median(known)) > 100 and "mm" in names:
        return "mm"
    return names[0]
