"""Every lesson: its texts, its configs, and what it says of runs whose numbers are known."""

from __future__ import annotations

import re
import string
from itertools import product

import numpy as np
import pandas as pd
import pytest

from mtl_core.lessons import LESSONS
from mtl_core.lessons.article_questions import QUESTIONS
from mtl_core.lessons.article_sections import ANNOUNCED, SECTIONS
from mtl_core.lessons.lesson import FIRST_LANGUAGE, Lesson, LessonText, NothingToCompareError, Recording, compared
from mtl_core.lessons.lesson_runs import value_in_words
from mtl_core.training.check import problems

NAMES = list(LESSONS)


def lesson_of(name: str) -> Lesson:
    return LESSONS.load(name)()


def recording(lesson: Lesson, scalars: dict[str, float | list[float]]) -> Recording:
    """A run that has recorded these values, one after the other."""
    rows = [(key, step, step, value) for key, values in scalars.items() for step, value in enumerate(np.atleast_1d(values), 1)]
    return Recording(lesson.config(lesson.control.first), pd.DataFrame(rows, columns=["key", "step", "epoch", "value"]))


def judged(name: str, *runs: dict[str, float | list[float]]) -> tuple[str, str]:
    """The key of the outcome, and the sentence on it; the first half of the runs is the first training."""
    lesson = lesson_of(name)
    half = len(runs) // 2
    recordings = [recording(lesson, run) for run in runs]
    outcome = lesson.outcome_of(recordings[:half], recordings[half:])
    return outcome.key, lesson.text().sentence(outcome)


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_complete_in_every_language(name):
    lesson = lesson_of(name)
    english = lesson.text()
    assert FIRST_LANGUAGE in lesson.texts
    assert lesson.text("no language") is english
    for text in lesson.texts.values():
        for field in LessonText.__dataclass_fields__:
            value = getattr(text, field)
            assert value or field == "choices", field
            assert all(part.strip() for part in ([value] if isinstance(value, str) else value))
        for field in ("choices", "charts", "answers", "said"):
            assert list(getattr(text, field)) == list(getattr(english, field)), field
        assert list(text.said) == list(text.answers)
        assert len(text.answers) >= 3
        assert len(set(text.answers.values())) == len(text.answers)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_gives_runs_that_can_be_trained_offline(name):
    lesson = lesson_of(name)
    control, text = lesson.control, lesson.text()
    assert control.first in control.values
    assert control.proposed in control.values
    assert control.first != control.proposed
    if text.choices:
        assert list(text.choices) == [str(value) for value in control.values]
    assert len({value_in_words(lesson, value) for value in control.values}) == len(control.values)
    for value in control.values:
        for config in lesson.configs(value):
            assert problems(config) == []
            assert config.data.name in ("digits", "digit_scenes")
            assert (config.device, config.precision, config.layout) == ("cpu", "fp32", "contiguous")
    assert lesson.usual in text.answers
    seen, of = lesson.seeds_seen
    assert of / 2 < seen <= of
    assert 0 < sum(lesson.seconds) < 60


@pytest.mark.parametrize("name", NAMES)
def test_a_sentence_names_only_numbers_that_its_outcome_has(name):
    lesson = lesson_of(name)
    keys = sorted({key for value in lesson.control.values for key in _recorded(lesson, value)})
    random = np.random.default_rng(0)
    for _ in range(20):
        runs = [recording(lesson, {key: float(10 ** random.uniform(-2, 0)) for key in keys}) for _ in range(4)]
        outcome = lesson.outcome_of(runs[:2], runs[2:])
        said = lesson.text().sentence(outcome)
        assert not set("{}") & set(said)
        assert "nan" not in said
        assert outcome.key in lesson.text().answers


@pytest.mark.parametrize("name", NAMES)
def test_clearly_has_a_meaning_before_the_answer(name):
    text = lesson_of(name).text()
    asked, _, meaning = text.question.partition("“Clearly” means by ")
    if "clearly" in " ".join([asked, *text.answers.values()]).lower():
        assert any(character.isdigit() for character in meaning) or "a tenth" in meaning


