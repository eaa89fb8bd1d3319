"""Guesses of masks: their pictures, their classes, and the open questions."""

from __future__ import annotations

from collections.abc import Callable

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.formats import Context, Format, Guess, ImageIndex
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.formats.maps.class_masks import by_class, class_folders, classwise
from mtl_core.data.imports.formats.maps.mask_class_lists import ClassList, class_lists
from mtl_core.data.imports.formats.maps.mask_classes import named_colours, named_numbers, named_shades, scan_masks
from mtl_core.data.imports.formats.set_aside import (
    ask_what,
    explained,
    is_depth,
    is_panoptic,
    no_mask,
    of_pair,
    outside,
    set_aside,
    set_orphans_aside,
)
from mtl_core.data.imports.looking.dense_sizes import ask_size
from mtl_core.data.imports.looking.number_maps import ARRAYS
from mtl_core.data.imports.looking.pairing import Pair, pairs_in
from mtl_core.data.imports.looking.questions import Question, Reading

_PANOPTIC = "seen, not read: COCO panoptic; its colours number segments, not classes. Export 'instances' or masks of class numbers"
_SINGLE = (
    "seen, not understood: most of their {count:,} {numbers} occur in one of {masks:,} masks only, as those of single objects or segments do, "
    "and no list names them; masks of classes are read"
)


def guesses(context: Context, source: Callable[[dict], Format]) -> list[Guess]:
    """Guesses for all sources of masks. Files that belong to pictures but are no readable masks are set aside and reported.

    Args:
        source: options -> a format that reads masks with these options.
    """
    pairs = [pair for pair in pairs_in(context.tree) if not is_depth(pair)]
    pictures = {picture for pair in pairs_in(context.tree) for _, picture in pair.pairs}
    lists, found = class_lists(context.tree), []
    usable, listed = [], explained(pairs, lists)
    for pair in pairs:
        reason = _PANOPTIC if is_panoptic(context.tree, pair) else no_mask(pair, listed, pairs)
        if not pair.certain:
            ask_what(context, pair, pictures)
        elif reason:
            set_aside(context, pair, pictures, reason)
        else:
            usable.append(pair)
    for group in by_class(usable):
        guess = classwise(context, group, pictures) if len(group) > 1 or class_folders(group[0]) else _plain(context, group[0], pictures, lists)
        if guess is not None:
            found.append(guess)
    if len(found) == 1:  # with several sources, such as train and val, pictures of the other source look unmasked
        _ask_unmasked(context, found[0], pairs_in(context.tree), source)
    set_orphans_aside(context, pairs_in(context.tree))
    return found


def _ask_unmasked(context: Context, guess: Guess, pairs: list[Pair], source: Callable[[dict], Format]) -> None:
    """Ask whether pictures without a mask are unlabelled, or all background."""
    first = next(
        iter({**guess.options.get("values", {}), **guess.options.get("colours", {}), **({"": ""} if guess.options.get("per_class") else {})}), None
    )
    keys = [key for key in context.index.keys if not is_inner(key) and all(pair.files.core(key) is None for pair in pairs)]
    ignored = first in guess.options.get("ignore", []) or guess.options.get("colours", {}).get(first, "first") == ""
    if first not in (0, "#000000", "") or ignored or not keys:  # where black is ignored, the first class is an object's
        return
    masked = {key for target in source(guess.options).read(Context(context.tree, ImageIndex(keys), Findings())) for key in target.values}
    without = [key for key in keys if key not in masked]
    if not masked or not without:
        return
    readings = (
        Reading("unlabelled", "not labelled: nobody has marked them", {"unmasked": "unlabelled"}),
        Reading("nothing", "all background: they hold nothing to mark", {"unmasked": "first"}),
    )
    guess.options["unmasked"] = "unlabelled"
    folders = sorted({key.rpartition("/")[0] or "." for key in without})
    evidence = f"{len(masked):,} pictures have a mask, {len(without):,} have none, in {', '.join(map(repr, folders[:4]))}"
    text = f"What are the {len(without):,} pictures that no mask of '{guess.options['task']}' belongs to?"
    guess.questions.append(Question("unmasked", text, readings, "unlabelled", f"{evidence}.", tuple(without[:6])))


def _plain(context: Context, pair: Pair, pictures: set[str], lists: list[ClassList]) -> Guess | None:
    """The guess for masks that hold all classes in one image."""
    scan = scan_masks(context, pair)
    if not scan.looked_at:
        arrays = pair.files.ending in ARRAYS or all(name.lower().endswith(ARRAYS) for name, _ in pair.pairs)
        reason = "arrays of class numbers are not read; save them as PNG of one channel" if arrays else "none of the masks can be read"
        set_aside(context, pair, pictures, f"seen, not understood: {reason}")
        return None
    if scan.are_single and not explained([pair], lists)[pair]:
        numbers = "colours" if pair.kind == "colours" else "numbers"
        set_aside(context, pair, pictures, _SINGLE.format(numbers=numbers, count=len(scan.masks), masks=scan.looked_at))
        return None
    options: dict = of_pair(pair) | {"task": "trimap" if "trimap" in pair.files.words() else "segments", "unlisted": "ask"}
    examples = tuple(picture for _, picture in pair.pairs[:4])
    questions: list[Question] = []
    if pair.kind == "colours":
        note = named_colours(options, scan, lists, pair, questions, examples)
    elif pair.kind == "soft":
        note = named_shades(options, scan, questions, examples)
    else:
        note = named_numbers(options, scan, lists, pair, questions, examples)
    if note is None:
        set_aside(
            context,
            pair,
            pictures,
            f"seen, not understood: {len(scan.pixels):,} different numbers or colours; a mask has at most {IGNORE - 1} classes",
        )
        return None
    ask_size(context, pair, questions, options, examples)
    where, count, images = pair.files.words(), len(scan.files), pair.images.words()
    note = (
        f"'{where}': {count:,} masks of '{images}', all {count:,} were looked at. {note}"
        if scan.looked_at == count
        else f"'{where}': {count:,} masks of '{images}', {scan.looked_at:,} of {count:,} were looked at. {note}"
    )
    for one in lists:
        if f"'{one.file}'" in note:
            context.understood(one.file, "names of the masks' classes")
    context.understood(pair.files.words(), f"masks of classes: {note.partition('. ')[2]}", len(scan.files))
    return Guess(options, labelled={options["task"]: len(scan.files)}, images=outside(pair.files, pictures), notes=[note], questions=questions)
