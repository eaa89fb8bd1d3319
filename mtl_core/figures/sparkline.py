"""A small line without axes, as SVG text, for values between 0 and 1."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from mtl_core.figures.colours import GREY
from mtl_core.figures.curves import decimate, ema

POINTS = 60
SMOOTHING = 0.8
INSET = 1.5  # pixels at the top and bottom edges, so that half of the line's width is not cut off


def share_sparkline(values: np.ndarray, colour: str, even: float, width: int = 240, height: int = 34) -> str:
    """The smoothed values as a filled line on a scale from 0 to 1, as a data URI for an image.

    Args:
        values: float (n,), shares of 1 in the order of the steps; NaN is left out.
        colour: CSS colour.
        even: a share of 1 that is drawn as a dashed grey line, for the equal split.
        width, height: pixels. The image may be stretched; its lines keep their width.
    """
    values = ema(np.asarray(values, dtype=float), SMOOTHING)
    x, y = decimate(np.arange(len(values)), values, POINTS)
    x, y = x[np.isfinite(y)], np.clip(y[np.isfinite(y)], 0.0, 1.0)

    def down(share: Any) -> Any:
        return INSET + (1 - share) * (height - 2 * INSET)

    across = x * (width / max(1, len(values) - 1))
    line = " ".join(f"{at:.1f},{level:.1f}" for at, level in zip(across.tolist(), down(y).tolist(), strict=True))
    thin = 'vector-effect="non-scaling-stroke"'
    drawn = [f'<path d="M0 {down(even):.1f}H{width}" stroke="{GREY}" stroke-dasharray="3 3" {thin}/>']
    if len(y):
        drawn.append(f'<polygon points="{across[0]:.1f},{height} {line} {across[-1]:.1f},{height}" fill="{colour}" opacity="0.18"/>')
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8" {thin}/>')
    size = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(drawn)}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
