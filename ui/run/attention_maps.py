"""Where each task looks: the attention that a sharing scheme learns, over probe images, after an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.errors import StoreError
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import draw_heat, enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import speaking, tr
from mtl_core.runs.artifacts import read_attention, read_probe_targets
from ui.drawing.contact_sheets import ink
from ui.shell import words

WIDTH = 900  # of a sheet in pixels, about
SHOWN = 6  # images in a row


def attention_maps(run: Any, folder: Path, epoch: int) -> None:
    """Draw the maps of one stage over the images; nothing where the run has none."""
    try:
        found = read_attention(folder, epoch)
        images = read_probe_targets(folder).images[:SHOWN] if found else np.zeros(0)
    except StoreError as error:
        st.caption(f":material/error: {words.plain(tr(str(error)))}")
        return
    stages = list(dict.fromkeys(stage for maps in found.values() for stage in maps))
    if not stages:
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(tr("**Where each task looks** :gray[after epoch {epoch}]", epoch=epoch), width="content")
        stage = st.selectbox(tr("Stage"), stages, len(stages) - 1, key=f"attention.stage.{run.id}", label_visibility="collapsed", width=220)
    maps = {task: found[task][stage] for task in found if stage in found[task]}
    st.image(
        _sheet(images, maps, ink()),
        width="stretch",
        alt=tr("Attention of each task after {stage}, over the probe images, after epoch {epoch}", stage=stage, epoch=epoch),
    )
    spans = tr(", ").join(
        tr("{task} {low:.2f} to {high:.2f}", task=words.plain(task), low=values.min(), high=values.max()) for task, values in maps.items()
    )
    st.caption(tr("Mean over channels. The colours of each task go from its lowest to its highest value here: {spans}.", spans=spans))


def _sheet(images: np.ndarray, maps: dict[str, np.ndarray], colour: str) -> bytes:
    scale = max(1, WIDTH // max(1, len(images)) // images.shape[2])
    with speaking(picture_language()):
        rows = [(tr("image"), [Tile(enlarge(image, scale)) for image in images])]
    rows += [(task, [Tile(picture) for picture in heat_pictures(images, values, scale)]) for task, values in maps.items()]
    return png(contact_sheet(rows, ink=colour, text_height=18))


def heat_pictures(images: np.ndarray, values: np.ndarray, scale: int) -> list[np.ndarray]:
    """uint8 (H * scale, W * scale, 3) of each image with its map, coloured from the lowest to the highest of all ``values``.

    Args:
        images: uint8 (n, H, W, 3). values: (m, h, w); maps of fewer than n images are drawn for the first m.
    """
    low, high = float(values.min()), float(values.max())
    height, width = images.shape[1:3]
    rows = np.minimum((np.arange(height) + 0.5) * values.shape[1] / height, values.shape[1] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) * values.shape[2] / width, values.shape[2] - 1).astype(int)
    relative = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return [draw_heat(image, heat[rows][:, columns], scale) for image, heat in zip(images, relative, strict=False)]
