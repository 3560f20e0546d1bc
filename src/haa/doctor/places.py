"""Where things lie: caches and their sizes, places that are written to, and whether there are accounts."""

from __future__ import annotations

import netrc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MOST_FILES = 100_000
"""Number of files of a cache after which counting ends."""


def caches() -> dict[str, Path]:
    """Return the folders in which torch, the Hugging Face hub's library, W&B and haa keep what can be had again."""
    shared = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    places = {
        "haa": Path(os.environ.get("HAA_CACHE") or ".cache"),
        "torch": Path(os.environ.get("TORCH_HOME") or shared / "torch"),
        "huggingface": Path(os.environ.get("HF_HOME") or shared / "huggingface"),
        "wandb": Path(os.environ.get("WANDB_CACHE_DIR") or shared / "wandb"),
    }
    return {name: path.expanduser() for name, path in places.items()}


def size(folder: Path) -> dict[str, Any]:
    """Return the bytes below a folder, the number of files, and whether that is all: counting ends at `MOST_FILES`.

    Links are not followed, so that nothing counts twice.
    """
    held, count = 0, 0
    for place, _, names in os.walk(folder, onerror=lambda error: None):
        for name in names:
            try:
                held += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue  # it went away meanwhile
            count += 1
        if count >= MOST_FILES:
            return {"bytes": held, "files": count, "all": False}
    return {"bytes": held, "files": count, "all": True}


def written() -> dict[str, Path]:
    """Return the places that runs write to: their folder, temporary files, the cache, memory that workers share."""
    places = {"here": Path.cwd(), "temporary": Path(tempfile.gettempdir()), "cache": caches()["haa"].absolute()}
    shared = Path("/dev/shm")
    return {**places, "shared memory": shared} if shared.is_dir() else places


def space(folder: Path) -> dict[str, Any]:
    """Return whether a file can be made in a folder, or in what is there of its path, and how many bytes are free."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            writable = True
    except OSError:
        writable = False
    return {"writable": writable, "free": shutil.disk_usage(place).free}


def accounts() -> dict[str, str | None]:
    """Return where W&B's key and the token of the Hugging Face hub are kept, never what they are; None: nowhere."""
    hub = caches()["huggingface"] / "token"
    return {
        "wandb": "WANDB_API_KEY" if os.environ.get("WANDB_API_KEY") else _netrc(),
        "huggingface": "HF_TOKEN" if os.environ.get("HF_TOKEN") else str(hub) if hub.is_file() else None,
    }


def _netrc() -> str | None:
    """Return the file in which W&B's client has kept a key for its server, or None."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return str(path) if netrc.netrc(path).authenticators(host) else None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
