"""Scenes are painted as they always were: byte for byte, because prepared data lie in stores and a run's numbers follow from them.

The painting below is a plain one: each scene by itself, pixel by pixel with its three channels, in the order of the first version.
"""

import colorsys

import numpy as np
import pytest

from mtl_core.data.sources import scene_painting as painting
from mtl_core.data.sources.digit_scenes import DigitScenes, DigitScenesOptions
from mtl_core.data.sources.digits import load_digits
from mtl_core.data.sources.glyphs import cut_out, enlarging, shape
from mtl_core.data.sources.scene_layout import FARTHEST, NEAREST, WALL_DISTANCE, lay_out

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def plain_walls(random, count, size, kind):
    hue = random.random(count)
    dark = (random.random(count) < 0.5) | (kind == "dark")
    value = np.where(dark, random.uniform(0.16, 0.34, count), random.uniform(0.74, 0.95, count))
    saturation = np.where(dark, random.uniform(0.25, 0.6, count), random.uniform(0.08, 0.3, count))
    turn, lift = random.uniform(-0.12, 0.12, count), random.uniform(0.06, 0.14, count)
    angle = random.uniform(0, 2 * np.pi, count).astype(np.float32)[:, None, None]
    line = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = np.clip(np.cos(angle) * line + np.sin(angle) * line[:, None] + np.float32(0.5), 0, 1)
    texture = np.zeros((count, size, size), np.float32)
    for cells, strength in ((4, 0.025), (11, 0.015)):
        texture += enlarging(cells, size) @ (strength * random.standard_normal((count, cells, cells), dtype=np.float32)) @ enlarging(cells, size).T
    walls = []
    for row in range(count):
        first, last = (
            np.array(colorsys.hsv_to_rgb((hue[row] + s * turn[row]) % 1, saturation[row], np.clip(value[row] + s * lift[row], 0, 1)), np.float32)
            for s in (-0.5, 0.5)
        )
        walls.append(slope[row][..., None] * (last - first) + first + texture[row][..., None])
    return walls


def plain_mean(wall):
    """One pixel after the other, in single precision."""
    return np.cumsum(wall.reshape(-1, 3), axis=0, dtype=np.float32)[-1] / np.float32(wall.shape[0] * wall.shape[1])


def plain_colour(colour, wall_colour, dark):
    limit = np.ones(3, np.float32) if dark else np.zeros(3, np.float32)
    contrast, most = float((colour - wall_colour) @ LUMA), abs(float((limit - wall_colour) @ LUMA))
    has = contrast if dark else -contrast
    share = np.clip((0.25 / (1 - 0.35) - has) / max(most - has, 1e-6), 0, 1)
    return colour + np.float32(share) * (limit - colour)


def plain_paint(random, wall, layout):
    wall, size, wall_colour = wall.copy(), len(wall), plain_mean(wall)
    dark, first, colours = float(wall_colour @ LUMA) < 0.5, random.random(), []
    for place in range(len(layout.placed)):
        hue = (first + (place + random.uniform(-0.2, 0.2)) / len(layout.placed)) % 1
        saturation, value = (random.uniform(0.35, 0.85), 1.0) if dark else (random.uniform(0.7, 1.0), random.uniform(0.35, 0.75))
        colours.append(plain_colour(np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32), wall_colour, dark))
    for digit, colour in zip(reversed(layout.placed), colours, strict=True):
        offset = round((WALL_DISTANCE - digit.distance) * size / 45) - digit.shape.margin
        for row, column in np.ndindex(digit.shape.shadow.shape):
            y, x = digit.y + offset + row, digit.x + offset + column
            if 0 <= y < size and 0 <= x < size:
                wall[y, x] *= 1 - 0.45 * digit.shape.shadow[row, column]
        fade = 0.35 * (1 - (FARTHEST - digit.distance) / (FARTHEST - NEAREST))
        light = np.linspace(1.07, 0.93, digit.shape.alpha.shape[0], dtype=np.float32)[:, None, None]
        ink = (colour * (1 - fade) + wall_colour * fade) * light
        wall[digit.area] += digit.shape.alpha[..., None] * (ink - wall[digit.area])
    noisy = wall * 255 + (random.standard_normal(wall.shape, dtype=np.float32) * (255 * 0.012) + 0.5)
    return np.clip(noisy, 0, 255).astype(np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize(("kind", "size"), [("dark", 64), ("any", 64), ("any", 33)])
def test_walls_and_their_mean_colours_are_those_of_plain_code(kind, size):
    plain, found = plain_walls(np.random.default_rng(3), 21, size, kind), painting.paint_walls(np.random.default_rng(3), 21, size, kind)
    for one, (wall, colour) in zip(plain, found, strict=True):
        assert np.array_equal(wall, one.transpose(2, 0, 1))
        assert np.array_equal(colour, plain_mean(one))


@pytest.mark.parametrize(("walls", "size", "most"), [("dark", 64, 3), ("any", 48, 8), ("any", 33, 2)])
def test_scenes_are_those_of_plain_code(walls, size, most):
    """Scene after scene from one generator: what one of them draws decides about the next."""
    options = {"train_size": 140, "val_size": 1, "test_size": 1, "image_size": size, "max_digits": most, "walls": walls}
    source = DigitScenes(DigitScenesOptions.model_validate(options))
    pixels, digits = load_digits()
    usable, random = source.source_digits("train"), np.random.default_rng([0, 2, 0])
    images = source.compose("train", lambda share, what: None).data.images
    for start in (0, 128):
        plain = plain_walls(random, min(128, 140 - start), size, walls)
        for row, wall in enumerate(plain, start):
            rows = usable[random.integers(len(usable), size=1 + int(random.integers(most)))]
            layout = lay_out(random, [cut_out(pixels[each]) for each in rows], rows, digits[rows], size)
            assert np.array_equal(images[row], plain_paint(random, wall, layout)), row


@pytest.mark.parametrize("height", [7.5, 33.0, np.float64(33.0)])
def test_the_shape_of_a_digit_is_that_of_plain_code(height):
    """In single precision, and in double precision if NumPy's double is the height, as in scenes."""
    glyph = cut_out(load_digits()[0][5])
    scale = height / (glyph.shape[0] - 4)
    rows, columns = (max(5, round(length * scale)) for length in glyph.shape)
    smooth = enlarging(glyph.shape[0], rows) @ glyph @ enlarging(glyph.shape[1], columns).T
    smooth = smooth / max(float(smooth.max()), 1e-6)
    alpha = np.clip((smooth - 0.5) * max(1.25, 0.6 * scale) + 0.5, 0, 1)
    inside = np.argwhere(alpha >= 0.5)
    (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
    found = shape(glyph, height, 1.0)
    assert found.alpha.dtype == alpha.dtype
    assert np.array_equal(found.alpha, alpha[top:bottom, left:right])
    assert np.array_equal(found.mask, found.alpha >= 0.5)
