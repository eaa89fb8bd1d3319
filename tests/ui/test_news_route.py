"""Where the script of a live page asks for news: what is answered, and to whom."""

import gc
import json
import logging

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config

from mtl_core.errors import StoreError
from ui.drawing.news_route import MOST_SEEN, answer_for, news_address, news_routes
from ui.shell.server_access import middleware


class Page:
    """A page that answers with what is in view."""

    def news(self, seen):
        if "broken" in seen:
            raise RuntimeError("no such chart")
        if "deleted" in seen:
            raise StoreError("there is no run 'a'")
        return json.dumps({"seen": seen})


@pytest.fixture
def client():
    with TestClient(Starlette(routes=news_routes(), middleware=middleware()), base_url="http://localhost:8501") as client:
        yield client


@pytest.fixture
def page():
    page = Page()
    answer_for("a1", page.news)
    return page


def test_a_page_gets_its_news(client, page):
    answer = client.post(news_address("a1"), json={"loss": "1a", "<b>": "2b"})
    assert (answer.status_code, answer.json()) == (200, {"seen": {"loss": "1a", "<b>": "2b"}})
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")


def test_a_page_that_is_gone_is_not_kept_and_gets_nothing(client):
    page = Page()
    answer_for("b2", page.news)
    assert client.post(news_address("b2"), json={}).status_code == 200
    del page
    gc.collect()
    assert client.post(news_address("b2"), json={}).status_code == 404


OTHER = [b"", b"loss", b'{"a": 1}', b'["a"]', b'"loss"', b"\xff", b"[" * 90_000, b'{"' + b"a" * MOST_SEEN + b'": ""}']


@pytest.mark.parametrize("body", OTHER, ids=lambda body: str(body[:12]))
def test_another_request_is_told_what_is_expected(client, page, body):
    answer = client.post(news_address("a1"), content=body)
    assert answer.status_code == 400
    assert "Expected a JSON object" in answer.text


def test_news_that_cannot_be_made_are_in_the_log_only(client, page, caplog):
    with caplog.at_level(logging.ERROR):
        answer = client.post(news_address("a1"), json={"broken": ""})
    assert answer.status_code == 500
    assert "no such chart" not in answer.text
    assert "no such chart" in caplog.text


def test_what_the_store_cannot_say_is_no_fault_of_the_program(client, page, caplog):
    answer = client.post(news_address("a1"), json={"deleted": ""})
    assert (answer.status_code, answer.text) == (503, "there is no run 'a'\n")
    assert caplog.text == ""


def test_other_sites_and_other_methods_are_refused(client, page):
    assert client.post(news_address("a1"), json={}, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(news_address("a1"), json={}, headers={"host": "evil.example"}).status_code == 403
    assert client.get(news_address("a1")).status_code == 405


def test_the_address_follows_the_servers_base_path(monkeypatch, page):
    options = {"server.baseUrlPath": "/lab/", "server.allowedHosts": ["localhost"], "server.corsAllowedOrigins": []}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    assert news_address("a1") == "/lab/live-news/a1"
    with TestClient(Starlette(routes=news_routes(), middleware=middleware()), base_url="http://localhost:8501") as client:
        assert client.post("/lab/live-news/a1", json={}).status_code == 200
        assert client.post("/live-news/a1", json={}).status_code == 404
