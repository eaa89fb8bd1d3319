"""Runs of lessons in the store: by learner, by class, never doubled, and the board of a class."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from mtl_core.errors import ConfigError
from mtl_core.events import RunEnded
from mtl_core.language import speaking
from mtl_core.lessons import LESSONS
from mtl_core.lessons.class_board import entries_of, expected_run, expected_seconds, seconds_until_start, told_apart, waits
from mtl_core.lessons.lesson_runs import (
    Answer,
    answer,
    finished_runs,
    have_finished,
    learner_of,
    name_learner,
    name_with_learner,
    new_class,
    new_learner,
    outcome,
    runs_tagged,
    second_asked,
    second_value,
    train,
    trainings,
)
from mtl_core.runs import actions
from mtl_core.runs.claims import claim
from mtl_core.runs.executor import execute
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

NAME = "fighting_tasks"
LESSON = LESSONS.load(NAME)()


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)


def test_a_training_is_found_again_and_a_second_click_makes_no_second_run(store):
    ann, ben = new_learner(), new_learner()
    first = train(store, NAME, ann, "together", request_id="one")
    assert train(store, NAME, ann, "together", request_id="one")[0].id == first[0].id
    train(store, NAME, ben, "together")
    train(store, "one_task", ann, 2)
    other = train(store, NAME, ann, "alone")
    found = trainings(NAME, LESSON, runs_tagged(open_store(store.home), ann))
    assert {value: [run.id for run in runs] for value, runs in found.items()} == {"together": [first[0].id], "alone": [other[0].id]}
    assert second_value(LESSON, found) == "alone"
    assert found["alone"][0].name == "Tasks that fight: The slant alone"
    assert not have_finished(found["together"], found["alone"])
    assert not have_finished(found["together"], ())


def test_the_value_trained_last_comes_last(store):
    lesson, ann = LESSONS.load("one_task")(), new_learner()
    made = [train(store, "one_task", ann, value)[0] for value in (2, 60, 20)]
    runs = [SimpleNamespace(**{**run.__dict__, "id": f"{place}"}) for place, run in enumerate(made)]
    assert second_value(lesson, trainings("one_task", lesson, reversed(runs))) == 20


def test_a_class_has_its_own_runs_and_seed(store):
    ann, course = new_learner(), new_class()
    alone, in_class = train(store, NAME, ann, "together")[0], train(store, NAME, ann, "together", class_id=course, seed=7)[0]
    assert (alone.config.seed, in_class.config.seed) == (0, 7)
    runs = runs_tagged(store, ann)
    assert trainings(NAME, LESSON, runs)["together"][0].id == alone.id
    assert trainings(NAME, LESSON, runs, course, 7)["together"][0].id == in_class.id
    assert trainings(NAME, LESSON, runs, course, 8) == {}
    assert [run.id for run in runs_tagged(store, course)] == [in_class.id]
    train(store, NAME, ann, "together", class_id=new_class())  # with the lesson's own seed
    assert trainings(NAME, LESSON, runs_tagged(store, ann))["together"][0].id == alone.id


def test_a_lesson_of_several_runs_is_complete_or_not_there(store):
    lesson, ann = LESSONS.load("several_seeds")(), new_learner()
    train(store, "several_seeds", ann, 1)
    made = train(store, "several_seeds", ann, 3, request_id="three")
    assert [(run.config.seed, len(run.config.tasks)) for run in made] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    actions.delete_run(store, actions.stop(store, made[2].id).id)
    assert list(trainings("several_seeds", lesson, runs_tagged(store, ann))) == [1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no_lesson", new_learner(), 2), "unknown lesson 'no_lesson'"),
        ((NAME, new_learner(), "nobody"), "expected one of together, alone, found 'nobody'"),
        ((NAME, 'learner-x", "y', "alone"), "no ids of a learner"),
    ],
)
def test_what_cannot_be_trained_is_refused(store, arguments, said):
    with pytest.raises(ConfigError, match=said):
        train(store, *arguments)
    assert store.runs() == []


def test_a_lessons_run_is_called_in_the_readers_language_until_it_is_renamed(store):
    (run,) = train(store, "one_task", new_learner(), 5)
    assert run.name == name_with_learner(store, run) == "One network for one task: 5 passes"
    with speaking("zh"):
        assert name_with_learner(store, run) == "一个网络，一个任务：5 遍"
        actions.rename(store, run.id, "mine")
        assert name_with_learner(store, store.get(run.id)) == "mine"


def test_names_and_answers_are_kept(store):
    ann = new_learner()
    assert learner_of(store, ann).name == ""
    name_learner(store, ann, "  安 <b>$x$</b>, O'Neill ")
    answer(store, ann, NAME, "less", ["a", "b"])
    name_learner(open_store(store.home), ann, "Ann")
    known = learner_of(open_store(store.home), ann)
    assert (known.name, known.answers) == ("Ann", {NAME: Answer("less", ("a", "b"))})
    for name in ("", "   ", "x" * 41, "two\nlines", "\u202eabc"):
        with pytest.raises(ConfigError):
            name_learner(store, ann, name)
    assert learner_of(store, ann).name == "Ann"
    with pytest.raises(ConfigError, match="no learner's id"):
        name_learner(store, "executor", "process")
    assert "executor" not in store.settings()


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"name": 1, "answers": []}', '{"name": "x", "answers": {"a": {"choice": 1}}}', "no json"])
def test_a_damaged_record_is_no_learner(store, kept):
    ann = new_learner()
    store.set(ann, kept)
    assert learner_of(store, ann).answers == {}


def test_learners_of_one_name_are_told_apart():
    assert told_apart(["Ann", "Ben", "Ann", "Ann (2)", "Ann"]) == ["Ann", "Ben", "Ann (2)", "Ann (2) (2)", "Ann (3)"]


def test_the_board_has_every_learner_once_in_the_order_of_their_first_run(store):
    course, learners = new_class(), [new_learner() for _ in range(3)]
    for learner, name in zip(learners, ("Ann", "Ben", "Ann"), strict=True):
        name_learner(store, learner, name)
        train(store, NAME, learner, "together", class_id=course)
    train(store, NAME, learners[0], "alone", class_id=course)
    train(store, "one_task", learners[0], 2, class_id=course)
    entries = entries_of(store, course, NAME, LESSON)
    assert [(entry.name, entry.learner.id, list(entry.trainings)) for entry in entries] == [
        ("Ann", learners[0], ["together", "alone"]),
        ("Ben", learners[1], ["together"]),
        ("Ann (2)", learners[2], ["together"]),
    ]
    assert entries_of(store, new_class(), NAME, LESSON) == []
    assert entries_of(store, '"', NAME, LESSON) == []


def waiting(name, tags=(), seconds=0.0, eta=None, status="queued", before=0.0):
    """``before``: of its seconds, those until its training began."""
    return SimpleNamespace(
        id=name, tags=tags, seconds=seconds, eta_seconds=eta, status=status, started_at=100.0, training_started_at=100.0 + before if before else None
    )


def test_waiting_times():
    queued = [waiting("b"), waiting("c"), waiting("d")]
    assert seconds_until_start([waiting("a", eta=4.0)], queued, {"b": 10.0, "c": 5.0}) == {"b": 4.0, "c": 14.0, "d": 19.0}
    assert seconds_until_start([waiting("a", seconds=3.0)], queued, {"a": 8.0, "c": 5.0}) == {"b": 5.0, "c": None, "d": None}
    assert seconds_until_start([waiting("a")], queued, {"b": 1.0}) == {"b": None, "c": None, "d": None}
    assert seconds_until_start([waiting("a", seconds=9.0)], queued[:1], {"a": 8.0}) == {"b": None}
    assert seconds_until_start([], queued[:1], {}) == {"b": 0.0}


def test_expected_seconds_are_those_of_runs_on_this_machine():
    tags, done = (f"lesson-{NAME}-0",), RunStatus.FINISHED
    seen = [waiting("x", tags, seconds, status=done, before=1.0) for seconds in (2.0, 9.0, 4.0)]
    seen.append(waiting("y", tags, 99.0, status=RunStatus.STOPPED))
    alone = waiting("b", (f"lesson-{NAME}-1",))
    runs = [waiting("a", tags), alone, waiting("c"), waiting("d", ("lesson-gone-0",)), waiting("e", (f"lesson-{NAME}-9",))]
    first, second = LESSON.seconds
    trained = {"a": 4.0, "b": 1.0 + 3.0 / first * second}  # of one that was not seen: the beginning, and the training in proportion
    assert expected_seconds(runs, {NAME: LESSON}, seen) == pytest.approx(trained)
    trains = waiting("z", (f"lesson-{NAME}-1",), 5.0, eta=10.0, status=RunStatus.RUNNING)
    assert expected_seconds(runs, {NAME: LESSON}, [*seen, trains]) == {"a": 4.0, "b": 15.0}
    assert expected_seconds(runs, {NAME: LESSON}, [waiting("y", tags, 99.0, status=RunStatus.STOPPED)]) == {}
    slow = waiting("s", tags, 40.0, status=done)  # the first run of a server also loads the libraries
    assert expected_seconds(runs[:1], {NAME: LESSON}, [slow, waiting("x", tags, 4.0, status=done)]) == {"a": 4.0}


def test_the_time_of_a_training_is_that_of_runs_here_in_proportion_to_the_passes():
    lesson = LESSONS.load("one_task")()
    seen = [waiting("x", ("lesson-one_task-2",), 5.0, status=RunStatus.FINISHED, before=1.0)]  # 20 passes
    assert expected_run("one_task", lesson, 60, seen) == pytest.approx(1 + 3 * 4)
    assert expected_run("one_task", lesson, 60, []) is None


def test_how_long_a_run_waits_is_not_known_before_one_has_finished(store):
    ann, ben = new_learner(), new_learner()
    [first] = train(store, "one_task", ann, 2)
    [second] = train(store, "one_task", ben, 2)
    assert waits(store) == {first.id: 0.0, second.id: None}
    claim(store, first.id, "cpu", alone=False)
    store.append(first.id, RunEnded("finished", 2, 1.0, 3.0, 1.0))
    train(store, NAME, ann, "together")
    [third] = train(store, "one_task", ann, 2)
    assert [run.id for run in finished_runs(store, "one_task")] == [first.id]
    assert finished_runs(store, NAME) == finished_runs(store, "one") == []
    known = list(waits(store).values())
    assert known[0] == 0.0
    assert known[1] == pytest.approx(store.get(first.id).seconds)
    assert waits(store)[third.id] is None  # behind one of a lesson that has not been seen


def test_the_question_is_about_the_last_training_that_can_be_asked_about(store):
    lesson, ann = LESSONS.load("one_task")(), new_learner()

    def found():
        return trainings("one_task", lesson, runs_tagged(store, ann))

    def ends(value, status):
        [run] = train(store, "one_task", ann, value)
        assert second_asked(lesson, found()) == (None if value == 2 else value)  # it waits
        claim(store, run.id, "cpu", alone=False)
        store.append(run.id, RunEnded(status, 2, 1.0, 3.0, 1.0))

    assert second_asked(lesson, {}) is None
    ends(2, "finished")
    ends(20, "stopped")
    assert second_asked(lesson, found()) == 20  # the only one
    ends(5, "finished")
    ends(60, "stopped")
    assert (second_asked(lesson, found()), second_value(lesson, found())) == (5, 60)


@pytest.mark.parametrize("name", list(LESSONS))
def test_each_lesson_trains_and_its_question_can_be_answered(tmp_path_factory, name, monkeypatch):
    """One epoch instead of the lesson's."""
    lesson = LESSONS.load(name)()
    store = open_store(tmp_path_factory.mktemp("trained"))
    store.cache = tmp_path_factory.getbasetemp() / "lesson data"
    whole = type(lesson).configs
    monkeypatch.setattr(type(lesson), "configs", lambda self, value: tuple(each.model_copy(update={"epochs": 1}) for each in whole(self, value)))
    second = lesson.control.values[1] if len(lesson.configs(lesson.control.proposed)) > 1 else lesson.control.proposed
    ann = new_learner()
    for value in (lesson.control.first, second):
        for run in train(store, name, ann, value):
            assert execute(store, run.id).status == "finished", store.get(run.id).failure
    found = trainings(name, lesson, runs_tagged(store, ann))
    assert have_finished(*found.values())
    came_out = outcome(store, lesson, found[lesson.control.first], found[second])
    said = lesson.text().sentence(came_out)
    assert said
    recorded = {key for runs in found.values() for run in runs for key in store.summary(run.id)}
    assert set(lesson.text().charts) <= recorded
    assert json.loads(json.dumps(dict(came_out.numbers))) == dict(came_out.numbers)
