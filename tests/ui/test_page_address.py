"""The address under which a page stands, seen through a small app."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.testing.v1 import AppTest

from ui.shell import page_address, state

ROOT = Path(__file__).parents[2]
ORIGINAL, RUNS = vars(ScriptRequests)["_request_rerun_locked"], vars(ScriptRunner)["_run_script"]


def poller():
    from unittest.mock import patch

    import streamlit as st

    from ui.shell.page_address import return_to_page

    asked = st.session_state.setdefault("asked", [])
    st.session_state["page"] = "train"
    with patch.object(st, "switch_page", lambda page, query_params: asked.append((page, dict(query_params)))):
        return_to_page()


def test_a_page_whose_address_was_taken_back_is_drawn_anew_but_not_for_ever():
    app = AppTest.from_function(poller)
    app.session_state["address"] = {"fork": "a"}
    app.query_params["run"] = "b"
    app.run()
    assert app.session_state["asked"] == []  # the right address may be on its way
    for _ in range(9):
        app.run()
    assert app.session_state["asked"] == [("pages/train.py", {"fork": "a"})] * 3


def test_the_right_address_leaves_the_page_alone():
    app = AppTest.from_function(poller)
    app.session_state["address"] = {"fork": "a"}
    app.session_state["astray"] = 1
    app.query_params["fork"] = "a"
    app.run()
    assert (app.session_state["asked"], app.session_state["astray"]) == ([], 0)
    del app.session_state["address"]  # the page has not come to its end yet
    app.query_params["fork"] = "b"
    app.run()
    app.run()
    assert app.session_state["asked"] == []


def choosing():
    """A page that stands under its address, and then a fragment of it, which puts choices into the address."""
    import streamlit as st

    from ui.shell.page_address import forget_address, record_address, return_to_page, set_address

    changes = st.session_state.get("changes")
    if changes is None:
        forget_address()
        record_address()
    else:
        set_address(changes)
        return_to_page()
        st.session_state["now"] = {key: st.query_params.get_all(key) for key in st.query_params}


def test_what_a_fragment_puts_into_the_address_is_the_pages_address():
    app = AppTest.from_function(choosing)
    app.query_params["cell"] = "digit.5.2"
    app.query_params["many"] = ["1", "2"]
    app.run()
    app.session_state["changes"] = {"cell": "digit.1.1", "view": "evaluation", "task": None}
    app.run()
    assert app.session_state["now"] == {"cell": ["digit.1.1"], "many": ["1", "2"], "view": ["evaluation"]}
    assert (app.session_state["address"], app.session_state["astray"]) == ({"cell": "digit.1.1", "many": "2", "view": "evaluation"}, 0)
    app.session_state["changes"] = {"cell": None}
    app.run()
    assert app.session_state["now"] == {"many": ["1", "2"], "view": ["evaluation"]}
    assert app.session_state["astray"] == 0


def test_an_address_is_sent_once_and_only_where_it_differs(monkeypatch):
    """The browser keeps each one that is sent as an entry to go back to."""
    sent = []

    class Address(dict):
        to_dict = dict.copy

        def get_all(self, key):
            return self[key]

        def from_dict(self, values):
            sent.append(values)
            self.clear()
            self.update(values)

    monkeypatch.setattr(page_address.st, "session_state", {})
    monkeypatch.setattr(page_address.st, "query_params", Address(run=["a"], cell=["b"]))
    page_address.set_address({"run": "a", "cell": None, "view": "evaluation", "epoch": "2"})
    assert sent == [{"run": ["a"], "view": ["evaluation"], "epoch": ["2"]}]
    page_address.set_address({"run": "a", "cell": None, "view": "evaluation"})
    assert len(sent) == 1
    page_address.record_address()  # after a link from a page to itself the browser shows the old address until it is told
    assert len(sent) == 2


def files_with(code):
    files = [ROOT / "app.py", *(path for folder in ("ui", "pages") for path in (ROOT / folder).rglob("*.py"))]
    return {path.name for path in files if re.search(code, path.read_text(encoding="utf-8"), re.MULTILINE)}


def test_the_address_is_changed_in_one_place():
    """``st.query_params`` itself sends the whole address again, and the page's poller would take the new one back. No other name for it, either."""
    changed = r"st\.query_params(\[[^\]]*\] = |\.(pop|clear|update|from_dict|setdefault)\()|del st\.query_params"
    assert files_with(rf"{changed}|= st\.query_params$") == {"page_address.py"}


def test_whole_pages_are_rerun_in_one_place():
    """``st.rerun`` may draw another page. ``error_boundary.py`` has it for a page that runs without the app around it."""
    assert files_with(r"st\.rerun\(\)") == {"page_address.py", "error_boundary.py"}


