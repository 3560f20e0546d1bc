"""A publisher's server on this machine: slow, so that downloads can be cut off, and it goes on where it is asked to."""

from __future__ import annotations

import http.server
import io
import os
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.torture.crew import die_with_parent

PART, PAUSE_S = 20_000, 0.01


def files() -> dict[str, bytes]:
    """Return the files that it has, by name: the same every time."""
    noise = [np.random.default_rng(number).bytes(150_000) for number in range(4)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, content in enumerate(noise[:2]):
            archive.writestr(zipfile.ZipInfo(f"{number}.bin"), content)
    return {"a.jpg": noise[2], "b.zip": packed.getvalue(), "c.jpg": noise[3]}


class _Handler(http.server.BaseHTTPRequestHandler):
    content = files()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        data = self.content[self.path.strip("/")]
        tag = f'"{len(data)}"'
        asked = self.headers.get("Range")
        start = int(asked.split("=")[1].split("-")[0]) if asked and self.headers.get("If-Range", tag) == tag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        try:
            for at in range(start, len(data), PART):
                self.wfile.write(data[at : at + PART])
                time.sleep(PAUSE_S)
        except OSError:
            pass


@contextmanager
def serving(address: Path) -> Iterator[None]:
    """Serve in a process of its own, and write the address into a file."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    address.write_text(f"http://127.0.0.1:{server.server_address[1]}")
    pid = os.fork()
    if not pid:
        die_with_parent()
        server.serve_forever()
    server.server_close()
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
