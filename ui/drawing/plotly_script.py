"""Plotly's script, and the address at which this server serves it: nothing is fetched from elsewhere.

``plotly-cartesian.min.js`` is Plotly's own smaller edition with lines, bars and heat maps (npm: ``plotly.js-cartesian-dist-min``, MIT). A browser
loads it in a third of the processor time that the script of the Python package takes, which has every kind of chart. The address changes with the
script, so a browser keeps it for good, compiled.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from ui.shell.typed_address import base_path

SCRIPT = Path(__file__).with_name("plotly-cartesian.min.js")


def script_routes() -> list[Route]:
    """The route for ``st.App``."""
    return [Route(script_address(), _answer, methods=["GET"])]


def script_address() -> str:
    """The address of the script, with the server's base path."""
    return f"{base_path()}/plotly/{_digest()}.js"


@cache
def _digest() -> str:
    return hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]


async def _answer(request: Request) -> FileResponse:
    return FileResponse(SCRIPT, media_type="text/javascript", headers={"cache-control": "public, immutable, max-age=31536000"})
