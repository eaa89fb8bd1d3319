"""Painting of a digit scene: softly lit walls and digits whose colours contrast with them."""

from __future__ import annotations

import colorsys

import numpy as np

from mtl_core.data.sources.glyphs import enlarging
from mtl_core.data.sources.scene_layout import FARTHEST, NEAREST, WALL_DISTANCE, Layout

LEAST_CONTRAST = 0.25  # difference of brightness (0..1) between a digit and the wall
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FADE = 0.35  # share of the wall's colour in the farthest digit's colour
_SHADOW = 0.45  # darkness of a shadow
_NOISE = 0.012  # standard deviation of the camera noise, in brightness (0..1)


def paint_walls(random: np.random.Generator, count: int, size: int, kind: str) -> np.ndarray:
    """Walls with a gradient between two related colours and a faint texture: float32 (count, size, size, 3) in 0..1.

    ``kind`` is ``dark``, or ``any``: half of the walls are light.
    """
    hue = random.random(count)
    dark = (random.random(count) < 0.5) | (kind == "dark")
    value = np.where(dark, random.uniform(0.16, 0.34, count), random.uniform(0.74, 0.95, count))
    saturation = np.where(dark, random.uniform(0.25, 0.6, count), random.uniform(0.08, 0.3, count))
    turn, lift = random.uniform(-0.12, 0.12, count), random.uniform(0.06, 0.14, count)
    first, last = (
        np.array(
            [colorsys.hsv_to_rgb(*part) for part in zip((hue + s * turn) % 1, saturation, np.clip(value + s * lift, 0, 1), strict=True)], np.float32
        )
        for s in (-0.5, 0.5)
    )
    angle = random.uniform(0, 2 * np.pi, count).astype(np.float32)[:, None, None]
    line = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = np.clip(np.cos(angle) * line[None, None, :] + np.sin(angle) * line[None, :, None] + np.float32(0.5), 0, 1)[..., None]
    walls = slope * (last - first)[:, None, None]
    walls += first[:, None, None]
    walls += _texture(random, count, size)
    return walls


def _texture(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Cloudy unevenness, the same in all channels: float32 (count, size, size, 1)."""
    total = np.zeros((count, size, size), np.float32)
    for cells, strength in ((4, 0.025), (11, 0.015)):
        enlarge = enlarging(cells, size)
        total += enlarge @ (strength * random.standard_normal((count, cells, cells), dtype=np.float32)) @ enlarge.T
    return total[..., None]


def paint(random: np.random.Generator, wall: np.ndarray, layout: Layout) -> np.ndarray:
    """The scene in front of ``wall``, which is overwritten: uint8 (3, size, size)."""
    size = len(wall)
    wall_colour = wall.mean(axis=(0, 1))
    colours = _colours(random, len(layout.placed), wall_colour)
    for digit, colour in zip(reversed(layout.placed), colours, strict=True):
        nearness = (FARTHEST - digit.distance) / (FARTHEST - NEAREST)
        _cast_shadow(wall, digit, size)
        fade = _FADE * (1 - nearness)
        light = np.linspace(1.07, 0.93, digit.shape.alpha.shape[0], dtype=np.float32)[:, None, None]
        ink = (colour * (1 - fade) + wall_colour * fade) * light
        alpha = digit.shape.alpha[..., None]
        patch = wall[digit.area]
        patch += alpha * (ink - patch)
    wall *= 255
    wall += random.standard_normal(wall.shape, dtype=np.float32) * (255 * _NOISE) + 0.5
    return np.clip(wall, 0, 255, out=wall).astype(np.uint8).transpose(2, 0, 1)


def _cast_shadow(wall: np.ndarray, digit, size: int) -> None:
    """Darken the wall to the lower right of a digit. The offset grows with the digit's distance from the wall."""
    step = round((WALL_DISTANCE - digit.distance) * size / 45)
    shadow, margin = digit.shape.shadow, digit.shape.margin
    y, x = digit.y - margin + step, digit.x - margin + step
    top, left = max(0, -y), max(0, -x)
    part = shadow[top : max(top, size - y), left : max(left, size - x)]
    area = wall[y + top : y + top + part.shape[0], x + left : x + left + part.shape[1]]
    area *= 1 - _SHADOW * part[..., None]


def _colours(random: np.random.Generator, count: int, wall_colour: np.ndarray) -> list[np.ndarray]:
    """Well separated hues, bright on a dark wall and deep on a light one."""
    dark = float(wall_colour @ _LUMA) < 0.5
    first = random.random()
    colours = []
    for place in range(count):
        hue = (first + (place + random.uniform(-0.2, 0.2)) / count) % 1
        saturation, value = (random.uniform(0.35, 0.85), 1.0) if dark else (random.uniform(0.7, 1.0), random.uniform(0.35, 0.75))
        colours.append(_with_contrast(np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32), wall_colour, dark))
    return colours


def _with_contrast(colour: np.ndarray, wall_colour: np.ndarray, dark: bool) -> np.ndarray:
    """``colour`` moved towards white (or black) until the contrast suffices at the greatest distance."""
    least = LEAST_CONTRAST / (1 - _FADE)
    limit = np.ones(3, np.float32) if dark else np.zeros(3, np.float32)
    has, most = abs(float((colour - wall_colour) @ _LUMA)), abs(float((limit - wall_colour) @ _LUMA))
    sign = 1 if dark else -1
    if sign * float((colour - wall_colour) @ _LUMA) < 0:
        has = -has
    share = np.clip((least - has) / max(most - has, 1e-6), 0, 1)
    return colour + np.float32(share) * (limit - colour)
