"""Fetching from a server of our own: cut transfers go on, wrong files are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest

from haa.data.care.get import LOCK, RECORD, get
from haa.data.care.sources import SOURCES, File
from haa.errors import InputError, writing


class Server(ThreadingHTTPServer):
    """Serves ``files``; closes the connection after ``cut`` bytes of a body, once; knows ranges if ``ranges``.

    It says with ``version`` which version of a file it sends, and heeds If-Range if ``heeds``.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges = self.heeds = True
        self.version: tuple[str, str] | None = ("ETag", '"1"')
        self.more: dict[str, str] = {}
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
        same = not server.heeds or self.headers.get("If-Range") == (server.version or [None])[-1]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges and same else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        headers = {"Content-Length": str(len(content) - start), **dict([server.version] if server.version else [])}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for key, value in (headers | server.more).items():
            if value:
                self.send_header(key, value)
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


def cut(server, content, root):
    """Fetch until the connection breaks; return what was to be fetched."""
    server.files["1.jpg"], server.cut = content, 100_000
    files = {"mine": [File(server.url("1.jpg"), 300_000)]}
    with pytest.raises(InputError, match="cannot be fetched"):
        get("mine", root, files)
    assert (root / "1.jpg.partial").read_bytes() == content[:100_000]
    return files


@pytest.mark.parametrize("version", [("ETag", '"1"'), ("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")])
def test_a_transfer_that_was_complete_when_it_was_cut(server, content, tmp_path, version):
    server.version = version
    files = cut(server, content, tmp_path)
    (tmp_path / "1.jpg.partial").write_bytes(content)
    server.asked.clear()
    get("mine", tmp_path, files)
    assert server.asked == []
    assert (tmp_path / "1.jpg").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["1.jpg", RECORD, LOCK])


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize(
    "version",
    [('"1"', '"2"'), ("Fri, 27 Nov 2026 00:00:00 GMT", "Sat, 28 Nov 2026 00:00:00 GMT"), ('W/"1"', 'W/"2"'), None],
)
def test_a_file_that_changed_while_its_transfer_was_cut_is_fetched_anew(server, content, tmp_path, version, heeds):
    key = "ETag" if version and '"' in version[0] else "Last-Modified"
    server.heeds, server.version = heeds, version and (key, version[0])
    files = cut(server, content, tmp_path)
    server.files["1.jpg"], server.version = content[::-1], version and (key, version[1])
    get("mine", tmp_path, files)
    assert (tmp_path / "1.jpg").read_bytes() == content[::-1]


@pytest.mark.parametrize(
    "more",
    [
        {"Content-Range": ""},
        {"Content-Range": "bytes 0-299999/300000"},
        {"Content-Range": "bytes 99999-299999/300000"},
        {"Content-Range": "bytes 100000-299999/300001"},
        {"Content-Range": "bytes 100000-199999/300000"},
        {"Content-Range": "bytes 100000-299999/*"},
        {"ETag": ""},
    ],
)
def test_a_rest_that_is_not_said_to_be_it_is_fetched_anew(server, content, tmp_path, more):
    files = cut(server, content, tmp_path)
    server.more = more
    get("mine", tmp_path, files)
    assert (tmp_path / "1.jpg").read_bytes() == content
    assert [asked for _, asked in server.asked[-2:]] == ["bytes=100000-", None]


def test_a_range_beyond_the_end_begins_anew(server, content, tmp_path):
    server.heeds = False
    files = cut(server, content, tmp_path)
    server.files["1.jpg"] = content[:50_000]
    get("mine", tmp_path, files)
    assert (tmp_path / "1.jpg").read_bytes() == content[:50_000]


@pytest.mark.parametrize("damage", ["", "[]", "nul", '{"url": 1, "version": 2, "size": 3}'])
def test_a_damaged_note_of_the_version_begins_anew(server, content, tmp_path, damage):
    files = cut(server, content, tmp_path)
    (tmp_path / "1.jpg.partial.json").write_text(damage)
    get("mine", tmp_path, files)
    assert server.asked[-1] == ("/1.jpg", None)
    assert (tmp_path / "1.jpg").read_bytes() == content


def test_a_web_page_in_place_of_a_file(server, content, tmp_path):
    server.files["1.jpg"], server.more = content, {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(InputError, match=r"1\.jpg cannot be fetched \(the server sends a web page in its place\)"):
        get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000)]})
    assert not (tmp_path / "1.jpg").exists()


