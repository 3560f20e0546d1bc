"""The dashboard against a stub of the service: what is sent, and that nothing else is asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import wandb

from haa.cli import main as cli

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1", "ignore:Support for class-based")


@pytest.fixture
def service(monkeypatch, tmp_path):
    """Answers the questions that the client asks, and keeps what it saves."""
    saved = []

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            viewer = {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
            answer = {"viewer": viewer, "serverInfo": {"cliVersionInfo": {}, "latestLocalVersionInfo": None}}
            if "upsertView" in asked["query"]:
                saved.append(asked["variables"])
                answer = {"upsertView": {"view": {"id": "x", "name": "nw-abc-v"}, "inserted": True}}
            body = json.dumps({"data": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    yield saved
    wandb.teardown()  # its client remembers the address for the rest of the process
    server.shutdown()


def test_the_dashboard_has_the_panels_of_the_report(service, capsys):
    pytest.importorskip("wandb_workspaces")
    cli.main(["wandb-dashboard", "me/haa", "--task", "captioning"])
    assert "/me/haa" in capsys.readouterr().out
    (view,) = service
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("me", "haa", "haa captioning")
    sections = json.loads(view["spec"])["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == ["Did it help?", "Learning curves", "Where they looked"]
    configs = json.dumps(sections)
    for shown in ("test/cider", "test/attention_nss", "val/cider", "train/align_loss", "pictures/val", "test/samples"):
        assert shown in configs
    bars = sections[0]["panels"][0]["config"]
    assert bars["metrics"] == ["summary_metrics.test/cider"]
    assert "arm" in bars["groupBy"]


def test_a_project_has_an_entity():
    with pytest.raises(SystemExit, match="ENTITY/PROJECT"):
        cli.main(["wandb-dashboard", "haa"])
