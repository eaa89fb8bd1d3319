import pytest


def test_predictions_without_runs(open_page, texts):
    assert "There are no runs yet" in texts(open_page("predictions"))


def test_predictions_show_a_sheet_per_task_and_keep_the_choice_in_the_address(open_page, finished):
    app = open_page("predictions", run=finished.id, epoch="1", tasks="slant")
    assert len(app.get("image")) == 1
    assert app.select_slider(key=f"predictions.epoch.{finished.id}").value == 1
    app.select_slider(key=f"predictions.epoch.{finished.id}").set_value(0).run()
    assert app.query_params["epoch"] == "0"
    assert app.query_params["tasks"] == "slant"


def test_predictions_of_a_run_that_has_none_say_why(open_page, make_run):
    make_run(filled=False)
    assert "they appear when it begins to train" in open_page("predictions").info[0].value


def test_compare_without_runs(open_page, texts):
    assert "There are no runs yet" in texts(open_page("compare"))


def test_compare_is_useful_with_one_run(open_page, finished, texts):
    app = open_page("compare")
    row = app.dataframe[0].value.iloc[0]
    assert (row["name"], row["status"], row["digit accuracy ↑ best"], row["slant mae ↓ last"]) == ("a run", "finished", pytest.approx(0.6), 1.5)
    assert len(app.get("bidi_component")) == 1
    assert "Select a second run" in texts(app)


def test_compare_shows_only_what_differs(open_page, finished, make_run):
    make_run(batch_size=8)
    app = open_page("compare")
    assert list(app.dataframe[1].value.index) == ["batch_size"]
    assert sorted(app.dataframe[1].value.iloc[0]) == ["64", "8"]


def test_an_unwritable_home_is_a_sentence(open_page, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("MTL_HOME", str(file))
    assert "but" in open_page("compare").error[0].value
    assert "Set MTL_HOME" in open_page("compare").error[0].value
