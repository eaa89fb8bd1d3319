"""After a reconnect, the page is drawn from its beginning."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.websocket_session_manager import WebsocketSessionManager


def drop_unsent_parts() -> None:
    """Have a reconnect clear the session's queue of unsent messages. Changes nothing where Streamlit is built otherwise.

    Messages that the server sends while the connection breaks are lost. Later messages wait in the session's queue. After the reconnect Streamlit
    (1.67) sends the queue first, before the page is drawn again. If a queued message belongs into a container whose own message was lost, the
    frontend ends with "Cannot set a node at a delta path", and the page stays empty.
    """
    connect = vars(WebsocketSessionManager).get("connect_session")
    if connect is None or connect.__module__ == __name__:
        return

    def connect_session(self: WebsocketSessionManager, *given: Any, **named: Any) -> str:
        session_id = connect(self, *given, **named)
        if named.get("existing_session_id") == session_id and (info := self.get_active_session_info(session_id)) is not None:
            _forget(info.session)
        return session_id

    WebsocketSessionManager.connect_session = connect_session


def _forget(session: Any) -> None:
    """Clear the session's queue, and ignore the script that is running. The browser asks for the whole page next."""
    queue, runner = getattr(session, "_browser_queue", None), getattr(session, "_scriptrunner", None)
    if queue is None:
        return
    queue.clear()
    if runner is not None:
        runner.request_stop()
        session._scriptrunner = None  # Streamlit sends nothing of a runner that is not the session's, see AppSession.request_rerun
