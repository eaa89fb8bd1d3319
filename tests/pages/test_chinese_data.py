"""The Data page and the import in Chinese: images, numbers, preprocessing, the form with its questions, the report, refusals."""

import re

import pytest

from tests.pages.english_texts import english_left, english_words
from tests.pages.test_data_page import own_set, pictures  # noqa: F401 - fixtures
from tests.pages.test_import_questions import asking, settle  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("in_chinese")
# names of the test's files, tasks and classes, of formats and options of code, and of data sets
CODE = re.compile(
    r"\b(day|night|days|numbered|number|sort|notes|table|image|heic|folders|broken|imported|mnist|digits\w*|utf\S*|latin-1|cp\d+|utf-16\S*"
    r"|class|ink|slant|digit|nothing|colour|grey|stretch|pad|crop|Rec|idx|zip|XML|Label Studio|Pascal VOC|scikit\W+learn|etc|tmp|brought)\b"
    r"|class_\w+|\d+\\?\.(png|csv)|dataset\.yaml|'[^']*'|^/data/my-pictures$|\b(auto|box)\b|MTL\S*|<extra></extra>|train|val|images|null|nan|na|none|%\{[^}]*\}"
    r"|degrees|JSON Lines|xlsx|parquet|csv|tsv|txt|[Ee]ach number is a class|[Tt]he numbers are amounts|4 different ones"
    r"|Are the numbers classes or amounts\?"
)


def left(app):
    assert not app.exception, app.exception
    return {text for text in english_left(app) if english_words(CODE.sub(" ", text)) and "\nsources:" not in text and not text.startswith("path:")}


def nothing_left(app):
    found = left(app)
    assert not found, "\n".join(sorted(found))


def prepared(app):
    return settle(app, lambda app: not any(button.label.startswith("取消") for button in app.button))


@pytest.mark.parametrize("view", ["images", "numbers", "preprocessing"])
def test_a_built_in_set(open_in_chinese, view):
    nothing_left(prepared(open_in_chinese("data", data="digits", view=view)))


@pytest.mark.parametrize("query", [{}, {"sample": "2", "split": "test", "class": "day"}, {"view": "numbers"}])
def test_an_own_set(open_in_chinese, own_set, query):  # noqa: F811
    nothing_left(prepared(open_in_chinese("data", data="imported/days", **query)))


def test_a_set_that_is_not_there(open_in_chinese):
    nothing_left(open_in_chinese("data", data="nothing"))


def test_the_form_of_an_import_with_its_questions(open_in_chinese, asking):  # noqa: F811
    app = open_in_chinese("data", new="1")
    app.text_input(key="import.path").set_value("/etc").run()
    app.button(key="import.look_there").click().run()
    nothing_left(app)
    app.text_input(key="import.path").set_value(str(asking)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: any(button.key == "import.check" for button in app.button))
    settle(app, lambda app: len(app.session_state["import_draft"]["sheets"]) == 2)
    nothing_left(app)


def test_the_report_of_an_import(open_in_chinese, pictures):  # noqa: F811
    app = open_in_chinese("data", new="1")
    app.text_input(key="import.path").set_value(str(pictures)).run()
    app.button(key="import.look_there").click()
    settle(app, lambda app: any(button.key == "import.check" for button in app.button))
    app.button(key="import.check").click()
    settle(app, lambda app: any(button.key == "import.go" for button in app.button))
    nothing_left(app)
