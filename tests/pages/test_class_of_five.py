"""Five browsers on one link of a class: five runs on the board, none lost, none doubled, who waits, and the teacher stops any."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtl_core.language import HalfUp
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import learner_of, name_learner, new_learner, runs_tagged, train
from mtl_core.runs import actions
from tests.pages.test_lessons_page import button, end

NAME, CLASS = "one_task", "class-1a2b3c4d"
LINK = {"lesson": NAME, "class": CLASS, "seed": "5"}
NAMES = ("Ann", "Bo", "Chen", "Bo", "Eve")
SHOWN = ["Ann", "Bo", "Chen", "Bo \\(2\\)", "Eve"]


@pytest.fixture
def board(open_page):
    return lambda: open_page("learn", **LINK, board="1")


def tiles(app):
    """Learner on the board -> what stands below the name."""
    found = [block.value.partition("  \n") for block in app.markdown if block.value.startswith("**") and "  \n" in block.value]
    return {name.strip("* "): stands for name, _, stands in found}


def test_five_browsers_have_five_runs_on_the_board(open_page, store, board):
    browsers = [open_page("learn", **LINK) for _ in NAMES]
    for app, name in zip(browsers, NAMES, strict=True):
        app.text_input[0].set_value(name).run()
    for app in browsers:
        button(app, "Train").click()
    for app in browsers:
        app.run()
    runs = runs_tagged(store, CLASS)[::-1]
    assert len(runs) == len({app.session_state["learner"] for app in browsers}) == 5
    app = board()
    assert list(tiles(app)) == SHOWN
    assert [f"number {place}," in stands for place, stands in enumerate(tiles(app).values(), 1)] == [True] * 5
    assert [each.label for each in app.button if each.key and each.key.startswith("board.stop.")] == ["Stop"] * 5

    chen = browsers[2].session_state["learner"]
    app.button(key=f"board.stop.{chen}").click().run()
    stopped = {run.id for run in runs_tagged(store, CLASS) if run.status == "stopped"}
    assert stopped == {run.id for run in runs_tagged(store, chen)}
    for place, run in enumerate(run for run in runs if run.id not in stopped):
        end(store, run, 0.5 + place / 16)
    stands = list(tiles(board()).values())
    assert ["stopped" in stand for stand in stands] == [False, False, True, False, False]
    assert [f"{HalfUp(50 + 6.25 * place):.1f}%".replace(".", "\\.") in stand for place, stand in enumerate(stands[:2] + stands[3:])] == [True] * 4


def test_a_later_click_and_one_in_another_tab_make_no_second_run(open_page, store):
    first, second = open_page("learn", **LINK), open_page("learn", **LINK)
    second.session_state["learner"] = first.session_state["learner"]
    first.text_input[0].set_value("Ann").run()
    second.run()
    button(first, "Train").click()
    stale = first._tree.get_widget_states()  # the browser has not drawn what came of the first click
    first.run()
    first._run(stale)
    button(second, "Train").click().run()
    [run] = runs_tagged(store, CLASS)
    actions.stop(store, run.id)
    button(first.run(), "Train").click().run()  # after a run that was stopped
    assert [run.status for run in runs_tagged(store, CLASS)] == ["queued", "stopped"]


def test_a_name_typed_before_the_browser_said_who_learns_is_theirs(open_page, store):
    """A browser that was here before says so after the page is drawn."""
    app, came_back, known = open_page("learn", **LINK), new_learner(), new_learner()
    app.text_input[0].set_value("Ann").run()
    app.session_state["learner"] = came_back
    app.run()
    assert app.text_input[0].value == learner_of(store, came_back).name == "Ann"
    assert not button(app, "Train").disabled
    name_learner(store, known, "Bob")
    app.session_state["learner"] = known
    assert app.run().text_input[0].value == learner_of(store, known).name == "Bob", "one that has a name keeps it"


def test_five_that_click_twice_at_the_same_moment_have_a_run_each(store):
    """The server takes the clicks of all browsers in threads of their own."""
    learners, together = [new_learner() for _ in range(5)], threading.Barrier(10)
    for learner in learners:
        name_learner(store, learner, "Ann")

    def click(learner):
        together.wait()
        return train(store, NAME, learner, LESSONS.load(NAME)().control.first, class_id=CLASS, seed=5, request_id=f"{learner}.once")[0].id

    with ThreadPoolExecutor(10) as browsers:
        made = list(browsers.map(click, [*learners, *learners]))
    assert made[:5] == made[5:]
    assert sorted(run.id for run in runs_tagged(store, CLASS)) == sorted(set(made))
    assert len(set(made)) == 5