def test_a_file_of_unknown_length_has_to_have_a_hash(server, content, tmp_path):
    server.files["1.jpg"], server.more = content, {"Content-Length": ""}
    with pytest.raises(InputError, match="does not say how long it is"):
        get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000)]})
    get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000, sha256(content))]})
    assert (tmp_path / "1.jpg").read_bytes() == content


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": 1}', "{", '{"http://127.0.0.1/x": {"sha256": "0", "bytes": 1}}'])
def test_a_damaged_record_is_begun_anew_and_said_so(server, content, tmp_path, damage, capsys):
    server.files["1.jpg"] = content
    files = {"mine": [File(server.url("1.jpg"), 300_000)]}
    get("mine", tmp_path, files)
    whole = (tmp_path / RECORD).read_text()
    for text in (damage, whole[:50], whole.replace('"bytes": 300000', '"bytes": 300001')):
        (tmp_path / RECORD).write_text(text)
        capsys.readouterr()
        get("mine", tmp_path, files)
        assert "is damaged, and begun anew" in " ".join(capsys.readouterr().err.split())
        assert (tmp_path / RECORD).read_text() == whole
    assert len(server.asked) == 1


def test_a_record_without_a_checksum_is_an_old_one(server, content, tmp_path, capsys):
    server.files["1.jpg"] = content
    (tmp_path / "1.jpg").write_bytes(content)
    (tmp_path / RECORD).write_text(json.dumps({server.url("1.jpg"): {"sha256": sha256(content)[7:], "bytes": 300_000}}))
    get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000)]})
    assert server.asked == []
    assert "damaged" not in capsys.readouterr().err


def test_a_file_with_a_flipped_bit_is_fetched_again(server, content, tmp_path):
    server.files["1.jpg"] = content
    files = {"mine": [File(server.url("1.jpg"), 300_000)]}
    get("mine", tmp_path, files)
    damaged = bytearray(content)
    damaged[1000] ^= 1
    (tmp_path / "1.jpg").write_bytes(damaged)
    get("mine", tmp_path, files)
    assert (tmp_path / "1.jpg").read_bytes() == content


def test_an_archive_whose_unpacking_was_killed_is_unpacked_without_being_fetched_again(server, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("images/2.jpg", b"two")
    server.files["a.zip"] = (tmp_path / "a.zip").read_bytes()
    root, files = tmp_path / "root", {"mine": [File(server.url("a.zip"), 200)]}

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    for name in ("unpack", "write_json", "_drop_archive"):
        with monkeypatch.context() as patch:
            patch.setattr(f"haa.data.care.get.{name}", killed)
            with pytest.raises(Killed):
                get("mine", root, files)
    get("mine", root, files)
    assert len(server.asked) == 1
    assert (root / "images" / "2.jpg").read_bytes() == b"two"
    assert not (root / "a.zip").exists()


def test_two_at_once_fetch_each_file_once(server, content, tmp_path):
    server.files |= {f"{n}.jpg": content for n in range(5)}
    files = {"mine": [File(server.url(f"{n}.jpg"), 300_000) for n in range(5)]}
    both = [threading.Thread(target=get, args=("mine", tmp_path, files)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(server.asked) == 5
    assert json.loads((tmp_path / RECORD).read_text()).keys() == {*(server.url(f"{n}.jpg") for n in range(5)), "crc32"}


def test_a_place_that_cannot_be_written(server, content, tmp_path):
    server.files["1.jpg"] = content
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/root cannot be written"):
        get("mine", tmp_path / "file" / "root", {"mine": [File(server.url("1.jpg"), 300_000)]})
    with pytest.raises(InputError, match=r"/dev/full cannot be written \(No space left on device\)"):
        write(Path("/dev/full"), lambda: get("mine", tmp_path, {"mine": [File(server.url("1.jpg"), 300_000)]}))


def write(full, call):
    """Call with every file that is appended to on a full disk."""
    opened = Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path, "open", lambda self, mode="r", *a, **k: opened(full if mode == "ab" else self, mode, *a, **k)
        )
        patch.setattr("haa.data.care.download.writing", lambda _: writing(full))
        call()


def test_a_wrong_hash(server, content, tmp_path):
    server.files["1.jpg"] = content[::-1]
    files = {"mine": [File(server.url("1.jpg"), 300_000, sha256(content))]}
    with pytest.raises(InputError, match=r"1\.jpg has not the hash sha256:"):
        get("mine", tmp_path, files)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
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
