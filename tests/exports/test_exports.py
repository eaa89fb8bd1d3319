"""Every export format: written whole, read back by somebody else's reader, the same numbers."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

import mtl_core
from mtl_core.errors import ConfigError, NotPossibleError, StoreError
from mtl_core.exports import EXPORTS, chart_files
from mtl_core.exports.export_source import ExportSource
from mtl_core.exports.writing import export, format_of
from mtl_core.language import speaking, tr

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(trained):
    return ExportSource(trained.store, trained.run, "last")


@pytest.fixture
def frame(trained):
    return trained.store.scalars(trained.run.id)


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """``exported(format)``: what it wrote, made once."""
    made = {}
    source = ExportSource(trained.store, trained.run, "last")

    def written(name):
        if name not in made:
            made[name] = export(source, [name], tmp_path_factory.mktemp("exported"))[0]
        return made[name]

    return written


@pytest.mark.parametrize("name", EXPORTS)
def test_every_format_says_what_it_is_and_leaves_only_what_it_wrote(name, trained, exported):
    assert format_of(name).TITLE
    assert format_of(name).SUMMARY.endswith(".")
    written = exported(name)
    assert written
    assert sorted(written[0].parent.iterdir()) == sorted(written)
    assert all(path.name.startswith(trained.run.id) for path in written)


KILLED = """
import os, sys
from mtl_core.exports import metrics_csv
metrics_csv.write = lambda source, folder: os.kill(os.getpid(), 9)
from mtl_core.__main__ import main
main(sys.argv[1:])
"""


def test_what_a_killed_export_left_is_swept_by_the_next(source, tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(source.store.home))
    arguments = ["export", source.run.id, "--format", "yaml,csv", "--out", str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, timeout=120)
    assert killed.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".exporting-")
    foreign = left.with_name(f"{left.name.rpartition('-')[0]}-another.host")  # whose process may be at work: it cannot be seen from here
    mine = tmp_path / ".exporting-things"
    for folder in (foreign, mine):
        folder.mkdir()
    export(source, ["yaml"], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([foreign.name, mine.name, f"{source.run.id}.yaml"])


def test_what_stands_in_an_exports_place_is_there_still_if_that_fails(source, tmp_path, monkeypatch):
    name = f"{source.run.id}-masks"
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    real = os.replace

    def replace(start, end):
        if Path(end) == tmp_path / name and ".exporting-" in str(start) and "replaced" not in Path(start).parts:
            raise OSError(28, "No space left on device")
        real(start, end)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StoreError, match="No space left"):
        export(source, ["masks"], tmp_path, force=True)
    assert (tmp_path / name / "mine.txt").read_text() == "mine"


def test_nothing_is_replaced_without_force(source, tmp_path):
    (tmp_path / f"{source.run.id}.yaml").write_text("mine")
    with pytest.raises(NotPossibleError, match="exists already, and nothing was written"):
        export(source, ["csv", "yaml"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{source.run.id}.yaml"]
    export(source, ["csv", "yaml"], tmp_path, force=True)
    assert (tmp_path / f"{source.run.id}.yaml").read_text() == source.run.config.to_yaml()
    with pytest.raises(ConfigError, match="did you mean 'onnx'"):
        export(source, ["onx"], tmp_path)


def test_tables_hold_every_value(frame, exported):
    wanted = frame[["step", "epoch", "key", "value", "wall_time"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(exported("csv")[0]), wanted, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(exported("parquet")[0]), wanted, check_exact=True, check_dtype=False)
    curves = json.loads(exported("json")[0].read_text())["curves"]
    for key, rows in wanted.groupby("key"):
        assert curves[key]["value"] == rows["value"].tolist()


def test_tensorboard_reads_the_same_curves(frame, exported):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(exported("tensorboard")[0]), size_guidance={"scalars": 0})
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == sorted(frame["key"].unique())
    for key, rows in frame.groupby("key"):
        found = events.Scalars(key)
        assert [each.step for each in found] == rows["step"].tolist()
        np.testing.assert_array_equal([np.float32(each.value) for each in found], rows["value"].to_numpy(np.float32))


def test_the_model_folder_is_the_run(trained, exported):
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    here = mtl_core.load(trained.run.id, "last", home=trained.store.home).predict(images)
    for one, other in zip(here, mtl_core.load(exported("model")[0]).predict(images), strict=True):
        for task in one.raw:
            np.testing.assert_array_equal(one.raw[task], other.raw[task])


def decoded_alike(predictor, outputs, images):
    """What other programs get, against what this one predicts."""
    own = predictor.decode(predictor.outputs(images))
    for name in ("present", "count", "count_class", "depth"):
        np.testing.assert_allclose(outputs[name], own[name], atol=1e-4, err_msg=name)
    assert (outputs["segments"].argmax(1) == own["segments"]).mean() > 0.9999
    for row, boxes in enumerate(own["boxes"]):
        for *corners, index, score in boxes[boxes[:, 4] >= 0]:
            near = np.abs(outputs["boxes.boxes"][row] - corners).max(1) < 1e-3
            assert np.abs(outputs["boxes.scores"][row][near, int(index)] - score).min() < 1e-4


def test_onnx_and_torch_programs_predict_what_the_run_does(source, exported):
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    session = onnxruntime.InferenceSession(str(exported("onnx")[0]))
    names = [output.name for output in session.get_outputs()]
    decoded_alike(source.predictor, dict(zip(names, session.run(None, {"images": planes}), strict=True)), images)
    program = torch.export.load(exported("torch_export")[0]).module()
    decoded_alike(source.predictor, dict(zip(names, (v.detach().numpy() for v in program(torch.from_numpy(planes))), strict=True)), images)


def test_a_graph_that_differs_is_not_handed_out(source, tmp_path, monkeypatch, exported):
    exported("onnx")
    from mtl_core.exports import graph
    from mtl_core.exports.onnx_model import check
    from mtl_core.exports.tracing import ExportError

    monkeypatch.setattr(graph, "TOLERANCE", -1.0)
    monkeypatch.setattr(graph, "MOST", -1.0)
    with pytest.raises(ExportError, match="so it was not kept"):
        export(source, ["torch_export"], tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(ExportError, match="so it was not kept"):
        check(source.predictor, exported("onnx")[0])


def test_the_ten_lines_about_onnx_run(tmp_path, exported):
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "onnxruntime" in block)
    Image.new("RGB", (90, 50)).save(tmp_path / "photo.png")
    (tmp_path / "script.py").write_text(code)
    onnx = exported("onnx")[0]
    done = subprocess.run([sys.executable, "script.py", onnx, "photo.png"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "segments segmentation {'segments': (1, 11, 64, 64)}" in done.stdout
    assert "boxes detection {'boxes.boxes': (1, 64, 4), 'boxes.scores': (1, 64, 10)}" in done.stdout


def test_the_script_repeats_the_run_to_the_last_bit(trained, frame, tmp_path, exported):
    path = exported("script")[0]
    spec = importlib.util.spec_from_file_location("again", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "data").symlink_to(trained.store.cache)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = script.main(tmp_path / "run")
    finally:
        torch.set_num_threads(before)
    assert again == {(row.step, row.key): row.value for row in frame.itertuples()}


def test_a_scripts_texts_stay_texts(trained):
    from dataclasses import replace

    from mtl_core.exports.script import script

    hostile = 'x"""\nraise SystemExit(3)\n"""\\'
    run = replace(trained.run, name=hostile, config=trained.run.config.model_copy(update={"name": hostile[:100]}))
    values = {}
    exec(compile(script(run), "script", "exec"), {"__name__": "imported", "__builtins__": __builtins__}, values)
    assert mtl_core_config(values["CONFIG"]).name == hostile


def mtl_core_config(text):
    from mtl_core.config import RunConfig

    return RunConfig.from_yaml(text)


def test_coco_reads_boxes_and_results(source, exported):
    results, targets = sorted(exported("coco"))
    known = COCO(str(targets))
    assert len(known.getImgIds()) == 24
    assert [category["name"] for category in known.loadCats(known.getCatIds())] == [str(number) for number in range(10)]
    data, predictions = source.val
    boxes = data.targets["boxes"]
    assert len(known.getAnnIds()) == (boxes[..., 4] >= 0).sum()
    first = known.loadAnns(known.getAnnIds(imgIds=[0]))[0]
    x1, y1, x2, y2 = boxes[0, 0, :4]
    assert first["bbox"] == [x1, y1, x2 - x1, y2 - y1]
    known.loadRes(str(results))
    assert len(json.loads(results.read_text())) == (predictions["boxes"][..., 4] >= 0).sum()


def test_masks_and_depth_come_back(source, exported):
    folder = exported("masks")[0]
    _, predictions = source.val
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "segments" / "val-000003.png")), predictions["segments"][3])
    step = json.loads((folder / "depth" / "about.json").read_text())["unit_per_level"]
    depth = np.asarray(Image.open(folder / "depth" / "val-000003.png")) * step
    np.testing.assert_allclose(depth, predictions["depth"][3].clip(0), atol=step)


def test_prediction_tables(source, exported):
    folder = exported("predictions")[0].parent
    data, predictions = source.val
    table = pd.read_csv(folder / f"{source.run.id}-count_class-predictions.csv")
    np.testing.assert_allclose(table.filter(like="probability").to_numpy(), predictions["count_class"], atol=1e-6)
    count = pd.read_csv(folder / f"{source.run.id}-count-predictions.csv")
    np.testing.assert_allclose(count["target"], data.targets["count"])
    boxes = pd.read_csv(folder / f"{source.run.id}-boxes-predictions.csv")
    assert len(boxes) == (predictions["boxes"][..., 4] >= 0).sum()


def test_everything_in_one_zip_is_what_each_format_writes(trained, exported, tmp_path, monkeypatch):
    """The formats themselves are written once in this file: here they give what they gave before."""

    def write_again(_source, name, folder):
        for path in exported(name):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)

    monkeypatch.setattr("mtl_core.exports.writing.write_format", write_again)
    (path,), skipped = export(ExportSource(trained.store, trained.run, "last"), ["zip"], tmp_path)
    assert skipped == {}
    inside = {}
    for name in EXPORTS:
        for made in exported(name):
            files = [made] if made.is_file() else [file for file in made.rglob("*") if file.is_file()]
            inside |= {f"{trained.run.id}/{name}/{file.relative_to(made.parent).as_posix()}": file.read_bytes() for file in files}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == inside
    for ending in (".onnx", "model.safetensors", ".csv", "report.html", ".yaml", ".svg"):
        assert any(name.endswith(ending) for name in inside), ending


def test_everything_in_one_zip_says_what_it_left_out(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_core.exports.writing.EXPORTS", {name: EXPORTS[name] for name in ("yaml", "csv", "coco")})
    run = SimpleNamespace(**{name: getattr(trained.run, name) for name in ("id", "config", "info")})
    run.info = {**run.info, "tasks": {name: task for name, task in run.info["tasks"].items() if task["kind"] != "detection"}}
    (path,), skipped = export(ExportSource(trained.store, run), ["zip"], tmp_path)
    names = zipfile.ZipFile(path).namelist()
    assert names == [f"{run.id}/csv/{run.id}-metrics.csv", f"{run.id}/left-out.txt", f"{run.id}/yaml/{run.id}.yaml"]
    assert "no task whose predictions are boxes or points" in skipped["coco"]


def test_charts_in_chinese_have_no_letters_without_a_font(source, tmp_path, monkeypatch):
    """matplotlib's own font has no Chinese: it draws a box for each letter, and warns."""

    def one_chart(source):
        return [("learning-rate", "", chart_files._curves(source, [("optimizer/lr", tr("learning rate"), "#0072B2", "-")]))]

    monkeypatch.setattr(chart_files, "all_charts", one_chart)
    monkeypatch.setattr(chart_files, "_font_of", lambda name: "")
    files = {}
    for name in ("en", "zh"):
        (tmp_path / name).mkdir()
        with speaking(name), warnings.catch_warnings():
            warnings.simplefilter("error")
            chart_files.write(source, tmp_path / name)
        files[name] = {path.suffix: path.read_bytes() for path in (tmp_path / name).rglob("learning-rate.*")}
    assert files["zh"][".png"] == files["en"][".png"]
    assert ">轮</text>".encode() in files["zh"][".svg"]
    assert b">epoch</text>" in files["en"][".svg"]
