"""Masks, depth maps and pictures as other tools write them: each folder gives its right outcome, and what is open is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import answer, examine, propose

W, H = 48, 36


def save(path: Path, values: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path, **options)


def photo(path: Path, seed: int = 0, width: int = W, height: int = H) -> None:
    save(path, (np.random.default_rng(seed).integers(0, 60, (height, width, 3)) + np.array([30, 60, 90])).astype(np.uint8))


def mask(inside: int = 1, outside: int = 0, width: int = W, height: int = H) -> np.ndarray:
    values = np.full((height, width), outside, np.uint8)
    values[height // 4 : height // 2, width // 4 : width // 2] = inside
    return values


def coloured(values: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    made = np.zeros((*values.shape, 3), np.uint8)
    for number, colour in colours.items():
        made[values == number] = colour
    return made


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def plain(root: Path, one, images: str = "images/{}.jpg", masks: str = "masks/{}.png", count: int = 12) -> None:
    """Pictures, and beside each what ``one`` makes of its number."""
    for n in range(count):
        photo(root / images.format(n), n)
        save(root / masks.format(n), one(n))


def cvat(root):
    two = {0: (0, 0, 0), 1: (48, 112, 32), 2: (176, 112, 32)}
    plain(root, lambda n: coloured(mask(1 + n % 2), two), "JPEGImages/{}.jpg", "SegmentationClass/{}.png")
    plain(root, lambda n: coloured(mask(1), {1: (128, 0, 0)}), "JPEGImages/{}.jpg", "SegmentationObject/{}.png")
    text(root / "labelmap.txt", "# label:color_rgb:parts:actions\nCat:48,112,32::\nDog:176,112,32::\nbackground:0,0,0::\n")


CAMVID = {0: (128, 128, 128), 1: (64, 0, 128), 2: (0, 0, 0)}


def camvid(root):
    plain(root, lambda n: coloured(np.where(np.arange(H)[:, None] < 3, 2, mask()), CAMVID), "images/f{:03}.png", "labels/f{:03}_L.png")
    text(root / "label_colors.txt", "128 128 128\tSky\n64 0 128\tCar\n0 0 0\tVoid\n")


def camvid_table(root):
    for part in ("train", "val", "test"):
        plain(root, lambda n: coloured(mask(), CAMVID), f"{part}/{part}{{}}.png", f"{part}_labels/{part}{{}}_L.png", 6)
    text(root / "class_dict.csv", "name,r,g,b\nSky,128,128,128\nCar,64,0,128\n")


def segnet(root):
    for part in ("train", "val", "test"):
        plain(root, lambda n: mask(3), f"{part}/{{}}.png", f"{part}annot/{{}}.png", 6)


def cityscapes(root):
    for n in range(12):
        part, city = ("train", "val")[n > 7], ("aachen", "bochum")[n % 2]
        name = f"{city}_{n:06}_000019"
        photo(root / f"leftImg8bit/{part}/{city}/{name}_leftImg8bit.png", n)
        at = root / f"gtFine/{part}/{city}"
        save(at / f"{name}_gtFine_labelIds.png", mask(26, 7))
        save(at / f"{name}_gtFine_instanceIds.png", np.where(mask(1) > 0, 26001, 7).astype(np.uint16))
        save(at / f"{name}_gtFine_color.png", coloured(mask(), {0: (128, 64, 128), 1: (0, 0, 142)}))
        text(at / f"{name}_gtFine_polygons.json", '{"objects": []}')


def ade(root):
    for n in range(12):
        part = ("training", "validation")[n > 7]
        photo(root / f"images/{part}/ADE_{n:08}.jpg", n)
        save(root / f"annotations/{part}/ADE_{n:08}.png", mask(3))
    text(root / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1\t1\t1\t1\twall\n3\t0.1\t8\t7\t1\tsky, heaven\n")


def by_folder(root):
    plain(root, lambda n: mask(255)[::-1], masks="masks/cat/{}.png")
    plain(root, lambda n: mask(255), masks="masks/dog/{}.png")


def isic(root):
    plain(root, lambda n: mask(255), "ISIC-2017_Training_Data/ISIC_{:07}.jpg", "ISIC-2017_Training_GroundTruth/ISIC_{:07}_segmentation.png")


def isic_attributes(root):
    for name, down in (("globules", 0), ("streaks", 8)):
        plain(root, lambda n, d=down: np.roll(mask(255), d, 0), "input/ISIC_{:07}.jpg", f"truth/ISIC_{{:07}}_attribute_{name}.png")


def anti_aliased(n: int) -> np.ndarray:
    large = Image.fromarray(mask(255, 0, W * 8, H * 8)).rotate(20)
    return np.asarray(large.resize((W, H), Image.Resampling.LANCZOS))


def jpeg_masks(root):
    for n in range(12):
        photo(root / f"images/{n}.png", n)
        save(root / f"masks/{n}.jpg", anti_aliased(n), quality=80)


def nested_scenes(root):
    for n in range(30):
        photo(root / f"scene{n:02}/rgb/0001.png", n)
        save(root / f"scene{n:02}/mask/0001.png", mask(2))


def one_folder_each(root):
    for n in range(12):
        photo(root / f"{n:03}/image.jpg", n)
        save(root / f"{n:03}/mask.png", mask(1))


def depth_beside(root):
    plain(root, lambda n: ramp(700, 3400), "{:06}.color.jpg", "{:06}.depth.png")


def ramp(low: float, high: float, kind=np.uint16) -> np.ndarray:
    return np.linspace(low, high, W * H).reshape(H, W).astype(kind)


def sentinels(n: int) -> np.ndarray:
    values = ramp(500, 9000)
    values[:3], values[3:6] = 0, 65535
    return values


def normals(n: int) -> np.ndarray:
    vectors = np.random.default_rng(n).normal(size=(H, W, 3)) * 0.3 + [0, 0, 1]
    return np.round((vectors / np.linalg.norm(vectors, axis=2, keepdims=True) + 1) * 127.5).astype(np.uint8)


def with_normals(root):
    plain(root, lambda n: ramp(700, 3400), "rgb/{}.png", "depth/{}.png")
    plain(root, normals, "rgb/{}.png", "normals/{}.png")


def carvana(root):
    plain(root, lambda n: mask(1), "train/car{}.jpg", "train_masks/car{}_mask.gif")


def drive(root):
    plain(root, lambda n: mask(255), "training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif")


def rare_later(root):
    plain(root, lambda n: mask(5 if n == 31 else 1), "images/{:02}.jpg", "masks/{:02}.png", 49)


def sizes(root):
    plain(root, lambda n: mask(1, 0, W // 2, H // 2))


def other_proportions(root):
    plain(root, lambda n: mask(1, 0, W, W))


def supervisely(root):
    plain(root, lambda n: coloured(mask(), {1: (255, 0, 0)}), "img/{}.jpg", "masks_machine/{}.png")
    text(root / "meta.json", json.dumps({"classes": [{"title": "cat", "color": "#FF0000"}, {"title": "nothing", "color": "#000000"}], "tags": []}))


def instances(root):
    plain(root, lambda n: np.where(mask(1) > 0, 26001, 7000).astype(np.uint16), masks="objects/{}.png")


def orphans(root):
    for n in range(12):
        photo(root / f"set/{n}/images/{n}.png", n)
        for piece in range(3):
            save(root / f"set/{n}/masks/{n}{piece}abcd{piece * 7}.png", mask(255))


def thick_white(root):
    plain(root, lambda n: np.where(mask(1) > 0, 255, np.where(np.arange(W) > 30, 1, 0)).astype(np.uint8))


def border(n: int) -> np.ndarray:
    values = mask(7)
    values[H // 4 : H // 2, W // 4] = 255
    return values


def listed_from_one(root):
    plain(root, lambda n: mask(2))
    text(root / "classes.txt", "cat\ndog\n")


def mapillary(root):
    plain(root, lambda n: mask(1))
    labels = [{"name": "void--sky", "readable": "Sky", "color": [1, 2, 3]}, {"name": "car", "readable": "Car", "color": [4, 5, 6]}]
    text(root / "config.json", json.dumps({"labels": labels}))


@dataclass
class Case:
    """``tasks``: name -> (kind, classes, labelled). ``questions``: name -> reading taken. ``unread``: patterns not read. ``options``: of source 0."""

    make: object
    images: int
    tasks: dict
    questions: dict = field(default_factory=dict)
    unread: tuple = ()
    options: dict = field(default_factory=dict)


def segmented(classes: str, labelled: int = 12, name: str = "segments") -> dict:
    return {name: ("segmentation", tuple(classes.split("|")), labelled)}


DEPTH = {"depth": ("depth", (), 12)}
CITY = "road|sidewalk|building|wall|fence|pole|traffic light|traffic sign|vegetation|terrain|sky|person|rider|car|truck|bus|train|motorcycle|bicycle"
CASES = {
    "B01 CVAT segmentation mask": Case(cvat, 12, segmented("Cat|Dog|background"), unread=("SegmentationObject/*.png",)),
    "B02 CamVid": Case(camvid, 12, segmented("Sky|Car")),
    "CamVid with class_dict.csv": Case(camvid_table, 18, segmented("Sky|Car", 18)),
    "B03 Cityscapes": Case(cityscapes, 12, segmented(CITY), unread=("gtFine/*_gtFine_color.png", "gtFine/*_gtFine_instanceIds.png")),
    "B04 ADE20K": Case(ade, 12, segmented("wall|sky, heaven"), {"zero": "ignored"}, options={"ignore": [0, 255]}),
    "B05 0 and 1": Case(lambda root: plain(root, lambda n: mask()), 12, segmented("background|class 1")),
    "B06 one bit": Case(lambda root: plain(root, lambda n: mask() > 0), 12, segmented("background|class 1")),
    "B07 anti-aliased": Case(
        lambda root: plain(root, anti_aliased), 12, segmented("background|object"), {"threshold": "half"}, options={"threshold": 128.0}
    ),
    "B08 folder per class": Case(by_folder, 12, segmented("background|cat|dog"), options={"per_class": "folder"}),
    "B09 rare class": Case(rare_later, 49, segmented("background|class 1|class 5", 49)),
    "SegNet's trainannot": Case(segnet, 18, segmented("background|class 3", 18)),
    "ISIC": Case(isic, 12, segmented("background|object"), options={"suffix": "_segmentation"}),
    "ISIC attributes": Case(isic_attributes, 12, segmented("background|globules|streaks"), {"overlap": "one"}, options={"per_class": "suffix"}),
    "Carvana": Case(carvana, 12, segmented("background|class 1"), options={"suffix": "_mask"}),
    "DRIVE": Case(drive, 12, segmented("background|class 1"), options={"suffix": "_manual1", "image_suffix": "_training"}),
    "JPEG masks": Case(jpeg_masks, 12, segmented("background|object"), {"threshold": "half"}),
    "png beside jpg": Case(
        lambda root: plain(root, lambda n: mask(2), "data/{}.jpg", "data/{}.png"), 12, segmented("background|class 2"), options={"ending": ".png"}
    ),
    "img_1 and mask_1": Case(lambda root: plain(root, lambda n: mask(1), "all/img_{}.png", "all/mask_{}.png"), 12, segmented("background|class 1")),
    "scenes": Case(nested_scenes, 30, segmented("background|class 2", 30), options={"folder": "*/mask"}),
    "a folder for each picture": Case(one_folder_each, 12, segmented("background|class 1")),
    "16-bit masks": Case(lambda root: plain(root, lambda n: mask(9).astype(np.uint16)), 12, segmented("background|class 9")),
    "a folder of any name": Case(lambda root: plain(root, lambda n: mask(4), masks="xyz/{}.png"), 12, segmented("background|class 4")),
    "grey pictures": Case(
        lambda root: [
            (save(root / f"images/{n}.png", np.random.default_rng(n).integers(0, 255, (H, W), np.uint8)), save(root / f"masks/{n}.png", mask()))
            for n in range(12)
        ],
        12,
        segmented("background|class 1"),
    ),
    "masks half as large": Case(sizes, 12, segmented("background|class 1"), {"size": "scale"}, options={"other_size": "scale"}),
    "masks of other proportions": Case(other_proportions, 12, segmented("background|class 1", 0), {"size": "refuse"}),
    "Supervisely's colours": Case(supervisely, 12, segmented("cat|nothing")),
    "colours without a list": Case(
        lambda root: plain(root, lambda n: coloured(mask(), {1: (9, 200, 7)})), 12, segmented("background|colour #09c807")
    ),
    "numbers of single objects": Case(instances, 12, {}, unread=("objects/*.png",)),
    "masks of other names": Case(orphans, 12, {}, unread=("set/*/masks/*",)),
    "255 in areas": Case(thick_white, 12, segmented("background|class 1"), {"white": "ignored"}),
    "255 in lines": Case(lambda root: plain(root, border), 12, segmented("background|class 7")),
    "names counted from 1": Case(listed_from_one, 12, segmented("background|cat|dog")),
    "Mapillary's config.json": Case(mapillary, 12, segmented("Sky|Car"), {"counted_from": "zero"}),
    "H01 KITTI": Case(lambda root: plain(root, lambda n: ramp(512, 20480), "rgb/{}.png", "depth/{}.png"), 12, DEPTH, {"unit": "mm"}),
    "H02 8-bit depth": Case(
        lambda root: plain(root, lambda n: ramp(0, 255, np.uint8), "rgb/{}.png", "depth/{}.png"), 12, DEPTH, {"unit": "relative"}
    ),
    "KITTI's folder": Case(lambda root: plain(root, lambda n: ramp(512, 20480), "image_02/{}.png", "proj_depth/{}.png"), 12, DEPTH, {"unit": "256"}),
    "depth.png beside color.jpg": Case(depth_beside, 12, DEPTH, {"unit": "mm"}),
    "npy in metres": Case(
        lambda root: plain(root, lambda n: ramp(0.4, 9.5, np.float32), "rgb/{}.png", "depth/{}.npy"), 12, DEPTH, options={"scale": 1.0}
    ),
    "npy in millimetres": Case(
        lambda root: plain(root, lambda n: ramp(400, 9500.5, np.float32), "rgb/{}.png", "depth/{}.npy"), 12, DEPTH, {"unit": "mm"}
    ),
    "float TIFF in metres": Case(
        lambda root: plain(root, lambda n: ramp(0.4, 40, np.float32), "rgb/{}.png", "depth/{}.tiff"), 12, DEPTH, options={"scale": 1.0}
    ),
    "disparity": Case(
        lambda root: plain(root, lambda n: ramp(3.3, 90, np.float32), "left/{}.png", "disparity/{}.npy"), 12, DEPTH, {"unit": "disparity"}
    ),
    "sentinels": Case(
        lambda root: plain(root, sentinels, "rgb/{}.png", "depth/{}.png"), 12, DEPTH, {"unit": "mm"}, options={"missing": [0.0, 65535.0]}
    ),
    "negative depth": Case(
        lambda root: plain(root, lambda n: ramp(-1, 9, np.float32), "rgb/{}.png", "depth/{}.npy"), 12, DEPTH, options={"lowest": 0.0}
    ),
    "normals": Case(with_normals, 12, DEPTH, {"unit": "mm"}, unread=("normals/*.png",)),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(tmp_path, name):
    case = CASES[name]
    case.make(tmp_path)
    proposal = propose(tmp_path)
    report = examine(tmp_path, proposal.spec).report
    assert proposal.images == report.images == case.images
    assert {s.task.name: (s.task.kind, s.task.classes, sum(s.labelled.values())) for s in report.tasks} == case.tasks
    assert {question.name: question.taken for question in proposal.questions} == case.questions
    assert set(case.unread) <= {note.files for note in proposal.files if not note.read and note.reason}
    if case.options:
        assert {key: proposal.spec.sources[0].options.get(key) for key in case.options} == case.options
    for question in proposal.questions:  # every reading is a description that can be checked
        assert question.text.endswith("?")
        assert question.evidence
        for reading in question.readings:
            examine(tmp_path, answer(proposal.spec, question, reading.name))
