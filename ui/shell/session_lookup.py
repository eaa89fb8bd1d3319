"""Lookup of one value of a session, for Streamlit's widgets.

Each number field and each selection of Streamlit (1.67) asks whether the session holds None under its key. Streamlit makes a dictionary of the whole
session for that, so that a form's cost grows with the square of its fields: on the Train page this took a seventh of the drawing's time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState


class SessionLookup(Mapping[str, Any]):
    """What ``filtered_state`` of a session holds; one value is looked up where only one is asked for.

    The values are those at the time of the question. Iterating makes the dictionary that Streamlit makes.
    """

    def __init__(self, session: SafeSessionState):
        self._session = session

    def __getitem__(self, key: str) -> Any:
        with self._session._lock:
            return self._session._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, Any]:
        with self._session._lock:
            return self._session._state.filtered_state


def look_up_single_values() -> None:
    """Have Streamlit's widgets look up one value each. Changes nothing where Streamlit is built otherwise."""
    built_as_known = {"_lock", "_state"} <= set(SafeSessionState.__annotations__) and isinstance(vars(SessionState).get("filtered_state"), property)
    if built_as_known and isinstance(vars(SafeSessionState).get("filtered_state"), property):
        SafeSessionState.filtered_state = property(SessionLookup)  # pyright: ignore[reportAttributeAccessIssue] - Mapping in place of dict
