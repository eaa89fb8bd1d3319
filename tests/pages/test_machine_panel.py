"""The machine popover of the status bar: gauges in words while nothing trains, too, and the store's folder and size."""

import re

from mtl_core.machine.folder_sizes import store_sizes


def opened(app):
    app.session_state["machine"] = True
    return app.run()


def test_the_gauges_and_the_store_are_shown_when_it_is_opened(open_page, store, texts):
    (store.home / "data").mkdir(exist_ok=True)
    (store.home / "data" / "images.npy").write_bytes(b"0" * 3_000_000)
    app = open_page("studies")
    assert str(store.home) not in [code.value for code in app.code]
    app = opened(app)
    assert str(store.home.absolute()) in [code.value for code in app.code]
    shown = " ".join(element.proto.body for element in app.get("html"))
    assert "Memory" in shown
    assert " free" in shown
    assert re.search(r'<div class="fact-name">Prepared data</div>3(\.0+)? MB', shown)
    assert not app.exception


def test_a_class_has_no_such_button(open_page, store):
    from mtl_core.lessons.lesson_runs import new_class

    app = open_page("learn", lesson="one_task", hide="links", **{"class": new_class()})
    assert "machine" not in app.session_state


def test_every_file_is_counted_once(tmp_path):
    for name, size in (("runs/a/checkpoint.pt", 700), ("runs/b/log.txt", 50), ("data/x/images.npy", 4000), ("imports/cells/set.json", 30)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"0" * size)
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "my.zip").write_bytes(b"0" * 9)
    (tmp_path / "store.sqlite").write_bytes(b"0" * 100)
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    found = store_sizes(tmp_path)
    assert (found.data, found.imports, found.rest) == (4000, 39, 100)
    assert 750 <= found.runs < 1000  # and the link itself
    assert found.total == found.runs + 4139
    assert store_sizes(tmp_path / "none").total == 0
