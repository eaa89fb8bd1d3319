"""The large view of one image: the browser draws it from raw values (``viewer.js`` and what that imports); another image asks the server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from mtl_core.data.dataset import SHARE, SINGULAR, Task
from mtl_core.figures.colours import FALSE, GREY, MISSED, PALETTE, RIGHT
from mtl_core.figures.layers import packed
from mtl_core.figures.overlays import class_colours, depth_scale, error_scale
from mtl_core.figures.primitives import WORDS
from mtl_core.language import tr
from mtl_core.tasks import kind_of
from ui.drawing.script_files import joined_script
from ui.drawing.viewer_texts import TEXTS
from ui.shell.element_keys import component_key

CONFIDENCE = 0.3  # boxes below are not shown at first, as on the sheets


def sample_json(number: int, image: np.ndarray, targets: str, runs: Sequence[tuple[list[int], str]]) -> str:
    """One image with everything that is drawn of it.

    Args:
        image: uint8 (H, W, 3). targets: JSON, as ``Film.targets`` gives. runs: epochs and frames of each run, as ``Film.frames`` gives.
    """
    about = json.dumps({"number": number, "height": image.shape[0], "width": image.shape[1], "image": packed(image)})
    frames = ",".join(f'{{"epochs":{json.dumps(epochs)},"frames":{layers}}}' for epochs, layers in runs)
    return f'{about[:-1]},"target":{targets},"runs":[{frames}]}}'


def viewer(
    sample: str,
    tasks: Mapping[str, Task],
    colours: Mapping[str, str],
    run_names: Sequence[str],
    *,
    key: str,
    sequence: str,
    epoch: int,
    suppression: float = 0.6,
    with_targets: bool = True,
    single: str = "",
    on_epoch: Callable[[], None] | None = None,
    on_move: Callable[[], None] | None = None,
) -> Any:
    """Draw it.

    Args:
        sample: as ``sample_json`` gives.
        sequence: what the epochs belong to; with another one the viewer begins at ``epoch``, else it stays where its slider is.
        suppression: overlap above which the run drops a box.
        single: what to say in place of the epoch slider, where there is one prediction only.
        on_epoch: called when the slider has come to rest; the component's state ``epoch`` says where.
        on_move: called when another image is asked for; the state ``move`` is 1 for the next, -1 for the one before.
    """
    data = {
        "sample": sample,
        "revision": hashlib.sha1(sample.encode()).hexdigest(),
        "sequence": sequence,
        "tasks": [_described(task, colours[name]) for name, task in tasks.items()],
        "runs": [{"name": name, "colour": PALETTE[place] if len(run_names) > 1 else ""} for place, name in enumerate(run_names)],
        "epoch": epoch,
        "confidence": CONFIDENCE,
        "suppression": suppression,
        "with_targets": with_targets,
        "single": single,
        "steps_samples": on_move is not None,
        "texts": {text: tr(text) for text in TEXTS},
        "unit_of_one": {unit: tr(one) for unit, one in SINGULAR.items()},
        "units": {task.unit: "" if task.unit == SHARE else tr(task.unit) for task in tasks.values() if task.unit},
        "marks": {"right": RIGHT, "missed": MISSED, "false": FALSE, "grey": GREY},
        "depth_scale": depth_scale(),
        "error_scale": error_scale(),
    }
    callbacks = {"on_epoch_change": on_epoch or _nothing, "on_move_change": on_move or _nothing}
    return _component()(key=component_key(key), data=data, **callbacks)


def _described(task: Task, colour: str) -> dict[str, Any]:
    colours = ["#{:02x}{:02x}{:02x}".format(*each) for each in class_colours(task.classes)]
    layer = kind_of(task.kind).layer
    return {
        "name": task.name,
        "title": tr(task.title or kind_of(task.kind).title),
        "layer": layer,
        "colour": colour,
        "classes": list(task.classes),
        "class_colours": colours,
        "edges": [list(edge) for edge in task.edges],
        "unit": task.unit,
        "range": list(task.value_range),
        "drawn": layer not in WORDS,
        "made": task.target.startswith("made/"),  # from the pixels of a changed image, which is shown in the error's place
    }


def _nothing() -> None:
    pass


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    here = Path(__file__)
    return component(
        "sample_viewer",
        html='<div class="viewer"></div>',
        css=here.with_suffix(".css").read_text(encoding="utf-8"),
        js=joined_script(here.with_suffix(".js")),
        isolate_styles=False,
    )
