"""What several test folders need: a store of their own, and the real data where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """Every test has an empty MTL_HOME of its own: nothing lands in ./runs."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MTL_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    """One cache of prepared data for the whole session: the same scenes are composed once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    folder = Path(os.environ.get("MTL_TEST_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip("MTL_TEST_DATA does not name the folder of real data sets")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI, a browser or data test that was skipped has failed: nothing may go untested unseen."""
    report = yield
    must_run = any(item.get_closest_marker(name) for name in ("browser", "data"))
    if report.skipped and must_run and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
