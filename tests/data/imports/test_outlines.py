"""Outlines, masks, boxes and depth of one object lie in one place, whatever the format and resize; pycocotools, Pillow and numpy are judges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as judge

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports import ImportSpec, examine
from mtl_core.data.imports.checking.frames import RESIZES, Placement, stretch
from mtl_core.data.imports.formats.annotations.outlines import Shapes, bitmap, ellipse, polygon, polygons, rectangle, run_lengths
from mtl_core.data.imports.imported_source import PreparedSource


def blob(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A star-shaped polygon of 3 to 24 corners; it may reach out of the picture."""
    turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 25)))
    reach = rng.uniform(0.1, 0.5, len(turns)) * min(width, height)
    return np.stack([reach * np.cos(turns), reach * np.sin(turns)], axis=1) + rng.uniform(0.2, 0.8, 2) * (width, height)


def judged(points: np.ndarray, width: int, height: int) -> np.ndarray:
    return judge.decode(judge.frPyObjects([points.reshape(-1).tolist()], height, width))[..., 0].astype(bool)


def test_polygons_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for _ in range(200):
        width, height = (int(side) for side in rng.integers(24, 300, 2))
        points = blob(rng, width, height)
        mine = Shapes.of([(7, polygon(points))], (width, height)).render(stretch((width, height), (width, height)))
        assert set(np.unique(mine)) <= {0, 7}
        assert ((mine == 7) == judged(points, width, height)).all()


@pytest.mark.parametrize("size", [(64, 64), (96, 40), (400, 300)])
@pytest.mark.parametrize("how", RESIZES)
def test_polygons_keep_area_and_place_at_every_size(how, size):
    """Against the same polygon drawn eight times as large by Pillow and averaged: area, overlap, no shift."""
    rng, ratios, overlaps, shifts = np.random.default_rng(1), [], [], []
    for _ in range(60 if size[0] < 100 else 24):  # in a large picture each has more pixels to say
        width, height = 200, 150
        points = blob(rng, width, height)
        place = RESIZES[how]((width, height), size)
        drawn = Shapes.of([(1, polygon(points))], (width, height)).render(place)
        mine = (drawn == 1).astype(float)
        moved = (points * (place.scale_x, place.scale_y) + (place.left, place.top)) * 8
        large = Image.new("L", (size[0] * 8, size[1] * 8))
        ImageDraw.Draw(large).polygon([tuple(point) for point in moved - 0.5], fill=1)
        shares = np.where(drawn == IGNORE, 0, np.asarray(large).reshape(size[1], 8, size[0], 8).mean((1, 3)))
        if shares.sum() < 150:
            continue
        ratios.append(mine.sum() / shares.sum())
        overlaps.append((mine * (shares >= 0.5)).sum() / np.maximum(mine, shares >= 0.5).sum())
        y, x = np.mgrid[: size[1], : size[0]]
        shifts.append([(mine * axis).sum() / mine.sum() - (shares * axis).sum() / shares.sum() for axis in (x, y)])
    assert len(ratios) > 20
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.mean(overlaps) >= 0.95
    assert np.abs(np.mean(shifts, axis=0)).max() <= 0.1


def test_a_rectangle_is_its_box():
    assert rectangle(20, 16, 60, 50).render(stretch((96, 72), (96, 72))).sum() == 40 * 34
    turned = rectangle(20, 16, 60, 50, 90).render(stretch((96, 72), (96, 72)))
    assert turned.sum() == 40 * 34
    assert np.nonzero(turned.any(0))[0][[0, -1]].tolist() == [23, 56]


def test_an_ellipse_has_its_area():
    for degrees in (0, 30, 90):
        assert ellipse(100, 80, 60, 30, degrees).render(stretch((200, 160), (200, 160))).sum() == pytest.approx(np.pi * 60 * 30, rel=0.01)


