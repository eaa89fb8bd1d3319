import os

import pytest

from ui.shell.server_paths import allowed_folders, is_allowed, path_problems


@pytest.fixture
def allowed(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(folder))
    return folder


def test_a_folder_and_what_is_below_it(allowed):
    assert is_allowed(str(allowed))
    assert is_allowed(f"{allowed}/not/there/yet")
    assert not is_allowed(f"{allowed}-beside")
    assert not is_allowed("/")


def test_dots_lead_nowhere_else(allowed):
    assert is_allowed(f"{allowed}/a/../b")
    assert not is_allowed(f"{allowed}/../other")
    assert not is_allowed(f"{allowed}/a/../../other")


def test_links_count_as_where_they_lead(allowed, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (allowed / "way_out").symlink_to(outside)
    (tmp_path / "way_in").symlink_to(allowed)
    (allowed / "circle").symlink_to(allowed / "circle")
    assert not is_allowed(f"{allowed}/way_out/file")
    assert is_allowed(str(tmp_path / "way_in"))
    is_allowed(f"{allowed}/circle")  # whatever it says, it says it


def test_what_is_no_path_is_not_allowed(allowed):
    assert not is_allowed("a\0b")
    assert not is_allowed("~nobody_of_this_name/data")


def test_several_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_DATA_FOLDERS", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert allowed_folders() == [tmp_path / "a", tmp_path / "b"]


def test_without_the_variable_home_the_working_folder_and_those_of_the_configuration(tmp_path, monkeypatch):
    for name, place in (("HOME", "me"), ("MTL_HOME", "store"), ("MTL_MNIST_ROOT", "mnist")):
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.delenv("MTL_DATA_FOLDERS", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert allowed_folders() == [tmp_path / name for name in ("me", "here", "store", "mnist")]
    assert is_allowed("~/data")
    assert is_allowed("data")
    assert not is_allowed("..")


def test_the_problem_names_path_folders_and_variable(allowed):
    (problem,) = path_problems({"name": "mnist", "root": "/elsewhere"})
    assert problem.startswith("data.root: '/elsewhere' is outside")
    assert str(allowed) in problem
    assert "MTL_DATA_FOLDERS" in problem
    assert path_problems({"name": "mnist", "root": ""}) == []
    assert path_problems({"name": "mnist", "root": str(allowed)}) == []
    assert path_problems({"name": "digits"}) == []
    assert path_problems({"name": "no such thing", "root": "/"}) == []
