"""Painting of a digit scene: softly lit walls and digits whose colours contrast with them."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from mtl_core.data.sources.glyphs import enlarging
from mtl_core.data.sources.scene_layout import FARTHEST, NEAREST, WALL_DISTANCE, Layout, PlacedDigit

LEAST_CONTRAST = 0.25  # difference of brightness (0..1) between a digit and the wall
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_WHITE, _BLACK = np.ones(3, np.float32), np.zeros(3, np.float32)
_FADE = 0.35  # share of the wall's colour in the farthest digit's colour
_SHADOW = 0.45  # darkness of a shadow
_NOISE = 0.012  # standard deviation of the camera noise, in brightness (0..1)
_GROUP = 8  # walls that are computed at once; more of them do not fit into a processor's cache


def paint_walls(random: np.random.Generator, count: int, size: int, kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Walls with a gradient between two related colours and a faint texture, one after the other. What is random is drawn before the first.

    Args:
        kind: ``dark``, or ``any``: half of the walls are light.

    Yields:
        A wall, float32 (3, size, size) in 0..1, and its mean colour, float32 (3,).
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
    slope = np.clip(np.cos(angle) * line[None, None, :] + np.sin(angle) * line[None, :, None] + np.float32(0.5), 0, 1)
    change, texture = last - first, _texture(random, count, size)
    for start in range(0, count, _GROUP):
        part = slice(start, start + _GROUP)
        walls = slope[part, None] * change[part, :, None, None]
        walls += first[part, :, None, None]
        walls += texture[part, None]
        yield from zip(walls, _mean_colours(walls), strict=True)


def _mean_colours(walls: np.ndarray) -> np.ndarray:
    """Mean over the pixels of walls (n, 3, size, size): float32 (n, 3).

    The pixels are added one after the other from the upper left on. Another order rounds otherwise, and the same options would give other scenes.
    """
    pixels = np.ascontiguousarray(walls.reshape(-1, walls.shape[2] * walls.shape[3]).T)
    return pixels.mean(axis=0).reshape(-1, 3)


def _texture(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Cloudy unevenness, the same in all channels: float32 (count, size, size)."""
    total = np.zeros((count, size, size), np.float32)
    for cells, strength in ((4, 0.025), (11, 0.015)):
        enlarge = enlarging(cells, size)
        total += enlarge @ (strength * random.standard_normal((count, cells, cells), dtype=np.float32)) @ enlarge.T
    return total


def paint(random: np.random.Generator, wall: np.ndarray, wall_colour: np.ndarray, layout: Layout, image: np.ndarray) -> None:
    """Paint a scene.

    Args:
        wall, wall_colour: from ``paint_walls``; the wall is overwritten.
        image: where the scene is written, uint8 (3, size, size).
    """
    size = wall.shape[-1]
    colours = _colours(random, len(layout.placed), wall_colour)
    for digit, colour in zip(reversed(layout.placed), colours, strict=True):
        nearness = (FARTHEST - digit.distance) / (FARTHEST - NEAREST)
        _cast_shadow(wall, digit, size)
        fade = _FADE * (1 - nearness)
        ink = (colour * (1 - fade) + wall_colour * fade)[:, None, None] * _light(digit.shape.alpha.shape[0])
        patch = wall[:, *digit.area]
        patch += digit.shape.alpha * (ink - patch)
    noise = random.standard_normal((size, size, 3), dtype=np.float32)
    noise *= 255 * _NOISE
    noise += 0.5
    wall *= 255
    wall += noise.transpose(2, 0, 1)
    np.clip(wall, 0, 255, out=wall)
    image[...] = wall


@lru_cache(maxsize=256)
def _light(height: int) -> np.ndarray:
    """How bright a digit is from its top to its bottom: float32 (height, 1)."""
    return np.linspace(1.07, 0.93, height, dtype=np.float32)[:, None]


def _cast_shadow(wall: np.ndarray, digit: PlacedDigit, size: int) -> None:
    """Darken the wall to the lower right of a digit. The offset grows with the digit's distance from the wall."""
    step = round((WALL_DISTANCE - digit.distance) * size / 45)
    shadow, margin = digit.shape.shadow, digit.shape.margin
    y, x = digit.y - margin + step, digit.x - margin + step
    top, left = max(0, -y), max(0, -x)
    part = shadow[top : max(top, size - y), left : max(left, size - x)]
    wall[:, y + top : y + top + part.shape[0], x + left : x + left + part.shape[1]] *= 1 - _SHADOW * part


def _colours(random: np.random.Generator, count: int, wall_colour: np.ndarray) -> list[np.ndarray]:
    """Well separated hues, bright on a dark wall and deep on a light one.

    A colour is moved towards white (or black) until its contrast suffices at the greatest distance.
    """
    dark = float(wall_colour @ _LUMA) < 0.5
    sign, limit = (1, _WHITE) if dark else (-1, _BLACK)
    least, most = LEAST_CONTRAST / (1 - _FADE), abs(float((limit - wall_colour) @ _LUMA))
    first = random.random()
    colours = []
    for place in range(count):
        hue = (first + (place + random.uniform(-0.2, 0.2)) / count) % 1
        saturation, value = (random.uniform(0.35, 0.85), 1.0) if dark else (random.uniform(0.7, 1.0), random.uniform(0.35, 0.75))
        colour = np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
        has = sign * float((colour - wall_colour) @ _LUMA)
        share = min(max((least - has) / max(most - has, 1e-6), 0.0), 1.0)
        colours.append(colour + np.float32(share) * (limit - colour))
    return colours
