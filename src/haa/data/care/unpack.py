"""Safe unpacking of an archive from elsewhere: whole or not at all, nothing outside the target, no links, no bombs."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from haa.errors import InputError, reading, writing

EXPANSION = 100
"""Largest growth of an archive, in times its own size; more is refused. Photos hardly grow, JSON some tenfold."""

MEMBERS = 1_000_000
"""Largest number of files and folders in an archive."""

_CURE = "delete it, and fetch it again"
_CHUNK = 1 << 14
"""Bytes that are read at a time: a tar header that claims to be longer is none."""


class Member(NamedTuple):
    """A file or folder in an archive; its content is read before the next is asked for."""

    name: str
    size: int
    kind: str
    """``file`` or ``folder``; another word is another kind, which is refused."""
    content: Iterator[bytes]


def is_archive(name: str) -> bool:
    """Return whether `unpack` takes a file of this name.

    Example:
        >>> is_archive("images.zip"), is_archive("1001.jpg")
        (True, False)
    """
    return name.endswith((".zip", ".tgz", ".tar.gz", ".tar"))


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip or tar archive into ``target``: into a folder beside it first, which is moved when all is sound.

    Every checksum is held against what was unpacked. What was there under the same names is replaced. Where the process
    is killed, the same call does it all again.

    Args:
        path: The archive.
        target: Folder that it is unpacked into.

    Raises:
        InputError: If the file is no archive or damaged; if it is encrypted; if a member lies outside the target, is
            there twice, or is a link or a device; if there are more than `MEMBERS`, or all together are larger than the
            free disk space or than a hundred times the archive; or if the disk refuses them.
    """
    partial = target / f".{path.name}.unpacked"
    try:
        with writing(partial):
            if partial.exists():
                shutil.rmtree(partial)
            partial.mkdir()
        with reading(path, _CURE):
            _unpack_into(partial, path, target)
        with writing(target):
            _move(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpack_into(partial: Path, path: Path, target: Path) -> None:
    size = path.stat().st_size
    limit = min(EXPANSION * size, shutil.disk_usage(target).free)
    total = 0
    for number, member in enumerate(_of_zip(path) if path.name.endswith(".zip") else _of_tar(path)):
        total += member.size
        if total > limit or number >= MEMBERS:
            raise InputError(
                f"{path} of {size / 1e6:.1f} MB unpacks to more than {limit / 1e6:.1f} MB or {MEMBERS} files, "
                "beyond belief or beyond the disk: nothing was unpacked"
            )
        place = _place(member, path, target)
        if (there := _in_the_way(target, place, member.kind)) is not None:
            raise InputError(f"{there} is in the way, or is a link out of {target}: remove it first")
        own = partial / place
        if _in_the_way(partial, place, member.kind) is not None or (member.kind == "file" and own.exists()):
            raise InputError(f"{path} holds {member.name!r} twice: it is not to be trusted")
        with writing(own):
            (own if member.kind == "folder" else own.parent).mkdir(parents=True, exist_ok=True)
        if member.kind == "file":
            _write(member, own)
    if not total:
        raise ValueError("it holds nothing")


def _place(member: Member, path: Path, target: Path) -> PurePosixPath:
    """Return where a member goes, relative to the target."""
    place = PurePosixPath(member.name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in "".join(place.parts[:1]) or "\0" in member.name:
        raise InputError(f"{path} would write {member.name!r} outside {target}: it is not to be trusted")
    if member.kind not in ("file", "folder") or (member.kind == "file" and not place.parts):
        raise InputError(f"{path} holds {member.name!r}, a {member.kind}: it is not to be trusted")
    return place


def _in_the_way(root: Path, place: PurePosixPath, kind: str) -> Path | None:
    """Return what stands where a folder or a file goes, or above it, and is none, or is a link out of the root."""
    for part in [root / above for above in (*reversed(place.parents), place)][1:]:
        if part.is_symlink() and not part.resolve().is_relative_to(root.resolve()):
            return part
        folder = kind == "folder" or part != root / place
        if part.exists() and part.is_dir() != folder:
            return part
    return None


def _write(member: Member, place: Path) -> None:
    left = member.size
    with writing(place):
        file = place.open("xb")
    try:
        for block in member.content:
            left -= len(block)
            with writing(place):
                file.write(block)
    finally:
        with writing(place):
            file.close()
    if left:
        raise ValueError(f"{member.name} is not as long as the archive says")


def _move(source: Path, target: Path) -> None:
    for path in source.iterdir():
        place = target / path.name
        if path.is_dir() and place.is_dir():
            _move(path, place)
        else:
            path.replace(place)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_CHUNK):
            yield block


def _of_zip(path: Path) -> Iterator[Member]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        # a damaged length in the list hides what follows it, which zipfile does not notice
        listed = zipfile._EndRecData(file)[4]  # type: ignore[attr-defined]
        if (listed - len(archive.infolist())) % (1 << 16):  # some write no more than two bytes of the number
            raise ValueError(f"{len(archive.infolist())} of {listed} members are listed")
        for info in archive.infolist():
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename} is encrypted, or packed in an unusual way")
            if info.is_dir() and info.file_size:
                raise ValueError(f"{info.filename} is a folder that holds {info.file_size} bytes itself")
            link = stat.S_ISLNK(info.external_attr >> 16)
            kind = "folder" if info.is_dir() else "link" if link else "file"
            yield Member(info.filename, info.file_size, kind, _zipped(archive, info))


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    yield from _blocks(archive.open(info))


def _of_tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        content: Any = gzip.GzipFile(fileobj=file) if zipped else file
        with content:
            stream = _Forward(content, EXPANSION * path.stat().st_size + (1 << 20))
            archive = tarfile.TarFile(fileobj=stream)  # type: ignore[arg-type]
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would remember all of them
                yield Member(info.name, info.size, _kind(info), _tarred(archive, info))
            stream.finish()


def _tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    yield from _blocks(archive.extractfile(info))  # type: ignore[arg-type]


def _kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "sparse file"
    kinds = {"file": info.isreg(), "folder": info.isdir(), "link": info.issym() or info.islnk(), "device": True}
    return next(kind for kind, fits in kinds.items() if fits)


class _Forward:
    """Content of a tar file, read once from its start to its end: no header can lead back, or ask for much memory."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit, self._at, self._last = file, limit, 0, b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise ValueError("a header is longer than any")
        self._last = self._file.read(size)
        self._at += len(self._last)
        if size and not self._last:
            raise ValueError("it ends too early")
        if self._at > self._limit:
            raise ValueError("it unpacks beyond belief")
        return self._last

    def tell(self) -> int:
        return self._at

    def seek(self, to: int, _: int = 0) -> None:
        if to < self._at:
            raise ValueError("a header leads back")
        while self._at < to:
            self.read(min(_CHUNK, to - self._at))

    def finish(self) -> None:
        """Read what follows the last member, which has to be zeros, and so come to the checksum at the end."""
        while self._last:
            if self._last.strip(b"\0"):  # tarfile takes a damaged header for the end
                raise ValueError("a header is damaged")
            self._last = self._file.read(_CHUNK)
            self._at += len(self._last)
            if self._at > self._limit:
                raise ValueError("it unpacks beyond belief")