def test_holes_pieces_run_lengths_and_bitmaps():
    size = (40, 30)
    place = stretch(size, size)
    ring = rectangle(5, 5, 25, 25).without(rectangle(10, 10, 20, 20))
    assert ring.render(place).sum() == ring.area() == 400 - 100
    assert rectangle(0, 0, 5, 5).with_also(rectangle(30, 20, 40, 30)).render(place).sum() == 125
    inside = np.random.default_rng(0).random((30, 40)) > 0.5
    packed = judge.encode(np.asfortranarray(inside.astype(np.uint8)))["counts"]
    assert (run_lengths(packed.decode(), size).render(place) == inside).all()
    assert run_lengths(packed.decode(), size).area() == inside.sum()
    assert bitmap(np.ones((10, 10), bool), size, 35, -5).render(place).sum() == 25


def test_the_smaller_lies_above_the_larger_unless_the_order_is_that_of_drawing():
    shapes = [(1, rectangle(5, 5, 10, 10)), (2, rectangle(0, 0, 30, 30))]
    place = stretch((40, 30), (40, 30))
    assert (Shapes.of(shapes).at((40, 30)).render(place) == 1).sum() == 25
    assert (Shapes.of(shapes, keep_order=True).at((40, 30)).render(place) == 1).sum() == 0
    shares = Shapes.of([(1, rectangle(0.25, 0.5, 0.75, 1.0))], shares=True).at((40, 30)).render(place)
    assert shares.sum() == 20 * 15


@pytest.mark.parametrize(
    "make",
    [
        lambda: polygon([0, 0, 5, 5]),
        lambda: polygon([[0, 0], [5, float("nan")], [5, 5]]),
        lambda: polygon([[0, 0], [1e9, 0], [5, 5]]),
        lambda: polygon([[0, 0], [10**400, 0], [5, 5]]),
        lambda: polygon("abcdef"),
        lambda: polygon(np.zeros((200_000, 2))),
        lambda: polygons([[0, 0, 5, 0, 5, 5]] * 20_000),
        lambda: polygons([]),
        lambda: ellipse(5, 5, float("inf"), 3),
        lambda: run_lengths([5, 5], (40, 30)),
        lambda: bitmap(np.ones((2, 2, 3), bool), (40, 30)),
    ],
)
def test_outlines_that_are_refused(make):
    with pytest.raises(ValueError, match=r"[a-z]+ .+"):
        make()


def test_an_outline_that_would_fill_memory_is_left_out():
    far = np.random.default_rng(0).uniform(-9e5, 9e5, (60_000, 2))
    assert polygon(far).steps(Placement(1, 1, 0, 0, 64, 64)) > 2_000_000  # refused by the check before pycocotools sees it
    huge = polygon([[-9e5, -9e5], [9e5, -9e5], [9e5, 9e5], [-9e5, 9e5]])
    assert huge.render(stretch((64, 64), (64, 64))).all()


FORMATS = ("polygons", "run_lengths", "numbers", "colours", "class_folder", "half_size")
BOXES = np.random.default_rng(5).uniform(0, 1, (24, 4))


