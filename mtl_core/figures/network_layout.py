"""Places of a drawn network's boxes and lines: rows of boxes that do not overlap, and lines in the gaps between the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtl_core.sharing.part_graph import NetworkPart

# Pixels.
BETWEEN = 8  # boxes of a row
NARROW = 80  # least width of a box
GUTTER = 6  # right of the boxes, and for each line that passes rows there
TRACK = 6  # from one horizontal line to the next
TIP = 9  # above a box, for the arrow
LINE, PADDING = 13, 12  # a line of text; above and below a box's texts together
IMAGES_HEIGHT = 22


@dataclass
class Box:
    """A part's box; ``part`` is None for the images."""

    part: NetworkPart | None
    row: int
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def middle(self) -> float:
        """The place from which its line starts."""
        return self.left + self.width / 2


@dataclass
class Line:
    """What comes from a part: pieces x1, y1, x2, y2, and the tips of its arrows."""

    source: str
    users: tuple[str, ...]
    targets: list[str]
    pieces: list[tuple[float, float, float, float]] = field(default_factory=list)
    tips: list[tuple[float, float]] = field(default_factory=list)


def laid_out(parts: Sequence[NetworkPart], texts: Callable[[NetworkPart, float], int], least: float) -> tuple[list[Box], list[Line], float, float]:
    """Boxes, lines, width and height of a drawing.

    Args:
        parts: in the network's order. texts: part and width of its box -> lines of text in it. least: width of the boxes together, at least.
    """
    rows = _rows(parts)
    width = max(least, max(len(row) for row in rows) * (NARROW + BETWEEN))
    boxes = {box.part.name if box.part else "": box for row in rows for box in row}
    for row in rows:
        each = (width - BETWEEN * (len(row) - 1)) / len(row)
        for place, box in enumerate(row):
            box.left, box.width = place * (each + BETWEEN), each
            box.height = IMAGES_HEIGHT if box.part is None else PADDING + LINE * max(texts(other.part, each) for other in row if other.part)
    readers: dict[str, list[Box]] = {name: [] for name in boxes}
    for part in parts:
        for name in part.reads:
            readers[name].append(boxes[part.name])
    ports = _ports(rows, boxes)
    tracks = _tracks(boxes, readers)
    top = 0.0
    gaps = []  # y of the first horizontal line below each row
    for number, row in enumerate(rows):
        for box in row:
            box.top = top
        top += row[0].height
        gaps.append(top + TRACK)
        used = [track for (gap, _, _), track in tracks.items() if gap == number]
        top += TIP + TRACK * (2 + max(used, default=-1)) if number + 1 < len(rows) else 0
    lanes: list[str] = []
    lines = [_line(name, boxes, readers[name], ports, tracks, gaps, width, lanes) for name in boxes if readers[name]]
    return list(boxes.values()), lines, width + GUTTER * (1 + len(lanes)), top


def _rows(parts: Sequence[NetworkPart]) -> list[list[Box]]:
    """The boxes by row: what is read stands above what reads it, and the heads stand in the last row."""
    depth = {"": 0}
    reads = _forward(parts)
    for name in reads:  # in an order in which what is read comes first
        depth[name] = 1 + max((depth[each] for each in reads[name]), default=0)
    last = 1 + max([depth[part.name] for part in parts if not part.is_head], default=0)
    rows: dict[int, list[Box]] = {0: [Box(None, 0)]}
    for part in parts:
        row = last if part.is_head else depth[part.name]
        rows.setdefault(row, []).append(Box(part, row))
    made = []
    for number, row in enumerate(rows[each] for each in sorted(rows)):
        for box in row:
            box.row = number
        made.append(sorted(row, key=lambda box: -len(box.part.users) if box.part else 0))
    return made


def _forward(parts: Sequence[NetworkPart]) -> dict[str, list[str]]:
    """Part -> what it reads, in an order in which what is read comes first. Where a part reads itself through others, because it runs several times,
    the reading that closes the circle is left out."""
    readers = {name: [part.name for part in parts if name in part.reads] for name in ["", *(part.name for part in parts)]}
    open_now: set[str] = set()
    closing: set[tuple[str, str]] = set()
    ended: list[str] = []

    def visit(name: str) -> None:
        open_now.add(name)
        for reader in readers[name]:
            if reader in open_now:
                closing.add((name, reader))
            elif reader not in ended:
                visit(reader)
        open_now.remove(name)
        ended.append(name)

    for name in readers:
        if name not in ended:
            visit(name)
    known = {part.name: part for part in parts}
    return {name: [each for each in known[name].reads if (each, name) not in closing] for name in reversed(ended) if name}


