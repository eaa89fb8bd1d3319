"""The drawing of a network, made in the background: no page waits for it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.figures.network_drawing import network_svg, sentences, title_of
from mtl_core.language import mark, tr
from mtl_core.runs.background.background_jobs import BackgroundJobs
from ui.drawing.contact_sheets import ink
from ui.shell import words
from ui.shell.state import torch_is_ready, wait_for

_JOBS = BackgroundJobs("network-drawing", most_kept=24, needs_engine=True)
PATIENCE = 0.3  # seconds that a page waits for a drawing; small networks take less
CLOSER, LARGER = 0.8, 1.25  # of its size: how far a drawing is made smaller before it scrolls, and larger where there is room


def network_panel(config: RunConfig, colours: Mapping[str, str]) -> None:
    """Draw the network of a valid config, as its first epoch trains it.

    Args:
        colours: all tasks of the data set -> CSS colour.
    """
    if not torch_is_ready():
        return
    job = drawing_job(config)
    job["thread"].join(PATIENCE)
    if not job["done"]:
        wait_for("work")
        st.caption(tr(":material/hourglass_top: Measuring the network. Its drawing appears when this is done."))
    elif job["error"]:
        st.caption(tr(":material/error: No drawing: {error}", error=words.plain(tr(job["error"]))))
    elif job["result"]:
        svg = network_svg(job["result"], colours, ink())
        wide = float(svg.partition(' width="')[2].partition('"')[0])
        style = f"width:100%;height:auto;min-width:{CLOSER * wide:.0f}px;max-width:{LARGER * wide:.0f}px"
        # As an image, because the browser's part of Streamlit takes SVG elements out of HTML.
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        tasks = [task for task in colours if task in config.tasks]
        said = html.escape(" ".join([title_of(job["result"], tasks), *sentences(job["result"], tasks)]))
        st.html(f'<div style="overflow-x:auto" class="network"><img src="{source}" alt="{said}" style="{style}"></div>')


def drawing_job(config: RunConfig) -> dict[str, Any]:
    """The measurement of a network, one for all sessions; its result is the list of the network's parts."""
    key = network_text(config)
    return _JOBS.state_of(key) or _JOBS.start(key, lambda progress, cancelled: _parts(config))


def network_text(config: RunConfig, *more: str) -> str:
    """The settings that decide what a network is made of, as JSON. While they are the same, it is not measured again.

    Args:
        more: further keys of the config that count.
    """
    values = config.to_dict()
    kept = {key: values[key] for key in ("data", "tasks", "backbone", "sharing", *more)}
    kept["tasks"] = {name: {**task, "loss_weight": 1.0} for name, task in kept["tasks"].items()}
    kept["backbone"] = {**kept["backbone"], "weights": "none", "weights_file": "", "weights_run": ""}
    return json.dumps(kept)


def _parts(config: RunConfig) -> Any:
    from mtl_core.errors import ConfigError, Problem
    from mtl_core.training.tensors.network_description import describe_network

    try:
        return describe_network(config)
    except (RuntimeError, ValueError) as error:
        message = mark("the images do not fit this network ({why}). Take larger images or another backbone").format(why=str(error).splitlines()[0])
        raise ConfigError(Problem("backbone", message)) from None
