"""Addresses that people type by hand: other words for a page, and addresses at which there is no page.

Streamlit shows its own dialog "Page not found" for an unknown address of one part, and an empty page for one of several parts. This middleware sends
the browser to the page that was meant, or to the start page, which says that there is no such page.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config, file_util

from mtl_core.language import tr
from ui.shell.page_address import set_address
from ui.shell.page_imports import PAGES
from ui.shell.words import plain

UNKNOWN = "unknown"  # parameter of the start page's address, then key of the session until the page is left: what was typed
START = "train"
LONGEST = 60  # letters of an unknown address that are shown
OTHER_WORDS = {
    START: ("app", "home", "index", "main", "start", "new", "training", "form"),
    "compare": ("runs", "comparison", "library", "results"),
    "predictions": ("prediction", "predict", "images", "viewer", "gallery"),
    "race": ("races",),
    "studies": ("study",),
    "data": ("dataset", "datasets", "import"),
    "learn": ("lesson", "lessons", "tutorial", "class"),
}
OF_A_RUN = ("run", "predictions")  # pages whose address may go on with a run's id
_MEANT = {word: page for page, words in OTHER_WORDS.items() for word in words}
_OF_STREAMLIT = ("app", "auth", "component", "media", "static")  # first parts of addresses that are no pages


def base_path() -> str:
    """The path below which the server serves everything, such as ``/lab``; empty at the root."""
    return f"/{config.get_option('server.baseUrlPath').strip('/')}".rstrip("/")


def better_address(path: str, query: str = "") -> str | None:
    """Where to send the browser from an address, relative to it; None for an address that stays.

    Args:
        path: of the request, without the server's base path, such as ``/runs/``. ``query``: without the question mark.
    """
    parts = [part for part in path.split("/") if part]
    # The frontend asks for _stcore below the address of its page, too.
    if not parts or any(part.startswith("_") for part in parts) or (len(parts) > 1 and parts[0] in _OF_STREAMLIT):
        return None
    last, _, ending = parts[-1].partition(".")
    if ending not in ("", "py", "html"):
        if len(parts) == 1 and parts[0] in _frontend_files():
            return None
        last = parts[-1]  # a dot in what is no file makes no ending
    words = [*parts[:-1], last]
    if words[0] == "pages" and words[1:]:
        words = words[1:]
    page, more = _MEANT.get(words[0].lower(), words[0].lower()), words[1:]
    asked = {}
    if page not in page_names() or (more and (len(more) > 1 or page not in OF_A_RUN)):
        page, asked = START, {UNKNOWN: path.strip("/")[:LONGEST]}
    elif more:
        asked = {"run": more[0]}
    address = "" if page == START else page
    if parts == [address]:
        return None
    up = "../" * (path.count("/") - 1)
    return f"{up or './'}{address}" + (f"?{text}" if (text := "&".join(filter(None, (urlencode(asked, safe="/", quote_via=quote), query)))) else "")


@cache
def _frontend_files() -> frozenset[str]:
    """Names of the files at the top of Streamlit's frontend, such as ``favicon.png``. Those below have addresses of their own."""
    return frozenset(path.name for path in Path(file_util.get_static_dir()).iterdir() if path.is_file())


def page_names() -> tuple[str, ...]:
    """Names of the pages, sorted."""
    return tuple(sorted(path.stem for path in PAGES.glob("*.py")))


def say_unknown_address() -> None:
    """On the start page: say that there is no page at the address that was typed."""
    if asked := st.query_params.get(UNKNOWN):
        st.session_state[UNKNOWN] = asked[:LONGEST]
        set_address({UNKNOWN: None})
    if typed := st.session_state.get(UNKNOWN):
        said = tr("There is no page at the address /{typed}. The pages are listed at the top; this is Train.", typed=plain(typed))
        st.warning(said, icon=":material/wrong_location:")


def forget_unknown_address() -> None:
    """On any other page: the sentence has been read."""
    st.session_state.pop(UNKNOWN, None)


class TypedAddress:
    """ASGI middleware: sends the browser from an address that is no page's to the page that was meant. What scripts fetch is left alone."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        better = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and "text/html" in Headers(scope=scope).get("accept", ""):
            base = base_path()
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path == base or path.startswith(f"{base}/"):
                better = better_address(path.removeprefix(base), scope.get("query_string", b"").decode("latin-1"))
        await (self.app if better is None else RedirectResponse(better, 307))(scope, receive, send)
