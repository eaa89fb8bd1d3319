"""Drawing of targets and predictions over an image, from arrays to arrays.

Images are uint8 (H, W, 3). ``scale`` enlarges by a whole factor without smoothing, so that pixels stay sharp and boxes
(in image pixels) stay aligned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from plotly.colors import hex_to_rgb, qualitative, sequential

from mtl_core.figures.colours import ink_on
from mtl_core.figures.picture_font import picture_font
from mtl_core.language import HalfUp

MASK_OPACITY = 0.6
_CLASS_PALETTE = np.array([hex_to_rgb(colour) for colour in (*qualitative.D3, *qualitative.Set2, *qualitative.Dark24) if colour.startswith("#")])
_DEPTH_SCALE = np.array([hex_to_rgb(colour) for colour in sequential.Viridis], dtype=float)[::-1]

_ERROR_SCALE = np.array([hex_to_rgb(colour) for colour in ("#000004", "#57106e", "#bc3754", "#f98e09", "#fcffa4")], dtype=float)  # Inferno
_HEAT_SCALE = np.array([hex_to_rgb(colour) for colour in ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")], dtype=float)  # Viridis


def class_colours(classes: Sequence[str]) -> np.ndarray:
    """uint8 (K, 3): one colour per class. ``background`` uses no palette colour, so that class "3" has the same colour in boxes and masks."""
    colours = np.zeros((len(classes), 3), dtype=np.uint8)
    named = [index for index, name in enumerate(classes) if name != "background"]
    for order, index in enumerate(named):
        colours[index] = _CLASS_PALETTE[order % len(_CLASS_PALETTE)]
    return colours


def class_legend(classes: Sequence[str]) -> list[tuple[str, str]]:
    """(CSS colour, class name) of every class that has a colour."""
    named = [(colour, name) for colour, name in zip(class_colours(classes), classes, strict=True) if name != "background"]
    return [("#{:02x}{:02x}{:02x}".format(*colour), name) for colour, name in named]


def depth_legend(near: float, far: float, unit: str) -> list[tuple[str, str]]:
    """The two ends of the depth scale."""
    ends = ((_DEPTH_SCALE[0], near), (_DEPTH_SCALE[-1], far))
    return [("#{:02x}{:02x}{:02x}".format(*colour.astype(int)), f"{HalfUp(value):g} {unit}".strip()) for colour, value in ends]


def depth_scale(steps: int = 64) -> list[str]:
    """CSS colours of ``draw_depth`` from near to far, evenly spaced."""
    return _css(_scaled(np.linspace(0, 1, steps), _DEPTH_SCALE))


def error_scale(steps: int = 64) -> list[str]:
    """CSS colours from no error to a large one."""
    return _css(_scaled(np.linspace(0, 1, steps), _ERROR_SCALE))


def _css(colours: np.ndarray) -> list[str]:
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]


def draw_heat(image: np.ndarray, heat: np.ndarray, scale: int) -> np.ndarray:
    """Heat (H, W) in 0..1 over a grey version of the image; hotter places are more opaque."""
    grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
    share = (0.75 * np.clip(heat, 0, 1))[..., None]
    colours = _scaled(np.clip(heat, 0, 1), _HEAT_SCALE)
    return enlarge((share * colours + (1 - share) * grey).round().astype(np.uint8), scale)


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """uint8 (H * scale, W * scale, 3)."""
    return np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)


def draw_boxes(image: np.ndarray, boxes: np.ndarray, captions: Sequence[str], colours: np.ndarray, scale: int) -> np.ndarray:
    """Boxes (B, 4) as x1, y1, x2, y2 in image pixels, with one caption and one colour (B, 3) each. The first box is on top.

    A thin line in black or white goes along both sides of a box's line, so that it is seen on any picture. No such line covers another box.
    """
    picture = Image.fromarray(enlarge(image, scale))
    pen = ImageDraw.Draw(picture)
    entries = []
    for box, caption, colour in reversed(list(zip(boxes, captions, colours, strict=True))):
        x1, y1, x2, y2 = (np.asarray(box) * scale).round().astype(int).tolist()
        entries.append((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1), caption, tuple(int(value) for value in colour)))
    for x1, y1, x2, y2, _, fill in entries:
        pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=ink_on(fill), width=4)
    for x1, y1, x2, y2, caption, fill in entries:
        pen.rectangle((x1, y1, x2, y2), outline=fill, width=2)
        if caption:
            _caption(pen, (x1, y1), caption, fill, picture_font(caption, max(10, 3 * scale)), picture.size)
    return np.asarray(picture)


def draw_mask(image: np.ndarray, mask: np.ndarray, classes: Sequence[str], scale: int, ignore: int = 255) -> np.ndarray:
    """Class index per pixel (H, W) as a transparent layer; ``background`` and ignored pixels show the image."""
    colours = class_colours(classes)
    shown = (mask != ignore) & (mask < len(classes))
    for index, name in enumerate(classes):
        if name == "background":
            shown &= mask != index
    # float32 and a table of class colours are several times as fast as blending two pictures.
    table = np.concatenate([MASK_OPACITY * colours, np.zeros((1, 3))]).astype(np.float32)
    kept = np.where(shown, 1 - MASK_OPACITY, 0.45).astype(np.float32)
    mixed = image * kept[..., None] + table[np.where(shown, mask, len(classes))]
    return enlarge(mixed.round().astype(np.uint8), scale)


def draw_depth(depth: np.ndarray, near: float, far: float, scale: int) -> np.ndarray:
    """Depth (H, W) in colours, bright = near, dark = far; pixels without a measurement (NaN) are grey."""
    known = np.isfinite(depth)
    colours = _scaled(np.clip((np.where(known, depth, near) - near) / max(far - near, 1e-9), 0, 1), _DEPTH_SCALE)
    colours[~known] = 128
    return enlarge(colours, scale)


def _scaled(place: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """uint8 (..., 3): colours at positions 0..1 of a scale, in 256 steps."""
    steps = np.linspace(0, len(scale) - 1, 256)
    table = np.stack([np.interp(steps, np.arange(len(scale)), scale[:, channel]) for channel in range(3)], axis=1).round().astype(np.uint8)
    return table[(place * 255).round().astype(np.uint8)]


def _caption(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, fill: tuple[int, ...], font, size: tuple[int, int]) -> None:
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = int(np.clip(corner[0], 0, max(0, size[0] - width)))
    above = corner[1] - height
    y = int(np.clip(above if above >= 0 else corner[1], 0, max(0, size[1] - height)))  # inside the box if there is no room above it
    pen.rectangle((x, y, x + width, y + height), fill=fill)
    pen.text((x + 2 - left, y + 2 - top), text, fill=ink_on(fill), font=font)


def draw_points(image: np.ndarray, points: np.ndarray, colours: np.ndarray, edges: Sequence[tuple[int, int]], scale: int) -> np.ndarray:
    """Points (K, 3) as x, y in image pixels and 0 absent / 1 hidden / 2 visible, one colour (K, 3) each; a hidden one is a ring.

    Points and lines have a thin outline in black or white, so that they are seen on any picture.

    ``edges``: pairs of points, joined by a line where both are there.
    """
    picture = Image.fromarray(enlarge(image, scale))
    pen = ImageDraw.Draw(picture)
    radius = max(3, round(min(picture.size) / 45))
    for one, other in edges:
        if points[one, 2] > 0 and points[other, 2] > 0:
            ends = [tuple(float(value) * scale for value in points[end, :2]) for end in (one, other)]
            thick = max(1, radius // 2)
            pen.line(ends, fill=(0, 0, 0), width=thick + 2)
            pen.line(ends, fill=(255, 255, 255), width=thick)
    for (x, y, seen), colour in zip(points.tolist(), colours, strict=True):
        fill = tuple(int(value) for value in colour)
        if seen > 0:
            middle = (x * scale, y * scale)
            if seen > 1:
                pen.circle(middle, radius + 1, fill=ink_on(fill))
                pen.circle(middle, radius, fill=fill)
            else:
                pen.circle(middle, radius + 1, outline=ink_on(fill), width=4)
                pen.circle(middle, radius, outline=fill, width=2)
    return np.asarray(picture)