def _recorded(lesson: Lesson, value: object) -> set[str]:
    """Scalars that a run may record, as far as lessons read them."""
    fields = {"accuracy", "mae"}
    tasks = {"digit", "slant", "ink"}
    return {
        *(f"{split}/{task}/{field}" for split, task, field in product(("train", "val"), tasks, fields)),
        *(f"{kind}/{task}" for kind, task in product(("loss_weight", "gradient_share"), tasks)),
        "conflict/digit/slant",
    }


@pytest.mark.parametrize("name", NAMES)
def test_runs_without_the_numbers_are_not_judged(name):
    lesson = lesson_of(name)
    nothing = recording(lesson, {"val/digit/loss": 1.0})
    with pytest.raises(NothingToCompareError):
        lesson.outcome_of([nothing] * 2, [nothing] * 2)


# Sections of the article with a text of their own; 1, 2, 2.2, 3 and 4 are headings alone.
NUMBERED = ["1.1", "1.2", "1.3", "2.1", "2.2.1", "2.2.2", "2.2.3", "2.2.4", "3.1", "3.2", "3.3", "4.1", "4.2", "4.4"]


def test_every_section_of_the_article_is_there_and_every_answer_has_its_runs():
    assert [section.number for section in SECTIONS] == NUMBERED
    for entry in (*SECTIONS, *ANNOUNCED, *QUESTIONS):
        assert not entry.lesson or entry.lesson in NAMES
    for question in QUESTIONS:
        assert question.lesson or question.table or question.document, question.asked
        for number in re.findall(r"lesson (\d+)", question.answer):
            assert NAMES[int(number) - 1] == question.lesson
        for seen, of in re.findall(r"with (each|\d) of (\d) seeds", question.answer):
            assert lesson_of(question.lesson).seeds_seen == (int(of if seen == "each" else seen), int(of)), question.asked


def test_a_repeated_step_counts_once_and_nan_not_at_all():
    frame = pd.DataFrame({"key": "a", "step": [1, 2, 2, 3], "epoch": 0.0, "value": [1.0, 5.0, 3.0, np.nan]})
    run = Recording(lesson_of("one_task").config(2), frame)
    assert (run.values("a").tolist(), run.last("a"), run.mean("a")) == ([1.0, 3.0], 3.0, 2.0)
    assert np.isnan(run.last("b"))
    assert np.isnan(run.mean("b"))


def test_compared():
    assert [compared(1.0, after, 0.1) for after in (1.2, 0.8, 1.05, 0.95)] == ["more", "less", "same", "same"]


def accuracy(value: float, split: str = "val") -> dict[str, float]:
    return {f"{split}/digit/accuracy": value}


def error(value: float, task: str = "slant") -> dict[str, float]:
    return {f"val/{task}/mae": value}


def weights(*values: float) -> dict[str, float]:
    return dict(zip(("loss_weight/digit", "loss_weight/slant", "loss_weight/ink"), values, strict=True))


def pairs(*differences: float) -> list[dict[str, float]]:
    return [run for difference in differences for run in (accuracy(0.5), accuracy(0.5 + difference))]


