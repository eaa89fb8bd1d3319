"""The array that a network was trained on, and the one that ``Predictor`` makes of the same file, are equal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save

from mtl_core.config import RunConfig
from mtl_core.data import open_source
from mtl_core.data.imports import ImportSpec, import_dataset
from mtl_core.data.imports import imported_source as import_source
from mtl_core.data.imports.picture_reading import EXTENSIONS, KINDS, read_picture
from mtl_core.inference.model_folder import ModelDescription
from mtl_core.inference.predictor import Predictor
from mtl_core.training.build import build_kinds, build_model, training_data
from mtl_core.training.parts import network_parts

FORMATS = {
    "grey.png": lambda image: image.convert("L"),
    "colour.png": lambda image: image,
    "colour.jpg": lambda image: image,
    "palette.png": lambda image: image.quantize(16),
    "see_through.png": lambda image: _with_alpha(image),
    "deep.png": lambda image: Image.fromarray(_deep(image)),
    "cmyk.jpg": lambda image: image.convert("CMYK"),
    "turned.jpg": lambda image: image,
    "deep.pgm": lambda image: Image.fromarray(_deep(image)),
    "deep.tif": lambda image: Image.fromarray(_deep(image)),
    "whole_numbers.tiff": lambda image: Image.fromarray(_deep(image).astype(np.int32)),
    "lab.tif": lambda image: image.convert("LAB"),
    "turned.tif": lambda image: image,
    "turned.webp": lambda image: image,
    "turned.png": lambda image: image,
    "turned.avif": lambda image: image,
    "photograph.heic": lambda image: image,
    "still.gif": lambda image: image.quantize(16),
    "grey.bmp": lambda image: image.convert("L"),
    "bits.pbm": lambda image: image.convert("1"),
}
FORMATS = {name: made for name, made in FORMATS.items() if name[name.index(".") :] in EXTENSIONS}  # HEIF and AVIF where this machine reads them
PUBLISHED = (".jpg", ".png")  # the files of published sets
PREPROCESSING = {
    "as it is": {},
    "denoised": {"denoise": {"name": "median"}},
    "grey": {"colour": "grey", "denoise": {"name": "gaussian"}},
    "twice resized": {"resize": "pad", "height": 40, "width": 24},
}


def _deep(image):
    return (np.asarray(image.convert("L")).astype(np.uint16) * 251 + 130).astype(np.uint16)


def _with_alpha(image):
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray((np.asarray(image)[..., 0] // 2 + 100).astype(np.uint8)))
    return image


def content(name: str, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 14, 3), dtype=np.uint8))
    image = coarse.resize((280, 180), Image.Resampling.BICUBIC)  # large enough for a JPEG to be decoded at a quarter
    kept = io.BytesIO()
    kind = EXTENSIONS[name[name.index(".") :]]
    options = {"quality": 90} if kind == "JPEG" else {}
    if name.startswith("turned"):
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    FORMATS[name](image).save(kept, kind, **options)
    return kept.getvalue()


@pytest.fixture
def pictures(tmp_path):
    for label in ("a", "b"):
        folder = tmp_path / "pictures" / label
        folder.mkdir(parents=True)
        for place, name in enumerate(FORMATS):
            (folder / f"{label}_{name}").write_bytes(content(name, place + (label == "b") * 10))
    return tmp_path / "pictures"


def spec_of(folder, how: str) -> ImportSpec:
    # Written by hand: noise in so many formats looks like masks and depth maps to the look.
    values = {"path": str(folder), "images": {}, "sources": [{"format": "class_folders"}]}
    return ImportSpec.from_dict({**values, "images": {"size": [32, 48], "resize": how}})


def predictor_of(config, data, **changes) -> Predictor:
    kinds = build_kinds(config, data.tasks, data.statistics)
    model = build_model(network_parts(config), kinds, data.statistics)
    description = ModelDescription(config, {name: data.tasks[name] for name in config.tasks}, {**data.statistics, **changes})
    return Predictor(description, save(model.state_dict()))


@pytest.mark.parametrize("how", ["stretch", "pad", "crop"])
def test_of_imported_pictures(pictures, home, tmp_path, how):
    spec = spec_of(pictures, how)
    known = import_dataset(pictures, spec, "pictures", home)
    [task] = [task.name for task in known.tasks]
    for steps in PREPROCESSING.values():
        data_config = {"name": "imported", "set": "pictures", "preprocessing": steps}
        config = RunConfig.from_dict({"data": data_config, "tasks": {task: {}}, "backbone": {"name": "small_cnn", "width": 8}})
        data = training_data(config, open_source(config.data), tmp_path / "cache")
        predictor = predictor_of(config, data)
        for split in ("train", "val", "test"):
            for row, file in enumerate(known.files(split)):
                seen = np.asarray(data.split(split).images[row])
                made = predictor.framed((pictures / file).read_bytes()).transpose(2, 0, 1)
                np.testing.assert_array_equal(made, seen, err_msg=f"{file} {steps}")


def test_every_format_of_an_import_is_among_the_pictures():
    assert {EXTENSIONS[name[name.index(".") :]] for name in FORMATS} == set(EXTENSIONS.values()) == set(KINDS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith("turned")])
def test_turned_pictures_stand_upright(name):
    """The import says so, too, because boxes and masks may lie as the file is stored."""
    picture = read_picture(content(name, 1), name)
    assert picture.image.size == picture.size == (180, 280)
    assert "turned" in dict(picture.changes)
    stored = np.asarray(read_picture(content("colour.png", 1), "colour.png").image).astype(float)
    assert np.abs(np.asarray(picture.image) - np.rot90(stored, -1)).mean() < 8  # JPEG and its like lose a little


def test_a_set_that_was_imported_with_black_bars_is_predicted_with_them(pictures, home, tmp_path, monkeypatch):
    spec = spec_of(pictures, "pad")
    known = import_dataset(pictures, spec, "pictures", home)
    [task] = [task.name for task in known.tasks]
    config = RunConfig.from_dict(
        {"data": {"name": "imported", "set": "pictures"}, "tasks": {task: {}}, "backbone": {"name": "small_cnn", "width": 8}}
    )
    data = training_data(config, open_source(config.data), tmp_path / "cache")
    assert data.statistics["placed"] == {"how": "pad", "bars": "mean", "shape": [3, 32, 48], "levels": None}
    monkeypatch.setattr(import_source, "_MEAN_BARS", 10**6)
    assert open_source(config.data).bars == "black"
    old = {key: value for key, value in data.statistics.items() if key != "placed"}  # as a model of an earlier version has them
    for statistics in (old, {**old, "placed": {"how": "pad", "bars": "black", "shape": [3, 32, 48]}}):
        data = data.__class__(data.train, data.val, data.test, data.tasks, statistics)
        frame = predictor_of(config, data).framed((pictures / "a" / "a_turned.jpg").read_bytes())
        assert (frame[:, [0, -1]] == 0).all()


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if name.endswith(PUBLISHED) and "turned" not in name]
)  # boxes of published sets belong to the pictures as stored
def test_of_published_pictures(tmp_path, name):
    from mtl_core.data.sources.published_set import picture

    path = tmp_path / name
    path.write_bytes(content(name, 1))
    from mtl_core.inference.fit import fit, into_frame
    from mtl_core.inference.image_reading import read_image

    image = read_image(path)
    made = into_frame(image, fit(image.shape[:2], (64, 64), "stretch"))
    np.testing.assert_array_equal(picture(path, 64).pixels, made.transpose(2, 0, 1))


def test_boxes_come_back_through_both_sizes(pictures, home, tmp_path):
    from mtl_core.inference.fit import boxes_back

    spec = spec_of(pictures, "stretch")
    known = import_dataset(pictures, spec, "pictures", home)
    [task] = [task.name for task in known.tasks]
    data_config = {"name": "imported", "set": "pictures", "preprocessing": PREPROCESSING["twice resized"]}
    config = RunConfig.from_dict({"data": data_config, "tasks": {task: {}}, "backbone": {"name": "small_cnn", "width": 8}})
    predictor = predictor_of(config, training_data(config, open_source(config.data), tmp_path / "cache"))
    placed = predictor.predict((pictures / known.files("train")[0]).read_bytes())[0].fit
    down, across = placed.offset
    box = np.array([[across, down, across + placed.scaled[1], down + placed.scaled[0]]], np.float32)
    height, width = placed.before.old
    np.testing.assert_allclose(boxes_back(box, placed), [[0, 0, width, height]], atol=1e-3)
