"""Questions of an import: numbered, answered in the description, shown on pictures by a preview that equals the import."""

import numpy as np
import pytest
from PIL import Image

from mtl_core.cli.import_commands import check_data, import_data
from mtl_core.data.imports import ImportSpec, Question, Reading, answer, describe, examine, get_imported, preview, propose
from mtl_core.data.imports.formats.csv_table import CsvFormat
from mtl_core.data.imports.imported_source import PreparedSource
from mtl_core.errors import ConfigError, DataError

READINGS = (
    Reading("classes", "each number is a class", {"columns.0.kind": "classification"}),
    Reading("amounts", "the numbers are amounts", {"columns.0.kind": "regression", "columns.0.unit": "m"}),
)


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures, and a table with a number of 0.5 to 3.5 for each: amounts, which the look asks nothing about."""
    random, root = np.random.default_rng(0), tmp_path / "numbered"
    root.mkdir()
    for place in range(20):
        Image.fromarray(random.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(root / f"{place}.png")
    (root / "table.csv").write_text("image,number\n" + "".join(f"{place}.png,{place % 4}.5\n" for place in range(20)))
    return root


@pytest.fixture
def asking(monkeypatch):
    """The table's guess asks what the numbers are."""
    plain = CsvFormat.guess.__func__

    def guess(cls, context, images):
        found = plain(cls, context, images)
        for one in found:
            one.questions = [Question("numbers", "Are the numbers classes or amounts?", READINGS, "amounts", "4 different ones", ("0.png", "5.png"))]
        return found

    monkeypatch.setattr(CsvFormat, "guess", classmethod(guess))


@pytest.mark.usefixtures("asking")
def test_an_answer_is_written_into_the_source_that_it_is_about(folder):
    proposal = propose(folder)
    [question] = proposal.questions
    assert proposal.spec.sources[question.source].format == "csv"
    spec = answer(proposal.spec, question, "classes")
    [column] = spec.sources[question.source].options["columns"]
    assert (column["kind"], column.get("unit", "")) == ("classification", "")
    assert proposal.spec.sources[question.source].options["columns"][0]["kind"] == "regression"  # the proposal stays as it was
    described = [(task.name, task.kind, task.classes) for task in describe(folder, spec).tasks]
    assert described == [("number", "classification", ("0.5", "1.5", "2.5", "3.5"))]
    [column] = answer(proposal.spec, question, "amounts").sources[question.source].options["columns"]
    assert (column["kind"], column["unit"]) == ("regression", "m")
    assert ImportSpec.from_yaml(spec.to_yaml()) == spec
    with pytest.raises(DataError, match=r"question 'numbers': unknown reading 'amount'; did you mean 'amounts'"):
        answer(spec, question, "amount")


def test_an_answer_about_the_whole_set_and_one_that_is_not_valid():
    spec = ImportSpec()
    question = Question("parts", "?", (Reading("folder", "", {"splits.groups": "folder"}), Reading("none", "", {"splits.groups": "nonsense"})))
    assert answer(spec, question, "folder").splits.groups == "folder"
    with pytest.raises(ConfigError, match=r"splits\.groups"):
        answer(spec, question, "none")


@pytest.mark.usefixtures("asking")
def test_questions_of_one_name_are_told_apart(folder):
    (folder / "more.csv").write_text("image,other\n" + "".join(f"{place}.png,{place % 3}\n" for place in range(20)))
    proposal = propose(folder)
    assert [question.name for question in proposal.questions] == ["numbers", "numbers-2"]
    assert sorted(question.source for question in proposal.questions) == [0, 1]


def test_a_preview_is_what_the_import_makes(folder):
    spec = propose(folder).spec
    found = preview(folder, spec, ["5.png", "0.png", "not there.png"])
    assert found.keys == ("0.png", "5.png")
    examined = examine(folder, spec)
    source = PreparedSource(examined)
    for split in ("train", "val", "test"):
        data = source.build(split, lambda share, what: None)
        keys = [key for key in examined.facts if examined.split[key] == split]
        for row, key in enumerate(found.keys):
            if key in keys:
                np.testing.assert_array_equal(data.images[keys.index(key)], found.data.images[row])
                assert data.targets["number"][keys.index(key)] == found.data.targets["number"][row]
    assert [task.classes for task in found.tasks] == [task.classes for task in examined.tasks]


@pytest.mark.usefixtures("asking")
def test_the_command_line_asks_before_it_imports(folder, tmp_path, monkeypatch, capsys):
    from mtl_core.__main__ import main

    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    assert (check_data.name, import_data.name) == ("check", "import")
    assert main(["data", "check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "question numbers: Are the numbers classes or amounts?" in said
    assert "--answer numbers=amounts   the numbers are amounts (used until you answer)" in said
    assert main(["data", "import", str(folder), "--name", "asked"]) == 2
    captured = capsys.readouterr()
    assert "nothing is imported" in captured.err
    assert "--answer numbers=classes or amounts" in captured.err
    assert not (tmp_path / "home" / "imports").exists()
    assert main(["data", "import", str(folder), "--name", "asked", "--answer", "number=amounts"]) == 2
    assert "did you mean 'numbers'" in capsys.readouterr().err
    assert main(["data", "import", str(folder), "--name", "asked", "--answer", "numbers=classes"]) == 0
    assert [task.kind for task in get_imported("asked").tasks] == ["classification"]
    assert main(["data", "import", str(folder), "--name", "taken", "--accept"]) == 0
    assert "taken: Are the numbers classes or amounts? the numbers are amounts" in capsys.readouterr().out
    assert [task.kind for task in get_imported("taken").tasks] == ["regression"]
    written = tmp_path / "numbered.yaml"
    written.write_text(get_imported("asked").spec().to_yaml())
    assert main(["data", "import", str(folder), "--name", "again", "--spec", str(written)]) == 0  # a description leaves nothing open


def test_one_format_that_fails_does_not_block_the_others(folder, monkeypatch):
    from mtl_core.data.imports.formats.annotations.coco_json import Coco

    def fails(cls, context, images):
        raise DataError("the JSON ends in its middle")

    monkeypatch.setattr(Coco, "guess", classmethod(fails))
    proposal = propose(folder)
    assert [task.name for task in proposal.tasks] == ["number"]
    [note] = [note for note in proposal.files if not note.read]
    assert (note.files, note.reason) == (Coco.title, "the JSON ends in its middle")
