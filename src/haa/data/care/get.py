"""Command `haa data get`: fetches a data set from its publisher, and unpacks it with care."""

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
"""Name of the file in the target folder that holds the SHA-256 and size of each fetched file, by address.

A later fetch must agree with it.
"""


def get(name: str, root: Path, sources: Mapping[str, Sequence[File]] = SOURCES) -> None:
    """Fetch and unpack a data set into ``root``; keep what is there already, and go on with what was cut off.

    Args:
        name: A key of ``sources``.
        root: The data set's folder; it is made if it does not exist.
        sources: The files of each data set, by its name.

    Raises:
        InputError: If the name is unknown, the disk too small, a transfer fails, a file has another hash than its
            publisher states or than at its first fetch, or an archive is not to be trusted.
    """
    if name not in sources:
        raise InputError(f"there is no data set {name} to fetch: {suggest(name, sorted(sources))}")
    root.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # the progress bar says what is fetched
    record = _read_record(root)
    files = [file for file in sources[name] if not _done(file, root, record)]
    # an archive needs its own size, and about as much again when it is unpacked: photos hardly shrink
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
            file_record = {"sha256": pooch.file_hash(str(path)), "bytes": path.stat().st_size}
            if is_archive(path.name):
                progress.update(task, description=f"unpacking {file.name}")
                unpack(path, folder)
                path.unlink()
            record[file.url] = file_record
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

    expected_hash = file.hash or (f"sha256:{recorded}" if recorded else None)
    try:
        # pooch checks the hash, and puts the file in place when it is complete
        return Path(pooch.retrieve(file.url, expected_hash, fname=file.name, path=folder, downloader=download))
    # `_resume` reads the raw stream, which raises urllib3's own errors
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file.url} cannot be fetched ({reason}): give the command again, it goes on there") from None
    except ValueError:
        raise InputError(
            f"{file.url} has not the hash {expected_hash} that its publisher states or that it had before: it was "
            "cut or changed on the way (give the command again), or its publisher changed it "
            f"(then delete it from {RECORD})"
        ) from None


def _resume(url: str, path: Path, progress: Progress, task: TaskID) -> None:
    """Append what is left of ``url`` to ``path``."""
    bytes_done = path.stat().st_size if path.exists() else 0
    with requests.get(
        url, stream=True, timeout=30, headers={"Range": f"bytes={bytes_done}-"} if bytes_done else {}
    ) as answer:
        if answer.status_code == 416 and answer.headers.get("Content-Range", "").endswith(f"/{bytes_done}"):
            return  # the file is complete
        answer.raise_for_status()
        if answer.status_code != 206:  # a server that does not know ranges starts anew
            bytes_done = 0
        bytes_left = int(answer.headers.get("Content-Length", 0))
        progress.update(task, total=bytes_done + bytes_left or None, completed=bytes_done)
        with path.open("ab" if bytes_done else "wb") as out:
            # read raw, or requests would unpack an archive that the server calls compressed
            while part := answer.raw.read(1 << 16):
                out.write(part)
                progress.advance(task, len(part))
    if bytes_left and path.stat().st_size < bytes_done + bytes_left:
        raise requests.ConnectionError(f"{path.stat().st_size} of {bytes_done + bytes_left} bytes came")
