"""What is changed in the list of runs from the command line, and how the list shows it."""

import io
import json
import re

import pytest
from rich.cells import cell_len
from sqlalchemy import update

from mtl_core.__main__ import main
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.sql import schema


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def stopped(store, config):
    """Make a run that has ended."""

    def make(name=""):
        return actions.stop(store, store.create(config(name)).id)

    return make


def listed(capsys, *options):
    assert main(["runs", "--json", *options]) == 0
    return [run["name"] for run in json.loads(capsys.readouterr().out)]


def test_archived_runs_are_left_out_and_pinned_ones_come_first(store, stopped, capsys):
    ids = {name: stopped(name).id for name in "abc"}
    assert main(["runs", "pin", ids["a"]]) == 0
    assert main(["runs", "archive", ids["b"], ids["b"]]) == 0
    assert capsys.readouterr().out == f"{ids['a']}  pinned\n{ids['b']}  archived\n"
    assert listed(capsys) == ["a", "c"]
    assert listed(capsys, "--all") == ["a", "c", "b"]
    assert main(["runs", "--all"]) == 0
    rows = {line.split()[0]: line.split()[8:] for line in capsys.readouterr().out.splitlines()[1:]}
    assert rows == {ids["a"]: ["a", "pinned"], ids["b"]: ["b", "archived"], ids["c"]: ["c"]}
    assert main(["runs", "unarchive", ids["b"]]) == 0
    assert main(["runs", "unpin", ids["a"]]) == 0
    capsys.readouterr()
    assert listed(capsys) == ["c", "b", "a"]


def test_a_list_of_nothing_but_archived_runs_says_so(store, stopped, capsys):
    actions.archive(store, stopped().id)
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == f"The only run in {store.home} is archived; 'runs --all' lists it.\n"


@pytest.mark.parametrize("others", [0, 1])
def test_runs_of_another_version_are_said_to_be_missing(store, stopped, capsys, others):
    odd, *rest = [stopped().id for _ in range(1 + others)]
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == odd).values(config='{"novelty": 1}'))
    assert main(["runs"]) == 0
    said = capsys.readouterr()
    assert f"1 run is not listed, because another version of the program wrote it: {odd}." in said.err
    assert [name in said.out for name in rest] == [True] * others
    assert "No runs yet" not in said.out