NARROW = accuracy(0.9) | error(2.0) | error(0.01, "ink")
WORKED = [
    ("one_task", [accuracy(0.8), accuracy(0.95)], "more", "rose from 80.0% to 95.0%"),
    ("one_task", [accuracy(0.8), accuracy(0.81)], "same", "from 80.0% to 81.0%"),
    ("one_task", [accuracy(0.8), accuracy(0.7)], "less", "fell from 80.0% to 70.0%"),
    ("helping_tasks", [accuracy(0.5), accuracy(0.6)], "more", "rose from 50.0% to 60.0%"),
    ("helping_tasks", [accuracy(0.6), accuracy(0.5)], "less", "fell from 60.0% to 50.0%"),
    ("self_supervision", [accuracy(0.5), accuracy(0.515)], "same", "from 50.0% to 51.5%"),
    ("self_supervision", [accuracy(0.6), accuracy(0.5)], "less", "fell from 60.0% to 50.0%"),
    ("fighting_tasks", [error(2.0), error(0.5)], "less", "0.500 degrees alone and 2.000 degrees together: 4.0 times"),
    ("fighting_tasks", [error(2.0), error(1.9)], "same", "1.900 degrees alone and 2.000"),
    ("fighting_tasks", [error(2.0), error(2.5)], "more", "sharing did not cost the slant anything"),
    ("loss_scales", [{"gradient_share/slant": [0.4, 0.2]}, {"gradient_share/slant": [0.8, 1.0]}], "most", "is 90.0%; it was 30.0%"),
    ("loss_scales", [{"gradient_share/slant": 0.3}, {"gradient_share/slant": 0.5}], "middle", "is 50.0%; it was 30.0%"),
    ("loss_scales", [{"gradient_share/slant": 0.3}, {"gradient_share/slant": 0.1}], "least", "is 10.0%; it was 30.0%"),
    ("weights_by_hand", [error(2.0) | accuracy(0.9), error(1.0) | accuracy(0.8)], "slant", "2.000 to 1.000 degrees"),
    ("weights_by_hand", [error(2.0) | accuracy(0.8), error(3.0) | accuracy(0.9)], "digit", "80.0% to 90.0%"),
    ("weights_by_hand", [error(2.0) | accuracy(0.8), error(1.0) | accuracy(0.81)], "both", "2.000 to 1.000"),
    ("weights_by_hand", [error(2.0) | accuracy(0.8), error(3.0) | accuracy(0.8)], "none", "2.000 to 3.000"),
    ("weights_by_hand", [error(2.0) | accuracy(0.8), error(2.1) | accuracy(0.81)], "same", "2.000 to 2.100"),
    ("learnt_weights", [weights(1, 1, 1), weights(1, 2, 5)], "ink", "The ink: 5.000. The digit has 1.000, the slant 2.000."),
    ("learnt_weights", [weights(1, 1, 1), weights(1, 3, 2)], "slant", "The slant: 3.000."),
    ("learnt_weights", [weights(1, 1, 1), weights(4, 3, 2)], "digit", "The digit: 4.000."),
    ("learnt_weights", [weights(1, 1, 1), weights(1.0, 1.1, 0.9)], "equal", "digit 1.000, slant 1.100, ink 0.900"),
    (
        "conflicting_gradients",
        [{"conflict/digit/slant": [-0.5, 0.1, -0.1, -0.2]} | error(2.0) | accuracy(0.9), error(1.0) | accuracy(0.85)],
        "less",
        "against each other in 75.0% of the measurements",
    ),
    ("conflicting_gradients", [{"conflict/digit/slant": 0.5} | error(2.0) | accuracy(0.9), error(2.5) | accuracy(0.9)], "more", "in 0.0% of"),
    (
        "conflicting_gradients",
        [{"conflict/digit/slant": [-0.2, -0.1], "conflict_share/digit/slant": [0.5, 0.7]} | error(2.0) | accuracy(0.9), error(2.0) | accuracy(0.9)],
        "same",
        "in 60.0% of the measurements",
    ),
    ("sharing_depth", [NARROW, accuracy(0.95) | error(1.0) | error(0.02, "ink")], "two", "2 of 3"),
    ("sharing_depth", [NARROW, accuracy(0.95) | error(1.0) | error(0.005, "ink")], "all", "3 of 3"),
    ("sharing_depth", [NARROW, NARROW], "none", "0 of 3"),
    ("sharing_depth", [NARROW, NARROW | accuracy(0.95)], "one", "1 of 3"),
    ("missing_labels", [accuracy(0.95) | error(1.0), accuracy(0.8) | error(1.1)], "digit", "95.0% to 80.0%"),
    ("missing_labels", [accuracy(0.95) | error(1.0), accuracy(0.94) | error(1.5)], "slant", "1.000 to 1.500"),
    ("missing_labels", [accuracy(0.95) | error(1.0), accuracy(0.8) | error(1.5)], "both", "1.000 to 1.500"),
    ("missing_labels", [accuracy(0.95) | error(1.0), accuracy(0.96) | error(0.5)], "none", "1.000 to 0.500"),
    (
        "overfitting",
        [accuracy(1.0, "train") | accuracy(0.9), accuracy(1.0, "train") | accuracy(0.98)],
        "less",
        "from 10.0% (100.0% on training pictures, 90.0% on val) to 2.0% (100.0% and 98.0%)",
    ),
    ("overfitting", [accuracy(0.9, "train") | accuracy(0.9), accuracy(1.0, "train") | accuracy(0.9)], "more", "from 0.0%"),
    ("several_seeds", pairs(0.05, 0.06, 0.055, 0.06), "helps", "The whole interval is above 0. The first pair alone said +5.0"),
    ("several_seeds", pairs(-0.05, -0.06, -0.055, -0.06), "hurts", "The whole interval is below 0."),
    ("several_seeds", pairs(0.05, -0.06, 0.055, -0.06), "open", "Over 4 pairs the mean difference is -0.4 points"),
]


