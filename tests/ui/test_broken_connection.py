"""A browser that comes back to its session after a broken connection."""

from types import SimpleNamespace

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import websocket_session_manager
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from ui.status.broken_connection import drop_unsent_parts

CONNECT = vars(WebsocketSessionManager)["connect_session"]


class Session:
    """What the manager needs of a session, with Streamlit's own queue."""

    def __init__(self, *_, **named):
        self.id, self.stopped = named.get("session_id_override") or f"session-{id(self)}", []
        self._browser_queue, self._scriptrunner = ForwardMsgQueue(), SimpleNamespace(request_stop=lambda: self.stopped.append("runner"))

    def __getattr__(self, name):
        return lambda *given, **named: True


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(WebsocketSessionManager, "connect_session", CONNECT)
    monkeypatch.setattr(websocket_session_manager, "AppSession", Session)
    return WebsocketSessionManager(MemorySessionStorage(), None, SimpleNamespace(clear=list), None)


def connected(manager, known=None):
    """The session of a browser that connects; ``known``: the id of the one that it had."""
    session_id = manager.connect_session(client=object(), script_data=None, user_info={}, existing_session_id=known)
    return manager.get_active_session_info(session_id).session


def cut_off(manager):
    """A session whose connection broke while a script drew its page: a part waits to be sent."""
    session = connected(manager)
    message = ForwardMsg()
    message.metadata.delta_path.extend([0, 3, 1])
    message.delta.new_element.text.body = "in a container that was lost"
    session._browser_queue.enqueue(message)
    manager.disconnect_session(session.id)
    return session


def test_streamlit_still_sends_what_is_left_of_a_lost_page(manager):
    """Once it does not, ``drop_unsent_parts`` can go."""
    session = cut_off(manager)
    assert connected(manager, session.id) is session
    assert not session._browser_queue.is_empty()
    assert session._scriptrunner is not None


def test_a_browser_that_comes_back_gets_nothing_of_the_page_before(manager):
    drop_unsent_parts()
    drop_unsent_parts()
    session = cut_off(manager)
    assert connected(manager, session.id) is session
    assert session._browser_queue.is_empty()
    assert (session._scriptrunner, session.stopped) == (None, ["runner"])
    other = connected(manager)  # another browser
    assert other is not session
    assert other._scriptrunner is not None


def test_a_browser_whose_session_is_gone_begins_anew(manager):
    drop_unsent_parts()
    session = connected(manager, "gone")
    assert session.id != "gone"
    assert session._scriptrunner is not None


def test_a_streamlit_that_is_built_otherwise_stays_as_it_is(manager, monkeypatch):
    monkeypatch.delattr(WebsocketSessionManager, "connect_session")
    drop_unsent_parts()
    assert "connect_session" not in vars(WebsocketSessionManager)
