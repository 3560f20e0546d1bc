"""`haa data get`: fetch a data set from its publisher, and unpack it with care."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pooch
import requests
import urllib3
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from haa.data.care.sources import SOURCES, File
from haa.data.care.unpack import is_archive, unpack
from haa.data.files.json_file import read_json
from haa.errors import InputError, suggest

RECORD = "haa-downloads.json"
"""In the target folder: the SHA-256 and size of what was fetched, by address. A later fetch must agree."""


def get(name: str, root: Path, sources: Mapping[str, Sequence[File]] = SOURCES) -> None:
    """Fetch and unpack a data set into ``root``; what is there already is kept, what was cut off goes on.

    Args:
        name: a key of ``sources``.
        root: the folder, made if it does not exist.
        sources: the files of each data set.

    Raises:
        InputError: if the name is unknown, the disk too small, a transfer fails, a file has another hash than its
            publisher states or than at its first fetch, or an archive is not to be trusted.
    """
    if name not in sources:
        raise InputError(f"there is no data set {name} to fetch: {suggest(name, sorted(sources))}")
    root.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # the progress bar says what is fetched
    record = _read_record(root)
    files = [file for file in sources[name] if not _done(file, root, record)]
    # an archive needs its own size and, unpacked, about as much again: photos hardly shrink
    needed = sum(file.size * (2 if is_archive(file.name) else 1) for file in files)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise InputError(f"{root} has {free / 1e9:.1f} GB left, {name} needs {needed / 1e9:.1f} GB: name another root")
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        for file in files:
            task = progress.add_task(file.name, total=file.size)
            folder = root / file.to
            path = _fetch(file, folder, record.get(file.url, {}).get("sha256"), progress, task)
            found = {"sha256": pooch.file_hash(str(path)), "bytes": path.stat().st_size}
            if is_archive(path.name):
                progress.update(task, description=f"unpacking {file.name}")
                unpack(path, folder)
                path.unlink()
            record[file.url] = found
            (root / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            progress.remove_task(task)


def _read_record(root: Path) -> dict[str, dict[str, Any]]:
    return read_json(root / RECORD) if (root / RECORD).exists() else {}


def _done(file: File, root: Path, record: Mapping[str, Mapping[str, Any]]) -> bool:
    if file.url not in record:
        return False
    path = root / file.to / file.name
    return is_archive(file.name) or (path.exists() and path.stat().st_size == record[file.url]["bytes"])


def _fetch(file: File, folder: Path, recorded: str | None, progress: Progress, task: TaskID) -> Path:
    partial = folder / f"{file.name}.partial"

    def download(url: str, output: str, _: Any) -> None:
        _resume(url, partial, progress, task)
        partial.replace(output)

    known = file.hash or (f"sha256:{recorded}" if recorded else None)
    try:
        # pooch checks the hash, and puts the file in place when it is complete
        return Path(pooch.retrieve(file.url, known, fname=file.name, path=folder, downloader=download))
    # raw reading lets urllib3's own errors through
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file.url} cannot be fetched ({reason}): give the command again, it goes on there") from None
    except ValueError:
        raise InputError(
            f"{file.url} has not the hash {known} that its publisher states or that it had before: it was cut or "
            f"changed on the way (give the command again), or its publisher changed it (then delete it from {RECORD})"
        ) from None


def _resume(url: str, path: Path, progress: Progress, task: TaskID) -> None:
    """Append what is left of ``url`` to ``path``."""
    done = path.stat().st_size if path.exists() else 0
    with requests.get(url, stream=True, timeout=30, headers={"Range": f"bytes={done}-"} if done else {}) as answer:
        if answer.status_code == 416 and answer.headers.get("Content-Range", "").endswith(f"/{done}"):
            return  # it is complete
        answer.raise_for_status()
        if answer.status_code != 206:  # a server that does not know ranges starts anew
            done = 0
        left = int(answer.headers.get("Content-Length", 0))
        progress.update(task, total=done + left or None, completed=done)
        with path.open("ab" if done else "wb") as out:
            # the raw bytes: an archive must not be unpacked because the server calls it compressed
            while part := answer.raw.read(1 << 16):
                out.write(part)
                progress.advance(task, len(part))
    if left and path.stat().st_size < done + left:
        raise requests.ConnectionError(f"{path.stat().st_size} of {done + left} bytes came")
