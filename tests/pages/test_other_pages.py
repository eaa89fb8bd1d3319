import pytest
from sqlalchemy import update

from mtl_core.events import EpochMetrics
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.objects.local_artifacts import LocalArtifacts
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database
from tests.pages.conftest import config
from ui.shell import words


def test_predictions_without_runs(open_page, texts):
    assert "There are no runs yet" in texts(open_page("predictions"))


def test_predictions_of_a_run_that_has_none_say_why(open_page, make_run):
    make_run(filled=False)
    assert "they appear when training starts" in open_page("predictions").info[0].value


def test_compare_without_runs(open_page, texts):
    assert "There are no runs yet" in texts(open_page("compare"))


def test_compare_is_useful_with_one_run(open_page, finished, texts):
    app = open_page("compare")
    row = app.dataframe[0].value.iloc[0]
    assert (row["name"], row["status"], row["Accuracy of digit ↑ best"], row["MAE of slant ↓ last"]) == ("a run", "finished", pytest.approx(0.6), 1.5)
    assert sum(element.proto.component_name == "live_plot" for element in app.get("bidi_component")) == 2  # a chart for each task
    assert "Select a second run" in texts(app)


def test_compare_shows_only_what_differs(open_page, finished, make_run):
    make_run(batch_size=8)
    app = open_page("compare")
    [table] = app.table
    assert list(table.value.index) == ["Batch size"]
    assert sorted(table.value.iloc[0]) == ["64", "8"]


def rows(app):
    return list(app.dataframe[0].value["name"])


def test_the_library_finds_runs_by_words_state_and_data(open_page, store, make_run, in_state):
    in_state("stopped", name="small net")
    tagged = in_state("finished", name="large net")
    actions.set_tags(store, tagged.id, ["paper"])
    app = open_page("compare")
    assert rows(app) == ["large net", "small net"]
    app.text_input(key="filter.text").set_value("NET paper").run()
    assert rows(app) == ["large net"]
    app.text_input(key="filter.text").set_value("").run()
    app.multiselect(key="filter.status").set_value(["stopped"]).run()
    assert rows(app) == ["small net"]
    app.text_input(key="filter.text").set_value("nothing like it").run()
    assert "No run matches these filters" in app.info[0].value


def test_pinned_runs_come_first_and_archived_ones_not(open_page, store, in_state):
    runs = [in_state("finished", name=name) for name in ("a", "b", "c")]
    actions.pin(store, runs[0].id)
    actions.archive(store, runs[1].id)
    app = open_page("compare")
    assert rows(app) == ["a", "c"]
    app.toggle(key="filter.archived").set_value(True).run()
    assert rows(app) == ["a", "c", "b"]


def test_selected_runs_are_pinned_archived_and_deleted_together(open_page, store, in_state, texts):
    runs = [in_state("finished", name=name) for name in ("a", "b")]
    training = in_state("running", name="c")
    app = open_page("compare", runs=",".join(run.id for run in (*runs, training)))
    app.button(key="selection.pin").click().run()
    assert all(run.pinned for run in store.runs())
    app.button(key="selection.delete").click().run()
    assert "**c** (running) cannot be deleted" in app.warning[0].value
    assert "**a** :gray[finished" in texts(app)
    app.button(key="delete_really").click().run()
    assert [run.name for run in store.runs()] == ["c"]
    app.button(key="selection.archive").click().run()
    assert "stop it before it is archived" in app.warning[0].value


def test_what_nobody_has_ticked_is_neither_deleted_nor_archived(open_page, in_state):
    runs = [in_state("finished", name=name) for name in ("a", "b")]
    app = open_page("compare").run()
    assert "runs" not in app.query_params
    assert [app.button(key=f"selection.{name}").disabled for name in ("pin", "archive", "delete")] == [False, True, True]
    app = open_page("compare", runs=runs[0].id).run()
    assert [app.button(key=f"selection.{name}").disabled for name in ("pin", "archive", "delete")] == [False, False, False]


def test_a_fork_names_its_parent_in_the_library(open_page, store, in_state):
    parent = in_state("finished", name="the parent")
    resume_and_fork.fork(store, parent.id, 1, resume_and_fork.fork_config(parent, 1, []))
    table = open_page("compare").dataframe[0].value
    assert list(table["forked from"]) == ["the parent, epoch 1", ""]


def test_many_runs_are_shown_page_by_page_and_only_those_are_read(open_page, store, monkeypatch):
    for number in range(120):
        store.create(config(name=f"run {number:03}"))
    read = []
    real = type(store)._run
    monkeypatch.setattr(type(store), "_run", lambda self, row, queue: read.append(row.id) or real(self, row, queue))
    monkeypatch.setattr(type(store), "queued", lambda self: [])  # the status bar draws the queue
    app = open_page("compare")
    assert rows(app) == [f"run {number:03}" for number in range(119, 69, -1)]
    assert len(set(read)) == 50
    app.session_state["compare.page"] = 3
    app.run()
    assert rows(app) == [f"run {number:03}" for number in range(19, -1, -1)]
    app.selectbox(key="compare.sort").set_value("name").run()
    assert rows(app) == [f"run {number:03}" for number in range(50)]  # from the first page on


