"""Drawing of a network as SVG: its parts in the order in which they compute, with their size and users, and arrows to what reads them."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mtl_core.analysis.part_words import part_words
from mtl_core.figures.colours import GREY
from mtl_core.figures.network_layout import GUTTER, Box, Line, laid_out
from mtl_core.language import tr

if TYPE_CHECKING:
    from mtl_core.sharing.part_graph import NetworkPart

INKS = {"light": "#3A4552", "dark": "#C4CCD6"}
SMALL, LINE, CHARACTER = 11, 13, 6.1  # pixels: size of the text, from line to line, width of a character
FONT = "Inter, 'Source Sans', 'Segoe UI', Helvetica, Arial, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
LEAST = 440  # pixels of width
NAME_LINES = 3


def network_svg(parts: Sequence[NetworkPart], colours: Mapping[str, str], ink: str = "") -> str:
    """An SVG of the network, from the images at the top to the heads at the bottom. Every part and every arrow has its text in words.

    Args:
        parts: of ``part_graph``.
        colours: task -> CSS colour. What one task uses has its colour; what several use is grey.
        ink: CSS colour of the text; empty for a drawing that follows the light or dark theme of whoever opens the file.
    """
    tasks = [task for task in colours if any(task in part.users for part in parts)]
    boxes, lines, width, height = laid_out(parts, lambda part, width: len(_texts(part, width)), LEAST)
    drawn = [_line(line, colours) for line in lines]
    drawn += [_box(box, tasks, colours) for box in boxes]
    legend, bottom = _legend(parts, tasks, colours, width - GUTTER, height)
    style = f"text{{fill:{INKS['light']}}}@media (prefers-color-scheme:dark){{text{{fill:{INKS['dark']}}}}}"
    paint = f'fill="{html.escape(ink)}"' if ink else ""
    size = f'viewBox="-1 -1 {width + 2:.0f} {bottom + 1:.0f}" width="{width:.0f}" height="{bottom:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} '
    head += f'aria-label="{_escaped(title_of(parts, tasks))}" font-family="{html.escape(FONT)}" font-size="{SMALL}" {paint}>'
    about = f"<title>{_escaped(title_of(parts, tasks))}</title><desc>{_escaped(' '.join(sentences(parts, tasks)))}</desc>"
    return f"{head}{about}{'' if ink else f'<style>{style}</style>'}{''.join(drawn)}{legend}</svg>"


def title_of(parts: Sequence[NetworkPart], tasks: Sequence[str]) -> str:
    """The network in one sentence."""
    number, work = sum(part.parameters for part in parts), sum(part.multiply_adds for part in parts)
    counts = {"tasks": len(tasks), "parameters": number, "work": work}
    if len(tasks) == 1:
        return tr("The network of {tasks} task: {parameters:,} parameters, {work:,} multiply-adds for an image.", **counts)
    return tr("The network of {tasks} tasks: {parameters:,} parameters, {work:,} multiply-adds for an image.", **counts)


def sentences(parts: Sequence[NetworkPart], tasks: Sequence[str]) -> list[str]:
    """What the drawing shows, a sentence for each part."""
    return [_said(part, len(tasks)) for part in parts]


def short(number: int) -> str:
    """12345 -> 12.3k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            return f"{number / size:.3g}{letter}"
    return str(number)


def _said(part: NetworkPart, tasks: int) -> str:
    known = {
        "part": part_words(part.name),
        "users": tr("all tasks") if len(part.users) == tasks > 1 else tr(", ").join(part.users),
        "reads": tr(", ").join(part_words(name) or tr("the images") for name in part.reads) or tr("nothing"),
        "parameters": part.parameters,
        "work": part.multiply_adds,
    }
    if not part.frozen:
        return tr("{part}: used by {users}; {parameters:,} parameters; {work:,} multiply-adds; reads {reads}.", **known)
    if part.frozen == part.parameters:
        return tr("{part}: used by {users}; {parameters:,} parameters, frozen; {work:,} multiply-adds; reads {reads}.", **known)
    return tr(
        "{part}: used by {users}; {parameters:,} parameters, {frozen:,} of them frozen; {work:,} multiply-adds; reads {reads}.",
        **known,
        frozen=part.frozen,
    )


def _texts(part: NetworkPart, width: float) -> list[str]:
    """The lines in a box of this width: the name, the numbers, what is frozen."""
    numbers = f"{short(part.parameters)} · {short(part.multiply_adds)}"
    frozen = [] if not part.frozen else [tr("frozen") if part.frozen == part.parameters else tr("partly frozen")]
    return [*fitted(part_words(part.name), width - 8, NAME_LINES), numbers, *frozen]


