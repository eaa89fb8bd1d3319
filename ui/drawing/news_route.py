"""The address at which the script of a live page asks the server for news.

A refresh through Streamlit runs a script and has the browser look through all elements of the page, which costs it more than the charts do. So the
page's own script asks here, and Streamlit draws only what has more news than values (``ui/run/live_page.py``).
"""

from __future__ import annotations

import json
import logging
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mtl_core.errors import MTLError, is_error
from mtl_core.runs.process_singletons import process_slot
from ui.shell.typed_address import base_path

PATH = "/live-news/{page}"
MOST_SEEN = 100_000  # letters of a request: the names and revisions of the charts in view
_log = logging.getLogger(__name__)
_pages: dict[str, Any] = process_slot("live_pages")  # the server asks for news by the module of its start, a page may be of a later one


def news_routes() -> list[Route]:
    """The route for ``st.App``."""
    return [Route(news_address("{page}"), _answer, methods=["POST"])]


def news_address(page: str) -> str:
    """The address for a page, with the server's base path."""
    return base_path() + PATH.format(page=page)


def answer_for(page: str, news: Callable[[dict[str, str]], str]) -> None:
    """Answer requests of a page until its object is gone.

    Args:
        page: a name that cannot be guessed.
        news: method of the page. Gives JSON text for the charts in view: name -> revision that the browser has. It is called in a thread without a
            script run.
    """
    assert isinstance(news, MethodType)
    _pages[page] = weakref.WeakMethod(news, lambda _: _pages.pop(page, None))


async def _answer(request: Request) -> Response:
    """The news. 404: the page is gone. 400: the request names no charts. 503: the store has none, as of a run that was deleted. 500: a fault."""
    known = _pages.get(request.path_params["page"])
    news = known() if known is not None else None
    if news is None:
        return PlainTextResponse("This page is gone.\n", 404)
    try:
        seen = await _seen(request)
    except ValueError as error:
        expected = f"Expected a JSON object of at most {MOST_SEEN} letters with the name and the revision of each chart in view."
        return PlainTextResponse(f"{expected} {error}\n", 400)
    try:
        text = await run_in_threadpool(news, seen)
    except Exception as error:
        if is_error(error, MTLError):  # Streamlit draws the sentence when the page asks for it
            return PlainTextResponse(f"{error}\n", 503)
        _log.exception("unexpected error while the news of a live page were made")
        return PlainTextResponse("The news could not be made. The server's log says why.\n", 500)
    return Response(text, media_type="application/json", headers={"cache-control": "no-store"})


async def _seen(request: Request) -> dict[str, str]:
    """The charts in a request, by name.

    Raises:
        ValueError: it is something else.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_SEEN:
            raise ValueError("Found a longer request.")
    try:
        found = json.loads(body)
    except RecursionError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(revision, str) for revision in found.values()):
        raise ValueError("Found other JSON.")
    return found
