"""Every lesson in every language, from stored runs to its answer. ``tests/browser/test_lesson_walks.py`` walks them in Chromium."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.language import LANGUAGES, speaking, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import learner_of, new_learner, outcome, train, trainings
from mtl_core.runs.claims import claim
from tests.pages.conftest import INFO


@pytest.fixture
def learner(monkeypatch):
    """The learner of the browser."""
    known = new_learner()
    monkeypatch.setattr("ui.learn.learner_identity.new_learner", lambda: known)
    return known


def recorded(store, lesson, run, random):
    """Have a run recorded as if it had been trained, with values for whatever its lesson reads."""
    claim(store, run.id, "cpu", alone=False)
    store.append(run.id, RunStarted(2, INFO))
    store.append(run.id, EpochMetrics(2, 1, {key: float(random.uniform(0.1, 0.9)) for key in sorted(keys_of(lesson))}))
    store.append(run.id, RunEnded("finished", 2, 1.0, 3.0, 1.0))


def keys_of(lesson):
    """Scalars that a lesson may read: those of its charts, and what the tasks of its runs record."""
    tasks = {task for value in lesson.control.values for config in lesson.configs(value) for task in config.tasks}
    parts = product(tasks, ("train", "val"), ("loss", "accuracy", "mae", "gap"))
    return {*lesson.text("en").charts, *(f"{split}/{task}/{metric}" for task, split, metric in parts)}


@pytest.mark.parametrize(("name", "spoken"), list(product(LESSONS, LANGUAGES)))
def test_a_lesson_is_answered(open_page, store, learner, name, spoken):
    lesson, random = LESSONS.load(name)(), np.random.default_rng(0)
    with speaking(spoken):
        text = lesson.text()
        for value in (lesson.control.first, lesson.control.proposed):
            for run in train(store, name, learner, value):
                recorded(store, lesson, run, random)
        found = trainings(name, lesson, store.several([run.id for run in store.runs()]))
        came_out = outcome(store, lesson, found[lesson.control.first], found[lesson.control.proposed])
        app = open_page("learn", language=spoken, lesson=name)
        assert app.title[0].value == text.title
        question = app.radio[-1]
        assert (question.label, question.options) == (text.question, list(text.answers.values()))
        wrong = next(key for key in text.answers if key != came_out.key)
        said = text.sentence(came_out)
        for key, kind in ((wrong, "warning"), (came_out.key, "success")):
            app.radio[-1].set_value(key)
            next(button for button in app.button if button.label == tr("Check")).click().run()
            assert said in getattr(app, kind)[0].value
        assert learner_of(store, learner).answers[name].choice == came_out.key
