"""The folder and the SQLite file of a store: where they are, and what is said where they cannot be read, written or understood."""

import sqlite3

import pytest
from sqlalchemy import create_engine, update

from mtl_core.errors import StoreError
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import open_database
from mtl_core.runs.store import open_store


def test_home_is_the_argument_else_the_environment_else_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "from_environment"))
    assert open_store(tmp_path / "given").home == tmp_path / "given"
    assert open_store().home == tmp_path / "from_environment"
    monkeypatch.delenv("MTL_HOME")
    assert open_store().home == tmp_path / "runs"
    assert open_store().cache == tmp_path / "runs" / "data"


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_home_that_is_a_file_is_refused_in_words(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"needs a folder, but '.*file.*Set MTL_HOME"):
        open_store(tmp_path / "file" / below)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_home_that_cannot_be_written_is_refused_in_words(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # permissions do not bind the user tests often run as
    tmp_path.joinpath("home").mkdir()
    with pytest.raises(StoreError, match=r"home' cannot be written: Permission denied. Set MTL_HOME"):
        open_store(tmp_path / "home")
    assert list(tmp_path.joinpath("home").iterdir()) == []


def test_a_damaged_file_is_named_and_kept(tmp_path):
    rubbish = b"not a database at all, " * 400
    (tmp_path / "store.sqlite").write_bytes(rubbish)
    with pytest.raises(StoreError, match=r"store.sqlite' is damaged .*Nothing was deleted.*move"):
        open_store(tmp_path)
    assert (tmp_path / "store.sqlite").read_bytes() == rubbish


def test_a_newer_store_is_left_alone(tmp_path):
    open_store(tmp_path / "old")
    (tmp_path / "new").mkdir()
    with sqlite3.connect(tmp_path / "new" / "store.sqlite") as connection:
        connection.execute("create table meta (key text, value text)")
        connection.execute("insert into meta values ('schema_version', '99')")
    with pytest.raises(StoreError, match=r"has version 99, this program reads version \d+\. Update the program"):
        open_store(tmp_path / "new")


def test_someone_elses_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("create table photos (name text)")
    with pytest.raises(StoreError, match="not a run store"):
        open_store(tmp_path)


def test_a_run_that_cannot_be_written_leaves_nothing(store, config, home):
    (home / "runs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot make the run's folder"):
        store.create(config())
    assert store.runs() == []


def test_a_full_disk_is_said_and_no_folder_stays(store, config, home):
    store.create(config())
    with store.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with store.database._writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    made = 1
    with pytest.raises(StoreError, match=r"is full .*Free some space"):  # noqa: PT012 - one of many creations is the one that fails
        for _ in range(200):
            store.create(config("long" * 30))
            made += 1
    assert len(store.runs()) == len(list((home / "runs").iterdir())) == made


def test_a_config_of_another_version_hides_only_its_own_run(store, config):
    good, odd = store.create(config()), store.create(config())
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == odd.id).values(config='{"novelty": 1}'))
    assert [run.id for run in store.runs()] == [good.id]
    assert store.unread() == [odd.id]
    with pytest.raises(StoreError, match=f"config of run {odd.id} cannot be read"):
        store.get(odd.id)


def test_opening_again_gives_the_same_connections_until_the_file_is_replaced(home):
    first = open_store(home)
    assert open_store(home).database._writer is first.database._writer
    for path in home.glob("store.sqlite*"):
        path.unlink()
    assert open_store(home).runs() == []
    assert open_database(home / "store.sqlite")._writer is not first.database._writer


def test_a_new_store_has_the_tables_of_the_schema(tmp_path):
    open_store(tmp_path)
    open_store(tmp_path / "second")
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.sqlite'}")
    schema.metadata.create_all(engine)
    engine.dispose()
    plain, *made = (
        sorted(map(str, sqlite3.connect(path).execute("select type, name, tbl_name, sql from sqlite_master")))
        for path in (tmp_path / "plain.sqlite", tmp_path / "store.sqlite", tmp_path / "second" / "store.sqlite")
    )
    assert made == [plain, plain]
