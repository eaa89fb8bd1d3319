"""The dashboard in a real server and a real Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Says so when the page has its title twice: two editions of it stand one below the other, and a click may land in the old one.
TWICE = """new MutationObserver(() => {
  const titles = [...document.querySelectorAll("h1")].map((title) => title.textContent);
  if (new Set(titles).size < titles.length) window.pageStandsTwice(titles);
}).observe(document, { childList: true, subtree: true })"""
# Nothing moves or fades: a picture for each frame of it takes a tenth of the journeys' processor time, and a colour on its way has another contrast.
STILL = """(() => {
  const put = () => document.head.append(Object.assign(document.createElement("style"),
    { textContent: "*, *::before, *::after { animation: none !important; transition: none !important }" }));
  document.head ? put() : document.addEventListener("DOMContentLoaded", put);
})()"""
PATIENCE = 600_000  # milliseconds; a bound for slow machines, not a claim
SIZE = {"width": 1280, "height": 1500}  # of a window: high enough to show every curve (only those in view are drawn)
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def unhurried(site: Path) -> str:
    """Install the update of ``unhurried.py`` in a folder, with its entry point; the folder for PYTHONPATH."""
    about = site / "unhurried-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (site / "unhurried.py").write_bytes(Path(__file__).with_name("unhurried.py").read_bytes())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: unhurried\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[mtl_core.updates]\nunhurried = unhurried:Unhurried\n")
    return str(site)


class Server:
    """``streamlit run app.py`` as a user starts it, with a store of its own."""

    def __init__(self, home: Path, log: Path, root: Path = ROOT, options: tuple[str, ...] = (), **environment: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.url, self.log = home, f"http://127.0.0.1:{self.port}", log
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port), "--server.headless", "true", *options]
        environment = {**os.environ, "MTL_HOME": str(home), **environment}
        paths = (unhurried(log.parent / "site"), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        with log.open("a") as output:
            self.process = subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
        raise AssertionError(f"the server did not come up: {self.log.read_text()}")

    def close(self) -> None:
        """Ctrl-C, and kill what does not listen."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def chromium():
    """One browser for all journeys; skips where none is installed (in CI that is a failure).

    The headless shell comes first: the same engine without a browser's own windows opens a page in half the processor time.
    """
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory):
    """One server and one store for all journeys that need no other: a server's first page and first run import for seconds."""
    folder = tmp_path_factory.mktemp("dashboard")
    running = Server(folder / "home", folder / "server.log")
    yield running
    running.close()


@pytest.fixture(scope="session")
def queue(dashboard, kept_tab):
    """A store whose queue the dashboard works off: the first view of a page starts it, and then it goes on without one."""
    from mtl_core.runs.store import open_store
    from tests.browser.one_tab import go

    go(kept_tab[0], f"{dashboard.url}/compare")
    return open_store(dashboard.home)


@pytest.fixture(scope="session")
def train(queue):
    """Have the dashboard train a run and wait for its end: ``train(config)`` gives the run. The process of the tests needs no torch."""

    def trained(config):
        run = queue.create(config)
        deadline = time.monotonic() + PATIENCE / 1000
        while not queue.get(run.id).status.is_ended() and time.monotonic() < deadline:
            time.sleep(0.1)
        run = queue.get(run.id)
        assert run.status == "finished", run.failure
        return run

    return trained


@pytest.fixture(scope="session")
def every_kind(train):
    """A finished run with a task of every kind, which journeys only look at."""
    from mtl_core.config import RunConfig
    from tests.every_kind import EVERY_KIND

    return train(RunConfig.from_dict(EVERY_KIND))


@pytest.fixture(scope="module")
def server(dashboard):
    """The server of a file's journeys. A file that needs one of its own overrides this."""
    return dashboard


@pytest.fixture
def hurry(server):
    """``hurry()``: from here to the end of the test, unhurried runs rest no more."""
    mark = server.home / "hurry"
    yield mark.touch
    mark.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def window(chromium):
    """A window for all journeys.

    Tabs of one window share the cache, so that the frontend is fetched and compiled once; sessionStorage is each tab's own.
    """
    context = new_window(chromium)
    yield context
    context.close()


