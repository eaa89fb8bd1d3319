"""Names of an import's tasks on the page: a renamed column keeps its name, and what is ticked, whatever is edited before and after."""

import pytest

from mtl_core.tasks import TASK_KINDS
from tests.pages.test_import_questions import settle

COLUMNS = ("size", "weight", "sort", "place")


class Editors:
    """``st.data_editor`` as the browser's one: edits are kept by key and number of the row, and laid over what is shown next under that key.

    ``edit`` types into what is on screen.
    """

    def __init__(self):
        self.edits, self.shown = {}, {}

    def __call__(self, frame, *, key, disabled=False, **_):
        editor = key.split(".")[1]
        if editor in self.shown and self.shown[editor][0] != key:  # Streamlit forgets an editor that is no longer on the page
            self.edits.pop(self.shown[editor][0], None)
        self.shown[editor] = (key, frame.copy(), disabled)
        edited = frame.copy()
        for (row, column), value in self.edits.get(key, {}).items():
            edited.loc[row, column] = value
        return edited

    def edit(self, editor, name_column, name, column, value):
        key, frame, _ = self.shown[editor]
        [row] = frame.index[frame[name_column] == name]
        self.edits.setdefault(key, {})[row, column] = value


@pytest.fixture
def editors(monkeypatch):
    found = Editors()
    monkeypatch.setattr("streamlit.data_editor", found)
    return found


@pytest.fixture
def form(open_page, editors, tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    random, root = np.random.default_rng(0), tmp_path / "brought" / "measured"
    root.mkdir(parents=True)
    lines = ["image," + ",".join(COLUMNS)]
    for place in range(20):
        Image.fromarray(random.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(root / f"{place}.png")
        lines.append(f"{place}.png,{place}.5,{place * 3}.25,{'ab'[place % 2]},{'xyz'[place % 3]}")
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    for kind in ("classification", "regression"):
        TASK_KINDS.load(kind)
    monkeypatch.setenv("MTL_DATA_FOLDERS", str(root.parent))
    app = open_page("data", new="1")
    app.text_input(key="import.path").set_value(str(root)).run()
    app.button(key="import.look_there").click()
    return settle(app, lambda app: any(button.key == "import.check" for button in app.button))


def counted(app, editors):
    return settle(app, lambda app: editors.shown["tasks"][2] is not True)


def names(app):
    return {entry["column"]: entry["task"] for entry in app.session_state["import_draft"]["spec"]["sources"][0]["columns"]}


def kept(app, editors):
    frame = editors.shown["tasks"][1]
    return list(frame["task"][frame["keep"]])


@pytest.mark.parametrize("at_once", [False, True])
def test_a_column_is_renamed_and_then_another_is_unticked(form, editors, at_once):
    editors.edit("columns", "column", "weight", "task", "mass")
    if not at_once:
        counted(form, editors)
    editors.edit("tasks", "task", "sort", "keep", False)
    form.run()
    counted(form, editors)
    assert names(form) == {"size": "size", "weight": "mass", "sort": "sort", "place": "place"}
    assert form.session_state["import_draft"]["spec"]["tasks"] == ["size", "mass", "place"]
    assert kept(form, editors) == ["size", "mass", "place"]


def test_a_column_is_renamed_after_another_was_unticked(form, editors):
    editors.edit("tasks", "task", "sort", "keep", False)
    form.run()
    editors.edit("columns", "column", "weight", "task", "mass")
    form.run()
    counted(form, editors)
    assert form.session_state["import_draft"]["spec"]["tasks"] == ["size", "mass", "place"]
    assert kept(form, editors) == ["size", "mass", "place"]


def test_what_is_said_later_elsewhere_is_not_undone_by_an_older_edit(form, editors):
    editors.edit("columns", "column", "weight", "kind", "classification")
    counted(form, editors)
    columns = form.session_state["import_draft"]["spec"]["sources"][0]["columns"]
    next(entry for entry in columns if entry["column"] == "weight")["kind"] = "regression"
    counted(form, editors)
    columns = form.session_state["import_draft"]["spec"]["sources"][0]["columns"]
    assert next(entry for entry in columns if entry["column"] == "weight")["kind"] == "regression"


def test_a_title_stays_with_its_task(form, editors):
    editors.edit("tasks", "task", "weight", "title", "How heavy")
    form.run()
    editors.edit("columns", "column", "weight", "task", "mass")
    form.run()
    counted(form, editors)
    assert form.session_state["import_draft"]["spec"]["titles"] == {"mass": "How heavy"}
