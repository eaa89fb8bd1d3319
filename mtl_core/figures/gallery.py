"""Contact sheets: many small captioned pictures on one, so that the screen loads one file instead of fifty."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 8


@dataclass(frozen=True)
class Tile:
    """One picture: uint8 (H, W, 3), with a caption that may be empty."""

    image: np.ndarray
    caption: str = ""


def contact_sheet(rows: Sequence[tuple[str, Sequence[Tile]]], *, ink: str, text_height: int) -> Image.Image:
    """Titled rows of tiles of one size, on a transparent ground.

    Args:
        rows: (title at the row's left, its tiles); the longest row gives the width.
        ink: CSS colour of titles and captions, readable on the page behind.
        text_height: of titles and captions, in pixels of the sheet.

    Returns:
        RGBA picture. Captions longer than their tile end in an ellipsis; a row without captions has no room for them.
    """
    if not rows or not any(tiles for _, tiles in rows):
        raise ValueError("rows: expected at least one tile, found none")
    first = next(tiles[0] for _, tiles in rows if tiles)
    tile_height, tile_width = first.image.shape[:2]
    font = ImageFont.load_default(text_height)
    line = int(font.size * 1.45)
    gutter = max((int(font.getlength(title)) + 2 * GAP for title, _ in rows if title), default=0)
    heights = [tile_height + (line if any(tile.caption for tile in tiles) else 0) for _, tiles in rows]
    columns = max(len(tiles) for _, tiles in rows)
    sheet = Image.new("RGBA", (gutter + columns * (tile_width + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), (0, 0, 0, 0))
    draw, top = ImageDraw.Draw(sheet), 0
    for (title, tiles), height in zip(rows, heights, strict=True):
        draw.text((0, top + tile_height // 2), title, fill=ink, font=font, anchor="lm")
        for column, tile in enumerate(tiles):
            left = gutter + column * (tile_width + GAP)
            sheet.paste(Image.fromarray(tile.image), (left, top))
            caption = shortened(tile.caption, font, tile_width)
            draw.text((left + tile_width // 2, top + tile_height + line // 2), caption, fill=ink, font=font, anchor="mm")
        top += height + GAP
    return sheet


def shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text``, cut with an ellipsis where it is wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def png(picture: Image.Image | np.ndarray) -> bytes:
    """PNG file of a picture (or of uint8 (H, W, 3 or 4)); the same picture gives the same bytes."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
