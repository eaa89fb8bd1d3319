"""Downloads from a server on this machine: whole, checked, tried again, and nothing left when they fail."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mtl_core.data import download as downloads
from mtl_core.data.download import download
from mtl_core.data.sources import mnist_files
from mtl_core.data.sources.mnist_files import FILES, MNISTFiles
from mtl_core.data.sources.published_set import Resource, fetch
from mtl_core.errors import DataError

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several chunks
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch):
    """Serves CONTENT at every path; the first ``failures`` requests are answered with 503. Retries do not wait."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            served.asked.append(self.path)
            failing = len(served.asked) <= served.failures
            body = b"" if failing else served.content
            self.send_response(503 if failing else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.asked, served.failures, served.content = [], 0, CONTENT
    served.url = f"http://127.0.0.1:{served.server_port}/"
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def test_a_file_arrives_whole_with_progress_and_is_not_asked_for_again(server, tmp_path):
    told = []
    path = download(f"{server.url}a.bin", MD5, tmp_path, lambda share, what: told.append((share, what)))
    assert path == tmp_path / "a.bin"
    assert path.read_bytes() == CONTENT
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told[-1] == (1.0, "downloading a.bin: 1 of 1 MB")
    download(f"{server.url}a.bin", MD5, tmp_path, lambda share, what: None)
    assert server.asked == ["/a.bin"]


def test_a_server_that_fails_twice_is_asked_a_third_time(server, tmp_path):
    server.failures = downloads.RETRIES
    assert download(f"{server.url}a.bin", MD5, tmp_path, lambda share, what: None).read_bytes() == CONTENT
    assert len(server.asked) == downloads.RETRIES + 1


def test_one_that_goes_on_failing_leaves_nothing(server, tmp_path):
    server.failures = 100
    with pytest.raises(OSError, match="503"):
        download(f"{server.url}a.bin", MD5, tmp_path, lambda share, what: None)
    assert list(tmp_path.iterdir()) == []


def test_another_sum_leaves_nothing(server, tmp_path):
    with pytest.raises(ValueError, match="hash"):
        download(f"{server.url}a.bin", "md5:" + "0" * 32, tmp_path, lambda share, what: None)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_in_the_middle_leaves_nothing(server, tmp_path):
    def stop(share, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(f"{server.url}a.bin", MD5, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


class Source:
    def missing_sentence(self):
        return "The set was not found."


def test_a_published_set_says_what_failed(server, tmp_path):
    folder = tmp_path / "set"
    fetch(Resource(f"{server.url}a.bin", MD5[4:], folder, unpack=False), Source(), lambda share, what: None)
    assert (folder / "a.bin").read_bytes() == CONTENT
    with pytest.raises(DataError, match="unexpected content"):
        fetch(Resource(f"{server.url}b.bin", "0" * 32, folder, unpack=False), Source(), lambda share, what: None)
    server.failures = 100
    with pytest.raises(DataError, match=r"^The set was not found. The download of .* failed: 503"):
        fetch(Resource(f"{server.url}c.bin", MD5[4:], folder, unpack=False), Source(), lambda share, what: None)
    assert [path.name for path in folder.iterdir()] == ["a.bin"]


def test_mnist_comes_from_the_second_mirror_when_the_first_fails(server, tmp_path, monkeypatch):
    sums = dict.fromkeys((f"{name}.gz" for name in FILES.values()), MD5[4:])
    monkeypatch.setattr(mnist_files, "MD5", sums)
    monkeypatch.setattr(mnist_files, "MIRRORS", (f"{server.url}first/", f"{server.url}second/"))
    server.failures = downloads.RETRIES + 1
    files = MNISTFiles(tmp_path)
    files.fetch(lambda share, what: None)
    assert files.missing() == []
    assert [path.split("/")[1] for path in server.asked] == ["first"] * 3 + ["second"] + ["first"] * 3
