"""Access control of the server: it refuses requests with foreign host names or from foreign pages, and forbids other sites to frame its pages.

Streamlit checks host names only for WebSockets and only if ``server.allowedHosts`` is set, and it accepts pages from any other port of this machine.
This middleware checks both for every request. It is installed by ``app.py`` through ``st.App``.
"""

from __future__ import annotations

import ipaddress
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from mtl_core.runs.background.program_end import begin_closing
from ui.shell.typed_address import TypedAddress

LOCAL = ("localhost", "127.0.0.1", "::1")
_ANY_ADDRESS = ("", "0.0.0.0", "::")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "content-security-policy": "frame-ancestors 'self'",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def middleware() -> list[Middleware]:
    """The middleware that ``st.App`` runs before Streamlit's own request handling."""
    return [Middleware(ServerAccess), Middleware(TypedAddress)]


def end_in_order() -> None:
    """Let SIGTERM and Ctrl-C end the server with exit code 0 after all exit handlers have run.

    uvicorn raises a signal again once the server has ended. SIGTERM would then kill the process before running trainings have saved their state.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server) or threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: FrameType | None) -> None:
        if server.should_exit and number == signal.SIGINT:
            # A second Ctrl-C does not wait for open connections. uvicorn's force_exit would skip the app's shutdown and print a traceback.
            for connection in list(server.server_state.connections):
                connection.transport.abort()
        server.should_exit = True
        begin_closing()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


class ServerAccess:
    """ASGI middleware: answers 403 to a foreign host name or origin; everything else gets headers that forbid other sites to frame it."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = refusal_of(Headers(scope=scope), scope.get("method", "GET") not in _SAFE or scope["type"] == "websocket")
        if refusal and scope["type"] == "http":
            await PlainTextResponse(refusal + "\n", 403)(scope, receive, send)
        elif refusal:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "forbidden"})
        else:
            await self.app(scope, receive, lambda message: _send_with_headers(message, send))


async def _send_with_headers(message: Message, send: Send) -> None:
    if message["type"] == "http.response.start":
        headers = MutableHeaders(raw=message["headers"])
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
    await send(message)


def refusal_of(headers: Headers, changes: bool) -> str:
    """Why a request is refused, as a sentence; empty for an accepted request.

    Args:
        changes: whether the request can change something or opens a session; the origin is checked for these only.
    """
    hosts = headers.getlist("host")
    name = host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None or not _is_named(name, allowed_hosts()):
        found = f"'{hosts[0][:100]}'" if hosts else "no name"
        return (
            f"The dashboard was called by the host name {found}, which is not among those it answers to: {', '.join(allowed_hosts())}. "
            "If the name is right, add it to server.allowedHosts in .streamlit/config.toml, or start with --server.allowedHosts NAME."
        )
    origin = headers.get("origin")
    if changes and origin is not None and not _is_own(origin, hosts[0]):
        return (
            f"A page of '{origin[:100]}' called the dashboard at '{hosts[0][:100]}'. Only the dashboard's own pages may do so. "
            "To allow this page, add its address to server.corsAllowedOrigins in .streamlit/config.toml."
        )
    return ""


def allowed_hosts() -> tuple[str, ...]:
    """Host names that the server answers to: ``server.allowedHosts``, else this machine's own names and the configured server addresses."""
    given = config.get_option("server.allowedHosts")
    if given:
        return tuple(given)
    addresses = (config.get_option("server.address") or "", config.get_option("browser.serverAddress") or "")
    return (*LOCAL, *(address for address in addresses if address not in (*LOCAL, *_ANY_ADDRESS)))


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without its port; None for an invalid header."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is not a number
    except ValueError:
        return None
    if parts.hostname is None or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname.rstrip(".")


def _is_named(name: str, allowed: Iterable[str]) -> bool:
    for pattern in (entry.strip().lower().strip("[]").rstrip(".") for entry in allowed):
        if pattern == "*" or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:])):
            return True
        if _address(name) is not None and _address(name) == _address(pattern):
            return True
    return False


def _address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_own(origin: str, host: str) -> bool:
    """Whether the calling page is the dashboard's own (same host and port) or an allowed one."""
    if origin.rstrip("/") in {entry.strip().rstrip("/") for entry in config.get_option("server.corsAllowedOrigins")}:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
