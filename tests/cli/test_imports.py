"""data check, import, show, delete, and a run on an imported set."""

import json
import re

import pytest

from mtl_core.__main__ import main


@pytest.fixture
def shapes(tmp_path):
    import numpy as np
    from PIL import Image

    for number in range(24):
        path = tmp_path / "shapes" / ("dark", "light")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.full((16, 16), 10 + 100 * (number % 2) + number, np.uint8)
        values[:4, :4] += 9  # a picture of one level is a finding
        Image.fromarray(values).save(path)
    (tmp_path / "shapes" / "dark" / "broken.png").write_bytes(b"")
    return str(tmp_path / "shapes")


def test_from_check_to_a_run(home, shapes, capsys, tmp_path):
    assert main(["data", "check", shapes, "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert (checked["images"], checked["skipped"], checked["problems"]) == (24, 1, [])
    assert [row["file"] for row in checked["findings"]] == ["dark/broken.png"]
    assert main(["data", "check", shapes, "--csv"]) == 0
    assert "skipped,picture,,dark/broken.png,the file is empty (0 bytes)" in capsys.readouterr().out
    assert main(["data", "check", shapes, "--yaml"]) == 0
    (tmp_path / "spec.yaml").write_text(capsys.readouterr().out)
    assert not home.exists()
    assert main(["data", "import", shapes, "--name", "tones", "--spec", str(tmp_path / "spec.yaml")]) == 0
    assert "data: {name: imported, set: tones}" in capsys.readouterr().out
    assert main(["data", "show", "tones", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["classes"] == ["dark", "light"]
    config = "{data: {name: imported, set: tones}, tasks: {class: {}}, "
    config += "backbone: {name: mlp}, epochs: 2, batch_size: 8, precision: fp32, layout: contiguous}"
    (tmp_path / "run.yaml").write_text(config)
    (tmp_path / "short.yaml").write_text(config.replace("name: imported, set: tones", "name: tones"))
    assert main(["train", str(tmp_path / "short.yaml")]) == 2
    assert "data.name: 'tones' is an imported set; write it as 'name: imported, set: tones'" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "run.yaml"), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["status"] == "finished"
    assert main(["resume", run["run"], "--epochs", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "finished"
    assert main(["data", "delete", "tones", "--yes"]) == 0
    capsys.readouterr()
    assert main(["train", str(tmp_path / "run.yaml")]) == 2
    assert "unknown imported data set 'tones'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tones", "2026", "true"])
def test_an_import_proposes_a_config_that_trains_as_it_stands(home, shapes, capsys, name):
    from mtl_core.cli.train_commands import check_config
    from mtl_core.config import RunConfig

    assert main(["data", "import", shapes, "--name", name]) == 0
    said, _, text = capsys.readouterr().out.rpartition(f"started with  python -m mtl_core train {name}.yaml\n")
    assert f"Imported as '{name}'." in said
    config = RunConfig.from_yaml(text)
    assert (config.data.options["set"], list(config.tasks)) == (name, ["class"])
    check_config(config)  # raises what would keep it from training


def test_the_line_above_the_findings_counts_every_row_below_it(shapes, capsys, tmp_path):
    (tmp_path / "outside.png").write_bytes(b"")
    for number in range(2):
        (tmp_path / "shapes" / "light" / f"link{number}.png").symlink_to(tmp_path / "outside.png")
    names = [f"{('dark', 'light')[number % 2]}/{number}.png" for number in range(24)]
    rows = "".join(f"{name},{number}.5\n" for number, name in enumerate([*names, "dark/gone.png"]))
    (tmp_path / "shapes" / "numbers.csv").write_text(f"file,number\n{rows}")
    main(["data", "check", shapes])
    head, _, table = capsys.readouterr().out.partition(" images usable")
    counts = [int(number) for number in re.findall(r"(\d+) (?:skipped|files? not read|targets? or rows? skipped)", table.splitlines()[0])]
    assert head.endswith("24 of 25")
    assert counts == [1, 2, 1]
    assert sum(line.startswith("skipped ") for line in table.splitlines()) == sum(counts)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "/nowhere/at/all"], "was not found"),
        (["import", "SHAPES", "--name", "../x"], "cannot be a data set's name"),
        (["show", "nothing"], "unknown imported data set 'nothing'"),
        (["import", "SHAPES", "--name", "x", "--spec", "/nowhere.yaml"], "cannot read the description"),
    ],
)
def test_refusals_exit_2(home, shapes, capsys, arguments, sentence):
    assert main(["data", *(shapes if part == "SHAPES" else part for part in arguments)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (home / "imports").exists()


def test_a_set_without_enough_pictures_exits_1(home, tmp_path, capsys):
    from PIL import Image

    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    assert main(["data", "check", str(tmp_path)]) == 1
    assert "problem: No images in val, test" in capsys.readouterr().out


@pytest.mark.data
def test_a_real_data_set_is_checked_asked_about_imported_and_shown(real_data, home, capsys):
    """``tests/data/imports/test_real_data.py`` looks at every set, and says what is found and asked."""
    path = str(real_data / "icl_livingroom_rgbd")
    assert main(["data", "check", path, "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert (checked["images"], checked["skipped"], checked["problems"]) == (71, 0, [])
    assert checked["counts"]["note/no_measurement"] == 35
    assert [question["name"] for question in checked["questions"]] == ["unit"]
    assert main(["data", "import", path, "--name", "mine"]) == 2
    assert "unit" in capsys.readouterr().err
    assert main(["data", "import", path, "--name", "mine", "--accept"]) == 0
    capsys.readouterr()
    assert main(["data", "show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["split_sizes"] == checked["split_sizes"]
    assert [task["name"] for task in shown["tasks"]] == [task["name"] for task in checked["tasks"]]


def test_a_look_at_very_many_files_says_so_first(home, shapes, capsys, monkeypatch):
    from mtl_core.data.imports.looking import first_look

    for most, said in ((25, "Looking at 25 files. This takes"), (26, "")):
        monkeypatch.setattr(first_look, "MANY_FILES", most)
        assert main(["data", "check", shapes, "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["images"] == 24
        assert said in err
        assert ("Looking at" in err) == bool(said)
