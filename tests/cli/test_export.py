"""``export`` and ``predict`` as typed: files, exit codes, JSON."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from mtl_core.__main__ import main
from mtl_core.inference.loading import find_model
from mtl_core.inference.model_folder import model_files


@pytest.fixture
def run(trained, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(trained.store.home))
    return trained.run.id


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, size in (("a.png", (64, 64)), ("more/a.jpg", (40, 90)), ("b.bmp", (30, 20))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_export_writes_and_refuses_to_replace(run, tmp_path, capsys):
    arguments = ["export", run[:-1], "--format", "yaml,csv", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"{run}-metrics.csv"), str(tmp_path / f"{run}.yaml")]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == run


@pytest.mark.parametrize(
    "arguments", [["--format", "onx"], [], ["--format", "model", "--checkpoint", "77"], ["--format", "model", "--checkpoint", "x"]]
)
def test_what_cannot_be_exported_is_refused(run, arguments, tmp_path, capsys):
    assert main(["export", run, "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_predict_a_folder(run, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["predict", run, str(pictures), "--out", str(out)]) == 0
    assert "3 predicted, 0 skipped" in capsys.readouterr().out
    assert sorted(path.name for path in out.glob("*.json")) == ["a-2.json", "a.json", "b.json"]
    values = json.loads((out / "a-2.json").read_text())
    assert (values["height"], values["width"]) == (40, 90)
    assert values["tasks"]["count"]["unit"] == "digits"
    with Image.open(out / values["tasks"]["segments"]["mask"]) as mask:
        assert mask.size == (90, 40)
        assert np.asarray(mask).max() <= 10
    with Image.open(out / values["picture"]) as picture:
        assert picture.size[0] > 4 * 90


def test_bad_files_are_named_and_the_rest_is_done(run, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"nothing")
    code = main(["predict", run, str(pictures / "*.png"), str(pictures / "gone.png"), "--out", str(tmp_path / "out"), "--json"])
    said = capsys.readouterr()
    assert code == 1
    values = json.loads(said.out)
    assert [each["file"] for each in values["images"]] == [str(pictures / "a.png")]
    assert [each["file"] for each in values["skipped"]] == [str(pictures / "bad.png"), str(pictures / "gone.png")]
    assert "bad.png" in said.err
    assert "does not exist" in said.err


def test_a_list_on_standard_input_and_an_exported_model(trained, pictures, tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    model.mkdir()
    for name, content in model_files(*find_model(trained.run.id, home=trained.store.home)).items():
        (model / name).write_bytes(content)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pictures / 'a.png'}\n\n{pictures / 'b.bmp'}\n{pictures / 'a.png'}\n"))
    assert main(["predict", str(model), "-", "--out", str(tmp_path / "out")]) == 0
    assert "2 predicted" in capsys.readouterr().out


def test_usage(run, pictures, tmp_path, capsys):
    assert main(["predict", run, "--out", str(tmp_path)]) == 2
    assert main(["predict", run, str(pictures)]) == 2
    assert main(["predict", run, str(pictures / "*.webp"), "--out", str(tmp_path / "out")]) == 2
    assert main(["predict", run, str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert main(["predict", "no-such-run", str(pictures), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a.json").write_text("mine")
    assert main(["predict", run, str(pictures / "a.png"), "--out", str(tmp_path / "taken")]) == 2
    assert (tmp_path / "taken" / "a.json").read_text() == "mine"
