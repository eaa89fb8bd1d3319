"""Texts in the reader's language: what is asked for, and what the engine has written in English."""

import contextlib
import threading

import numpy as np
import pytest

from mtl_core import language
from mtl_core.language import LANGUAGES, best_language, filled, follow, speaking, tr

WORDS = {
    "Start": "开始",
    "{done} of {total} have ended": "共 {total} 项，已结束 {done} 项",
    "no pictures in '{path}'. {advice}": "“{path}” 中没有图像。{advice}",
    "Choose the folder.": "选择文件夹。",
    "in epoch {epoch} of the run": "该运行的第 {epoch} 轮",
    "{share:.0%} of the pictures are labelled": "{share:.0%} 的图像有标注",
    "a set of the form {{name: {kind}}}": "形如 {{name: {kind}}} 的集合",
    "{a} {b}": "错",
    "left over": "剩余",
    "{{half}} open": "半开",
    " and {more} more": "，以及另外 {more} 项",
    "braces {0} of another kind": "另一种 {0} 括号",
    "it says so in {file}{hint}": "{file} 中这样写明{hint}",
    "; ": "；",
    ", ": "、",
    "{name} ({status})": "{name}（{status}）",
    "{low} to {high}": "{low} 至 {high}",
    "it is empty": "为空",
    "without a header: unknown": "没有表头：含义未知",
    "it counts the rows": "它是行号",
    " It was measured on test.": "在测试集上测得。",
}


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setattr(language, "_catalogue", lambda name: WORDS if name == "zh" else {})
    caches = (language._translated, language._templates)
    for each in caches:
        each.cache_clear()
    with speaking("zh"):
        yield
    for each in caches:
        each.cache_clear()


def test_english_is_the_text_itself():
    assert (tr("Start"), tr("{n:,} of {m}", n=1234, m=5), tr("{as it is}")) == ("Start", "1,234 of 5", "{as it is}")


def test_values_stand_where_the_language_wants_them(chinese):
    assert tr("{done} of {total} have ended", done=2, total=5) == "共 5 项，已结束 2 项"
    assert tr("{share:.0%} of the pictures are labelled", share=0.25) == "25% 的图像有标注"


def test_a_text_without_a_translation_stays_english(chinese):
    assert tr("not known") == "not known"
    assert tr("{n} not known", n=3) == "3 not known"


@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("Start", "开始"),
        ("no pictures in '/a/b'. Choose the folder.", "“/a/b” 中没有图像。选择文件夹。"),
        ("no pictures in 'x'. Nothing known here", "“x” 中没有图像。Nothing known here"),
        ("25% of the pictures are labelled", "25% 的图像有标注"),
        ("a set of the form {name: digits}", "形如 {name: digits} 的集合"),
        ("Start\nleft over", "开始\n剩余"),
        ("  Start ", "  开始 "),
        ("Choose the folder. Start", "选择文件夹。开始"),
        ("it says so in a.txt", "a.txt 中这样写明"),
        ("it says so in a.txt, b.txt and 1,204 more", "a.txt, b.txt，以及另外 1,204 项 中这样写明"),
        ("braces {0} of another kind", "另一种 {0} 括号"),
        ("some of the pictures are labelled", "some of the pictures are labelled"),  # the place of a number takes numbers only
        (f"no pictures in '{'x' * language.LONGEST}'. Start", f"no pictures in '{'x' * language.LONGEST}'. 开始"),  # too long for a search
        ("not read: it counts the rows; it is empty; Start", "not read: 它是行号；为空；开始"),
        ("'Start', 'b' (it is empty); 'c' (it counts the rows)", "'Start'、'b'（为空）；'c'（它是行号）"),
        ("a run (it is new); b (it is empty)", "a run（it is new）；b（为空）"),
        ("a run (of mine)", "a run (of mine)"),
        ("Choose the folder. It was measured on test.", "选择文件夹。在测试集上测得。"),
        ("not read: without a header: unknown; it is empty", "not read: 没有表头：含义未知；为空"),
        ("it is empty: 0.5 to 3", "为空：0.5 至 3"),
        ("one other", "one other"),  # '{a} {b}' has too few words of its own to be recognised
        ("", ""),
    ],
)
def test_what_the_engine_wrote_is_told_again(chinese, english, told):
    assert tr(english) == told


