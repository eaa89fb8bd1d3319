"""Lessons on the Learn page: the list, a lesson from Train to the answer, and a class."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import learner_of, name_learner, new_learner, runs_tagged, train
from mtl_core.runs.claims import claim
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from tests.pages.conftest import INFO

NAME = "one_task"
TEXT = LESSONS.load(NAME)().text()


def button(app, label):
    return next(each for each in app.button if each.label == label)


def links(app):
    return {link.proto.label: (link.proto.page, link.proto.query_string) for link in app.get("page_link")}


def end(store, run, accuracy, status="finished"):
    """Have a run recorded as if it had been trained."""
    claim(store, run.id, "cpu", alone=False)
    store.append(run.id, RunStarted(2, INFO))
    store.append(run.id, EpochMetrics(2, 1, {"val/digit/accuracy": accuracy}))
    store.append(run.id, RunEnded(status, 2, 1.0, 3.0, 1.0))


def test_the_list_has_every_lesson_and_how_far_this_browser_is(open_page, store, texts):
    app = open_page("learn")
    titles = [LESSONS.load(name)().text().title for name in LESSONS]
    assert [f"**{number}. {title}**" for number, title in enumerate(titles, 1)] == [label for label in links(app) if label[2:3].isdigit()]
    assert texts(app).count("not begun") == len(titles)
    train(store, NAME, app.session_state["learner"], 2)
    assert texts(app.run()).count("not begun") == len(titles) - 1


def test_a_lesson_that_does_not_exist_is_a_sentence(open_page):
    assert "There is no lesson 'x\\<b\\>'" in open_page("learn", lesson="x<b>").error[0].value


@pytest.mark.parametrize("name", list(LESSONS))
def test_every_lesson_opens(open_page, texts, name):
    app = open_page("learn", lesson=name)
    text = LESSONS.load(name)().text()
    assert app.title[0].value == text.title
    assert all(paragraph in texts(app) for paragraph in text.words)
    assert not button(app, "Train").disabled
    assert button(app, "Train again").disabled


def test_a_lesson_from_train_to_the_answer(open_page, store, texts):
    app = open_page("learn", lesson=NAME)
    button(app, "Train").click().run()
    learner = app.session_state["learner"]
    (first,) = runs_tagged(store, learner)
    assert (first.config.epochs, first.tags) == (2, (f"lesson-{NAME}-0", learner))
    assert "Next in the queue" in texts(app)
    end(store, first, 0.5)
    app.run()
    app.radio(key=f"lesson.value.{NAME}").set_value(60)  # with the click, as after a run that ended just when it was chosen
    button(app, "Train again").click().run()
    second = runs_tagged(store, learner)[0]
    assert second.config.epochs == 60
    assert "The question comes when both trainings have finished" in texts(app)
    end(store, second, 0.75)
    app.run()
    question = app.radio[-1]
    assert question.label == TEXT.question
    assert question.value is None
    button(app, "Check").click().run()
    assert [hint.value for hint in app.info] == ["Choose an answer first."]
    app.radio[-1].set_value("less")
    button(app, "Check").click().run()
    assert not app.info
    assert "Not in these runs" in app.warning[0].value
    assert "It rose from 50.0% to 75.0%." in app.warning[0].value
    app.radio[-1].set_value("more").run()
    assert not app.warning  # another choice is not yet an answer
    button(app, "Check").click().run()
    assert app.success[0].value == "**Right.** It rose from 50.0% to 75.0%."
    assert "**Why?**" in texts(app)

    again = open_page("learn", lesson=NAME)  # another session of the same browser
    again.session_state["learner"] = learner
    again.run()
    assert again.success[0].value == app.success[0].value
    assert links(again)["Open the page of the last run"][1].endswith(second.id)


def test_what_came_out_otherwise_than_usual_is_said_and_not_explained_away(open_page, store, texts):
    app = open_page("learn", lesson=NAME)
    for value, accuracy in ((2, 0.9), (20, 0.5)):
        end(store, train(store, NAME, app.session_state["learner"], value)[0], accuracy)
    app.run()
    app.radio[-1].set_value("less").run()
    button(app, "Check").click().run()
    assert app.success[0].value == "**Right.** It fell from 90.0% to 50.0%."
    assert "It came out otherwise here than usual" in texts(app)
    assert TEXT.why not in texts(app)


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_a_run_that_did_not_finish_can_be_trained_again(open_page, store, texts, status):
    app = open_page("learn", lesson=NAME)
    button(app, "Train").click().run()
    (run,) = runs_tagged(store, app.session_state["learner"])
    if status == "stopped":
        end(store, run, 0.5, status="stopped")
    else:
        claim(store, run.id, "cpu", alone=False)
        store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "it *broke*", "cure": "Mend it.", "trace": ""})
    app.run()
    assert f"The run was {status}." in app.warning[0].value
    button(app, "Train").click().run()
    assert len(runs_tagged(store, app.session_state["learner"])) == 2


COURSE = {"lesson": NAME, "class": "class-1a2b3c4d", "seed": "5"}


def test_in_a_class_a_name_comes_first(open_page, store):
    app = open_page("learn", **COURSE, hide="text,change,links,question")
    assert button(app, "Train").disabled
    app.text_input[0].set_value("x\ny").run()
    assert "no list can show" in app.error[0].value
    app.text_input[0].set_value("Ann, <b>*").run()
    assert learner_of(store, app.session_state["learner"]).name == "Ann, <b>*"
    button(app, "Train").click().run()
    (run,) = runs_tagged(store, "class-1a2b3c4d")
    assert run.config.seed == 5
    written = " ".join(element.value for element in app.markdown)
    assert not any(paragraph in written for paragraph in TEXT.words)
    assert "Answer" not in written
    assert not app.radio
    assert "Board of the class" not in links(app)


def test_the_board_of_a_class(open_page, store, texts):
    assert "Nobody has trained yet" in open_page("learn", **COURSE, board="1").info[0].value
    runs = []
    for learner in (new_learner(), new_learner(), new_learner()):
        name_learner(store, learner, "Ann <b>")
        runs += train(store, NAME, learner, 2, class_id="class-1a2b3c4d", seed=5)
    end(store, runs[0], 0.625)
    app = open_page("learn", **COURSE, board="1")
    written = texts(app)
    assert "**Ann \\<b\\>**" in written
    assert "**Ann \\<b\\> \\(2\\)**" in written
    assert "62\\.5%" in written
    assert "Learners: 3 · runs: 3 · waiting: 2" in written
    took = max(1, round(store.get(runs[0].id).seconds))
    assert "2 passes: number 1, in about 1 s" in written
    assert f"2 passes: number 2, in about {took} s" in written
    assert "waiting times are estimates" in written
    assert app.code[0].value.endswith(f"/learn?lesson={NAME}&class=class-1a2b3c4d&seed=5")  # what the learners open


def test_equal_curves_of_a_class_are_one_line_with_a_count(store, texts, open_page, monkeypatch):
    drawn = []
    monkeypatch.setattr("ui.learn.board_screen.lesson_charts", lambda store, text, lines, *rest, **more: drawn.append([line.name for line in lines]))
    for name, value, accuracy in (("Ann", 2, 0.5), ("Bo", 2, 0.5), ("Chen", 5, 0.75), ("Dana", 2, 0.625)):
        learner = new_learner()
        name_learner(store, learner, name)
        end(store, train(store, NAME, learner, value, class_id="class-1a2b3c4d", seed=5)[0], accuracy)
    app = open_page("learn", **COURSE, board="1")
    assert drawn[-1] == ["2 passes: 2 learners", "Chen", "Dana"]
    assert "Equal curves are drawn once" in texts(app)
    assert "a learner's last training" not in texts(app)  # each has one
    end(store, train(store, NAME, learner, 5, class_id="class-1a2b3c4d", seed=5)[0], 0.75)
    app = open_page("learn", **COURSE, board="1")
    assert drawn[-1] == ["2 passes: 2 learners", "5 passes: 2 learners"]
    assert "Each curve is of a learner's last training." in texts(app)
    assert "Last:" in texts(app)
    assert next(label for label in links(app) if "finished" in label).startswith("Dana · ")  # whose run it is


def test_a_table_shows_what_the_answer_is_made_from(open_page, store, texts):
    """The mean of a scalar that jumps, the last value of the others; shares and accuracies in percent."""
    app = open_page("learn", lesson="loss_scales")
    (run,) = train(store, "loss_scales", app.session_state["learner"], 1)
    claim(store, run.id, "cpu", alone=False)
    store.append(run.id, RunStarted(2, INFO))
    for step, (share, accuracy) in enumerate(((0.2, 0.25), (0.6, 0.5)), 1):
        store.append(run.id, EpochMetrics(step, step, {"gradient_share/slant": share, "val/digit/accuracy": accuracy}))
    store.append(run.id, RunEnded("finished", 2, 1.0, 3.0, 1.0))
    [table] = [element.value for element in app.run().markdown if element.value.startswith("| run")]
    heads, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.replace("\\", "").splitlines())
    assert heads[1:4] == [
        "Slant: share of the gradient, mean",
        "Slant: mean error in degrees on val, last value",
        "Digit: accuracy on val, last value",
    ]
    assert row[1:4] == ["40.0%", "–", "50.0%"]


def test_the_teacher_stops_a_run_from_the_board(open_page, store):
    learner = new_learner()
    run = train(store, NAME, learner, 2, class_id="class-1a2b3c4d", seed=5)[0]
    app = open_page("learn", **COURSE, board="1")
    button(app, "Stop").click().run()
    assert store.get(run.id).status == "stopped"


def test_the_links_of_a_class_hold_everything(open_page):
    app = open_page("learn", tabs=["For a class"])
    app.number_input(key="class.seed").set_value(9)
    app.multiselect(key="class.hidden").set_value(["question", "text"])
    app.selectbox(key="class.lesson").set_value("fighting_tasks").run()
    code = app.session_state["class.id"]
    learners, projector = [element.value for element in app.code][-2:]
    assert learners.endswith(f"learn?lesson=fighting_tasks&class={code}&seed=9&hide=question%2Ctext")
    assert projector.endswith("&large=1&board=1")
    app.text_input(key="class.code").set_value("mine").run()
    assert "looks like class-1a2b3c4d" in app.error[0].value


def test_another_seed_of_the_same_class_trains_another_run(open_page, store):
    """The request of the first seed's run must not be taken for the second's: Train would do nothing."""
    app = open_page("learn", lesson=NAME, seed="5")
    button(app, "Train").click().run()
    app.query_params["seed"] = "6"
    app.run()
    button(app, "Train").click().run()
    assert sorted(run.config.seed for run in store.runs()) == [5, 6]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"lesson": NAME, "class": "class-xyz"}, "the class 'class-xyz'; expected a code such as class-1a2b3c4d"),
        ({"lesson": NAME, "class": "class-1a2b3c4d", "seed": "5a"}, "the seed '5a'; expected a whole number from 0"),
        ({"lesson": NAME, "seed": "99999999999"}, "the seed '99999999999'; expected a whole number"),
        ({"class": "class-1a2b3c4d", "board": "1"}, "asks for a board; expected the lesson and the class"),
        ({"lesson": NAME, "board": "1"}, "asks for a board; expected the lesson and the class"),
        ({"lesson": NAME, "hide": "text,<b>"}, "leaves out '<b>'; expected parts among text, change, links, question"),
    ],
)
def test_a_damaged_link_is_said_and_trains_nothing(open_page, query, said):
    app = open_page("learn", **query)
    assert said in " ".join(error.value for error in app.error).replace("\\", "")
    assert not [each for each in app.button if each.label == "Train"]
    assert {key: app.query_params[key] for key in query} == {key: app.query_params[key] for key in app.query_params}
    app.run()
    assert app.error  # it stays until the link is corrected


def captions(app):
    return [caption.value for caption in app.caption]


def trained(store, app, value, accuracy=0.5, status="finished"):
    [run] = train(store, NAME, app.session_state["learner"], value)
    end(store, run, accuracy, status)
    return run


def test_the_time_follows_the_choice_and_is_that_of_this_machine_once_a_run_has_finished(open_page, store):
    app = open_page("learn", lesson=NAME)
    assert [said for said in captions(app) if "CPU core" in said] == [
        f"about {seconds} s of one CPU core (estimate; a busy machine takes longer)" for seconds in (1, 2)
    ]
    first = trained(store, app, 2)
    with store.database.write() as connection:
        times = {"started_at": 100.0, "training_started_at": 104.0, "finished_at": 114.0}
        connection.execute(update(schema.runs).where(schema.runs.c.id == first.id).values(**times))
    app.run().radio(key=f"lesson.value.{NAME}").set_value(60).run()
    # 4 seconds until training begins, and 60 passes are measured to take 6 times as long as 2
    assert "about 1 min 4 s (estimate from runs on this machine)" in captions(app)


def test_a_learner_is_told_how_long_the_run_waits(open_page, store, texts):
    app, other = open_page("learn", lesson=NAME), open_page("learn", lesson=NAME)
    button(app, "Train").click().run()
    button(other, "Train").click().run()
    assert "Number 2 in the queue. How long it waits is not known yet" in texts(other)
    end(store, runs_tagged(store, app.session_state["learner"])[0], 0.5)
    button(app.run(), "Train again").click().run()
    assert "Number 2 in the queue. It starts in about" in texts(app)


def test_after_a_training_was_stopped_the_page_says_what_to_do_and_asks_about_the_one_before(open_page, store, texts):
    app = open_page("learn", lesson=NAME)
    trained(store, app, 2)
    trained(store, app, 20, status="stopped")
    app.run()
    said = "The training with “20 passes” was stopped. Press “Train again” to train it from the beginning. The question comes when it has finished."
    assert said in captions(app)
    trained(store, app, 5, 0.75)
    trained(store, app, 60, 0.9, status="stopped")
    app.run()
    assert app.radio[-1].label == TEXT.question
    assert "The question is about “5 passes”, because the training with “60 passes” was stopped." in captions(app)
    app.radio[-1].set_value("more")
    button(app, "Check").click().run()
    assert app.success[0].value == "**Right.** It rose from 50.0% to 75.0%."


def test_the_table_says_which_runs_have_not_finished(open_page, store):
    app = open_page("learn", lesson=NAME)
    trained(store, app, 2)
    trained(store, app, 20, status="stopped")
    [table] = [element.value for element in app.run().markdown if element.value.startswith("| run")]
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()]
    assert [rows[0], *rows[2:]] == [["run", "state"], ["2 passes", "finished"], ["20 passes", "stopped"]]


def test_without_links_the_page_leads_nowhere_else(open_page, store):
    app = open_page("learn", **COURSE, hide="links")
    end(store, train(store, NAME, app.session_state["learner"], 2, class_id="class-1a2b3c4d", seed=5)[0], 0.5)
    train(store, NAME, new_learner(), 2)
    app.run()
    assert links(app) == {}
    assert "Last:" in " ".join(each.value for each in app.markdown)
    hidden = [each for each in app.get("html") if "stTopNav" in each.proto.body]
    assert len(hidden) == 1
    assert "stTopNav" not in " ".join(each.proto.body for each in open_page("learn", **COURSE).get("html"))


def test_the_page_of_a_lessons_run_leads_back_to_the_lesson(open_page, store):
    learner = new_learner()
    name_learner(store, learner, "Ann <b>")
    runs = [train(store, NAME, learner, 2, **more)[0] for more in ({}, {"class_id": "class-1a2b3c4d", "seed": 7})]
    back = f"Back to lesson 1: {TEXT.title}"
    apps = [open_page("run", run=run.id) for run in runs]
    assert [links(app)[back][1] for app in apps] == [f"lesson={NAME}", f"lesson={NAME}&class=class-1a2b3c4d&seed=7"]
    said = " ".join(each.value for each in apps[1].markdown)
    assert "Ann \\<b\\>" in said
    assert "lesson-one" not in said


def test_stop_on_the_board_says_that_it_stops(open_page, store):
    learner = new_learner()
    [run] = train(store, NAME, learner, 2, class_id="class-1a2b3c4d", seed=5)
    claim(store, run.id, "cpu", alone=False)
    store.append(run.id, RunStarted(2, INFO))
    app = open_page("learn", **COURSE, board="1")
    app.button(key=f"board.stop.{learner}").click().run()
    stop = app.button(key=f"board.stop.{learner}")
    assert (stop.label, stop.disabled) == ("Stopping…", True)
