"""Safe unpacking of an archive from elsewhere: nothing outside the target, no links, no growth beyond belief."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from haa.errors import InputError

EXPANSION = 100
"""Largest growth of an archive, in times its own size; more is refused. Photos hardly grow, JSON some tenfold."""


class Member(NamedTuple):
    """A file or folder in an archive."""

    name: str
    size: int
    kind: str
    """``file``, ``folder``, ``link`` or ``device``."""
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Return whether `unpack` takes a file of this name.

    Example:
        >>> is_archive("images.zip"), is_archive("1001.jpg")
        (True, False)
    """
    return name.endswith((".zip", ".tgz", ".tar.gz", ".tar"))


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip or tar archive into ``target``; check what it claims before the first byte is written.

    Raises:
        InputError: If the file is no archive, if a member lies outside the target or is a link or a device, or if all
            members together are larger than the free disk space or than a hundred times the archive.
    """
    limit = min(EXPANSION * path.stat().st_size, shutil.disk_usage(target).free)
    try:
        with _members(path) as members:
            total = 0
            for member in members():
                member_path = PurePosixPath(member.name.replace("\\", "/"))
                if member_path.is_absolute() or ".." in member_path.parts or ":" in "".join(member_path.parts[:1]):
                    raise InputError(f"{path} would write {member.name} outside {target}: it is not to be trusted")
                if member.kind not in ("file", "folder"):
                    raise InputError(f"{path} holds {member.name}, a {member.kind}: it is not to be trusted")
                total += member.size
                if total > limit:
                    size = path.stat().st_size
                    raise InputError(
                        f"{path} of {size / 1e6:.1f} MB unpacks to more than {limit / 1e6:.1f} MB, beyond belief "
                        "or beyond the disk: nothing was unpacked"
                    )
            for member in members():
                target_path = target / member.name.replace("\\", "/")
                if member.kind == "folder":
                    target_path.mkdir(parents=True, exist_ok=True)
                    continue
                if target_path.is_symlink() or not target_path.resolve().is_relative_to(target.resolve()):
                    raise InputError(f"{target_path} is, or leads through, a link out of {target}: remove it first")
                target_path.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, target_path.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be unpacked ({reason}): delete it, and fetch it again") from None


@contextmanager
def _members(path: Path) -> Iterator[Callable[[], Iterator[Member]]]:
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            yield lambda: (_of_zip(archive, info) for info in archive.infolist())
    else:
        with tarfile.open(path) as archive:
            yield lambda: (_of_tar(archive, info) for info in archive)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
    return Member(info.filename, info.file_size, kind, lambda: archive.open(info))


def _of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kinds = {"file": info.isreg(), "folder": info.isdir(), "link": info.issym() or info.islnk(), "device": True}
    kind = next(kind for kind, fits in kinds.items() if fits)
    return Member(info.name, info.size, kind, lambda: archive.extractfile(info))  # type: ignore[arg-type, return-value]
