"""What a study says of itself: its words instead of keys, its verdict in the list, and how long it still takes."""

import pytest

from mtl_core.events import EpochMetrics, RunStarted
from mtl_core.runs import resume_and_fork
from mtl_core.runs.claims import claim
from mtl_core.runs.run_record import store_time
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.estimate import work_left
from tests.pages.study_runs import base, end, finish
from ui.studies import study_list


@pytest.fixture
def made(store):
    return studies.create(store, studies.draft("share", base(), {}, range(3), "Does it help? 50 % #1"))


def test_the_list_has_titles_as_links_and_verdicts(open_page, store, made):
    [row] = open_page("studies").dataframe[0].value.to_dict("records")
    assert row["title"] == f"studies?study={made.id}#Does%20it%20help%3F%2050%20%25%20%231"  # the table shows what follows the first '#'
    assert (row["state"], row["verdict"], row["finished"]) == ("new", "", 0)
    studies.start(store, made.id)
    [first, *_] = [(place, run) for place, run in studies.runs_of(store, made).items() if place[1] == 0]
    end(store, *first[0], first[1])
    [row] = open_page("studies").dataframe[0].value.to_dict("records")
    assert (row["state"], row["verdict"], row["finished"]) == ("running", "none yet", 11)  # 1 of 9 runs, in whole percent


def test_the_verdict_in_the_list_is_that_of_the_page(open_page, store, made):
    finish(store, made)
    [row] = open_page("studies").dataframe[0].value.to_dict("records")
    cards = [element.value for element in open_page("studies", study=made.id).markdown if "-badge[" in element.value]
    overall = next(badge for badge in cards if any(word in badge for word in ("helps", "hurts", "cannot tell yet", "no difference")))
    assert row["verdict"]
    assert row["verdict"] in overall


def test_a_verdict_is_made_anew_only_when_a_run_or_the_study_has_changed(open_page, store, made, monkeypatch):
    finish(store, made)
    asked = []
    monkeypatch.setattr(study_list, "answer_of", lambda store, study: (asked.append(study.id), answer_of(store, study))[1])

    def verdict():
        [row] = open_page("studies").dataframe[0].value.to_dict("records")
        return row["verdict"]

    before = verdict()
    assert verdict() == before
    assert asked == [made.id]
    for (cell, seed), run in studies.runs_of(store, made).items():
        if cell == "joint":  # together, all is twice as good as it was
            values = {"val/digit/accuracy": 1.6 + 0.01 * seed, "val/slant/mae": 0.5 + 0.01 * seed, "selection/score": 0.9}
            store.append(run.id, EpochMetrics(4, 2, values))
    after = verdict()
    assert (before, after) == ("cannot tell yet", "helps")
    studies.set_band(store, made.id, 1.0)
    assert verdict() == "no difference that matters"
    runs = studies.runs_of(store, made)
    resume_and_fork.train_on(store, runs["joint", 0].id, 9)
    verdict()
    assert len(asked) == 4


def test_of_several_comparisons_the_verdicts_are_counted(open_page, store):
    methods = {"options": {"methods": ["pcgrad"], "sweep": 3}}
    several = studies.create(store, studies.draft("methods", base(), methods, range(3)))
    finish(store, several)
    verdict = open_page("studies").dataframe[0].value["verdict"][0]
    assert sum(int(part.rpartition(": ")[2]) for part in verdict.split(" · ")) == len({(line.cell, line.label) for line in lines(store, several)})


def lines(store, study):
    return answer_of(store, study).lines


def test_no_key_of_a_data_set_stands_for_a_title(open_page, store):
    app = open_page("studies")
    app.selectbox(key="study.base").set_value("form").run()
    assert app.text_input(key="study.title").placeholder == "Digit scenes: 4 tasks"
    nameless = studies.create(store, studies.draft("share", base().model_copy(update={"name": ""}), {}, [0]))
    assert nameless.title.startswith("Handwritten digits")
    said = " ".join(element.value for element in open_page("studies", study=nameless.id).markdown)
    assert "Handwritten digits: digit + slant" in said.replace("\\", "")


def test_the_time_left_is_that_of_all_its_runs(open_page, store, made, texts):
    studies.start(store, made.id)
    assert work_left(store, made).seconds is None
    assert "The time left is known once a run of it has trained for a while." in texts(open_page("studies", study=made.id))
    runs = studies.runs_of(store, made)
    first = runs["joint", 0]
    claim(store, first.id, "cpu", alone=False)
    store.append(first.id, RunStarted(100, {"tasks": {}, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
    store.append(first.id, EpochMetrics(40, 1, {"selection/score": 0.5}))
    with store.database.write() as connection:  # it has trained for 80 seconds
        from sqlalchemy import update

        from mtl_core.runs.sql import schema

        connection.execute(update(schema.runs).where(schema.runs.c.id == first.id).values(training_started_at=store_time() - 80))
    left = work_left(store, made)
    assert left.begun == pytest.approx(0.4)
    assert left.seconds == pytest.approx(120 + 8 * 200, rel=0.05)  # 9 runs of 200 s, of which one has done two fifths
    app = open_page("studies", study=made.id)
    assert "8 of its runs wait in the queue. Left for this study: about 30 min (estimate)." in texts(app)
    assert app.get("progress")[-1].proto.value == pytest.approx(4)  # per cent: two fifths of one run of nine


def test_columns_for_papers_are_shown_on_request(open_page, store, made):
    finish(store, made)
    app = open_page("studies", study=made.id)
    few = list(app.dataframe[0].value.columns)
    assert few == ["cell", "Accuracy of digit ↑", "Mean error of slant ↓", "Δm of all metrics, by task (%) ↑"]
    app.toggle(key=f"study.columns.{made.id}").set_value(True).run()
    assert list(app.dataframe[0].value.columns)[: len(few) + 1] == [*few, "Δm of all metrics (%) ↓"]
    assert len(app.dataframe[0].value.columns) == len(few) + 5