def test_runs_are_sorted_by_a_metric_and_compared_ones_stay_on_top(open_page, store, in_state):
    best, middle = (in_state("finished", name=name) for name in ("best", "middle"))
    in_state("queued", name="no values")
    for run, value in ((best, 0.9), (middle, 0.7)):
        store.append(run.id, EpochMetrics(4, 2, {"val/digit/accuracy": value}))
    app = open_page("compare")
    assert rows(app) == ["no values", "middle", "best"]
    app.selectbox(key="compare.sort").set_value("best of val/digit/accuracy").run()
    assert rows(app) == ["best", "middle", "no values"]
    actions.pin(store, middle.id)
    assert rows(app.run()) == ["middle", "best", "no values"]
    app.selectbox(key="compare.sort").set_value("best of val/slant/mae").run()  # lower is better
    assert rows(app) == ["middle", "best", "no values"]
    app = open_page("compare", runs=best.id)
    app.text_input(key="filter.text").set_value("middle").run()
    assert rows(app) == ["best", "middle"]
    app.selectbox(key="compare.sort").set_value("best of val/slant/mae").run()
    assert (not app.exception, rows(app)) == (True, ["best", "middle"])


def test_an_unwritable_home_is_a_sentence(open_page, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("MTL_HOME", str(file))
    assert "but" in open_page("compare").error[0].value
    assert "Set MTL_HOME" in open_page("compare").error[0].value.replace("\\", "")


def test_an_object_store_that_is_away_is_said(open_page, texts, monkeypatch):
    monkeypatch.setattr(LocalArtifacts, "problem", "the object store 's3://lab/runs' cannot be used: no route to host")
    assert "its runs are sent later: the object store 's3://lab/runs' cannot be used" in texts(open_page("compare")).replace("\\", "")
    shown = texts(open_page("compare", lang="zh")).replace("\\", "")
    assert "本机的运行稍后发送：对象存储 's3://lab/runs' 无法使用" in shown


@pytest.mark.parametrize("page", ["", "run", "predictions", "compare", "race", "studies", "data"])
def test_a_store_that_can_only_be_read_is_shown_and_said(open_page, finished, texts, monkeypatch, page):
    monkeypatch.setattr(Database, "read_only", property(lambda self: True, lambda self, value: None), raising=False)
    app = open_page(page, unfolded=["advanced"], **({"run": finished.id} if page == "run" else {}))
    assert "Queued runs do not start: the run store" in texts(app)
    assert "can only be read" in texts(app)
    if page == "run":
        assert "a run" in texts(app)
        app.button(key=f"train_on.{finished.id}.go").click().run()
        assert not app.exception
        assert texts(app).count("can only be read") > 1  # in the strip, and where it was asked for
    if not page:
        app.button_group(key="executor").set_value("process").run()
        assert not app.exception
        assert any("can only be read" in error.value for error in app.error)


def test_a_mistake_in_the_environment_is_said_on_every_page(open_page, finished, texts, monkeypatch):
    monkeypatch.setenv("MTL_EXECUTOR", "proces")
    for page in ("", "compare"):
        assert "MTL_EXECUTOR: expected thread, process or ray, found 'proces'; did you mean 'process'?" in texts(open_page(page)).replace("\\", "")


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("page", ["run", "compare", "predictions"])
def test_runs_of_another_version_are_said_to_be_missing(store, make_run, open_page, page, others):
    odd, *_ = [make_run() for _ in range(1 + others)]
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == odd.id).values(config='{"novelty": 1}'))
    app = open_page(page, run=odd.id)
    assert not app.exception
    [said] = [warning.value.replace("\\", "") for warning in app.warning]
    assert f"1 run is not listed, because another version of the program wrote it: {odd.id}." in said
    assert not [text.value for text in (*app.info, *app.error) if "no runs yet" in text.value or "no run '" in text.value]


def test_words_from_outside_in_a_jobs_progress_are_words():
    """A file's name is shown while it is read; as Markdown it would be a picture that the browser asks for."""

    def page() -> None:
        from ui.shell import page_jobs

        page_jobs.JOBS._states()["odd"] = {"share": 0.5, "text": "reading ![x](http://127.0.0.1:9/x).png", "done": False, "cancel": False}
        page_jobs.show_progress("odd", "Scanning")

    from streamlit.testing.v1 import AppTest

    from ui.shell import page_jobs

    try:
        [bar] = AppTest.from_function(page).run().get("progress")
        assert bar.proto.text == f"Scanning: {words.plain('reading ![x](http://127.0.0.1:9/x).png')}"
        assert "![" not in bar.proto.text
    finally:
        page_jobs.JOBS._states().pop("odd", None)
