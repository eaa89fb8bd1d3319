"""The same objects written as each annotation format writes them, by numpy, Pillow and json alone, to compare readers with what was meant."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "eel")


@dataclass(frozen=True)
class Thing:
    """An object: class, box x1, y1, x2, y2 and perhaps a polygon, in pixels."""

    name: str
    box: tuple[float, float, float, float]
    polygon: tuple[tuple[float, float], ...] = ()


def write_picture(path: Path, size: tuple[int, int] = (96, 72), seed: int = 0, exif: int = 0) -> None:
    """A noisy picture of ``size`` (width, height), other pixels for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encoded(Image.registered_extensions()[path.suffix.lower()], tuple(size), seed, exif))


@cache
def _encoded(file_format: str, size: tuple[int, int], seed: int, exif: int) -> bytes:
    """The content of the file: hundreds of tests write the same pictures."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    options = {}
    if exif:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = exif
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, file_format, **options)
    return content.getvalue()


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


Pictures = dict[str, list[Thing]]  # file name -> its objects


def coco(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    images, annotations = [], []
    for number, (name, things) in enumerate(pictures.items()):
        images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        for thing in things:
            x1, y1, x2, y2 = thing.box
            shape = [[v for point in thing.polygon for v in point]] if thing.polygon else []
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": CLASSES.index(thing.name), "iscrowd": 0}
            annotations.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": shape})
    categories = [{"id": index, "name": name} for index, name in enumerate(CLASSES)]
    write_json(root / "annotations.json", {"images": images, "annotations": annotations, "categories": categories})


def yolo(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    (w, h) = size
    for name, things in pictures.items():
        lines = []
        for thing in things:
            x1, y1, x2, y2 = thing.box
            numbers = [v for x, y in thing.polygon for v in (x / w, y / h)]
            numbers = numbers or [(x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h]
            lines.append(" ".join(map(repr, [CLASSES.index(thing.name), *numbers])))
        write_text(root / "labels" / f"{Path(name).stem}.txt", "\n".join(lines))
    write_text(root / "data.yaml", f"names: [{', '.join(CLASSES)}]\n")


def voc(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    for name, things in pictures.items():
        text = f"<annotation><filename>{name}</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        for thing in things:
            corners = "".join(f"<{side}>{value!r}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), thing.box, strict=True))
            points = "".join(f"<x{n}>{x!r}</x{n}><y{n}>{y!r}</y{n}>" for n, (x, y) in enumerate(thing.polygon, 1))
            outline = f"<polygon>{points}</polygon>" if points else ""
            text += f"<object><name>{thing.name}</name><bndbox>{corners}</bndbox>{outline}</object>"
        write_text(root / "Annotations" / f"{Path(name).stem}.xml", f"{text}</annotation>")


def labelme(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    for name, things in pictures.items():
        shapes = []
        for thing in things:
            points = thing.polygon or ((thing.box[0], thing.box[1]), (thing.box[2], thing.box[3]))
            shapes.append({"label": thing.name, "points": points, "shape_type": "polygon" if thing.polygon else "rectangle", "flags": {}})
        entry = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
        write_json(root / "images" / f"{Path(name).stem}.json", {**entry, "imageHeight": size[1], "imageWidth": size[0]})


def cvat(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    text = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><name>t</name></task></meta>'
    for number, (name, things) in enumerate(pictures.items()):
        text += f'<image id="{number}" name="{name}" width="{size[0]}" height="{size[1]}">'
        for thing in things:
            if thing.polygon:
                points = ";".join(f"{x!r},{y!r}" for x, y in thing.polygon)
                text += f'<polygon label="{thing.name}" points="{points}" occluded="0"/>'
            else:
                sides = " ".join(f'{side}="{value!r}"' for side, value in zip(("xtl", "ytl", "xbr", "ybr"), thing.box, strict=True))
                text += f'<box label="{thing.name}" {sides} occluded="0"/>'
        text += "</image>"
    write_text(root / "annotations.xml", f"{text}</annotations>")


def via(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    entries = {}
    for name, things in pictures.items():
        regions = []
        for thing in things:
            x1, y1, x2, y2 = thing.box
            xs, ys = [x for x, _ in thing.polygon], [y for _, y in thing.polygon]
            polygon = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
            shape = polygon if thing.polygon else {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
            regions.append({"shape_attributes": shape, "region_attributes": {"class": thing.name}})
        entries[f"{name}123"] = {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}
    write_json(root / "via_project.json", {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}})


def label_studio(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    (w, h), tasks = size, []
    for number, (name, things) in enumerate(pictures.items()):
        result = []
        for thing in things:
            x1, y1, x2, y2 = thing.box
            box = {"x": 100 * x1 / w, "y": 100 * y1 / h, "width": 100 * (x2 - x1) / w, "height": 100 * (y2 - y1) / h, "rotation": 0}
            value = {"points": [[100 * x / w, 100 * y / h] for x, y in thing.polygon]} if thing.polygon else box
            kind = "polygonlabels" if thing.polygon else "rectanglelabels"
            result.append({"type": kind, "original_width": w, "original_height": h, "value": {**value, kind: [thing.name]}})
        tasks.append({"id": number, "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": result}]})
    write_json(root / "project-1-at-2026.json", tasks)


def kitti(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    for name, things in pictures.items():
        lines = [f"{thing.name} 0.00 0 -1.57 {' '.join(map(repr, thing.box))} 1.5 1.6 3.9 1.0 1.0 20.0 -1.5" for thing in things]
        write_text(root / "label_2" / f"{Path(name).stem}.txt", "\n".join(lines))


def dota(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    for name, things in pictures.items():
        lines = ["imagesource:GoogleEarth", "gsd:0.1"]
        for thing in things:
            x1, y1, x2, y2 = thing.box
            lines.append(f"{x1!r} {y1!r} {x2!r} {y1!r} {x2!r} {y2!r} {x1!r} {y2!r} {thing.name} 0")
        write_text(root / "labelTxt" / f"{Path(name).stem}.txt", "\n".join(lines))


def createml(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    entries = []
    for name, things in pictures.items():
        objects = []
        for thing in things:
            x1, y1, x2, y2 = thing.box
            sides = {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "width": x2 - x1, "height": y2 - y1}
            objects.append({"label": thing.name, "coordinates": sides})
        entries.append({"image": name, "annotations": objects})
    write_json(root / "createml.json", entries)


def wider(root: Path, pictures: Pictures, size: tuple[int, int]) -> None:
    """One class, whole numbers."""
    text = ""
    for name, things in pictures.items():
        rows = [f"{x1:g} {y1:g} {x2 - x1:g} {y2 - y1:g} 0 0 0 0 0 0" for x1, y1, x2, y2 in (thing.box for thing in things)]
        text += "\n".join([name, str(len(rows)), *(rows or ["0 0 0 0 0 0 0 0 0 0"])]) + "\n"
    write_text(root / "wider_face_train_bbx_gt.txt", text)


WRITERS = {writer.__name__: writer for writer in (coco, yolo, voc, labelme, cvat, via, label_studio, kitti, dota, createml, wider)}
WITH_POLYGONS = ("coco", "yolo", "voc", "labelme", "cvat", "via", "label_studio")


def write_set(kind: str, root: Path, pictures: Pictures, size: tuple[int, int] = (96, 72)) -> Path:
    """Pictures in ``images/`` and their objects as a format has them."""
    for number, name in enumerate(pictures):
        write_picture(root / "images" / name, size, seed=number)
    WRITERS[kind](root, pictures, size)
    return root
