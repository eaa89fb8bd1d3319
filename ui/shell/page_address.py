"""The parameters of a page's address: the one way to change them, and how a page returns to its own.

A run of a fragment gets the address that the browser had when it asked, and Streamlit sends the whole address at each assignment to
``st.query_params``. So only this module assigns to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

NAMED_BY = {  # parameter that names a thing -> pages that show it
    "clone": ("train",),
    "data": ("data",),
    "fork": ("train",),
    "lesson": ("learn",),
    "race": ("race",),
    "run": ("run", "predictions"),
    "runs": ("compare",),
    "study": ("studies",),
}
EVERYWHERE = ("lang", "unknown")  # parameters of every page: the language, and what was typed (typed_address.py)
_DRAWN = "address"  # key in the session: the address under which the page stands


def keep_asked_page() -> None:
    """Have the page that is asked for survive requests of the page before. Changes nothing where Streamlit is built otherwise.

    While a script runs, Streamlit (1.67) folds the requests that come in into one, which opens the page of the last one. So a part of the page before
    that asks to be drawn anew, right after a click on a link, undid the click. If it asks while the new page is being drawn, its request comes
    afterwards, opens the page before, and draws nothing of it: the page is blank.
    """
    original, run = vars(ScriptRequests).get("_request_rerun_locked"), vars(ScriptRunner).get("_run_script")
    if original is None or run is None or original.__module__ == __name__:
        return

    def request_rerun(self: ScriptRequests, new_data: RerunData) -> bool:
        return _is_of_page_before(self, new_data) or original(self, new_data)

    def run_script(self: ScriptRunner, rerun_data: RerunData) -> None:
        pages = getattr(self, "_pages_manager", None)
        if not rerun_data.fragment_id_queue or pages is None or rerun_data.page_script_hash == pages.current_page_script_hash:
            run(self, rerun_data)

    ScriptRequests._request_rerun_locked = request_rerun
    ScriptRunner._run_script = run_script


def _is_of_page_before(requests: ScriptRequests, new: RerunData) -> bool:
    """Whether the new request reruns a fragment while a request for another page waits."""
    waiting = requests._rerun_data
    waits_for_page = requests._state == ScriptRequestType.RERUN and not waiting.fragment_id_queue
    return waits_for_page and bool(new.fragment_id or new.fragment_id_queue) and new.page_script_hash != waiting.page_script_hash


def set_address(changes: Mapping[str, str | None]) -> None:
    """Change parameters of the address, in one message. The page counts as drawn under the new address.

    Args:
        changes: parameter -> its new value; None removes it.
    """
    now = _now()
    others = {key: values for key, values in now.items() if key not in changes}
    kept = {key: value for key, value in changes.items() if value is not None}
    asked = {**others, **{key: [value] for key, value in kept.items()}}
    if asked != now:
        st.query_params.from_dict(asked)
    if _DRAWN in st.session_state:
        st.session_state[_DRAWN] = {key: value for key, value in st.session_state[_DRAWN].items() if key not in changes} | kept


def drop_other_pages_address(page: str) -> None:
    """At the start of a full script run: remove the parameters of another page, which name a thing that this page does not show.

    After a click on a link, Streamlit (1.67) puts the new page's parameters behind the old page's path for a moment, as an entry of its own in the
    browser's history. Back opens that entry: the form at ``/?run=...``.
    """
    if any(name in st.query_params and page not in pages for name, pages in NAMED_BY.items()):
        set_address({name: None for name in st.query_params if name not in EVERYWHERE})


def forget_address() -> None:
    """At the start of a full script run: until its end, the page stands under no address."""
    st.session_state.pop(_DRAWN, None)


def record_address() -> None:
    """At the end of a full script run: record the address under which the page was drawn, and tell the browser.

    After a link from a page to itself the browser still shows the old address, and would come back with it.
    """
    st.query_params.from_dict(_now())
    st.session_state[_DRAWN] = st.query_params.to_dict()


def return_to_page() -> None:
    """In the page's poller: reopen the page if the browser shows another address than the one it was drawn under.

    A late refresh of the previous page can come right after this page. Streamlit (1.67) then restores the old address and drops all of this page
    but the poller (seen in Chromium on a busy machine). The difference must be seen twice, because the new address may still be on its way.
    """
    address = st.session_state.get(_DRAWN)
    if address is None or address == st.query_params.to_dict():
        st.session_state["astray"] = 0
        return
    st.session_state["astray"] = times = st.session_state.get("astray", 0) + 1
    if times in (2, 4, 6):  # not more often: the cause is another one then
        st.switch_page(f"pages/{st.session_state['page']}.py", query_params=address)


def rerun_page() -> NoReturn:
    """Rerun the whole page, under the address that it was drawn under.

    A late refresh of the previous page can bring that page and its address back (see ``return_to_page``). A plain rerun of a fragment would then draw
    the previous page with the address of this one.
    """
    address = st.session_state.get(_DRAWN)
    if address is None or address == st.query_params.to_dict():
        st.rerun()
    st.switch_page(f"pages/{st.session_state['page']}.py", query_params=address)


def _now() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}
