"""The same objects in every annotation format give the same boxes, classes and masks, however they are resized; compared with pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mtl_core.data.dataset import IGNORE, PADDING
from mtl_core.data.imports import ImportSpec, examine, propose
from mtl_core.data.imports.checking.frames import RESIZES
from mtl_core.data.imports.imported_source import PreparedSource
from tests.data.imports.annotation_writers import CLASSES, WITH_POLYGONS, WRITERS, Pictures, Thing, write_set

SIZE, WANTED = (96, 72), (40, 48)  # (width, height) of the pictures; (height, width) that they are brought to


def pictures(kind: str, count: int = 9) -> Pictures:
    """Random objects that do not overlap, some with an outline where the format has them; the last picture has none."""
    draw, found = np.random.default_rng(len(kind)), {}
    for number in range(count):
        things = []
        for column in range(3):
            x1, y1 = 32 * column + draw.integers(0, 8), draw.integers(0, 30)
            x2, y2 = x1 + draw.integers(8, 20), y1 + draw.integers(10, 40)
            box = tuple(float(value) for value in (x1, y1, x2, y2))
            polygon = ((box[0], box[1]), (box[2], box[1]), (box[2], box[3]), ((box[0] + box[2]) / 2, box[3]), (box[0], box[3] - 4))
            outlined = kind in WITH_POLYGONS and (column == 0 or (number + column) % 3)
            polygon = polygon[: 5 - (number + column) % 2] if outlined else ()
            if polygon:
                box = (*np.min(polygon, 0).tolist(), *np.max(polygon, 0).tolist())
            things.append(Thing("cat" if kind == "wider" else CLASSES[(number + column) % 3], box, polygon))
        found[f"{number:03}.png"] = things if number < count - 1 else []
    return found


def placed(how: str) -> tuple[float, float, float, float]:
    """Scale and offset of x and y, by the definition of each way."""
    height, width = WANTED
    if how == "stretch":
        return width / SIZE[0], 0.0, height / SIZE[1], 0.0
    scale = (min if how == "pad" else max)(width / SIZE[0], height / SIZE[1])
    across, down = round(SIZE[0] * scale), round(SIZE[1] * scale)
    return across / SIZE[0], (width - across) // 2, down / SIZE[1], (height - down) // 2


def moved(points, how: str) -> np.ndarray:
    sx, ox, sy, oy = placed(how)
    return np.array(points, float).reshape(-1, 2) * (sx, sy) + (ox, oy)


def wanted_boxes(things: list[Thing], how: str, names: tuple[str, ...]) -> np.ndarray:
    rows = []
    for thing in things:
        x1, y1, x2, y2 = np.clip(moved(thing.box, how).reshape(-1), 0, (WANTED[1], WANTED[0]) * 2)
        if x2 > x1 and y2 > y1:
            rows.append((x1, y1, x2, y2, names.index(thing.name)))
    return np.array(rows, np.float32).reshape(-1, 5)


def wanted_mask(things: list[Thing], how: str, names: tuple[str, ...]) -> np.ndarray:
    mask = np.full(WANTED, IGNORE if how == "pad" else 0, np.uint8)  # bars beside a padded picture don't count
    left, top, right, bottom = np.clip(np.round(moved(((0, 0), SIZE), how).reshape(-1)), 0, (WANTED[1], WANTED[0]) * 2).astype(int)
    mask[top:bottom, left:right] = 0
    for number, points in [
        *((IGNORE, ((t.box[0], t.box[1]), (t.box[2], t.box[1]), (t.box[2], t.box[3]), (t.box[0], t.box[3]))) for t in things if not t.polygon),
        *((names.index(t.name) + 1, t.polygon) for t in sorted(things, key=lambda t: -area(t.polygon)) if t.polygon),
    ]:
        flat = moved(points, how).reshape(1, -1).tolist()
        mask[coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *WANTED))).astype(bool)] = number
    return mask


def area(points) -> float:
    if not points:
        return 0.0
    x, y = np.array(points).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("kind", WRITERS)
def test_boxes_classes_and_masks_are_those_that_were_written(tmp_path, kind, how):
    meant = pictures(kind)
    proposal = propose(write_set(kind, tmp_path, meant, SIZE))
    values = proposal.spec.to_dict()
    assert [source["format"] for source in values["sources"]] == [kind]
    assert {task.name: task.labelled for task in proposal.tasks}["boxes"] == len(meant)
    values["images"] |= {"size": list(WANTED), "resize": how}
    if kind == "voc":
        values["sources"][0]["origin"] = 0
    examined = examine(tmp_path, ImportSpec.from_dict(values))
    assert not [row for row in examined.report.findings if row.outcome == "skipped"]
    tasks = {task.name: task for task in examined.tasks}
    names = tasks["boxes"].classes
    assert set(names) == ({"face"} if kind == "wider" else set(CLASSES))
    wanted = {name: [Thing("face" if kind == "wider" else t.name, t.box, t.polygon) for t in things] for name, things in meant.items()}
    seen = 0
    for split in ("train", "val", "test"):
        data = PreparedSource(examined).build(split, lambda share, what: None)
        for row, key in enumerate(key for key in examined.facts if examined.split[key] == split):
            things, seen = wanted[key.removeprefix("images/")], seen + 1
            boxes = data.targets["boxes"][row]
            boxes = boxes[boxes[:, 4] != PADDING]
            assert data.labelled["boxes"][row]
            assert np.allclose(boxes[np.lexsort(boxes.T)], (right := wanted_boxes(things, how, names))[np.lexsort(right.T)], atol=1e-3)
            if kind in WITH_POLYGONS:
                assert (data.targets["object_masks"][row] == wanted_mask(things, how, names)).mean() > 0.995
    assert seen == len(meant)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_look_says_which_files_it_reads_and_nothing_is_left_unsaid(tmp_path, kind):
    proposal = propose(write_set(kind, tmp_path, pictures(kind), SIZE))
    assert all(note.read for note in proposal.files)
    assert proposal.files
    again = ImportSpec.from_yaml(proposal.spec.to_yaml())
    assert again.to_dict() == proposal.spec.to_dict()
