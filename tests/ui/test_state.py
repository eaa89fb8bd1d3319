"""Notes that one run of a page leaves for the next, seen through a small app."""

from streamlit.testing.v1 import AppTest


def poller():
    from unittest.mock import patch

    import streamlit as st

    from ui.shell import state

    asked = st.session_state.setdefault("asked", [])
    st.session_state["page"] = "train"
    with patch.object(st, "switch_page", lambda page, query_params: asked.append((page, dict(query_params)))):
        state.return_to_page()


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
