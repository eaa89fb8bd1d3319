"""Addresses typed by hand lead to the page that was meant, or to a sentence."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest
from streamlit import config

from ui.shell.typed_address import OTHER_WORDS, TypedAddress, better_address, page_names

HERE = "http://localhost:8501"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/train", "/"),
        ("/Train/", "/"),
        ("/train.py", "/"),
        ("/pages/train.py", "/"),
        ("/index.html", "/"),
        ("/Compare", "/compare"),
        ("/compare.html", "/compare"),
        ("/runs", "/compare"),
        ("/runs/", "/compare"),
        ("/lessons", "/learn"),
        ("/run/20261130-1", "/run?run=20261130-1"),
        ("/Run/20261130-1/", "/run?run=20261130-1"),
        ("/prediction/20261130-1", "/predictions?run=20261130-1"),
        ("/run/a&b=c", "/run?run=a%26b%3Dc"),
        ("/elsewhere", "/?unknown=elsewhere"),
        ("/a/b/c", "/?unknown=a/b/c"),
        ("/compare/20261130-1", "/?unknown=compare/20261130-1"),
        ("/run/a/b", "/?unknown=run/a/b"),
        ("//evil", "/?unknown=evil"),
        ("/foo.bar", "/?unknown=foo.bar"),
        ("/run.bar", "/?unknown=run.bar"),
        ("/.env", "/?unknown=.env"),
        ("/..", "/?unknown=.."),
        ("/a/b.json", "/?unknown=a/b.json"),
        ("/run/2026.5", "/run?run=2026.5"),
    ],
)
def test_an_address_that_is_no_pages_leads_to_one(typed, meant):
    better = better_address(typed)
    assert better is not None
    assert urljoin(HERE + typed, better) == HERE + meant
    assert better.startswith("."), "no other machine"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/run", "/compare", "/compare/", "/favicon.png", "/manifest.json", "/_stcore/health", "/compare/_stcore/health"),
        *("/static/js/a.html", "/media/1.html", "/component/a/", "/app/static/1.html"),
    ],
)
def test_pages_and_files_stay(path):
    assert better_address(path) is None


def test_the_parameters_stay():
    assert better_address("/train", "lang=zh") == "./?lang=zh"
    assert better_address("/run/1", "lang=zh&epoch=2") == "../run?run=1&lang=zh&epoch=2"


def test_each_word_means_one_page_that_there_is():
    words = [word for page in OTHER_WORDS.values() for word in page]
    assert len(set(words)) == len(words)
    assert set(OTHER_WORDS) <= set(page_names())
    assert not set(words) & set(page_names())


def call(path: str, method: str = "GET", accept: bytes = b"text/html,*/*;q=0.8") -> tuple[int, str]:
    """Status of the answer, and where it sends the browser."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": "", "query_string": b"", "headers": [(b"accept", accept)]}
    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop running in the main thread
        thread.submit(asyncio.run, TypedAddress(app)(scope, None, send)).result()  # pyright: ignore[reportArgumentType] - nothing is received
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"location", b"").decode()


def test_the_server_redirects_below_its_base_path(monkeypatch):
    assert call("/runs") == (307, "./compare")
    assert call("/runs", "POST") == (200, "")
    assert call("/runs", accept=b"*/*") == (200, "")  # a script's request
    assert call("/compare") == (200, "")
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": "vision"}.__getitem__)
    assert call("/vision/runs") == (307, "./compare")
    assert call("/vision") == call("/vision/") == call("/runs") == (200, "")