def rerunning():
    from unittest.mock import patch

    import streamlit as st

    from ui.shell.page_address import rerun_page

    asked = st.session_state.setdefault("asked", [])
    st.session_state["page"] = "train"

    def plain():
        asked.append("plain")
        st.stop()

    def switch(page, query_params):
        asked.append((page, dict(query_params)))
        st.stop()

    with patch.object(st, "switch_page", switch), patch.object(st, "rerun", plain):
        rerun_page()


def test_a_rerun_of_the_whole_page_keeps_its_page_and_address():
    """The address of another page has come back with a late refresh of that page."""
    app = AppTest.from_function(rerunning)
    app.query_params["fork"] = "a"
    app.run()  # the page has not come to its end yet
    app.session_state["address"] = {"fork": "a"}
    app.run()
    app.session_state["address"] = {"fork": "a", "epoch": "2"}
    app.run()
    assert app.session_state["asked"] == ["plain", "plain", ("pages/train.py", {"fork": "a", "epoch": "2"})]


def test_a_choice_is_another_value_than_the_one_that_was_shown_or_taken_last(monkeypatch):
    monkeypatch.setattr(state.st, "session_state", {})
    state.hold("view", "images")
    assert not state.is_choice("view", "images")  # reported once more
    state.st.session_state["view"] = "numbers"
    assert state.is_choice("view", "images")
    assert not state.is_choice("view", "images")
    state.st.session_state["view"] = "images"  # back again before it was drawn
    assert state.is_choice("view", "images")
    state.hold("view", "images")
    assert not state.is_choice("view", "images")


@pytest.fixture
def streamlits_own(monkeypatch):
    """Streamlit as it is installed; what is replaced in it is put back after the test."""
    monkeypatch.setattr(ScriptRequests, "_request_rerun_locked", ORIGINAL)
    monkeypatch.setattr(ScriptRunner, "_run_script", RUNS)


LINK = RerunData(page_script_hash="compare")
BEFORE = RerunData(page_script_hash="run", fragment_id="tasks", is_auto_rerun=True)
ITS_OWN = RerunData(page_script_hash="compare", fragment_id="poller")


def opened(*asked: RerunData) -> tuple[str, list[str]]:
    """The page and the parts that are drawn after these requests."""
    requests = ScriptRequests()
    assert all(requests.request_rerun(each) for each in asked)
    drawn = requests.on_scriptrunner_ready().rerun_data
    return drawn.page_script_hash, drawn.fragment_id_queue


def test_streamlit_still_opens_the_page_of_the_last_request(streamlits_own):
    """Once it does not, ``keep_asked_page`` can go."""
    assert opened(LINK, BEFORE) == ("run", [])


def test_a_page_that_is_asked_for_is_opened_whatever_the_page_before_asks_for(streamlits_own):
    page_address.keep_asked_page()
    page_address.keep_asked_page()
    assert opened(LINK, BEFORE) == opened(LINK, BEFORE, BEFORE) == opened(BEFORE, LINK) == opened(LINK, ITS_OWN) == ("compare", [])
    assert opened(LINK, RerunData(page_script_hash="data")) == ("data", [])  # two clicks on links
    assert opened(BEFORE, replace(BEFORE, fragment_id="log")) == ("run", ["tasks", "log"])
    assert opened(BEFORE) == ("run", ["tasks"])


def test_a_part_of_the_page_before_that_asks_while_a_page_is_drawn_draws_nothing(streamlits_own, monkeypatch):
    """Streamlit would open the page before for it, and clear the one that was drawn."""
    ran = []
    monkeypatch.setattr(ScriptRunner, "_run_script", lambda runner, data: ran.append((data.page_script_hash, data.fragment_id_queue)))
    page_address.keep_asked_page()
    page_address.keep_asked_page()
    runner = SimpleNamespace(_pages_manager=SimpleNamespace(current_page_script_hash="compare"))
    for page, parts in (("run", ["tasks"]), ("compare", ["poller"]), ("run", []), ("", [])):
        ScriptRunner._run_script(runner, RerunData(page_script_hash=page, fragment_id_queue=parts))
    assert ran == [("compare", ["poller"]), ("run", []), ("", [])]


@pytest.mark.parametrize(("owner", "name"), [(ScriptRequests, "_request_rerun_locked"), (ScriptRunner, "_run_script")])
def test_a_streamlit_that_is_built_otherwise_stays_as_it_is(streamlits_own, monkeypatch, owner, name):
    monkeypatch.delattr(owner, name)
    page_address.keep_asked_page()
    left = {"_request_rerun_locked": vars(ScriptRequests), "_run_script": vars(ScriptRunner)}
    assert {each: names.get(each) for each, names in left.items()} == {"_request_rerun_locked": ORIGINAL, "_run_script": RUNS} | {name: None}
