"""A folder of the server is found by clicks, within the allowed folders."""

import pytest

from ui.importing.folder_browser import entries, place_of


@pytest.fixture
def tree(tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "b", root / "A" / "deep", root / ".hidden", outside):
        folder.mkdir(parents=True)
    (root / "set.zip").write_bytes(b"")
    (root / "notes.txt").write_text("")
    (root / "link").symlink_to(outside)
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(root))
    return root


def test_folders_then_zips_by_name_and_no_way_out(tree):
    assert entries(tree) == [tree / "A", tree / "b", tree / "set.zip"]
    assert place_of(str(tree / "set.zip")) == tree
    assert place_of(str(tree / "missing" / "deeper")) is None
    assert place_of(str(tree.parent)) is place_of("") is None


def test_clicks_lead_down_and_up_and_fill_the_field(tree, open_page):
    app = open_page("data", new="1")

    def click(key):
        app.button(key=f"import.path.{key}").click().run()
        assert not app.exception
        return app.text_input(key="import.path").value

    assert click("0") == str(tree)
    assert click("0") == str(tree / "A")
    assert click("0") == str(tree / "A" / "deep")
    assert click("up") == str(tree / "A")
    assert click("up") == str(tree)
    assert click("2") == str(tree / "set.zip")
    assert click("up") == ""  # what is above is not allowed: the list of the allowed folders