def dataset(root, name: str, width: int, height: int) -> list:
    """A picture and one rectangle each: as box, as a mask of the format, and as depth 2 m before 1 m."""
    images, objects, boxes = [], [], []
    for n, (a, b, c, d) in enumerate(BOXES):
        x1, y1 = int(a * width * 0.5), int(b * height * 0.5)
        x2, y2 = x1 + 8 + int(c * (width * 0.5 - 8)), y1 + 8 + int(d * (height * 0.5 - 8))
        boxes.append((x1, y1, x2, y2))
        inside = np.zeros((height, width), np.uint8)
        inside[y1:y2, x1:x2] = 1
        pixels = np.random.default_rng(n).integers(0, 99, (height, width, 3), np.uint8)
        for folder in ("images", "masks/thing", "depth"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / f"images/{n:02}.png")
        Image.fromarray(1000 + 1000 * inside.astype(np.uint16)).save(root / f"depth/{n:02}.png")
        mask = {"colours": np.stack([inside * 200, inside * 10, inside], axis=2), "class_folder": inside * 255}.get(name, inside)
        if name == "half_size":
            mask = np.kron(inside, np.ones((2, 2), np.uint8))
        Image.fromarray(mask).save(root / ("masks/thing" if name == "class_folder" else "masks") / f"{n:02}.png")
        packed = {"size": [height, width], "counts": judge.encode(np.asfortranarray(inside))["counts"].decode()}
        shape = [[x1, y1, x2, y1, x2, y2, x1, y2]] if name == "polygons" else packed
        images.append({"id": n, "file_name": f"{n:02}.png", "width": width, "height": height})
        area = (x2 - x1) * (y2 - y1)
        objects.append(
            {"id": n, "image_id": n, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": area, "segmentation": shape, "iscrowd": 0}
        )
    (root / "coco.json").write_text(json.dumps({"images": images, "annotations": objects, "categories": [{"id": 1, "name": "thing"}]}))
    return boxes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """``drawn(name, size)``: the folder of a set, written once."""
    folders = {}

    def of(name, size):
        if (name, size) not in folders:
            folders[name, size] = tmp_path_factory.mktemp("drawn")
            dataset(folders[name, size], name, *size)
        return folders[name, size]

    return of


# The format says where masks come from, the size whether they grow: each format is resized in each way, and each way both up and down.
PLACED = [(name, how, ((160, 120), (40, 30))[(turn + row) % 2]) for row, name in enumerate(FORMATS) for turn, how in enumerate(RESIZES)]


@pytest.mark.parametrize(("name", "how", "size"), PLACED)
def test_box_mask_and_depth_of_one_object_lie_in_one_place(drawn, name, how, size):
    folder = drawn(name, size)
    outlined = name in ("polygons", "run_lengths")
    masks = {"format": "masks", "folder": "masks", "task": "m"}
    masks |= {
        "colours": {"colours": {"#000000": "ground", "#c80a01": "thing"}},
        "class_folder": {"per_class": "folder", "classes": {"thing": "thing"}},
        "half_size": {"values": {0: "ground", 1: "thing"}, "other_size": "scale"},
    }.get(name, {"values": {0: "ground", 1: "thing"}})
    sources = [{"format": "coco", "file": "coco.json", "images": "images", "boxes": "b", "present": "", "segments": "m" if outlined else ""}]
    sources += [{"format": "depth", "folder": "depth"}, *([] if outlined else [masks])]
    spec = {"images": {"folders": ["images"], "size": [64, 64], "resize": how}, "sources": sources}
    source = PreparedSource(examine(folder, ImportSpec.from_dict(spec)))
    off, areas = {"mask": [], "depth": []}, []
    for part in ("train", "val", "test"):
        data = source.build(part, lambda share, what: None)
        assert data.labelled["m"].all()
        for row in range(len(data.images)):
            box = data.targets["b"][row, 0, :4]
            depth = np.nan_to_num(data.targets["depth"][row])
            for kind, inside in (("mask", data.targets["m"][row] == 1), ("depth", depth > 1.5)):
                if not box.any():  # cropped away
                    assert inside.sum() <= 64
                    continue
                y, x = np.nonzero(inside)
                if not len(x):  # a sliver at the edge
                    assert min(box[2] - box[0], box[3] - box[1]) < 1
                    continue
                found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
                assert np.abs(found - box).max() <= 1
                off[kind].append(found - box)
                areas.append((inside.sum(), (box[2] - box[0]) * (box[3] - box[1])))
            assert (data.targets["m"][row][:8] == IGNORE).all() == (how == "pad")
    mine, boxes = np.sum(areas, axis=0)
    assert mine / boxes == pytest.approx(1, abs=0.03)
    for found in off.values():
        assert np.abs(np.mean(found, axis=0).reshape(2, 2).mean(0)).max() <= 0.1  # dx and dy of the middle
