"""Unpacking an archive from elsewhere: nothing outside the target, no links, nothing that grows beyond belief."""

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
"""An archive that grows to more than this many times its own size is refused: photos hardly grow, JSON some tenfold."""


class Member(NamedTuple):
    """A file or folder in an archive."""

    name: str
    size: int
    kind: str
    """``file``, ``folder`` or what else it is."""
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Whether `unpack` takes a file of this name.

    Example:
        >>> is_archive("images.zip"), is_archive("1001.jpg")
        (True, False)
    """
    return name.endswith((".zip", ".tgz", ".tar.gz", ".tar"))


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip or tar archive into ``target``; what it claims is checked before its first byte is written.

    Raises:
        InputError: if it is no archive, or a member lies outside the target, is a link or a device, or all of them
            together are larger than the disk or than a hundred times the archive.
    """
    limit = min(EXPANSION * path.stat().st_size, shutil.disk_usage(target).free)
    try:
        with _members(path) as members:
            total = 0
            for member in members():
                where = PurePosixPath(member.name.replace("\\", "/"))
                if where.is_absolute() or ".." in where.parts or ":" in "".join(where.parts[:1]):
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
                place = target / member.name.replace("\\", "/")
                if member.kind == "folder":
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                if place.is_symlink() or not place.resolve().is_relative_to(target.resolve()):
                    raise InputError(f"{place} is, or leads through, a link out of {target}: remove it first")
                place.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, place.open("wb") as out:
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