def new_window(chromium, **options):
    """A window of its own, with Playwright's options of a context."""
    window = chromium.new_context(**{"viewport": SIZE, **options})
    window.add_init_script(STILL)
    return window


WATCHED: list = []  # tabs that the fixtures below open and close


def watched_tab(window, server):
    """A new tab, and what was wrong in it so far: JavaScript errors, requests to any other machine, its title twice."""
    tab, wrong = window.new_page(), []
    WATCHED.append(tab)
    tab.set_default_timeout(120_000)
    tab.expose_function("pageStandsTwice", lambda titles: wrong.append(f"its title twice: {titles}"))
    tab.add_init_script(TWICE)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    own = (server.url, "data:", "blob:", "ws:")
    tab.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
    return tab, wrong


@contextmanager
def checked(tab, wrong, server):
    """A journey in a tab. What is wrong in the tab (``watched_tab``), and a traceback on screen, fails the test.

    Other tabs that it opens are closed. Runs that train or wait after it are stopped, so that a journey that failed does not keep the device from
    the next one.
    """
    from playwright.sync_api import expect

    from mtl_core.runs import actions
    from mtl_core.runs.store import open_store

    expect.set_options(timeout=120_000)
    wrong.clear()
    yield tab
    tracebacks = tab.get_by_text("Traceback (most recent call last)").count()
    for opened in tab.context.pages:
        if opened not in WATCHED:
            opened.close()
    tab.context.clear_permissions()
    store = open_store(server.home)
    for run in store.runs():
        actions.stop(store, run.id)  # a run that has ended stays as it is
    assert (wrong, tracebacks) == ([], 0)


@pytest.fixture(scope="module")
def plotly_tab(window):
    """A blank tab with Plotly's script, which is read once for a file's cases, and the JavaScript errors in it so far."""
    from ui.drawing.plotly_script import SCRIPT

    tab, errors = window.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.set_content("<body></body>")
    tab.add_script_tag(path=SCRIPT)
    yield tab, errors
    tab.close()


def is_second_try(request) -> bool:
    """Whether the test has failed once (pytest-rerunfailures counts)."""
    return getattr(request.node, "execution_count", 1) > 1


@pytest.fixture
def new_tab(window, chromium, server, request):
    """A new tab, which begins with nothing. At a second try it is in a window of its own, which knows nothing of the first."""
    context = new_window(chromium) if is_second_try(request) else window
    for kept in window.pages:
        kept.goto("about:blank")  # a page that only stands there takes a tenth of a core
    tab, wrong = watched_tab(context, server)
    with checked(tab, wrong, server):
        yield tab
    tab.close()
    if context is not window:
        context.close()


@pytest.fixture(scope="session")
def kept_tab(window, dashboard):
    """One tab for the journeys of all files. They go from page to page in it (``one_tab.py``), so the frontend is loaded once."""
    tab, wrong = watched_tab(window, dashboard)
    yield tab, wrong
    tab.close()


@pytest.fixture
def page(kept_tab, server, request):
    """The tab that all files keep. A journey must neither rely on what others did in this session, nor leave a choice that others would see."""
    yield from journey_in(*kept_tab, server, request)


@pytest.fixture(scope="module")
def tab_of_a_file(window, server):
    """A tab for all tests of a file, for those that would leave something behind in the tab of all files."""
    tab, wrong = watched_tab(window, server)
    yield tab, wrong
    tab.close()


@pytest.fixture
def one_tab(tab_of_a_file, server, request):
    """The tab of the file, in which its tests go from page to page."""
    yield from journey_in(*tab_of_a_file, server, request)


def journey_in(tab, wrong, server, request):
    """A test in a tab that is kept. After one that failed, and at a second try, the next page is opened anew."""
    failed = request.session.testsfailed
    if is_second_try(request):
        tab.goto("about:blank")
    tab.set_viewport_size(SIZE)
    with checked(tab, wrong, server):
        yield tab
    if request.session.testsfailed > failed:
        tab.goto("about:blank")