def _straight(source: Box, target: Box) -> bool:
    return target.row == source.row + 1 and target.left + 6 <= source.middle <= target.left + target.width - 6


def _ports(rows: Sequence[Sequence[Box]], boxes: Mapping[str, Box]) -> dict[tuple[str, str], float]:
    """(part read, part) -> x at which its arrow ends. No two are the same, and none lies below another part's line."""
    ports: dict[tuple[str, str], float] = {}
    for row in rows[1:]:
        above = [box.middle for box in rows[row[0].row - 1]]
        for box in row:
            assert box.part is not None  # the images read nothing
            straight = [name for name in box.part.reads if _straight(boxes[name], box)]
            ports.update({(name, box.part.name): boxes[name].middle for name in straight})
            others = sorted((name for name in box.part.reads if name not in straight), key=lambda name: (boxes[name].left, boxes[name].row))
            for name, x in zip(others, _free(box, len(others), above), strict=True):
                ports[name, box.part.name] = x
    return ports


def _free(box: Box, count: int, taken: Sequence[float]) -> list[float]:
    """``count`` places on a box's upper side, away from others."""
    for tried in range(count, count + 4 * len(taken) + 8):
        places = [box.left + 7 + (box.width - 14) * (number + 0.5) / tried for number in range(tried)]
        free = [place for place in places if all(abs(place - other) >= 4 for other in taken)]
        if len(free) >= count:
            return [free[round((number + 0.5) * len(free) / count - 0.5)] for number in range(count)] if count else []
    return [box.left + 7 + (box.width - 14) * (number + 0.37) / count for number in range(count)]


def _tracks(boxes: Mapping[str, Box], readers: Mapping[str, Sequence[Box]]) -> dict[tuple[int, str, str], int]:
    """(gap, part, "out" or "in") -> number of the horizontal line there. Gap n is below row n."""
    tracks: dict[tuple[int, str, str], int] = {}
    count: dict[int, int] = {}
    for name, targets in readers.items():
        source = boxes[name]
        near = [target for target in targets if target.row == source.row + 1]
        far = {target.row for target in targets if target.row != source.row + 1}
        wanted = [(source.row, "out")] if far or any(not _straight(source, target) for target in near) else []
        for gap, which in [*wanted, *((row - 1, "in") for row in sorted(far))]:
            tracks[gap, name, which] = count.get(gap, 0)
            count[gap] = count.get(gap, 0) + 1
    return tracks


def _line(
    name: str,
    boxes: Mapping[str, Box],
    targets: Sequence[Box],
    ports: Mapping[tuple[str, str], float],
    tracks: Mapping[tuple[int, str, str], int],
    gaps: Sequence[float],
    width: float,
    lanes: list[str],
) -> Line:
    """The line of a part: down to a horizontal line, and from there to its readers; to far ones beside the boxes."""
    source = boxes[name]
    reader_names = [target.part.name for target in targets if target.part]
    line = Line(name, source.part.users if source.part else (), reader_names)
    start, bottom = source.middle, source.top + source.height
    out = gaps[source.row] + TRACK * tracks.get((source.row, name, "out"), 0)
    near = [target for target in targets if target.row == source.row + 1]
    far = [target for target in targets if target.row != source.row + 1]
    ends = []
    for target in near:
        assert target.part is not None
        x = ports[name, target.part.name]
        line.tips.append((x, target.top))
        if x == start:
            line.pieces.append((start, bottom, start, target.top - 5))
        else:
            line.pieces.append((x, out, x, target.top - 5))
            ends.append(x)
    if far:
        lanes.append(name)
        lane = width + GUTTER * len(lanes)
        ends.append(lane)
        heights = [out]
        for row in sorted({target.row for target in far}):
            level = gaps[row - 1] + TRACK * tracks[row - 1, name, "in"]
            heights.append(level)
            reached = [target for target in far if target.row == row]
            for target in reached:
                assert target.part is not None
                x = ports[name, target.part.name]
                line.tips.append((x, target.top))
                line.pieces.append((x, level, x, target.top - 5))
            line.pieces.append((min(ports[name, target.part.name] for target in reached if target.part), level, lane, level))
        line.pieces.append((lane, min(heights), lane, max(heights)))
    if ends:
        line.pieces.append((start, bottom, start, out))
        line.pieces.append((min([start, *ends]), out, max([start, *ends]), out))
    return line
