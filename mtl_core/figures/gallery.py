"""Contact sheets: many small captioned pictures in one file, so that the page loads one file instead of fifty."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl_core.figures.picture_font import picture_font

GAP = 8


@dataclass(frozen=True)
class Tile:
    """One picture, uint8 (H, W, 3), with a caption, which may be empty."""

    image: np.ndarray
    caption: str = ""


def contact_sheet(rows: Sequence[tuple[str, Sequence[Tile]]], *, ink: str, text_height: int) -> Image.Image:
    """Rows of tiles of equal size with titles, on a transparent background.

    Args:
        rows: (title left of the row, its tiles); the longest row determines the width.
        ink: CSS colour of titles and captions.
        text_height: height of titles and captions in pixels.

    Returns:
        RGBA picture. A caption wider than its tile takes two lines and ends in an ellipsis if they are too short. A row without captions has
        no space for them.
    """
    if not rows or not any(tiles for _, tiles in rows):
        raise ValueError("rows: expected at least one tile, found none")
    first = next(tiles[0] for _, tiles in rows if tiles)
    tile_height, tile_width = first.image.shape[:2]
    line = int(text_height * 1.45)
    gutter = max((int(picture_font(title, text_height).getlength(title)) + 2 * GAP for title, _ in rows if title), default=0)
    captions = [[wrapped(tile.caption, picture_font(tile.caption, text_height), tile_width) for tile in tiles] for _, tiles in rows]
    heights = [tile_height + line * max(map(len, row), default=0) for row in captions]
    columns = max(len(tiles) for _, tiles in rows)
    sheet = Image.new("RGBA", (gutter + columns * (tile_width + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), (0, 0, 0, 0))
    draw, top = ImageDraw.Draw(sheet), 0
    for (title, tiles), row, height in zip(rows, captions, heights, strict=True):
        draw.text((0, top + tile_height // 2), title, fill=ink, font=picture_font(title, text_height), anchor="lm")
        for column, tile in enumerate(tiles):
            left = gutter + column * (tile_width + GAP)
            sheet.paste(Image.fromarray(tile.image), (left, top))
            font = picture_font(tile.caption, text_height)
            for number, text in enumerate(row[column]):
                draw.text((left + tile_width // 2, top + tile_height + line // 2 + number * line), text, fill=ink, font=font, anchor="mm")
        top += height + GAP
    return sheet


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """``text`` in at most two lines of ``width`` pixels, broken after a space, underscore or hyphen if there is one; no line for empty text."""
    if font.getlength(text) <= width:
        return [text] if text else []
    fits = max(end for end in range(1, len(text)) if font.getlength(text[:end]) <= width or end == 1)
    breaks = [place + 1 for place, letter in enumerate(text[:fits]) if letter in " _-"]
    if text[fits] == " ":
        breaks.append(fits)
    end = breaks[-1] if breaks else fits
    return [text[:end].rstrip(), shortened(text[end:].lstrip(), font, width)]


def shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text``, cut with an ellipsis if it is wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def png(picture: Image.Image | np.ndarray) -> bytes:
    """PNG file of a picture (or of uint8 (H, W, 3 or 4)). Deterministic."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
