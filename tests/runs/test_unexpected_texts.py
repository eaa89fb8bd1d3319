"""Texts that are longer or stranger than expected: both databases take the same, and what no store keeps is refused in words on both."""

import json
import random
import re
import sys
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Float, Integer, LargeBinary, Text, insert, select, update

import mtl_core
from mtl_core.config import RunConfig
from mtl_core.errors import DataError, StoreError
from mtl_core.events import Message, StepScalars
from mtl_core.runs.actions import delete_run
from mtl_core.runs.archives.archive_reading import read_archive
from mtl_core.runs.archives.run_archive import write_archive
from mtl_core.runs.executor import execute
from mtl_core.runs.objects import pointers
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.short_text import LongTextError, ReportedText, ShortText
from mtl_core.runs.store import RunStore, open_store
from mtl_core.runs.study_cells import states_of_cells
from mtl_core.studies import study_actions as studies

TABLES = [*schema.metadata.tables.values(), *pointers._tables.tables.values()]
SHORT = {f"{table.name}.{column.name}": column for table in TABLES for column in table.columns if isinstance(column.type, ShortText)}
UNLIMITED = (Text, ReportedText, Integer, BigInteger, Float, LargeBinary)


@pytest.fixture(params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.database)])
def store(request, home) -> RunStore:
    return open_store(home) if request.param == "SQLite" else request.getfixturevalue("postgres_store")


def test_every_column_of_text_is_unlimited_or_says_what_is_too_long():
    limited = [column for table in TABLES for column in table.columns if not isinstance(column.type, (*UNLIMITED, ShortText))]
    assert limited == []
    assert len(SHORT) > 20


def test_no_other_file_makes_a_column_of_limited_text():
    files = Path(mtl_core.__file__).parent.rglob("*.py")
    assert {path.name for path in files if re.search(r"\b(String|VARCHAR|Unicode)\(", path.read_text(encoding="utf-8"))} == {
        "migrations.py",
        "short_text.py",
    }


def test_a_text_that_is_too_long_is_refused_in_words_in_every_such_column(store):
    pointers.prepare_tables(store.database)
    for name, column in SHORT.items():
        long, expected = "x" * (column.type.length + 1), f"{column.type.what} has at most {column.type.length} characters in the run store; found "
        row = {
            each: "x" if isinstance(each.type, (Text, ReportedText, ShortText)) else b"" if isinstance(each.type, LargeBinary) else 1
            for each in column.table.columns
        }
        for statement in (insert(column.table).values(row | {column: long}), update(column.table).values({column: long})):
            with pytest.raises(LongTextError) as refused, store.database.write() as connection:
                connection.execute(statement)
            assert str(refused.value).startswith(expected), name
        with store.database.read() as connection:
            assert connection.execute(select(column).where(column == long)).all() == [], name


def long_cells(config):
    """A study of two cells whose text no index of PostgreSQL takes: its names cannot be packed."""
    chance = random.Random(0)
    names = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=60)) for _ in range(100)]
    tasks = [{name: {"loss_weight": weight} for name in names} for weight in (1.0, 2.0)]
    return studies.draft("axes", config(), {"options": {"axes": {"tasks": tasks}}}, [0, 1], "long")


def test_a_study_of_cells_with_long_texts_starts_and_is_read_again(store, config):
    made = studies.create(store, long_cells(config), request_id="click " * 40)
    assert studies.create(store, long_cells(config), request_id="click " * 40).id == made.id
    assert min(len(cell.key) for cell in made.cells) > 6000
    studies.start(store, made.id)
    runs = studies.run_ids(store, made.id)
    assert set(runs) == {(cell.key, seed) for cell in made.cells for seed in (0, 1)}
    studies.start(store, made.id)
    assert studies.run_ids(store, made.id) == runs
    assert {(state.cell, state.seed) for state in states_of_cells(store)[made.id]} == set(runs)


def test_long_names_of_parts_are_kept(store, config):
    """As installed parts and imported runs may have them."""
    long = "a" * 300
    parts = {"data": {"name": long}, "backbone": {"name": long}, "balancing": {"name": long}}
    run = store.create(RunConfig.from_dict(config().to_dict() | parts))
    assert store.get(run.id).config.backbone.name == long
    with store.database.write() as connection:
        connection.execute(
            insert(schema.studies).values(id="study-0001", kind=long, title="", created_at=0, state="new", base="{}", settings="{}", seeds="[]")
        )
        assert connection.execute(select(schema.studies.c.kind)).scalar() == long


def test_a_run_with_a_key_that_is_too_long_fails_in_words_and_ends(store, config, engine, monkeypatch):
    """It would be tried for ever if the key were kept for the next attempt to write."""

    def train(*arguments):
        for event in engine.train(*arguments):
            yield event
            if type(event).__name__ == "RunStarted":
                yield StepScalars(1, 0.1, {f"train/{'x' * 300}/loss": 1.0})

    monkeypatch.setattr(sys.modules["mtl_core.training.trainer"], "train", train)
    run = execute(store, store.create(config()).id, on_unwritten=lambda line, error: pytest.fail(str(error)))
    assert run.status == "failed"
    assert run.failure["message"].startswith("the key of a scalar has at most 255 characters in the run store; found 311: 'train/xxx")


@pytest.mark.parametrize("field", ["level", "key"])
def test_an_archive_with_texts_that_are_too_long_is_refused_in_words(store, config, engine, tmp_path, field):
    run = execute(store, store.create(config()).id)
    write_archive(store, [run], tmp_path / "sound.zip")
    with zipfile.ZipFile(tmp_path / "sound.zip") as sound, zipfile.ZipFile(tmp_path / "long.zip", "w") as changed:
        for name in sound.namelist():
            content = sound.read(name)
            if name.endswith("run.json"):
                about = json.loads(content)
                if field == "level":
                    about["log"][0][1] = "x" * 300
                else:
                    about["key_sets"][0][0] = "x" * 300
                content = json.dumps(about).encode()
            changed.writestr(name, content)
    delete_run(store, run.id)
    with pytest.raises(DataError, match="at most"):
        read_archive(store, tmp_path / "long.zip")
    assert store.runs() == []


def test_refused_texts_are_errors_of_the_store():
    assert issubclass(LongTextError, StoreError)


def test_a_run_whose_fault_has_letters_that_no_database_takes_ends(store, config, engine, monkeypatch):
    """Such as the name of a file in the message of an exception. The run would seem to train for ever."""

    def train(*arguments):
        yield Message("reads 'a\udc80.png'")
        raise DataError("'a\udc80.png' ends with '\0'; fetch it again")

    monkeypatch.setattr(sys.modules["mtl_core.training.trainer"], "train", train)
    run = execute(store, store.create(config()).id, on_unwritten=lambda line, error: pytest.fail(str(error)))
    assert (run.status, run.failure["message"]) == ("failed", "'a\ufffd.png' ends with '\0'; fetch it again")
    assert [line.text for line in store.log(run.id)][1:] == ["reads 'a\ufffd.png'", "failed: 'a\ufffd.png' ends with '\ufffd'; fetch it again"]
    assert "reads 'a\\udc80.png'" in (store.folder(run.id) / "log.txt").read_text(encoding="utf-8")


def test_other_letters_that_no_database_takes_are_refused_in_words(store):
    with pytest.raises(StoreError, match=r"cannot hold a text with bytes that are no characters. Remove them from the text"):
        store.set("note", "a\udc80")
