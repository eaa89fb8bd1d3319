"""Predicted masks and depth maps of the validation images as PNG files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from mtl_core.exports.source import ExportSource
from mtl_core.figures.overlays import class_colours

TITLE = "Masks and depth, PNG"
SUMMARY = "One file per validation image: class index with a palette; depth as 16-bit grey, whose scale is in a JSON file beside it."
DEEPEST = 65535  # levels of 16-bit grey; 0 means unknown


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-masks/<task>/val-000000.png`` and ``<task>/about.json``."""
    for name in source.tasks_of("segmentation", "depth"):
        _, predictions = source.val
        task = source.predictor.kinds[name].task
        place = folder / f"{source.run.id}-masks" / name
        place.mkdir(parents=True)
        about = {"kind": task.kind, "classes": list(task.classes)}
        if task.kind == "depth":
            about = {"kind": task.kind, "unit": task.unit, "unit_per_level": depth_step(predictions[name])}
        for row, values in enumerate(predictions[name]):
            picture = palette_png(values, task.classes) if task.kind == "segmentation" else depth_png(values, about["unit_per_level"])
            picture.save(place / f"val-{row:06d}.png")
        (place / "about.json").write_text(json.dumps(about), encoding="utf-8")


def palette_png(mask: np.ndarray, classes: tuple[str, ...]) -> Image.Image:
    """Class indices (H, W) as a palette picture in the classes' colours; the pixel values are the indices."""
    picture = Image.fromarray(mask.astype(np.uint8))
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(classes)] = class_colours(classes)
    colours[255] = 128
    picture.putpalette(colours.tobytes())
    return picture


def depth_step(values: np.ndarray) -> float:
    """Units per grey level; the farthest value gets the highest level."""
    known = values[np.isfinite(values)]
    return max(float(known.max()) if known.size else 0.0, 1e-6) / DEEPEST


def depth_png(values: np.ndarray, step: float) -> Image.Image:
    """Depth (H, W) as 16-bit grey: value / step, 0 for values that are unknown or not positive."""
    levels = np.where(np.isfinite(values), values, 0.0) / step
    return Image.fromarray(levels.round().clip(0, DEEPEST).astype(np.uint16))
