"""Who may call the server: its own names and pages, and those that were allowed; nobody else may frame it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.datastructures import Headers
from streamlit import config

from ui.shell.server_access import LOCAL, ServerAccess, allowed_hosts, host_name, refusal_of


@pytest.fixture
def options(monkeypatch):
    """Streamlit's options as a test sets them."""
    values = {"server.allowedHosts": [], "server.corsAllowedOrigins": [], "server.address": "127.0.0.1", "browser.serverAddress": "localhost"}
    monkeypatch.setattr(config, "get_option", values.__getitem__)
    return values


@pytest.mark.parametrize("host", ["localhost:8501", "LOCALHOST", "127.0.0.1:8501", "[::1]:8501", "localhost."])
def test_this_machine_is_answered(options, host):
    assert refusal_of(Headers({"host": host}), changes=True) == ""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example", "", "a@localhost", "localhost:x", "10.0.0.1"]
)
def test_a_foreign_host_name_is_refused(options, host):
    assert "server.allowedHosts" in refusal_of(Headers({"host": host}), changes=False)


def test_no_host_name_and_two_of_them_are_refused(options):
    assert refusal_of(Headers({}), changes=False)
    assert refusal_of(Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")]), changes=False)


@pytest.mark.parametrize(
    "origin", ["http://localhost:9000", "http://127.0.0.1:8501", "https://evil.example", "null", "file://", "http://localhost:8501.evil.example"]
)
def test_a_foreign_page_is_refused_where_something_changes(options, origin):
    headers = Headers({"host": "localhost:8501", "origin": origin})
    assert "server.corsAllowedOrigins" in refusal_of(headers, changes=True)
    assert refusal_of(headers, changes=False) == ""


def test_its_own_page_and_an_allowed_one_are_answered(options):
    assert refusal_of(Headers({"host": "localhost:8501", "origin": "http://localhost:8501"}), changes=True) == ""
    options["server.corsAllowedOrigins"] = ["https://vision.example.org/"]
    assert refusal_of(Headers({"host": "localhost:8501", "origin": "https://vision.example.org"}), changes=True) == ""


def test_hosts_that_were_allowed_take_the_place_of_the_usual_ones(options):
    options["server.allowedHosts"] = ["vision.example.org", "*.lab.example"]
    assert allowed_hosts() == ("vision.example.org", "*.lab.example")
    assert refusal_of(Headers({"host": "Vision.example.org"}), changes=False) == ""
    assert refusal_of(Headers({"host": "a.lab.example:1"}), changes=False) == ""
    assert refusal_of(Headers({"host": "lab.example"}), changes=False)
    assert refusal_of(Headers({"host": "localhost"}), changes=False)


def test_the_address_it_was_told_to_serve_at_is_its_own(options):
    options["server.address"] = "192.168.1.5"
    assert allowed_hosts() == (*LOCAL, "192.168.1.5")
    options["server.address"] = "0.0.0.0"
    assert allowed_hosts() == LOCAL


def test_host_names_are_read_as_browsers_write_them():
    assert [host_name(text) for text in ("A:1", "[::1]:2", "a/b", "a?b", "a:b")] == ["a", "::1", None, None, None]


def call(scope: dict) -> list[dict]:
    """What the middleware sends for a request; the app behind it answers 200 or accepts."""
    sent = []

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"page"})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop running in the main thread
        thread.submit(asyncio.run, ServerAccess(app)(scope, receive, send)).result()
    return sent


def test_http_answers(options):
    start, body = call({"type": "http", "method": "GET", "headers": [(b"host", b"localhost:8501")]})
    headers = dict(start["headers"])
    assert (start["status"], body["body"]) == (200, b"page")
    assert headers[b"content-security-policy"] == b"frame-ancestors 'self'"
    assert headers[b"x-frame-options"] == b"SAMEORIGIN"
    start, body = call({"type": "http", "method": "GET", "headers": [(b"host", b"evil.example")]})
    assert start["status"] == 403
    assert b"'evil.example'" in body["body"]
    start, _ = call({"type": "http", "method": "PUT", "headers": [(b"host", b"localhost:8501"), (b"origin", b"http://localhost:1")]})
    assert start["status"] == 403


def test_websocket_answers(options):
    own = [(b"host", b"localhost:8501"), (b"origin", b"http://localhost:8501")]
    assert call({"type": "websocket", "headers": own}) == [{"type": "websocket.accept"}]
    for foreign in ([(b"host", b"evil.example"), (b"origin", b"http://evil.example")], [own[0], (b"origin", b"http://localhost:9000")]):
        assert [message["type"] for message in call({"type": "websocket", "headers": foreign})] == ["websocket.close"]


def test_the_server_that_streamlit_finds_in_app_py_has_it():
    from pathlib import Path

    from streamlit.web.server.app_discovery import discover_asgi_app

    path = Path(__file__).parents[2] / "app.py"
    assert discover_asgi_app(path).import_string == "app:app"
    assert "middleware=middleware()" in path.read_text()


def test_the_files_in_pages_are_not_listed_before_the_navigation_is_there():
    import tomllib
    from pathlib import Path

    settings = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["client"]["showSidebarNavigation"] is False