def _box(box: Box, tasks: Sequence[str], colours: Mapping[str, str]) -> str:
    part = box.part
    users = part.users if part else ()
    colour = colours.get(users[0], GREY) if len(users) == 1 else GREY
    about = f"<title>{_escaped(_said(part, len(tasks)))}</title>" if part else ""
    dashes = ' stroke-dasharray="4 3"' if part and part.frozen == part.parameters else ""
    place = f'x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6"'
    drawn = [f'<g>{about}<rect {place} fill="{colour}" fill-opacity="0.16" stroke="{colour}" stroke-width="1.4"{dashes}/>']
    lines = _texts(part, box.width) if part else [tr("images")]
    name = len(fitted(part_words(part.name), box.width - 8, NAME_LINES)) if part else 1
    middle, first = box.left + box.width / 2, box.top + (box.height - LINE * len(lines)) / 2 + SMALL
    for number, text in enumerate(lines):
        weight = ' font-weight="600"' if number < name else ' opacity="0.85"'
        drawn.append(f'<text x="{middle:.1f}" y="{first + LINE * number:.1f}" text-anchor="middle"{weight}>{_escaped(text)}</text>')
    if 1 < len(users) < len(tasks):
        for number, task in enumerate(users):
            drawn.append(f'<circle cx="{box.left + 8 + 8 * number:.1f}" cy="{box.top + 7:.1f}" r="3" fill="{colours.get(task, GREY)}"/>')
    return "".join([*drawn, "</g>"])


def _line(line: Line, colours: Mapping[str, str]) -> str:
    colour = colours.get(line.users[0], GREY) if len(line.users) == 1 else GREY
    path = " ".join(f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" for x1, y1, x2, y2 in line.pieces)
    tips = " ".join(f"M{x:.1f} {y:.1f}l-3.5 -6h7z" for x, y in line.tips)
    readers = tr(", ").join(map(part_words, line.targets))
    said = tr("{part}, read by {readers}", part=part_words(line.source) or tr("the images"), readers=readers)
    return (
        f'<g><title>{_escaped(said)}</title><path d="{path}" stroke="{colour}" stroke-width="1.4" fill="none"/><path d="{tips}" fill="{colour}"/></g>'
    )


def _legend(parts: Sequence[NetworkPart], tasks: Sequence[str], colours: Mapping[str, str], width: float, top: float) -> tuple[str, float]:
    """Colours and numbers in words, below the drawing, and where they end."""
    entries = [(colours[task], task) for task in tasks]
    entries += [(GREY, tr("several tasks"))] if any(len(part.users) > 1 for part in parts) else []
    drawn, left, top = [], 4.0, top + 16
    for colour, text in entries:
        [text] = fitted(text, width - 30, 1)
        needed = 24 + CHARACTER * _length(text)
        if left > 4 and left + needed > width:
            left, top = 4.0, top + 17
        drawn.append(f'<circle cx="{left + 5:.1f}" cy="{top - 4:.1f}" r="4.5" fill="{colour}"/>')
        drawn.append(f'<text x="{left + 14:.1f}" y="{top:.1f}">{_escaped(text)}</text>')
        left += needed
    is_frozen = any(part.frozen == part.parameters for part in parts)
    about = tr("parameters · multiply-adds for one image; dashed: frozen") if is_frozen else tr("parameters · multiply-adds for one image")
    drawn.append(f'<text x="0" y="{top + 19:.1f}" opacity="0.85">{about}</text>')
    return "".join(drawn), top + 26


def fitted(text: str, width: float, lines: int) -> list[str]:
    """A text in at most so many lines of a width in pixels; what is too long ends in three dots."""
    room, made = max(3, int(width / CHARACTER)), []
    words = _clean(text).split(" ")
    while words and len(made) < lines:
        line = words.pop(0)
        while words and _length(f"{line} {words[0]}") <= room:
            line += f" {words.pop(0)}"
        is_last = len(made) + 1 == lines
        if is_last and words:
            line, words = " ".join([line, *words]), []
        made.append(line if _length(line) <= room else _cut(line, room))
    return made


def _cut(text: str, room: int) -> str:
    while _length(text) > room - 1:
        text = text[:-1]
    return f"{text}…"


def _length(text: str) -> int:
    """Characters, where East Asian ones count twice."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _clean(text: str) -> str:
    """Without what XML forbids, and without characters that turn the direction of the text that follows."""
    return "".join("\ufffd" if unicodedata.category(character)[0] == "C" else character for character in text)


def _escaped(text: str) -> str:
    return html.escape(_clean(text))
