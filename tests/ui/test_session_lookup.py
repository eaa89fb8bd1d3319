"""One value of a session is looked up as Streamlit's own dictionary has it, and without that dictionary."""

import pytest
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest

from ui.shell.session_lookup import SessionLookup, look_up_single_values


def form():
    import streamlit as st

    st.session_state.setdefault("plain", 4)
    if "emptied" in st.session_state:
        st.session_state["number"] = None  # though the field's default is 3
    st.number_input("Number", value=3, key="number")
    st.number_input("Perhaps", value=None, key="perhaps")
    st.selectbox("Choice", ["a", "b"], index=None, key="choice")
    st.number_input("Without a key", value=2)


@pytest.fixture
def dictionaries(monkeypatch):
    """How often a session made a dictionary of itself, as a list that grows. Streamlit is put back after the test."""
    made, original = [], vars(SessionState)["filtered_state"].fget
    own = property(lambda session: (made.append(1), original(session))[1])
    monkeypatch.setattr(SessionState, "filtered_state", own)
    monkeypatch.setattr(SafeSessionState, "filtered_state", property(lambda session: session._state.filtered_state))
    return made


def test_streamlit_still_makes_a_dictionary_for_each_field(dictionaries):
    """Once it does not, ``session_lookup.py`` can go."""
    AppTest.from_function(form).run()
    assert len(dictionaries) >= 4


def test_fields_are_drawn_without_a_dictionary_and_keep_their_values(dictionaries):
    look_up_single_values()
    look_up_single_values()
    app = AppTest.from_function(form).run()
    app.session_state["emptied"] = True
    app.number_input(key="perhaps").set_value(7)
    app.selectbox(key="choice").set_value("b")
    dictionaries.clear()
    app.run()
    assert dictionaries == []
    assert not app.exception
    assert (app.number_input(key="number").value, app.number_input(key="perhaps").value, app.selectbox(key="choice").value) == (None, 7, "b")


def test_the_lookup_holds_what_the_dictionary_holds(dictionaries):
    app = AppTest.from_function(form).run()
    app.number_input(key="perhaps").set_value(7).run()
    session = app.session_state._state
    lookup, expected = SessionLookup(session), dict(session._state.filtered_state)
    assert expected.items() >= {"plain": 4, "number": 3, "perhaps": 7, "choice": None}.items()
    assert dict(lookup) == expected
    assert (len(lookup), repr(lookup)) == (len(expected), repr(session._state.filtered_state))
    assert all(key in lookup and lookup[key] == value for key, value in expected.items())
    assert "another" not in lookup
    with pytest.raises(KeyError):
        lookup["another"]
