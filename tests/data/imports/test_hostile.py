"""What people bring: broken, odd, hostile. Each case is accepted rightly, repaired and said, or refused and said."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import ImportSpec, check, examine, propose
from mtl_core.data.imports.checking.check_report import Findings
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import ConfigError, DataError

SMOOTH = Image.fromarray(np.add.outer(np.arange(40), 3 * np.arange(50)).astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(image=SMOOTH, **options) -> bytes:
    return encoded(image, "PNG", **options)


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 pixels in a few hundred bytes; its content is never reached."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 1000)) + part(b"IEND", b"")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(SMOOTH, "JPEG", exif=exif)


def noise() -> bytes:
    return random.Random(0).randbytes(5000)


def animated() -> bytes:
    return encoded(SMOOTH.convert("L"), "TIFF", save_all=True, append_images=[SMOOTH.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])


SIXTEEN = Image.fromarray((np.arange(2000).reshape(40, 50) * 30).astype(np.uint16))
ALPHA = Image.merge("RGBA", (*SMOOTH.split(), Image.new("L", SMOOTH.size, 90)))
FLOAT = Image.fromarray(np.linspace(0, 1, 2000, dtype=np.float32).reshape(40, 50))
JPEG = encoded(SMOOTH.resize((400, 300)), "JPEG")

PICTURES = {  # file name, content, what is said of it ('' for nothing)
    "cut_jpeg": ("x.jpg", JPEG[: len(JPEG) // 2], "skipped/picture"),
    "cut_png": ("x.png", png()[: len(png()) // 2], "skipped/picture"),
    "header_only": ("x.png", png()[:20], "skipped/picture"),
    "zero_bytes": ("x.png", b"", "skipped/picture"),
    "noise": ("x.jpg", noise(), "skipped/picture"),
    "text": ("x.jpg", b"not a picture", "skipped/picture"),
    "html": ("x.png", b"<html><script>alert(1)</script></html>", "skipped/picture"),
    "svg": ("x.png", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "skipped/picture"),
    "eps": ("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n", "skipped/picture"),
    "pickle": ("x.png", pickle.dumps({"a": 1}), "skipped/picture"),
    "damaged_data": ("x.png", png()[:70] + b"\xff" * 60 + png()[130:], "skipped/picture"),
    "bomb": ("x.png", bomb(), "skipped/picture"),
    "float_tiff": ("x.tif", encoded(FLOAT, "TIFF"), "note/levels"),
    "sixteen_bits": ("x.png", png(SIXTEEN), "repaired/16_bit"),
    "cmyk": ("x.jpg", encoded(SMOOTH.convert("CMYK"), "JPEG"), "repaired/cmyk"),
    "palette": ("x.png", png(SMOOTH.quantize(16)), "repaired/palette"),
    "alpha": ("x.png", png(ALPHA), "repaired/alpha"),
    "grey_alpha": ("x.png", png(ALPHA.convert("LA")), "repaired/alpha"),
    "palette_alpha": ("x.png", png(SMOOTH.quantize(16), transparency=0), "repaired/alpha"),
    "one_bit": ("x.png", png(SMOOTH.convert("1")), ""),
    "turned": ("x.jpg", turned(), "repaired/turned"),
    "animated": ("x.tif", animated(), "repaired/animated"),
    "wrong_extension": ("x.jpg", png(), "note/wrong_extension"),
    "one_pixel": ("x.png", png(Image.new("RGB", (1, 1))), ""),
    "line": ("x.png", png(Image.new("RGB", (5000, 1))), "note/one_level"),
    "unicode": ("bïld 猫 \u0065\u0301.png", png(), ""),
    "spaces": ("  a  b .png", png(), ""),
    "upper_case": ("X.PNG", png(), ""),
    "two_dots": ("x.v2.final.png", png(), ""),
    "quotes": ("a'b\"c;d$(id).png", png(), ""),
    "newline": ("a\nb.png", png(), ""),
    "formula": ("=cmd|' /C calc'!A0.png", b"", "skipped/picture"),
}


def folder_with(root: Path, extra: dict[str, bytes], classes: bool = True) -> Path:
    """Two classes of six good pictures, and more files beside them."""
    for number in range(12):
        path = root / ("cat", "dog")[number % 2] / f"good_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(Image.fromarray(np.roll(np.asarray(SMOOTH), number + 1, 0))))
    for name, content in extra.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("name", PICTURES)
def test_odd_pictures(tmp_path, name):
    file, content, said = PICTURES[name]
    root = folder_with(tmp_path / "in", {f"cat/{file}": content})
    examined = examine(root, propose(root).spec)
    report = examined.report
    assert report.problems == ()
    assert report.found == 13
    assert report.images + report.skipped == 13
    assert report.skipped == (said == "skipped/picture")
    assert [f"{row.outcome}/{row.kind}" for row in report.findings] == ([said] if said else [])
    assert all(row.message and row.file.endswith(file.replace("\n", "?")) for row in report.findings)
    for split in ("train", "val", "test"):  # what was accepted can be prepared
        data = PreparedSource(examined).build(split, lambda share, what: None)
        assert data.images.shape == (report.split_sizes[split], *report.image_shape)


def test_a_turned_picture_stands_upright(tmp_path):
    root = folder_with(tmp_path, {"cat/x.jpg": turned()})
    examined = examine(root, propose(root).spec)
    assert examined.facts["cat/x.jpg"].size == (40, 50)  # SMOOTH is 50 wide


def test_sixteen_bits_keep_their_order(tmp_path):
    from mtl_core.data.imports.picture_reading import read_picture

    values = np.asarray(read_picture(png(SIXTEEN), "x.png").image).astype(int).ravel()
    assert (np.diff(values) >= 0).all()
    assert values[0] == 0
    assert values[-1] == 1999 * 30 // 257


def boxed(tmp_path, box: str, name: str = "square", head: str = "", size: str = "") -> object:
    text = f"{head}<annotation>{size}<filename>good_0.png</filename><object><name>{name}</name><bndbox>{box}</bndbox></object></annotation>"
    root = folder_with(tmp_path / "in", {"xml/good_0.xml": text.encode(), "xml/good_2.xml": GOOD_XML})
    spec = ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}], "splits": {"seed": 3}})
    return check(root, spec)


GOOD_XML = b"<annotation><object><name>square</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"


def corners(*values) -> str:
    return "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True))


BOXES = {  # box, what is said
    "outside": (corners(200, 200, 220, 220), "skipped/box_outside"),
    "reaches_out": (corners(30, 20, 90, 30), "repaired/box_cut"),
    "negative": (corners(-30, -30, 20, 20), "repaired/box_cut"),
    "turned_round": (corners(20, 20, 10, 10), "skipped/box_empty"),
    "zero": (corners(20, 20, 20, 20), "skipped/box_empty"),
    "nan": (corners("nan", 2, 20, 20), "skipped/box_not_a_number"),
    "infinite": (corners(1, 2, "inf", 20), "skipped/box_not_a_number"),
    "text": (corners("a", 2, 20, 20), "skipped/box_not_a_number"),
    "missing_side": ("<xmin>3</xmin>", "skipped/box_not_a_number"),
    "huge": (corners(1, 1, "1e300", "1e300"), "repaired/box_cut"),
}


@pytest.mark.parametrize("name", BOXES)
def test_odd_boxes(tmp_path, name):
    box, said = BOXES[name]
    report = boxed(tmp_path, box)
    assert said in [f"{row.outcome}/{row.kind}" for row in report.findings]
    [task] = report.tasks
    assert sum(task.labelled.values()) == 1 + said.startswith("repaired")  # an image whose only box is refused is not one without boxes
    assert task.class_counts == {"square": 1 + said.startswith("repaired")}


def test_boxes_of_a_turned_picture_are_said_to_be_read_upright(tmp_path):
    """Only where the file names no size: with one, boxes of the picture as it was stored are refused, and those of the upright one are right."""
    sizes = {
        "none": b"",
        "upright": b"<size><width>40</width><height>50</height></size>",
        "stored": b"<size><width>50</width><height>40</height></size>",
    }
    files = {f"{name}.jpg": turned() for name in sizes} | {f"xml/{n}.xml": GOOD_XML.replace(b"<object>", s + b"<object>") for n, s in sizes.items()}
    examined = examine(folder_with(tmp_path / "in", files), ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}]}))
    said = {row.file: row.kind for row in examined.report.findings if row.task == "boxes"}
    assert said == {"none.jpg": "boxes_of_turned", "stored.jpg": "size_differs"}
    assert set(examined.targets[0].values) == {"none.jpg", "upright.jpg"}


XMLS = {
    "entity_bomb": (
        '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><annotation><x>&c;</x></annotation>',
        "skipped/xml_entities",
    ),
    "outside_entity": (
        '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>',
        "skipped/xml_entities",
    ),
    "cut_off": ("<annotation><object>", "skipped/damaged_xml"),
    "empty": ("", "skipped/damaged_xml"),
    "other": ("<html></html>", "skipped/other_xml"),
    "no_image": ("<annotation><filename>nowhere.png</filename></annotation>", "skipped/missing_image"),
    "size_differs": (GOOD_XML.decode().replace("<object>", "<size><width>9</width><height>9</height></size><object>"), None),
}


@pytest.mark.parametrize("name", XMLS)
def test_odd_xml(tmp_path, name):
    text, said = XMLS[name]
    file = "xml/good_0.xml" if said is None else "xml/odd.xml"
    root = folder_with(tmp_path / "in", {file: text.encode(), "xml/good_2.xml": GOOD_XML})
    report = check(root, ImportSpec.from_dict({"sources": [{"format": "voc", "folder": "xml"}]}))
    assert (said or "skipped/size_differs") in [f"{row.outcome}/{row.kind}" for row in report.findings]
    assert sum(report.tasks[0].labelled.values()) == 1
    assert not any("root:" in row.message for row in report.findings)


def tabled(tmp_path, content: bytes, **options) -> object:
    root = folder_with(tmp_path / "in", {"t.csv": content})
    if not options:
        return check(root, propose(root).spec)
    return check(root, ImportSpec.from_dict({"sources": [{"format": "csv", "file": "t.csv", "image_column": "image", **options}]}))


ROWS = [(f"good_{n}", f"{n},{n}5", ("red", "blue")[n % 2]) for n in range(12)]
PLAIN = "image;size;colour\n" + "\n".join(";".join(row) for row in ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_tables_are_guessed(tmp_path, encoding, delimiter):
    text = PLAIN.replace("red", "röt").replace(";", delimiter)
    report = tabled(tmp_path, text.encode(encoding))
    found = {summary.task.name: summary for summary in report.tasks}
    assert found["colour"].class_counts == {"blue": 6, "röt": 6}
    assert (found["size"].task.kind, found["size"].lowest, found["size"].highest) == ("regression", 0.05, 11.115)
    assert report.findings == ()


COLOUR = {"columns": [{"column": "colour", "task": "colour", "kind": "classification", "classes": ["red", "blue"]}]}
SIZE = {"columns": [{"column": "size", "task": "size", "kind": "regression"}]}
TABLES = {  # CSV, options, what is said, images with a target
    "ragged": ("image,colour\ngood_0,red\ngood_1,blue,more\n", COLOUR, "skipped/ragged_row", 1),
    "missing_image": ("image,colour\ngood_0,red\nnowhere,blue\n", COLOUR, "skipped/missing_image", 1),
    "unknown_class": ("image,colour\ngood_0,red\ngood_1,mauve\n", COLOUR, "skipped/unknown_class", 1),
    "contradiction": ("image,colour\ngood_0,red\ngood_0,blue\n", COLOUR, "skipped/duplicate", 1),
    "empty_cell": ("image,colour\ngood_0,red\ngood_1,\n", COLOUR, "", 1),
    "not_a_number": ("image,size\ngood_0,1.5\ngood_1,big\n", SIZE, "skipped/not_a_number", 1),
    "nan": ("image,size\ngood_0,1.5\ngood_1,nan\n", SIZE, "note/missing_word", 1),
    "infinite": ("image,size\ngood_0,1.5\ngood_1,inf\n", SIZE, "skipped/not_a_number", 1),
    "traversal": ("image,size\ngood_0,1.5\n../../../etc/passwd,2\n", SIZE, "skipped/missing_image", 1),
    "absolute": ("image,size\ngood_0,1.5\n/etc/passwd,2\n", SIZE, "skipped/missing_image", 1),
}


@pytest.mark.parametrize("name", TABLES)
def test_odd_rows(tmp_path, name):
    text, options, said, labelled = TABLES[name]
    report = tabled(tmp_path, text.encode(), **options)
    assert [f"{row.outcome}/{row.kind}" for row in report.findings] == ([said] if said else [])
    assert sum(report.tasks[0].labelled.values()) == labelled


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no rows"),
        (b"image,image\na,b\n", "names a column twice"),
        (b"\0\1\2image", "NUL"),
        (b"picture,size\ngood_0,1\n", "has no column 'image'"),
        (b"image,size\n\xff\xfe\xfa,1\n", "cannot be read as utf-8"),
        (b'image,size\n"' + b"x" * 200_000 + b'",1\n', "no readable CSV"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        tabled(tmp_path, content, **SIZE)


def coco(**changes) -> dict:
    return {
        "images": [{"id": 7, "file_name": "good_0.png", "width": 50, "height": 40}, {"id": 9, "file_name": "good_1.png", "width": 50, "height": 40}],
        "categories": [{"id": 3, "name": "a"}, {"id": 90, "name": "b"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 90, "bbox": [5, 5, 10, 10], "iscrowd": 0}],
        **changes,
    }


def thing(**changes) -> list[dict]:
    return [*coco()["annotations"], {"id": 2, "image_id": 9, "category_id": 3, "bbox": [1, 1, 4, 4], "iscrowd": 0, **changes}]


COCOS = {
    "unknown_category": (thing(category_id=55), "skipped/unknown_class", 1),
    "unknown_image": (thing(image_id=55), "skipped/missing_image", 1),
    "double_id": (thing(id=1), "skipped/duplicate_id", 1),
    "no_box": (thing(bbox=None), "skipped/bad_box", 1),
    "short_box": (thing(bbox=[1, 2]), "skipped/bad_box", 1),
    "text_box": (thing(bbox=["1", "2", "3", "4"]), "skipped/bad_box", 1),
    "nan_box": (thing(bbox=[float("nan"), 1, 2, 3]), "skipped/box_not_a_number", 1),
    "negative_box": (thing(bbox=[5, 5, -3, -3]), "skipped/box_empty", 1),
    "crowd": (thing(iscrowd=1), "note/crowd", 1),
    "list_id": (thing(image_id=[1]), "skipped/missing_image", 1),
    "no_object": ([*coco()["annotations"], "text"], "skipped/bad_object", 1),
    "rle_too_long": (thing(segmentation={"size": [40, 50], "counts": [0, 10**12]}), "skipped/outline", 2),
    "rle_cut": (thing(segmentation={"size": [40, 50], "counts": "ooooo"}), "skipped/outline", 2),
    "rle_other_size": (thing(segmentation={"size": [4, 5], "counts": [20]}), "skipped/outline", 2),
    "polygon_of_two": (thing(segmentation=[[1, 2, 3, 4]]), "skipped/outline", 2),
    "polygon_nan": (thing(segmentation=[[1, 2, 3, 4, float("nan"), 6]]), "skipped/outline", 2),
}


@pytest.mark.parametrize("name", COCOS)
def test_odd_coco(tmp_path, name):
    annotations, said, boxes = COCOS[name]
    root = folder_with(tmp_path / "in", {"c.json": json.dumps(coco(annotations=annotations)).encode()})
    spec = {"sources": [{"format": "coco", "file": "c.json", "segments": "instances", "present": ""}], "splits": {"seed": 1}}
    examined = examine(root, ImportSpec.from_dict(spec))
    assert said in examined.report.counts
    assert "note/category_gaps" in examined.report.counts
    assert sum(examined.report.tasks[0].class_counts.values()) == boxes
    PreparedSource(examined).build("train", lambda share, what: None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"images": 3}', b"[" * 100_000])
def test_json_that_is_none(tmp_path, content):
    root = folder_with(tmp_path, {"c.json": content})
    assert propose(root).spec.sources[0].format == "class_folders"
    with pytest.raises(DataError, match=r"'c\.json' is not"):
        check(root, ImportSpec.from_dict({"sources": [{"format": "coco", "file": "c.json"}]}))


def masked(tmp_path, content: bytes, **options):
    good = png(Image.fromarray(np.ones((40, 50), np.uint8)))
    root = folder_with(tmp_path / "in", {"m/good_0.png": content, "m/good_1.png": good})
    source = {"format": "masks", "folder": "m", "values": {0: "ground", 1: "thing"}, **options}
    return examine(root, ImportSpec.from_dict({"images": {"exclude": ["m"]}, "sources": [source]}))


MASKS = {
    "other_size": (png(Image.new("L", (9, 9))), "skipped/size_differs", 1),
    "unlisted": (png(Image.fromarray(np.full((40, 50), 77, np.uint8))), "note/unlisted_value", 2),
    "colours": (png(Image.merge("RGB", (*SMOOTH.split()[:2], Image.new("L", SMOOTH.size)))), "skipped/mask", 1),
    "damaged": (noise(), "skipped/mask", 1),
    "empty": (b"", "skipped/mask", 1),
    "bomb": (bomb(), "skipped/mask", 1),
    "float": (encoded(FLOAT, "TIFF"), "skipped/mask", 1),
    "grey_in_three": (png(Image.fromarray(np.ones((40, 50), np.uint8)).convert("RGB")), "", 2),
    "palette": (png(Image.fromarray(np.ones((40, 50), np.uint8)).convert("P")), "", 2),
}


@pytest.mark.parametrize("name", MASKS)
def test_odd_masks(tmp_path, name):
    content, said, labelled = MASKS[name]
    examined = masked(tmp_path, content)
    assert [f"{row.outcome}/{row.kind}" for row in examined.report.findings] == ([said] if said else [])
    assert sum(examined.report.tasks[0].labelled.values()) == labelled
    split = examined.split["cat/good_0.png"]
    if labelled == 2:
        data = PreparedSource(examined).build(split, lambda share, what: None)
        row = [key for key in examined.facts if examined.split[key] == split].index("cat/good_0.png")
        assert np.unique(data.targets["segments"][row]).tolist() == [255 if name == "unlisted" else 1]


def depths(tmp_path, name: str, content: bytes):
    root = folder_with(tmp_path / "in", {f"depth/{name}": content})
    spec = {"images": {"exclude": ["depth"]}, "sources": [{"format": "depth", "folder": "depth", "scale": 0.001}]}
    return check(root, ImportSpec.from_dict(spec))


def npy(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/mtl_core_was_run_by_a_pickle"),))


DEPTHS = {
    "pickled": ("good_0.npy", npy(np.array([Trap()], object)), "skipped/depth", 0),
    "cut_off": ("good_0.npy", npy(np.ones((40, 50)))[:300], "skipped/depth", 0),
    "no_npy": ("good_0.npy", b"nothing", "skipped/depth", 0),
    "huge_header": ("good_0.npy", npy(np.ones((1, 1))).replace(b"(1, 1)", b"(999999, 999999)"), "skipped/depth", 0),
    "text_array": ("good_0.npy", npy(np.array(["a", "b"])), "skipped/depth", 0),
    "three_channels": ("good_0.png", png(Image.merge("RGB", (*SMOOTH.split()[:2], Image.new("L", SMOOTH.size)))), "skipped/depth", 0),
    "nothing_measured": ("good_0.png", png(Image.fromarray(np.zeros((40, 50), np.uint16))), "skipped/no_measurement", 0),
    "other_size": ("good_0.npy", npy(np.ones((4, 5))), "skipped/size_differs", 0),
    "some_measured": ("good_0.png", png(SIXTEEN), "note/no_measurement", 1),
    "infinite": ("good_0.npy", npy(np.where(np.eye(40, 50) > 0, np.inf, 5.0)), "note/no_measurement", 1),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_odd_depth(tmp_path, name):
    file, content, said, labelled = DEPTHS[name]
    report = depths(tmp_path, file, content)
    assert [f"{row.outcome}/{row.kind}" for row in report.findings] == [said]
    assert sum(report.tasks[0].labelled.values()) == labelled
    assert not Path("/tmp/mtl_core_was_run_by_a_pickle").exists()


def zipped(path: Path, entries: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(12):
            file.writestr(f"{('cat', 'dog')[number % 2]}/good_{number}.png", png(Image.fromarray(np.roll(np.asarray(SMOOTH), number + 1, 0))))
        for name, content in entries.items():
            file.writestr(name, content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(entry, target)
    return path


ZIPS = {
    "traversal": ({"../../evil.png": png()}, "skipped/zip_traversal"),
    "hidden_traversal": ({"cat/../../evil.png": png()}, "skipped/zip_traversal"),
    "absolute": ({"/tmp/evil.png": png()}, "skipped/zip_absolute"),
    "drive": ({"C:/evil.png": png()}, "skipped/zip_absolute"),
    "nested": ({"cat/more.zip": b"PK"}, "skipped/nested_archive"),
    "bomb": ({"cat/x.png": b"\0" * (40 << 20)}, "skipped/zip_bomb"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_odd_zips(tmp_path, name):
    entries, said = ZIPS[name]
    path = zipped(tmp_path / "in.zip", entries)
    before = sorted(tmp_path.rglob("*"))
    report = check(path, propose(path).spec)
    assert (report.images, report.problems) == (12, ())
    assert said in report.counts
    assert sorted(tmp_path.rglob("*")) == before


def test_links_in_a_zip_are_not_followed(tmp_path):
    path = zipped(tmp_path / "in.zip", {}, {"cat/evil.png": "/etc/passwd"})
    assert check(path, propose(path).spec).counts == {"skipped/link": 1}


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip", zlib.compress(b"x" * 100)])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "in.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"is not a readable zip|holds no files"):
        propose(tmp_path / "in.zip")


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", b"\0" * (70 << 20))
    with pytest.raises(DataError, match=r"would unpack to .* times its size"):
        propose(tmp_path / "in.zip")


def test_a_damaged_zip_entry_is_one_skipped_picture(tmp_path):
    path = zipped(tmp_path / "in.zip", {"cat/x.bmp": encoded(SMOOTH, "BMP")})
    content = bytearray(path.read_bytes())
    place = content.index(b"cat/x.bmp") + 200
    content[place : place + 20] = b"\xff" * 20
    path.write_bytes(bytes(content))
    report = check(path, propose(path).spec)
    assert (report.images, report.skipped) == (12, 1)


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.png").write_bytes(png())
    root = folder_with(tmp_path / "in", {})
    (root / "cat" / "file.png").symlink_to(tmp_path / "secret" / "s.png")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "circle").symlink_to(root)
    (root / "cat" / "dangling.png").symlink_to(root / "nowhere.png")
    report = check(root, propose(root).spec)
    assert report.images == 12
    assert {row.kind for row in report.findings} == {"link", "unreadable"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("!!python/object/apply:os.system ['touch /tmp/x']", "not valid YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("sources: [", "not valid YAML"),
        ("- 1", "must be a mapping"),
        ("images: {size: [1, 1]}", "8 to 1024"),
        ("images: {siez: [64, 64]}", "did you mean 'size'"),
        ("splits: {val_share: .nan}", "val_share"),
        ("sources: [{file: a.csv}]", "sources.0.format"),
        ("[" * 50_000, "not usable YAML|not valid YAML"),
    ],
)
def test_descriptions_that_are_refused(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ImportSpec.from_yaml(text)


def test_cells_that_a_spreadsheet_would_run_are_disarmed(tmp_path):
    root = folder_with(tmp_path, {"=1+1.png": b"", "cat/x.png": b""})
    lines = check(root, ImportSpec.from_dict({"sources": [{"format": "class_folders"}]})).to_csv().splitlines()
    assert any(",'=1+1.png," in line for line in lines)


@pytest.mark.parametrize("way", ["zip", "folder"])
def test_folders_of_thousands_of_levels_are_left_out(tmp_path, way):
    for number in range(4):
        path = tmp_path / "set" / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 12, 3), dtype=np.uint8)).save(path)
    content, root = (tmp_path / "set" / "images" / "0.png").read_bytes(), tmp_path / "set"
    if way == "zip":
        root = tmp_path / "set.zip"
        with zipfile.ZipFile(root, "w") as packed:
            for number in range(4):
                packed.writestr(f"images/{number}.png", (tmp_path / "set" / "images" / f"{number}.png").read_bytes())
            packed.writestr("a/" * 3000 + "x.png", content)
    else:
        deep = root / "/".join(["a"] * 65)
        deep.mkdir(parents=True)
        (deep / "x.png").write_bytes(content)
    proposal = propose(root)
    assert proposal.images == 4
    [found] = [row for row in examine(root, proposal.spec).report.findings if row.kind == "deep"]
    assert "more than 64 folders" in found.message
    assert len(found.file) <= 300


@pytest.mark.parametrize("swapped", ["link", "pipe"])
def test_a_file_that_is_swapped_after_the_look_is_not_read(tmp_path, swapped):
    secret = tmp_path / "secret.csv"
    secret.write_text("nobody is to read this")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "m.csv").write_text("image,label\n")
    with Tree(tmp_path / "set", Findings()) as tree:
        (tmp_path / "set" / "m.csv").unlink()
        if swapped == "link":
            (tmp_path / "set" / "m.csv").symlink_to(secret)
        else:
            os.mkfifo(tmp_path / "set" / "m.csv")
        with pytest.raises(UnreadableError, match="replaced by a link that leads out of the folder"):
            tree.read("m.csv", 1000)


@pytest.mark.parametrize("path", ["~no_such_user_at_all/x", "x" * 300, "a\0b", "/" + "a/" * 3000])
def test_a_path_that_no_file_system_has_is_refused_in_words(path):
    with pytest.raises(DataError, match="the folder or zip: "):
        Tree(path, Findings())
