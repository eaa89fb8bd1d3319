"""Object stores for the tests of this folder: two machines with a folder each, on one database. One of the places is a server of S3."""

import uuid

import pytest
from object_stores import S3Server, machines, without_proxies

from mtl_core.runs.claims import claim
from mtl_core.runs.objects import fetched_sets, object_artifacts

PLACES = ["memory", "file", pytest.param("s3", marks=pytest.mark.objects)]


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    if not S3Server.is_installed():
        pytest.skip("needs s3fs and moto's server, see requirements-dev.txt")
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(params=PLACES)
def url(request, tmp_path, monkeypatch):
    """The address of an empty place for objects."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/runs"
    if request.param == "file":
        return f"file://{tmp_path / 'objects'}"
    server = request.getfixturevalue("s3")
    for name in without_proxies():
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server.new_bucket()


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch):
    monkeypatch.setattr(object_artifacts, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(fetched_sets, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(object_artifacts, "AWAY_SECONDS", -1.0)


@pytest.fixture
def two(tmp_path, url):
    return machines(tmp_path, url)


@pytest.fixture
def held(two, config):
    """A run that the first machine trains, with its token."""
    run = two[0].create(config("a run"))
    return run.id, claim(two[0], run.id, "cpu")
