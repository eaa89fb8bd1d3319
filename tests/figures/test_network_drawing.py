"""The drawing of a network: valid XML, text escaped, boxes that do not overlap, lines that stay in the gaps, whatever the network."""

from __future__ import annotations

from functools import cache
from xml.etree.ElementTree import fromstring

import pytest
import torch

from mtl_core.figures.colours import task_colours
from mtl_core.figures.network_drawing import fitted, network_svg, short
from mtl_core.figures.network_layout import laid_out
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.part_graph import NetworkPart, part_graph
from tests.sharing.test_part_graph import SHAPE, model_of

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["digit", "<script>alert(1)</script>", "a\"b'&<!--", "\u202egnihton\x01", "语义分割语义分割语义分割", "z" * 60]
every_drawing = pytest.mark.parametrize(("scheme", "count"), [(scheme, count) for scheme in SHARING_SCHEMES for count in (1, 2, 3, 6)])


@cache
def parts_of(scheme, count):
    return part_graph(_models(scheme, count), torch.zeros(1, *SHAPE, device="meta"))


def _models(scheme, count):
    with torch.device("meta"):
        return model_of(scheme, [f"task {number}" for number in range(count)])


def part(name, users=("a",), reads=("",), **more):
    return NetworkPart(name, users, more.get("parameters", 10), more.get("frozen", 0), 20, reads, more.get("is_head", False))


@every_drawing
def test_boxes_do_not_overlap_and_no_line_crosses_another_or_a_box(scheme, count):
    parts = parts_of(scheme, count)
    boxes, lines, width, height = laid_out(parts, lambda part, width: 4, 440)
    assert sorted(box.part.name for box in boxes if box.part) == sorted(part.name for part in parts)
    for box in boxes:
        assert 0 <= box.left < box.left + box.width <= width
        assert 0 <= box.top < box.top + box.height <= height
        for other in boxes:
            apart = box.left + box.width < other.left or other.left + other.width < box.left
            assert box is other or apart or box.top + box.height < other.top or other.top + other.height < box.top
        for line in lines:
            for x1, y1, x2, y2 in line.pieces:
                beside = max(x1, x2) < box.left or min(x1, x2) > box.left + box.width
                assert beside or max(y1, y2) <= box.top or min(y1, y2) >= box.top + box.height
    assert sorted((line.source, target) for line in lines for target in line.targets) == sorted(
        (name, each.name) for each in parts for name in each.reads
    )
    places = {box.part.name: box for box in boxes if box.part}
    for line in lines:
        assert len(line.tips) == len(line.targets)
        ends = {min((box for box in places.values() if box.top == y), key=lambda box: abs(box.middle - x)).part.name for x, y in line.tips}
        assert ends == set(line.targets)
    upright = [(line.source, x1, min(y1, y2), max(y1, y2)) for line in lines for x1, y1, x2, y2 in line.pieces if x1 == x2 and y1 != y2]
    level = [(line.source, y1, min(x1, x2), max(x1, x2)) for line in lines for x1, y1, x2, y2 in line.pieces if y1 == y2 and x1 != x2]
    for pieces in (upright, level):
        for source, at, low, high in pieces:
            for other, also, other_low, other_high in pieces:
                assert source == other or abs(at - also) > 0.5 or high <= other_low or other_high <= low, (source, other)


def test_heads_stand_in_the_last_row_and_what_is_read_stands_above():
    parts = parts_of("mmoe", 3)
    boxes = {box.part.name if box.part else "": box for box in laid_out(parts, lambda part, width: 3, 440)[0]}
    bottom = max(box.top for box in boxes.values())
    assert {name for name, box in boxes.items() if box.top == bottom} == {f"head of task {number}" for number in range(3)}
    assert all(boxes[name].top < boxes[each.name].top for each in parts for name in each.reads)


def test_a_network_that_runs_a_part_several_times_is_drawn():
    circle = [part("trunk", reads=("", "again")), part("again", reads=("trunk",)), part("head of a", reads=("again",), is_head=True)]
    boxes = {box.part.name: box.row for box in laid_out(circle, lambda part, width: 3, 440)[0] if box.part}
    assert boxes == {"trunk": 1, "again": 2, "head of a": 3}
    fromstring(network_svg(circle, task_colours(["a"]), "#000000"))


def test_hostile_names_are_text():
    parts = [part("stages.0", tuple(NAMES)), *(part(f"head of {name}", (name,), ("stages.0",), is_head=True) for name in NAMES)]
    for ink in ("", "#3A4552"):
        root = fromstring(network_svg(parts, task_colours(NAMES), ink))
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "style", "g", "rect", "text", "path", "circle"}
        assert not any(key.startswith("on") or "href" in key for element in root.iter() for key in element.attrib)
        said = " ".join(root.itertext())
        assert "head of <script>alert(1)</script>: used by <script>alert(1)</script>" in said
        assert "\u202e" not in said


def test_parts_are_told_in_words_colours_and_dashes():
    colours = task_colours(["a", "b", "c"])
    parts = [
        part("all", ("a", "b", "c"), parameters=12345, frozen=12345),
        part("some", ("a", "c"), ("all",), parameters=7, frozen=3),
        *(part(f"head of {name}", (name,), ("all",) if name == "b" else ("some",), is_head=True) for name in "abc"),
    ]
    root = fromstring(network_svg(parts, colours, "#111111"))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "The network of 3 tasks: 12,382 parameters, 100 multiply-adds for an image."
    told = root.find(f"{SVG}desc").text
    assert "all: used by all tasks; 12,345 parameters, frozen; 20 multiply-adds; reads the images." in told
    assert "some: used by a, c; 7 parameters, 3 of them frozen; 20 multiply-adds; reads all." in told
    boxes = {
        group.find(f"{SVG}title").text.partition(":")[0]: group
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}rect") is not None and group.find(f"{SVG}title") is not None
    }
    assert [boxes[f"head of {name}"].find(f"{SVG}rect").get("fill") for name in "abc"] == list(colours.values())
    assert [name for name, group in boxes.items() if group.find(f"{SVG}rect").get("stroke-dasharray")] == ["all"]
    assert [dot.get("fill") for dot in boxes["some"].iter(f"{SVG}circle")] == [colours["a"], colours["c"]]
    assert [text.text for text in boxes["all"].iter(f"{SVG}text")] == ["all", "12.3k · 20", "frozen"]
    assert [text.text for text in boxes["some"].iter(f"{SVG}text")] == ["some", "7 · 20", "partly frozen"]


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1000, "1k"), (999_900, "1M"), (12_345, "12.3k"), (1_250_000_000, "1.25G")])
def test_numbers_are_short(number, text):
    assert short(number) == text


def test_names_are_fitted_to_their_boxes():
    assert fitted("stages.1 of expert 2", 200, 2) == ["stages.1 of expert 2"]
    assert fitted("stages.1 of expert 2", 72, 2) == ["stages.1 of", "expert 2"]
    assert fitted("stages.1 of expert 2 of digit", 72, 2) == ["stages.1 of", "expert 2 o…"]
    assert fitted("语义分割语义", 49, 1) == ["语义分…"]