def test_a_name_is_no_text_even_if_it_reads_like_one(chinese):
    assert tr("no pictures in 'Start'. Start") == "“Start” 中没有图像。Start"


def test_the_screens_language_is_asked_for_in_each_thread(monkeypatch):
    monkeypatch.setattr(language, "_ask", None)
    spoken = threading.local()
    follow(lambda: getattr(spoken, "name", None))
    try:
        spoken.name = "zh"
        assert language.language() == "zh"
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(language.language()))
        thread.start()
        thread.join()
        assert elsewhere == ["en"]
        with speaking("en"):
            assert language.language() == "en"
        with contextlib.suppress(RuntimeError), speaking("en"):
            raise RuntimeError
        assert language.language() == "zh"
    finally:
        monkeypatch.undo()


@pytest.mark.parametrize(("locale", "name"), [("zh-CN", "zh"), ("zh_TW", "zh"), ("zh", "zh"), ("en-GB", "en"), ("de-DE", "en"), ("", "en")])
def test_the_browsers_locale(locale, name):
    assert best_language(locale) == name
    assert name in LANGUAGES


def test_a_half_is_rounded_up_in_every_sentence():
    """Python alone writes 0.14, 12%, 81.2% and 2."""
    said = tr("{a:.2f} {b:.0%} {c:.1%} {d:,.0f} {e:+.2f} {f:.2f} {g}", a=0.145, b=0.125, c=0.8125, d=2.5, e=-0.145, f=0.0, g=0.125)
    assert said == "0.15 13% 81.3% 3 -0.15 0.00 0.125"


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("{x:.4g}", 10_000.0, "10,000"),
        ("{x:.4g}", 12_345.0, "12,345"),
        ("{x:g}", 12_345.0, "12,345"),
        ("{x:+g}", -123_456.0, "-123,456"),
        ("{x:g}", 1e6, "1,000,000"),
        ("{x:g}", 9_999.0, "9999"),
        ("{x:g}", 12_345.5, "12345.5"),
        ("{x:g}", 1e-5, "0.00001"),
        ("{x:g}", float("inf"), "inf"),
        ("{x:g}", -1_234_567.4, "-1,234,567"),
        ("{x:+.3g}", 1_234.0, "+1,234"),
        ("{x:.4g}", 9_999.96, "10,000"),
        ("{x:.4g}", 9_999.0, "9999"),
        ("{x:.3g}", 999.5, "1,000"),
        ("{x:.3g}", 0.00001234, "0.0000123"),
        ("{x:.3g}", 2.5e12, "2,500,000,000,000"),
        ("{x:+.2g}", -5.43e-7, "-0.00000054"),
        ("{x:+.3g}", 5.43e-5, "+0.0000543"),
        ("{x:.3g}", 9.999e-5, "0.0001"),
        ("{x:.3g}", 2.5e18, "2.5e+18"),
        ("{x:.3g}", 0.0, "0"),
        ("{x:.3g}", float("inf"), "inf"),
        ("{x:.1e}", 10_000.0, "1.0e+04"),
    ],
)
def test_large_and_small_numbers_are_written_out(form, value, written):
    assert tr(form, x=value) == filled(form, x=value) == written


def test_one_of_a_kind_has_its_own_word(chinese, monkeypatch):
    """In English alone, and an engine's text that was made so is found again."""
    template = "{runs:,} {runs:run|runs} {runs:is|are} kept on disk"
    with speaking("en"):
        assert [tr(template, runs=count) for count in (0, 1, 2, 1234, np.int64(1))] == [
            "0 runs are kept on disk",
            "1 run is kept on disk",
            "2 runs are kept on disk",
            "1,234 runs are kept on disk",
            "1 run is kept on disk",
        ]
    monkeypatch.setitem(WORDS, template, "磁盘上有 {runs:,} 个运行")
    assert tr(template, runs=1) == "磁盘上有 1 个运行"
    assert [tr(filled(template, runs=count)) for count in (1, 2, 1234)] == ["磁盘上有 1 个运行", "磁盘上有 2 个运行", "磁盘上有 1,234 个运行"]