def test_name_note_and_tags_are_shown(store, stopped, capsys):
    run = stopped()
    assert main(["runs", "rename", run.id, "Other name"]) == 0
    assert main(["runs", "note", run.id, "lower lr next time"]) == 0
    assert main(["runs", "tag", run.id, "good", "baseline", "good"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == f"{run.id}  tagged good, baseline"
    assert main(["runs", "show", run.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{run.id}  stopped  Other name")
    assert lines[1:3] == ["tags: good, baseline", "note: lower lr next time"]
    assert main(["runs", "show", run.id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["note"], shown["tags"], shown["parent"], shown["kept"]) == (
        "Other name",
        "lower lr next time",
        ["good", "baseline"],
        None,
        [],
    )
    for command in ("rename", "note"):
        assert main(["runs", command, run.id, ""]) == 0
    assert main(["runs", "tag", run.id]) == 0
    assert (store.get(run.id).name, store.get(run.id).note, store.get(run.id).tags) == (run.name, "", ())


def test_a_text_that_does_not_fit_exits_2(store, stopped, capsys):
    run = stopped()
    assert main(["runs", "rename", run.id, "x" * 121]) == 2
    assert "name: expected one line of at most 120 characters, found 121" in capsys.readouterr().err
    assert main(["runs", "tag", run.id, "a,b"]) == 2
    assert "comma" in capsys.readouterr().err


def test_a_fork_names_its_parent_and_kept_epochs(store, stopped, config, write_checkpoint, capsys):
    parent = stopped("parent")
    write_checkpoint(store.folder(parent.id), 1, 2, best=True)
    child = store.create(config("child"), columns={"parent_id": parent.id, "parent_epoch": 1, "parent_step": 2})
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-4:] == ["child", parent.id, "epoch", "1"]
    assert main(["runs", "show", child.id]) == 0
    assert f"forked from: {parent.id} after epoch 1" in capsys.readouterr().out.splitlines()
    assert main(["runs", "show", parent.id]) == 0
    assert "kept epochs: 1 (best on val)" in capsys.readouterr().out.splitlines()


def test_deleting_asks_on_a_terminal_and_names_each_run(store, stopped, capsys, monkeypatch):
    first, second = stopped("one"), stopped("two")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["runs", "delete", first.id, second.id]) == 130
    err = capsys.readouterr().err
    assert f"{first.id}  stopped  one" in err
    assert f"{second.id}  stopped  two" in err
    assert "Delete these 2 runs" in err
    assert len(store.runs()) == 2
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["runs", "delete", first.id]) == 0
    assert capsys.readouterr().out == f"deleted {first.id}  one\n"
    assert [run.id for run in store.runs()] == [second.id]


def test_deleting_without_a_terminal_needs_yes(store, stopped, capsys):
    run = stopped()
    assert main(["runs", "delete", run.id]) == 2
    assert "standard input is no terminal; add --yes" in capsys.readouterr().err
    assert store.folder(run.id).is_dir()
    assert main(["runs", "delete", run.id, "--yes"]) == 0
    assert not store.folder(run.id).exists()


def test_a_run_that_trains_is_not_deleted_and_an_unknown_one_spares_the_rest(store, config, stopped, capsys):
    held, ended = store.create(config("busy"), columns=held_by_us("cpu")), stopped()
    assert main(["runs", "delete", held.id, "--yes"]) == 2
    assert capsys.readouterr().err == f"error: run {held.id} (busy) is running; stop it before it is deleted\n"
    assert main(["runs", "delete", ended.id, "nothing", "--yes"]) == 2
    assert {run.id for run in store.runs()} == {held.id, ended.id}


def test_the_queue_is_put_in_order(store, config, capsys):
    ids = [store.create(config(name)).id for name in "abc"]
    assert main(["runs", "move", ids[2], "1"]) == 0
    assert capsys.readouterr().out == f"{ids[2]}  is number 1 of the queue\n"
    assert [run.name for run in store.queued()] == ["c", "a", "b"]
    assert main(["runs", "move", ids[2], "0"]) == 2
    assert "Usage: " in capsys.readouterr().err


def test_only_a_run_that_hangs_is_given_up(store, config, capsys):
    run = store.create(config(), columns=held_by_us("cpu"))
    assert main(["runs", "interrupt", run.id]) == 2
    assert "so it is not hung; stop it instead" in capsys.readouterr().err
    hung = store.create(config(), columns=held_by_us("cuda") | {"started_at": 0.0, "progress_at": 0.0})
    assert main(["runs", "interrupt", hung.id]) == 0
    assert capsys.readouterr().out.startswith(f"{hung.id}  interrupted")


@pytest.mark.parametrize("option", ["--json", "--all"])
def test_options_of_the_list_do_not_go_before_a_subcommand(store, capsys, option):
    assert main(["runs", option, "show", "x"]) == 2
    assert f"put {option} after 'show'" in capsys.readouterr().err


LONG = "Digit scenes: 4 tasks · train size 1000 · val size 200 · + 1 more · PCGrad, the longest name that a run can have, 日本語 ········"


@pytest.mark.parametrize("columns", [None, 60, 100, 250])
def test_ids_and_states_are_whole_however_long_a_name_is(store, config, monkeypatch, capsys, columns):
    """``columns``: of a terminal; None for a pipe."""
    runs = [store.create(config(LONG[:120])), store.create(config("short"))]
    actions.set_tags(store, runs[0].id, ["one", "another tag"])
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["runs"]) == 0
    _, *lines = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert len(lines) == 2
    for line, run in zip(lines, reversed(runs), strict=True):
        assert line.split()[:2] == [run.id, "queued"]
    assert "one, another tag" in lines[1]
    assert ("…" in lines[1], LONG[:15] in lines[1]) == (columns != 250, True)
    if columns in (None, 250):  # where there is room for all but the name
        assert max(map(cell_len, lines)) <= (columns or 200)
