"""The Learn page in Chinese: every lesson, a lesson with its answer, a class and its board, the plane, gradients by hand, the article."""

import re

import pytest

from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson_runs import name_learner, new_learner, runs_tagged, train
from mtl_core.runs.claims import claim
from mtl_core.runs.status import RunStatus
from tests.pages.english_texts import english_left, english_words
from tests.pages.test_lessons_page import end

NAME, CLASS = "one_task", "class-1a2b3c4d"
HAN = "\u4e00", "\u9fff"

pytestmark = pytest.mark.usefixtures("in_chinese")
CODE = re.compile(  # names of presets, papers, methods, formulas, parts of an address, and of this test's runs
    r"class\\?-\w+|learn\?\S+|mnist-mlp\S*|\w+ et al\.|theta\S*|alpha|^name\\:|\b(Adam|Aligned-MTL|Auto-Lambda|Nash-MTL)\b"
    r"|benchmarks/README\.md（英文）中的“[^”]*”|docs/\S+|digits-fight|mnist-mlp|multi-mnist\S*"
    r"|validation|text, change, links, question|x %\{.*?<extra>"
)


def has_chinese(text):
    return any(HAN[0] <= letter <= HAN[1] for letter in text)


def nothing_left(app):
    left = {text for text in english_left(app) if english_words(CODE.sub(" ", text))}
    assert not app.exception
    assert not left, "\n".join(sorted(left))


@pytest.mark.parametrize("name", list(LESSONS))
def test_every_word_of_a_lesson_is_chinese(name):
    lesson = LESSONS.load(name)()
    english, chinese = lesson.text("en"), lesson.text()
    for part, there in vars(chinese).items():
        before = getattr(english, part)
        pairs = zip(before.values(), there.values(), strict=True) if isinstance(there, dict) else [(before, there)]
        pairs = zip(before, there, strict=True) if isinstance(there, tuple) else pairs
        for text, translation in pairs:
            assert has_chinese(translation) or text in ("DWA", "PCGrad"), (part, text)
    assert list(chinese.answers) == list(english.answers)


@pytest.mark.parametrize("name", list(LESSONS))
def test_a_lesson_before_its_first_run(open_in_chinese, name):
    nothing_left(open_in_chinese("learn", lesson=name))


def button(app, label):
    return next(each for each in app.button if each.label == label)


def test_a_lesson_with_its_answer(open_in_chinese, store):
    app = open_in_chinese("learn", lesson=NAME)
    button(app, "训练").click().run()
    nothing_left(app)
    learner = app.session_state["learner"]
    (first,) = runs_tagged(store, learner)
    assert first.name == "One network for one task: 2 passes"  # kept with the run
    end(store, first, 0.5)
    end(store, train(store, NAME, learner, 20)[0], 0.75)
    app.run()
    nothing_left(app)
    app.radio[-1].set_value("less").run()
    button(app, "检查答案").click().run()
    assert "从 50.0% 上升到 75.0%" in app.warning[0].value
    nothing_left(app)
    app.radio[-1].set_value("more").run()
    button(app, "检查答案").click().run()
    assert app.success[0].value == "**答对了。** 它从 50.0% 上升到 75.0%。"
    nothing_left(app)


def test_runs_that_failed_and_a_name_that_cannot_be(open_in_chinese, store):
    app = open_in_chinese("learn", lesson=NAME, **{"class": CLASS})
    app.text_input[0].set_value("x\ny").run()
    nothing_left(app)
    learner = app.session_state["learner"]
    name_learner(store, learner, "张")
    (run,) = train(store, NAME, learner, 2, class_id=CLASS)
    claim(store, run.id, "cpu", alone=False)
    failure = {"kind": "memory", "message": "The device has not enough memory.", "cure": "Mend it.", "trace": ""}
    store.end(run.id, RunStatus.FAILED, failure)
    assert "运行失败。" in app.run().warning[0].value


def test_the_board_of_a_class(open_in_chinese, store):
    query = {"lesson": NAME, "class": CLASS, "board": "1"}
    nothing_left(open_in_chinese("learn", **query))
    runs = []
    for name in ("张", "", "李"):
        learner = new_learner()
        if name:
            name_learner(store, learner, name)
        runs += train(store, NAME, learner, 2, class_id=CLASS)
        runs += train(store, NAME, learner, 20, class_id=CLASS)
    end(store, runs[0], 0.625)
    end(store, runs[1], 0.5, status="stopped")
    app = open_in_chinese("learn", **query)
    nothing_left(app)
    assert "未命名" in " ".join(each.value for each in app.markdown)


def test_links_of_a_class_keep_the_language_and_wrong_ones_say_why(open_in_chinese):
    app = open_in_chinese("learn")
    assert all(block.value.endswith("&lang=zh") for block in app.code)
    assert len(app.code) == 2
    assert open_in_chinese("learn", lesson=NAME, lang="zh").query_params["lang"] == "zh"
    app = open_in_chinese("learn", **{"class": "x", "seed": "y", "board": "1", "hide": "z"})
    assert len(app.error) == 4
    nothing_left(app)


def test_the_plane_and_gradients_by_hand_after_a_step(open_in_chinese):
    app = open_in_chinese("learn")
    button(app, "前进").click().run()
    app.session_state["by_hand.tasks"] = 3
    app.session_state["plane.landscape"] = "two_bowls"
    nothing_left(app.run())
