"""Digests of a run's files, in its metrics.json: results count for what made them alone. Needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haa.disk.bounded import read_mapping
from haa.errors import InputError, reading
from haa.run_folder import AGAIN

RECORDED = ("config.yaml", "made.json", "samples.parquet", "maps.npz")
"""Files of a run whose digests its metrics.json has."""

_PLACE = ("output_dir", "resume", "study", "cache")
"""Keys of a config that say where a run lies, and whether it was cut off."""


def signed(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what metrics.json holds with ``files``: the digest of every file beside it, and of the results themselves.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Path(folder, "made.json").touch()
        ...     list(signed(Path(folder), {"metrics": {"accuracy": 0.5}})["files"])
        ['made.json', 'metrics.json']
    """
    own = {"metrics.json": _digest_of(summary)}
    beside = {name: _digest(folder / name) for name in RECORDED if (folder / name).is_file()}
    return {**summary, "files": {**beside, **own}}


def check_belongs(folder: Path, summary: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> None:
    """Refuse results beside which other files lie than those that they were written with.

    Results of before digests were kept have none, and pass.

    Args:
        folder: The run's folder.
        summary: What its metrics.json holds.
        config: What its config.yaml holds, where it has been read already.

    Raises:
        InputError: If a file has changed, or is not there.

    Example:
        >>> check_belongs(Path("runs/1"), {"files": {"made.json": "e3b0c442"}})
        Traceback (most recent call last):
        haa.errors.InputError: runs/1/metrics.json was not made by runs/1/made.json: run again, or take the folder away
    """
    digests = summary.get("files")
    if digests is None:
        return
    if not isinstance(digests, dict):
        raise InputError(f"{folder / 'metrics.json'} has no digests in its files: {AGAIN}")
    for name, digest in digests.items():
        if name == "metrics.json":
            rest = {key: value for key, value in summary.items() if key != "files"}
            if _digest_of(rest) != digest:
                raise InputError(f"{folder / name} has changed since the run wrote it: {AGAIN}")
        elif name in RECORDED and (not (folder / name).is_file() or _digest(folder / name, config) != digest):
            what = "was not made by" if name in ("config.yaml", "made.json") else "was not written with"
            raise InputError(f"{folder / 'metrics.json'} {what} {folder / name}: {AGAIN}")


def _digest(path: Path, config: Mapping[str, Any] | None = None) -> str:
    if path.name == "config.yaml":
        return _digest_of(_without_place(read_mapping(path, AGAIN) if config is None else config))
    with reading(path, AGAIN), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(content: Any) -> str:
    plain = json.loads(json.dumps(content, default=str))  # keys are texts, as they will be read
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _without_place(config: Any) -> Any:
    """Return what a config says of a run wherever it lies, and whether or not it was cut off in between."""
    if not isinstance(config, dict):
        return config
    return {key: within(value, str(config.get("output_dir"))) for key, value in config.items() if key not in _PLACE}


def within(node: Any, place: str) -> Any:
    """Return a path within a run's folder, or all that a node of its config holds, as relative to it: folders move.

    Example:
        >>> within({"dirpath": "runs/1/checkpoints", "lr": "runs/10", "folder": "runs/1"}, "runs/1")
        {'dirpath': '/checkpoints', 'lr': 'runs/10', 'folder': ''}
    """
    if isinstance(node, dict):
        return {key: within(value, place) for key, value in node.items()}
    if isinstance(node, list):
        return [within(item, place) for item in node]
    inside = isinstance(node, str) and bool(place) and (node == place or node.startswith(f"{place}/"))
    return node[len(place) :] if inside else node
