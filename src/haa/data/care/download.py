"""Download of one file: it goes on only with what the server says is the same file, and is there when it is sound."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from haa.disk import make_folder, write_whole
from haa.errors import InputError, reason, writing

_CHUNK = 1 << 16
_TIMEOUT = 30

Advance = Callable[[int, int | None], object]
"""Is told how many bytes are there, and how many there will be."""


def download(
    url: str,
    path: Path,
    expected: str | None = None,
    changed: str = "look there",
    advance: Advance = lambda done, total: None,
) -> str:
    """Fetch a file; go on with what an earlier call left, if the server says that the file is still the same.

    What has come is kept in ``<path>.partial``, and what the server calls this version of the file (its ETag, else when
    it was last modified) beside it. A server that says neither is asked for all of it again.

    Args:
        url: Address of the file.
        path: Where it goes; it is there when it is complete and has the expected hash.
        expected: ``md5:...`` or ``sha256:...``.
        changed: What to do if the publisher has changed the file.
        advance: Is told of progress.

    Returns:
        SHA-256 of the file.

    Raises:
        InputError: If the transfer fails or is cut, the file has another hash, or the disk refuses it.
    """
    make_folder(path.parent)
    partial, version = path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.partial.json")
    try:
        _transfer(url, partial, version, expected is not None, advance)
    except InputError:
        raise
    except Exception as error:  # of requests, of urllib3 beneath it, of http beneath that
        cure = "give the command again, it goes on there" if version.exists() else "give the command again"
        raise InputError(f"{url} cannot be fetched ({reason(error)}): {cure}") from error
    sha256 = check(partial, expected)
    if sha256 is None:
        _remove(partial, version)
        raise InputError(
            f"{url} has not the hash {expected} that its publisher states or that it had before: it was "
            f"cut or changed on the way (give the command again), or its publisher changed it ({changed})"
        )
    with writing(path):
        partial.replace(path)
    _remove(version)
    return sha256


def check(path: Path, expected: str | None) -> str | None:
    """Return the SHA-256 of a file; None if it has not the expected hash.

    Args:
        path: The file.
        expected: ``md5:...`` or ``sha256:...``; None expects nothing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a"
        >>> _ = path.write_bytes(b"")
        >>> check(path, "md5:d41d8cd98f00b204e9800998ecf8427e")[:8]
        'e3b0c442'
    """
    kind, _, digest = (expected or "sha256:").partition(":")
    found = {"sha256": hashlib.sha256(), kind: hashlib.new(kind, usedforsecurity=False)}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for one in found.values():
                one.update(block)
    return found["sha256"].hexdigest() if digest in ("", found[kind].hexdigest()) else None


def _transfer(url: str, partial: Path, version: Path, hashed: bool, advance: Advance) -> None:
    known = _read_version(version, url)
    done = partial.stat().st_size if known and partial.exists() else 0
    if done and done == known["size"]:
        return
    answer = _ask(url, {"Range": f"bytes={done}-", "If-Range": known["version"]} if done else {})
    if done and not _goes_on(answer, done, known):
        done = 0
        if answer.status_code != requests.codes.ok:  # else it is the whole file already
            answer.close()
            answer = _ask(url, {})
    with answer:
        answer.raise_for_status()
        if answer.status_code != (requests.codes.partial if done else requests.codes.ok):
            raise ValueError(f"the server answers {answer.status_code}")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise ValueError("the server sends a web page in its place")
        _receive(answer, url, partial, version, done, hashed, advance)


def _ask(url: str, headers: dict[str, str]) -> requests.Response:
    # identity, and read raw: what is kept is the file as it lies on the server
    return requests.get(url, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity", **headers})


def _goes_on(answer: requests.Response, done: int, known: dict[str, Any]) -> bool:
    """Return whether an answer is the rest of the version of the file whose first bytes are there."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code != requests.codes.partial or found is None:
        return False
    start, end, size = map(int, found.groups())
    same = _version(answer) == known["version"] or (_version(answer) is None and not known["version"].startswith('"'))
    return same and start == done and end == size - 1 and size == known["size"]


def _version(answer: requests.Response) -> str | None:
    """Return the server's name of this version of the file, if it has one that holds byte for byte."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _read_version(path: Path, url: str) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
        return known if known["url"] == url and type(known["size"]) is int and type(known["version"]) is str else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _receive(
    answer: requests.Response, url: str, partial: Path, version: Path, done: int, hashed: bool, advance: Advance
) -> None:
    length = answer.headers.get("Content-Length", "")
    size = done + int(length) if length.isdecimal() else None
    if size is None and not hashed and "chunked" not in answer.headers.get("Transfer-Encoding", ""):
        raise ValueError("the server does not say how long it is, and its hash is not known")
    free = shutil.disk_usage(partial.parent).free
    if size is not None and size - done > free:
        raise InputError(f"{partial.parent} has {free / 1e9:.1f} GB left, {url} needs {size / 1e9:.1f} GB: make room")
    if not done:
        _remove(partial, version)
        if size is not None and (name := _version(answer)):
            write_whole(version, json.dumps({"url": url, "version": name, "size": size}))
    with writing(partial):
        file = partial.open("ab")
    try:
        advance(done, size)
        while block := answer.raw.read(_CHUNK):
            with writing(partial):
                file.write(block)
            done += len(block)
            advance(done, size)
        with writing(partial):
            file.flush()
            os.fsync(file.fileno())
    finally:
        with writing(partial):
            file.close()
    if size is not None and done != size:
        raise ValueError(f"{done} of {size} bytes came")


def _remove(*paths: Path) -> None:
    for path in paths:
        with writing(path):
            path.unlink(missing_ok=True)