@pytest.mark.parametrize(("name", "runs", "key", "words"), WORKED)
def test_worked_values(name, runs, key, words):
    found, said = judged(name, *runs)
    assert found == key
    assert words in said


def test_every_choice_of_every_lesson_is_the_right_one_for_some_numbers():
    worked = {(name, key) for name, _, key, _ in WORKED}
    left = {
        (name, key)
        for name in NAMES
        for key in lesson_of(name).text().answers
        if (name, key) not in worked and LESSONS.table[name].startswith("mtl_core.")
    }
    twins = {(one, "same") for one in ("helping_tasks", "overfitting")} | {("self_supervision", "more")}
    assert left == twins  # ``compared`` decides them as it does for the others


def test_sentences_have_only_named_fields():
    for name in NAMES:
        for sentence in lesson_of(name).text().said.values():
            assert all(field is None or field.isidentifier() for _, field, _, _ in string.Formatter().parse(sentence))


# A term -> how it is written in a Chinese text. The lesson that uses it first explains it there, in bold type.
TERMS = {
    "task": "任务",
    "network": "网络",
    "step": "一步",
    "epoch": "轮",
    "val": "验证集",
    "accuracy": "准确率",
    "learning rate": "学习率",
    "label": "标注",
    "shared network": "共享网络",
    "head": "任务头",
    "gradient": "梯度",
    "cosine": "余弦",
    "conflict": "冲突",
    "loss": "损失",
    "loss weight": "损失权重",
    "hard sharing": "硬参数共享",
    "auxiliary task": "辅助任务",
    "overfitting": "过拟合",
    "seed": "种子",
    "interval": "区间",
}


def _words_of(text: LessonText) -> str:
    """All that a learner reads of a lesson before it is answered, and what is said of the answer."""
    parts = [*text.words, text.first, text.change, text.look, text.panel, text.question, text.why]
    return "\n".join([*parts, *text.answers.values(), *text.charts.values(), *text.said.values()])


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_a_term_is_explained_where_it_is_first_used(spoken):
    for english, chinese in TERMS.items():
        term = english if spoken == "en" else chinese
        used = re.compile(rf"(?<![\w/]){re.escape(term)}s?(?![\w/])" if spoken == "en" else re.escape(term), re.IGNORECASE)
        first = next(name for name in NAMES if used.search(_words_of(lesson_of(name).text(spoken))))
        bold = re.findall(r"\*\*(.+?)\*\*", _words_of(lesson_of(first).text(spoken)))
        assert any(used.search(each) for each in bold), f"lesson {first} uses {term!r} and does not explain it"


def test_the_time_of_a_training_follows_the_choice():
    lesson = lesson_of("one_task")
    assert [lesson.seconds_of(value) for value in lesson.control.values] == [1, 0.5, 2, 6]
    pairs_of = lesson_of("several_seeds")  # with 3 pairs four runs are left to train, with 5 eight
    assert [pairs_of.seconds_of(value) for value in pairs_of.control.values] == [3, 5, 10]


def test_a_sentence_and_the_table_show_the_same_digits():
    lesson = lesson_of("weights_by_hand")
    runs = [recording(lesson, {"val/slant/mae": 0.4649, "val/digit/accuracy": 0.8125}) for _ in range(2)]
    assert lesson.text("en").sentence(lesson.outcome(*runs)) == (
        "The slant's error went from 0.465 to 0.465 degrees, the digit's accuracy from 81.3% to 81.3%."
    )
