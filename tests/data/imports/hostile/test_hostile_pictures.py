"""Pictures that people bring: each is accepted rightly, repaired and said, or refused and said."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import examine, propose
from mtl_core.data.imports.imported_source import PreparedSource
from tests.data.imports.hostile.hostile_files import FLOAT, SIXTEEN, SMOOTH, bomb, encoded, folder_with, noise, png, turned


def animated() -> bytes:
    return encoded(SMOOTH.convert("L"), "TIFF", save_all=True, append_images=[SMOOTH.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])


ALPHA = Image.merge("RGBA", (*SMOOTH.split(), Image.new("L", SMOOTH.size, 90)))


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
