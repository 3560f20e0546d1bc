"""Fetching from a server of our own: cut transfers go on, wrong files are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import numpy as np
import pytest

from haa.data.care.get import RECORD, get
from haa.data.care.sources import SOURCES, File
from haa.errors import InputError


class Server(ThreadingHTTPServer):
    """Serves ``files``; closes the connection after ``cut`` bytes of a body, once; knows ranges if ``ranges``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Server = self.server  # type: ignore[assignment]
        asked = self.headers.get("Range")
        server.asked.append((self.path, asked))
        content = server.files.get(urlparse(self.path).path[1:])
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body, cut = content[start:], server.cut
        server.cut = None
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def content() -> bytes:
    return np.random.default_rng(0).bytes(300_000)


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_files_and_archives(server, content, tmp_path):
    server.files["1.jpg"] = content
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("images/2.jpg", b"two")
    server.files["a.zip"] = (tmp_path / "a.zip").read_bytes()
    files = {
        "mine": [File(server.url("1.jpg"), 300_000, sha256(content), to="stimuli"), File(server.url("a.zip"), 200)]
    }
    root = tmp_path / "root"
    get("mine", root, files)
    assert (root / "stimuli" / "1.jpg").read_bytes() == content
    assert (root / "images" / "2.jpg").read_bytes() == b"two"
    assert not (root / "a.zip").exists()
    record = json.loads((root / RECORD).read_text())
    assert record[server.url("1.jpg")] == {"sha256": sha256(content)[7:], "bytes": 300_000}
    # what is there is not fetched again; what was deleted is
    server.asked.clear()
    get("mine", root, files)
    assert server.asked == []
    (root / "stimuli" / "1.jpg").unlink()
    get("mine", root, files)
    assert [path for path, _ in server.asked] == ["/1.jpg"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_transfer_goes_on(server, content, tmp_path, ranges):
    server.files["1.jpg"], server.cut, server.ranges = content, 100_000, ranges
    files = {"mine": [File(server.url("1.jpg"), 300_000, sha256(content))]}
    with pytest.raises(InputError, match=r"cannot be fetched \(.*give the command again, it goes on there"):
        get("mine", tmp_path, files)
    assert not (tmp_path / "1.jpg").exists()
    kept = (tmp_path / "1.jpg.partial").stat().st_size
    assert 0 < kept <= 100_000
    get("mine", tmp_path, files)
    assert server.asked[-1] == ("/1.jpg", f"bytes={kept}-")
    assert (tmp_path / "1.jpg").read_bytes() == content
    assert not (tmp_path / "1.jpg.partial").exists()


def test_a_transfer_that_was_complete_when_it_was_cut(server, content, tmp_path):
    server.files["1.jpg"] = content
    (tmp_path / "1.jpg.partial").write_bytes(content)
    get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000, sha256(content))]})
    assert (tmp_path / "1.jpg").read_bytes() == content


def test_a_wrong_hash(server, content, tmp_path):
    server.files["1.jpg"] = content[::-1]
    files = {"mine": [File(server.url("1.jpg"), 300_000, sha256(content))]}
    with pytest.raises(InputError, match=r"1\.jpg has not the hash sha256:"):
        get("mine", tmp_path, files)
    assert [path.name for path in tmp_path.iterdir()] == []
    server.files["1.jpg"] = content
    get("mine", tmp_path, files)


def test_a_file_that_changed_since_its_first_fetch(server, content, tmp_path):
    server.files["1.jpg"] = content
    files = {"mine": [File(server.url("1.jpg"), 300_000)]}
    get("mine", tmp_path, files)
    (tmp_path / "1.jpg").unlink()
    server.files["1.jpg"] = content[::-1]
    with pytest.raises(InputError, match="or that it had before"):
        get("mine", tmp_path, files)


def test_an_archive_that_writes_elsewhere(server, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil", b"evil")
    server.files["a.zip"] = (tmp_path / "a.zip").read_bytes()
    root = tmp_path / "below" / "root"
    for _ in range(2):  # and it is not taken for done
        with pytest.raises(InputError, match="not to be trusted"):
            get("mine", root, {"mine": [File(server.url("a.zip"), 200)]})
    assert not (tmp_path / "below" / "evil").exists()


def test_an_address_that_is_gone(server, tmp_path):
    with pytest.raises(InputError, match=r"cannot be fetched \(404"):
        get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 1)]})


def test_free_space_is_looked_at_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"has 0\.0 GB left, mine needs 0\.0 GB: name another root"):
        get("mine", tmp_path, {"mine": [File(server.url("a.zip"), 1_000_000)]})
    assert server.asked == []


def test_unknown_name(tmp_path):
    with pytest.raises(InputError, match="did you mean osie"):
        get("osi", tmp_path)


def test_every_source_is_complete():
    assert set(SOURCES) == {"osie", "ecssd", "coco_captions", "vqa_v2", "cub"}
    for files in SOURCES.values():
        assert all(file.size > 0 and file.url.startswith("http") and file.name for file in files)
        assert len({(file.to, file.name) for file in files}) == len(files)
    assert len(SOURCES["osie"]) == 701
