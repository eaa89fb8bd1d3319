"""The language of a page: the browser's, the address's, the viewer's."""

import pytest
import streamlit as st
from streamlit.runtime.context import ContextProxy

from mtl_core import language

TITLE = {"Compare runs": "比较运行"}


@pytest.fixture(autouse=True)
def _few_words(monkeypatch):
    monkeypatch.setattr(language, "_catalogue", lambda name: TITLE if name == "zh" else {})
    caches = (language._translated, language._templates)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.fixture
def browser(monkeypatch):
    return lambda locale: monkeypatch.setattr(ContextProxy, "locale", property(lambda self: locale))


def title(app):
    return app.title[0].value


@pytest.mark.parametrize(("locale", "shown"), [("zh-CN", "比较运行"), ("en-US", "Compare runs"), ("fr-FR", "Compare runs"), (None, "Compare runs")])
def test_the_browsers_language_is_spoken(open_page, browser, locale, shown):
    browser(locale)
    app = open_page("compare")
    assert title(app) == shown
    assert "lang" not in app.query_params


def test_the_address_names_another_language_than_the_browsers(open_page, browser):
    browser("en-US")
    app = open_page("compare", lang="zh")
    assert title(app) == "比较运行"
    assert "zh" in app.query_params["lang"]


def test_a_language_that_is_not_there_is_the_browsers(open_page, browser):
    browser("zh-CN")
    app = open_page("compare", lang="<x>")
    assert title(app) == "比较运行"
    assert "lang" not in app.query_params


def test_the_switch_is_kept_on_every_page_and_in_the_address(open_page, browser):
    browser("en-US")
    app = open_page("compare")
    app.button(key="language.zh").click().run()
    assert title(app) == "比较运行"
    assert "zh" in app.query_params["lang"]
    app.switch_page("pages/compare.py").run()
    assert title(app) == "比较运行"
    app.button(key="language.en").click().run()
    assert title(app) == "Compare runs"
    assert "lang" not in app.query_params


def test_two_sessions_speak_each_their_own(open_page, browser):
    browser("en-US")
    chinese, english = open_page("compare", lang="zh"), open_page("compare")
    assert (title(chinese.run()), title(english.run())) == ("比较运行", "Compare runs")
    st.cache_data.clear()


def test_the_list_of_languages_closes_after_a_choice(open_page, browser):
    browser("en-US")
    app = open_page("compare")
    app.session_state["language_switch"] = True
    app.run()
    app.button(key="language.zh").click().run()
    assert app.session_state["language_switch"] is False


def test_the_open_tab_stays_open_in_another_language(open_page, browser):
    browser("en-US")
    app = open_page("learn")
    app.session_state["learn.tab.open"] = "The plane"  # what a click on the tab leaves
    app.button(key="language.zh").click().run()
    [tabs] = [block for block in blocks(app.main) if block.type == "tab_container"]
    assert tabs.proto.tab_container.default_tab_index == 1


def blocks(block):
    for child in getattr(block, "children", {}).values():
        if hasattr(child, "children"):
            yield child
            yield from blocks(child)
