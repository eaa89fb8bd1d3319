"""A live page hands over to the page of what has ended: each part keeps its place.

The browser replaces what stands in a place at once, and takes away what stands in places that are no longer used when the whole page is drawn. A part
that moves is there twice until then, and a click may land in the old one.
"""

from __future__ import annotations

import pytest

from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import train
from mtl_core.runs import actions, method_race
from mtl_core.studies import study_actions
from tests.pages.conftest import config, fill, held_by_us


def places(app) -> list[tuple[int, ...]]:
    """Where the title of the page stands: its path of indices from the main block."""

    def walk(block, path):
        for index, child in block.children.items():
            if getattr(child, "type", "") == "title":
                yield (*path, index)
            if hasattr(child, "children"):
                yield from walk(child, (*path, index))

    return list(walk(app.main, ()))


def a_run(store, app):
    return {"run": store.create(config(), columns=held_by_us("cpu")).id}


def a_race(store, app):
    return {"race": method_race.start(store, config(name="base"), ["fixed", "pcgrad"])}


def a_study(store, app):
    made = study_actions.create(store, study_actions.draft("share", config(), {}, range(2)))
    study_actions.start(store, made.id)
    return {"study": made.id}


def a_lesson(store, app):
    name = next(iter(LESSONS))
    train(store, name, app.session_state["learner"], LESSONS.load(name)().control.first)
    return {"lesson": name}


LIVE_PAGES = [("run", a_run), ("race", a_race), ("studies", a_study), ("learn", a_lesson)]


@pytest.mark.parametrize(("page", "make"), LIVE_PAGES, ids=[make.__name__ for _, make in LIVE_PAGES])
def test_a_part_stays_where_it_is_when_the_last_run_ends(open_page, store, page, make):
    app = open_page("learn")
    query = make(store, app)
    app.switch_page(f"pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    [live] = places(app)
    for run in store.runs():
        if run.status.is_active():
            fill(store, run, end="finished")
        actions.stop(store, run.id)
    assert all(run.status.is_ended() for run in store.runs())
    app.run()
    assert places(app) == [live]
