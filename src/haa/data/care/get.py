"""Command `haa data get`: fetches a data set from its publisher, and unpacks it with care."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from haa.data.care.download import check, download
from haa.data.care.sources import SOURCES, File
from haa.data.care.unpack import is_archive, unpack
from haa.data.files import json_file
from haa.disk import locked, make_folder, remove_partial
from haa.disk.stored import CHECKSUM, read_json, write_json
from haa.errors import InputError, reading, suggest, writing
from haa.printing.console import Console

RECORD = "haa-downloads.json"
"""Name of the file in the target folder that holds the SHA-256 and size of each fetched file, by address.

A later fetch must agree with it.
"""

LOCK = ".haa-downloads.lock"
"""Name of the file in the target folder whose lock is held by who fetches into it."""

Record = dict[str, dict[str, Any]]


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
    make_folder(root)
    console = Console(stderr=True)
    with locked(root / LOCK, lambda: console.print(f"another haa data get is at work in {root}: waiting for it")):
        remove_partial(root)
        record = _read_record(root, console)
        done = {file for file in sources[name] if _done(file, root, record)}
        for file in done:  # where a kill left it, unpacked
            _drop_archive(file, root)
        files = [file for file in sources[name] if file not in done]
        _check_room(name, files, root)
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            for file in files:
                _get(file, root, record, progress)


def _check_room(name: str, files: Sequence[File], root: Path) -> None:
    # an archive needs its own size, and about as much again when it is unpacked: photos hardly shrink
    needed = sum(file.size * (2 if is_archive(file.name) else 1) for file in files)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise InputError(f"{root} has {free / 1e9:.1f} GB left, {name} needs {needed / 1e9:.1f} GB: name another root")


def _get(file: File, root: Path, record: Record, progress: Progress) -> None:
    task = progress.add_task(file.name, total=file.size)
    path = root / file.to / file.name
    known = record.get(file.url)
    expected = file.hash or (f"sha256:{known['sha256']}" if known else None)
    with reading(path):
        sha256 = check(path, expected) if path.is_file() else None
    if sha256 is None:
        sha256 = download(
            file.url,
            path,
            expected,
            f"delete {root / RECORD}, archives are then fetched again" if known and not file.hash else "look there",
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    with reading(path):
        record[file.url] = {"sha256": sha256, "bytes": path.stat().st_size}
    if is_archive(path.name):
        progress.update(task, description=f"unpacking {file.name}")
        unpack(path, path.parent)
    write_json(root / RECORD, record)
    _drop_archive(file, root)
    progress.remove_task(task)


def _drop_archive(file: File, root: Path) -> None:
    if is_archive(file.name):
        with writing(root / file.to):
            (root / file.to / file.name).unlink(missing_ok=True)


def _read_record(root: Path, console: Console) -> Record:
    path = root / RECORD
    if not path.exists():
        return {}
    try:
        content = json_file.read_json(path)
        if isinstance(content, dict) and CHECKSUM in content:  # it had none once
            content = read_json(path, "delete it")
        if isinstance(content, dict) and all(map(_is_sound, content.values())):
            return content
    except InputError:
        pass
    console.print(f"{path} is damaged, and begun anew: files that are there are kept, archives are fetched again")
    return {}


def _is_sound(entry: Any) -> bool:
    sound = isinstance(entry, dict) and entry.keys() == {"sha256", "bytes"} and type(entry["bytes"]) is int
    return sound and isinstance(entry["sha256"], str) and re.fullmatch("[0-9a-f]{64}", entry["sha256"]) is not None


def _done(file: File, root: Path, record: Record) -> bool:
    if file.url not in record:
        return False
    path = root / file.to / file.name
    if is_archive(file.name):
        return True
    known = record[file.url]
    with reading(path):
        same = path.is_file() and path.stat().st_size == known["bytes"]
        return same and check(path, f"sha256:{known['sha256']}") is not None
