"""`push_to`: a folder is a folder, and what the hub refuses is one line with the cure; its server is played here."""

from __future__ import annotations

import http.server
import json
import threading

import huggingface_hub.constants
import pytest

from haa.errors import InputError
from haa.export.push import target


@pytest.fixture
def logged_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_made_up_for_this_test")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "e"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlibrary_name: haa\n---\n")
    return folder


@pytest.fixture
def hub(monkeypatch):
    """Plays the hub on this machine: answers everything with one status, and keeps what it was asked."""
    asked: list[tuple[str, dict[str, object]]] = []
    status = [401]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.path, json.loads(body)))
            answer = b'{"error": "no"}'
            self.send_response(status[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield status, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["./mine", "../mine", "/nowhere/mine", "~/mine-that-is-not-there"])
def test_what_looks_like_a_path_is_one(name):
    found = target(name)
    assert found.folder is not None
    assert found.folder.name.startswith("mine")
    assert not str(found.folder).startswith("~")


def test_a_folder_that_is_there_is_one_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert target("owner/name").folder is not None
    (tmp_path / "owner" / "name" / "a").touch()
    with pytest.raises(InputError, match="push_to=owner/name is there already"):
        target("owner/name")


@pytest.mark.parametrize("name", ["vqa", "a/b/c", "owner/", "owner/na me", "https:/x", "ownér/name"])
def test_what_is_neither_is_refused(name):
    with pytest.raises(InputError, match=r"give a folder, \./"):
        target(name)


def test_nobody_is_logged_in(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(InputError, match="nobody is logged in to the Hugging Face hub: run `hf auth login`"):
        target("owner/name")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (401, r"does not let you write there \(401\): run `hf auth login`"),
        (403, r"does not let you write there \(403\): run `hf auth login`"),
        (400, "the Hugging Face hub refuses it"),
    ],
)
def test_what_the_hub_refuses_is_one_line_and_a_repository_would_be_private(logged_in, hub, source, code, message):
    status, asked = hub
    status[0] = code
    with pytest.raises(InputError, match=message) as error:
        target("owner/name").push(source)
    assert f"the export is in {source}" in str(error.value)
    path, wanted = asked[0]
    assert path == "/api/repos/create"
    assert (wanted["organization"], wanted["name"]) == ("owner", "name")
    assert wanted.get("private") is True or wanted.get("visibility") == "private"


def test_a_hub_that_cannot_be_reached_is_one_line(logged_in, source, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(InputError, match=r"the Hugging Face hub cannot be reached .*try again later"):
        target("owner/name").push(source)
