"""The catalogues: every text of the source has its translation, with the same places for values."""

import ast
import io
import re
from string import Formatter

import pytest
from babel.messages.mofile import write_mo

from docs import text_collection, translations
from mtl_core.language import FOLDER, LANGUAGES, SOURCE

OTHERS = [name for name in LANGUAGES if name != SOURCE]
GRAMMAR = {"s", "is", "are", "has", "have", "it", "them"}  # values that only the English needs; a translation may leave them out
LEFT_OUT = {  # further ones, each looked at: a plural's s, "it" or "them"
    "{runs} not listed, because another version of the program wrote {ids}: {value}. Open the store with it.": "ids",
}


@pytest.fixture(scope="module", params=OTHERS)
def catalogue(request):
    return request.param, translations.read(request.param)


@pytest.fixture(scope="module")
def texts():
    """Every text of the source; collected once, which takes seconds."""
    return text_collection.texts()


def test_every_text_has_its_pair(catalogue, texts):
    name, found = catalogue
    known = {message.id: message.string for message in found if message.id}
    assert [text for text in texts if not known.get(text)] == [], f"translate these into {name}: python -m docs.translations"


def test_no_pair_is_left_of_a_text_that_is_gone(catalogue, texts):
    _, found = catalogue
    assert sorted({message.id for message in found if message.id} - set(texts)) == [], "run: python -m docs.translations"


def test_the_compiled_catalogue_is_that_of_the_texts(catalogue):
    name, found = catalogue
    made = io.BytesIO()
    write_mo(made, found)
    assert made.getvalue() == (FOLDER / name / "LC_MESSAGES" / "messages.mo").read_bytes(), "run: python -m docs.translations"


def test_the_file_is_as_the_command_writes_it(catalogue, texts, monkeypatch):
    name, found = catalogue
    monkeypatch.setattr(translations, "texts", lambda: texts)
    assert [(message.id, message.string) for message in translations.updated(name)] == [(message.id, message.string) for message in found]


def places(text: str) -> dict[str, set[str]]:
    """Name of a place -> its formats; empty for a text without places."""
    found: dict[str, set[str]] = {}
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        return {}
    for _, field, spec, conversion in pieces:
        if field is not None:
            found.setdefault(field, set()).add(f"{conversion or ''}:{spec or ''}")
    return found if all(field.isidentifier() for field in found) else {}


def test_places_of_values_are_the_same(catalogue):
    _, found = catalogue
    wrong = []
    for message in found:
        english, told = places(message.id or ""), places(message.string or "")
        if not english or not message.string:
            continue
        new, gone = set(told) - set(english), set(english) - set(told) - GRAMMAR - {LEFT_OUT.get(message.id)}
        counted = {name: {":"} if any("|" in form for form in english[name]) else set() for name in english}  # words of English alone
        formats = {name for name in told if name in english and not told[name] <= english[name] | counted[name]}
        if new or formats or gone:
            wrong.append((message.id, sorted(new), sorted(gone), sorted(formats)))
    assert wrong == []


def test_marks_of_the_text_are_kept(catalogue):
    """Icons, code and colours: a lost bracket would show markup on the screen."""
    _, found = catalogue
    wrong = []
    for message in [message for message in found if message.string]:
        for mark in (r":material/\w+:", r"`[^`]+`", r":(?:gray|red|green|orange|blue|small)\["):
            if sorted(re.findall(mark, message.id or "")) != sorted(re.findall(mark, message.string or "")):
                wrong.append((message.id, message.string))
        if (message.id or "").count("**") != (message.string or "").count("**"):
            wrong.append((message.id, message.string))
    assert wrong == []


def test_the_collection_finds_what_stands_where_people_read():
    """Checked on a source of its own: what is asked for, what the engine says, and what is neither."""
    source = '''
"""A docstring of the file."""
TITLE = mark("A title")
class Part:
    """Not shown."""
    title = "Word"
    rate: float = Field(0.1, description="Rate")
def f(run, n):
    raise Error(f"{run.name} has no task {n!r}; choose one")
    x = "SELECT a FROM b WHERE c"
    key = "one"
    return tr("{n} runs are here", n=n)
'''
    tree = ast.parse(source)
    asked = [text for text, _ in text_collection.asked_texts(tree)]
    said = [text for text, _ in text_collection.engine_texts(tree)]
    assert sorted(asked) == ["A title", "{n} runs are here"]
    assert sorted(said) == ["Rate", "Word", "{name} has no task {n}; choose one"]


def test_an_empty_choice_says_what_it_waits_for_in_the_readers_language():
    """Streamlit's own words for an empty choice are English."""
    root, silent = FOLDER.parents[1], []
    for path in [*root.glob("ui/**/*.py"), *root.glob("pages/*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("multiselect", "selectbox")):
                continue
            index = call.args[2] if len(call.args) > 2 else next((part.value for part in call.keywords if part.arg == "index"), None)
            parts = [node for node in ast.walk(index) if isinstance(node, ast.Constant)] if index is not None else []
            may_be_empty = call.func.attr == "multiselect" or any(part.value is None for part in parts)
            if may_be_empty and "placeholder" not in {part.arg for part in call.keywords}:
                silent.append(f"{path.relative_to(root)}:{call.lineno}")
    assert silent == []


def test_names_of_splits_are_told():
    """``train``, ``val`` and ``test`` are words of the program, which a page in another language has in that language."""
    root, silent = FOLDER.parents[1], []
    for path in [*root.glob("ui/**/*.py"), *root.glob("pages/*.py"), *root.glob("mtl_core/**/*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "tr":
                told = [ast.unparse(part.value) for part in call.keywords if part.arg and ("split" in part.arg or part.arg == "chosen_on")]
                silent += [f"{path.relative_to(root)}:{call.lineno}: {value}" for value in told if not re.match(r"tr\(|splits$", value)]
    assert silent == []
