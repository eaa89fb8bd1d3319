"""The classes of masks: their numbers, shades or colours, their names from a list beside them, and the open questions."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.formats.maps.mask_class_lists import CITYSCAPES, VOC, ClassList, Colour, hex_of, is_unlabelled, voc_colour
from mtl_core.data.imports.formats.set_aside import files_of
from mtl_core.data.imports.looking.dense_sizes import ask
from mtl_core.data.imports.looking.pairing import Pair
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.picture_reading import MOST_BYTES, colour_image, index_image, palette_of
from mtl_core.data.imports.tree import UnreadableError

_MOST_SCANNED = 400  # most masks whose every pixel is read
_MOST_PIXELS = 120_000_000
_BORDER = 4  # pixels; lines of 255 up to this width are Pascal VOC's borders


@dataclass
class Scan:
    """Counts of the numbers or colours in the masks of one role."""

    files: list[str]
    looked_at: int = 0
    pixels: Counter = field(default_factory=Counter)  # number or colour -> pixels
    masks: Counter = field(default_factory=Counter)  # number or colour -> masks
    example: dict = field(default_factory=dict)
    thick: bool = False  # 255 covers areas
    counted: set = field(default_factory=set)  # the n of masks that hold exactly the numbers 1 to n
    uncounted: int = 0  # other masks
    sizes: Counter = field(default_factory=Counter)
    palette: dict[int, Colour] = field(default_factory=dict)  # number -> its colour, of the first mask with a palette

    @property
    def are_single(self) -> bool:
        """Whether most numbers or colours occur in one mask only, and masks have several of them: those of single objects."""
        single = sum(count == 1 for count in self.masks.values())
        return self.looked_at >= 4 and single > self.looked_at and single >= 0.8 * len(self.masks)


def scan_masks(context: Context, pair: Pair) -> Scan:
    files = files_of(context, pair.files)
    scan, step, left = Scan(files), max(1, -(-len(files) // _MOST_SCANNED)), _MOST_PIXELS
    for name in files[::step]:
        try:
            content = context.tree.read(name, MOST_BYTES)
            values = colour_image(content) if pair.kind == "colours" else index_image(content)
        except UnreadableError:
            continue
        scan.looked_at += 1
        scan.palette = palette_of(content) if scan.looked_at == 1 and pair.kind == "index" else scan.palette
        scan.sizes[values.shape[::-1]] += 1
        if pair.kind != "colours" and values.size and values.min() >= 0 and values.max() < 1 << 16:
            counts = np.bincount(values.reshape(-1))
            found = np.flatnonzero(counts)
            pixels = counts[found]
        else:
            found, pixels = np.unique(values, return_counts=True)
        for number, count in zip(found.tolist(), pixels.tolist(), strict=True):
            scan.pixels[number] += count
            scan.masks[number] += 1
            scan.example.setdefault(number, name)
        marked = [number for number in found.tolist() if number and number != IGNORE] if pair.kind == "index" else [0]
        if marked == list(range(1, len(marked) + 1)):
            scan.counted.add(len(marked))
        else:
            scan.uncounted += 1
        if pair.kind == "index" and not scan.thick and IGNORE in found:
            scan.thick = _is_thick(values == IGNORE)
        left -= values.size
        if left < 0:
            break
    return scan


def _is_thick(marked: np.ndarray) -> bool:
    """Whether pixels remain after a few erosions of the area."""
    for _ in range(_BORDER):
        inner = marked[1:-1, 1:-1] & marked[:-2, 1:-1] & marked[2:, 1:-1] & marked[1:-1, :-2] & marked[1:-1, 2:]
        marked = inner
    return bool(marked.any())


def named_numbers(options: dict, scan: Scan, lists: list[ClassList], pair: Pair, questions: list[Question], examples: tuple) -> str | None:
    seen = set(scan.pixels)
    total = sum(scan.pixels.values())
    share = {number: scan.pixels[number] / total for number in seen}
    if seen == {1, 2, 3} and "trimap" in pair.files.words():
        options |= {"values": {1: "animal", 2: "background", 3: "border"}, "ignore": [IGNORE]}
        return "Named as Oxford-IIIT Pet's trimaps"
    names, source = _names(options, seen, lists, pair, questions, examples, share, scan.palette)
    if len(names) > IGNORE - 1:
        return None
    ignore = [number for number, text in names.items() if is_unlabelled(text)]
    cityscapes = names == CITYSCAPES
    if cityscapes:
        ignore = [number for number in range(34) if number not in names]
    elif source and 0 in seen and 0 not in names:
        changes = {"values": {0: "other", **names}, "ignore": [n for n in ignore if n] + [IGNORE]}
        ask(
            questions,
            "zero",
            f"The list names no number 0 ({source}). What is it?",
            Reading("ignored", "not labelled: pixels that don't count", {"values": names, "ignore": sorted({*ignore, 0, IGNORE})}),
            Reading("class", "a class of its own, 'other'", changes),
            "ignored",
            f"0 covers {share[0]:.1%} of the pixels, in {scan.masks[0]:,} of {scan.looked_at:,} masks.",
            examples,
        )
        ignore.append(0)
    white = _white(scan, seen, share, names)
    if white == "ask":
        named = {**names, IGNORE: "class 255"}
        ask(
            questions,
            "white",
            "Does the number 255 mark ignored pixels, or is it a class?",
            Reading("ignored", "don't count these pixels", {"values": names, "ignore": sorted({*ignore, IGNORE})}),
            Reading("class", "a class", {"values": named, "ignore": ignore}),
            "ignored",
            f"255 covers {share[IGNORE]:.1%} of the pixels, in {scan.masks[IGNORE]:,} of {scan.looked_at:,} masks, in areas, not only along edges.",
            tuple(picture for file, picture in pair.pairs if file == scan.example.get(IGNORE)) + examples[:3],
        )
    options |= {"values": names, "ignore": sorted({*ignore, *([] if white == "class" else [IGNORE])})}
    if not source and not scan.uncounted and len(scan.counted - {0}) > 1 and max(scan.counted) >= 3:
        single = {number: "object" if number else "background" for number in names}
        ask(
            questions,
            "objects",
            "Do the numbers in the masks name classes, or do they count the single objects of a picture?",
            Reading("classes", "classes", {"values": names}),
            Reading("objects", "objects of one class: all numbers but 0 are 'object'", {"values": single}),
            "classes",
            f"Each of {scan.looked_at:,} masks holds the numbers from 1 on without a gap, up to {', '.join(map(str, sorted(scan.counted)[:8]))}.",
            examples,
        )
    rare = [number for number in seen if scan.masks[number] == 1 and scan.looked_at > 10 and number in names]
    numbers = ", ".join(map(str, sorted(seen)[:20]))
    said = source or f"Numbers seen: {numbers}; name them under 'values'"
    few, example = ", ".join(map(str, rare[:5])), scan.example[rare[0]] if rare else ""
    return f"{said}. Numbers in one mask only, such as '{example}': {few}" if rare else said


def _white(scan: Scan, seen: set[int], share: dict[int, float], names: dict[int, str]) -> str:
    """The meaning of 255: ``ignored``, ``class``, or ``ask``."""
    if IGNORE not in seen:
        return "ignored" if IGNORE not in names else "class"
    if IGNORE in names:
        return "ignored" if is_unlabelled(names[IGNORE]) else "class"
    return "ask" if scan.thick or share[IGNORE] > 0.2 else "ignored"


def _names(
    options: dict,
    seen: set[int],
    lists: list[ClassList],
    pair: Pair,
    questions: list[Question],
    examples: tuple,
    share: dict[int, float],
    palette: dict[int, Colour],
) -> tuple[dict[int, str], str]:
    """(number -> name, a sentence with the source of the names; '' if there are only numbers)."""
    if pair.files.suffix.endswith("_labelIds") and seen - CITYSCAPES.keys() <= set(range(34)) | {IGNORE}:
        return dict(CITYSCAPES), "Cityscapes' label ids: the 19 classes of its benchmark; the other ids are ignored"
    if pair.files.suffix.endswith("_labelTrainIds") and seen <= {*range(19), IGNORE}:
        return dict(enumerate(CITYSCAPES.values())), "Cityscapes' train ids: the 19 classes of its benchmark"
    for one in lists:
        if one.names and seen - {0, IGNORE} <= one.names.keys() and (not one.counted or IGNORE not in one.names):
            if one.counted:
                _ask_offset(one, seen, questions, examples, share)
            return dict(one.names), f"{len(one.names)} names from '{one.file}'"
        if one.counted and seen - {0, IGNORE} <= {n + 1 for n in one.names} and len(one.names) in seen:  # the list counts from 1
            return {0: "background"} | {n + 1: name for n, name in one.names.items()}, f"{len(one.names)} names from '{one.file}', counted from 1"
    for one in lists:
        if one.colours and not one.names and {palette.get(number) for number in seen - {IGNORE}} <= one.colours.keys():
            numbered = {number: one.colours[colour] for number, colour in sorted(palette.items()) if colour in one.colours}
            first = {name: number for number, name in reversed(numbered.items())}
            kept = {number: name for number, name in numbered.items() if number in seen or first[name] == number}
            return {n: name for n, name in kept.items() if n != IGNORE}, f"{len(one.colours)} names from '{one.file}', by the masks' palette"
    if seen <= {0, IGNORE} and IGNORE in seen:
        return {0: "background", IGNORE: "object"}, "Black and white: taken as background and object"
    names = {number: f"class {number}" if number else "background" for number in sorted(seen) if number != IGNORE}
    if "segmentationclass" in pair.files.words().lower() and seen <= {*range(21), IGNORE} and len(seen) > 2:
        voc = {number: VOC[number] for number in range(21)}
        ask(
            questions,
            "names",
            "Are these Pascal VOC's 20 classes?",
            Reading("voc", "Pascal VOC's: 1 is aeroplane, 2 bicycle, ...", {"values": voc}),
            Reading("numbers", "classes of your own, to be named under 'values'", {"values": names}),
            "numbers",
            f"The folder has VOC's name, and all numbers lie in its range: {', '.join(map(str, sorted(seen)))}. No list of names is beside them.",
            examples,
        )
    return names, ""


def _ask_offset(one: ClassList, seen: set[int], questions: list[Question], examples: tuple, share: dict[int, float]) -> None:
    """The question about a list without numbers whose first name is not background: it may be number 0 or number 1."""
    if 0 not in seen or 0 not in one.names or re.search(r"back|void|other|unlabel|ignore|none", one.names[0].lower()) or share[0] < 0.3:
        return
    shifted = {0: "background"} | {number + 1: name for number, name in one.names.items()}
    ask(
        questions,
        "counted_from",
        f"Is the first name in '{one.file}' ('{one.names[0]}') number 0 or number 1?",
        Reading("one", "number 1; 0 is the background", {"values": shifted}),
        Reading("zero", "number 0", {"values": dict(one.names)}),
        "zero",
        f"The list has no numbers. 0 covers {share[0]:.1%} of the pixels, as a background does.",
        examples,
    )


def named_shades(options: dict, scan: Scan, questions: list[Question], examples: tuple) -> str:
    total = sum(scan.pixels.values())
    between = sum(count for number, count in scan.pixels.items() if 24 < number < 231) / total
    options |= {"values": {0: "background", 255: "object"}, "ignore": [], "threshold": 128.0}
    ask(
        questions,
        "threshold",
        "From which shade of grey on does a pixel belong to the object?",
        Reading("half", "from 128 on, the middle of the range", {"threshold": 128.0}),
        Reading("any", "from 32 on: everything that is not black", {"threshold": 32.0}),
        "half",
        f"{len(scan.pixels)} shades of grey; {between:.1%} of the pixels are neither near black nor near white: smooth edges, or JPEG.",
        examples,
    )
    return "Black and white with smooth edges: 128 and above is the object"


def named_colours(options: dict, scan: Scan, lists: list[ClassList], pair: Pair, questions: list[Question], examples: tuple) -> str | None:
    total = sum(scan.pixels.values())
    seen = {(packed >> 16, packed >> 8 & 255, packed & 255): count for packed, count in scan.pixels.items()}
    exact = all(content.exact for content in pair.contents.values())
    best = max((one for one in lists if one.colours), key=lambda one: sum(seen.get(colour, 0) for colour in one.colours), default=None)
    large = {colour for colour, count in seen.items() if exact or count >= 0.002 * total}
    if best is not None and sum(seen.get(colour, 0) for colour in best.colours) >= 0.6 * total:
        named = {hex_of(colour): "" if is_unlabelled(name) else name for colour, name in best.colours.items()}
        missing = [colour for colour in large - best.colours.keys() if exact or min(_far(colour, other) for other in best.colours) > 96]
        note = f"{len(named)} colours named by '{best.file}'"
        if missing and exact:
            named |= {hex_of(colour): f"colour {hex_of(colour)}" for colour in missing[:50]}
            note = f"{note}; further colours that it does not name: {len(missing)}, such as {', '.join(map(hex_of, missing[:5]))}"
    else:
        order = sorted(large, key=lambda colour: (colour != (0, 0, 0), -seen[colour]))
        if len(order) > IGNORE - 1:
            return None
        named = {hex_of(colour): "background" if colour == (0, 0, 0) else f"colour {hex_of(colour)}" for colour in order}
        note = f"{len(named)} colours seen, and no list beside them names them: name them under 'colours'"
        palette = {voc_colour(number): name for number, name in enumerate(VOC)} | {(224, 224, 192): ""}
        if len(large) > 2 and large <= palette.keys():
            voc = {hex_of(colour): name for colour, name in palette.items()}
            ask(
                questions,
                "names",
                "Are these Pascal VOC's 20 classes?",
                Reading("voc", "Pascal VOC's classes by their colours", {"colours": voc}),
                Reading("colours", "classes of your own, to be named under 'colours'", {"colours": named}),
                "colours",
                f"All {len(large)} colours are of VOC's palette, which other tools use for classes of their own, too.",
                examples,
            )
    options |= {"colours": named, "nearest": not exact}
    if not exact:
        listed = sum(seen.get(colour, 0) for colour in seen if hex_of(colour) in named) / total
        ask(
            questions,
            "edges",
            "What are pixels whose colour belongs to no class?",
            Reading("nearest", "of the class with the nearest colour", {"nearest": True, "unlisted": "ask"}),
            Reading("ignored", "not counted", {"nearest": False, "unlisted": "ignore"}),
            "nearest",
            f"{1 - listed:.1%} of the pixels have one of {len(seen) - len(named):,} colours between: smooth edges, or JPEG.",
            examples,
        )
    return note


def _far(one: tuple, other: tuple) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
