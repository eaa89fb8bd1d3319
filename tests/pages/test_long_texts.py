"""A text that is too long for its field is kept and refused in words. No browser cuts it silently, as ``max_chars`` of Streamlit does."""

import ast
from pathlib import Path

import pytest

from mtl_core.data.imports.import_library import name_problem
from mtl_core.runs import actions
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from tests.pages.test_import_names import editors, form  # noqa: F401

ROOT = Path(__file__).parents[2]


def test_no_field_lets_the_browser_cut_a_text():
    files = [path for folder in ("ui", "pages") for path in sorted((ROOT / folder).rglob("*.py"))]
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}
    calls = [(name, node) for name, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert len(calls) > 5000
    assert [f"{name}:{node.lineno}" for name, node in calls if any(given.arg == "max_chars" for given in node.keywords)] == []


def said(app):
    return " ".join(error.value for error in app.error).replace("\\", "")


def test_the_name_of_a_run_that_trains_next(open_page):
    app = open_page("train")
    app.text_input(key="set.name").set_value("x" * 300).run()
    assert "name: expected at most 120 characters, found 300; shorten it" in said(app)
    assert "xxx" not in said(app)
    assert app.text_input(key="set.name").value == "x" * 300
    assert app.button(key="train").disabled


@pytest.mark.parametrize(("field", "longest"), [("name", actions.LONGEST_TITLE), ("note", actions.LONGEST_NOTE)])
def test_the_name_and_the_note_of_a_run(open_page, in_state, store, field, longest):
    run = in_state(RunStatus.FINISHED)
    app = open_page("run", run=run.id)
    app.menu_button(key=f"more.{run.id}").set_value("describe").run()
    element = (app.text_input if field == "name" else app.text_area)(key=f"describe.{field}.{run.id}")
    element.set_value("x" * (longest + 7))
    next(button for button in app.button if button.label == "Save").click().run()
    assert f"at most {longest} characters, found {longest + 7}" in said(app)
    assert (app.text_input if field == "name" else app.text_area)(key=f"describe.{field}.{run.id}").value == "x" * (longest + 7)
    assert (store.get(run.id).name, store.get(run.id).note) == (run.name, run.note)


def test_the_title_of_a_study(open_page, store):
    app = open_page("studies")
    app.selectbox(key="study.base").set_value("preset:digits-quick")
    app.text_input(key="study.title").set_value("x" * 300).run()
    assert "at most 120 characters, found 300" in said(app)
    assert app.button(key="study.start").disabled
    assert studies.studies(store) == []


def test_the_code_of_a_class(open_page):
    app = open_page("learn", tabs=["For a class"])
    app.text_input(key="class.code").set_value("http://here/learn?class=class-1a2b3c4d").run()
    assert "Expected 14 characters, found 38." in said(app)
    app.text_input(key="class.code").set_value(" class-1a2b3c4d ").run()
    assert not app.error


def test_the_name_of_a_learner(open_page):
    app = open_page("learn", lesson="one_task", **{"class": "class-1a2b3c4d"})
    app.text_input(key="learner.name").set_value("x" * 90).run()
    assert "at most 40 characters, found 90" in said(app)


def test_the_title_of_a_task_that_is_imported(form, editors):  # noqa: F811
    editors.edit("tasks", "task", "weight", "title", "x" * 300)
    form.run()
    assert "the title of task 'weight': expected one line of at most 120 characters, found 300" in said(form)
    form.button(key="import.check").click().run()
    assert "import.name" not in [element.key for element in form.text_input]  # nothing was checked


def test_the_name_of_a_data_set():
    assert name_problem("x" * 100) == "expected a data set's name of at most 64 characters, found 100; shorten it"
    assert name_problem("x" * 64) == ""
