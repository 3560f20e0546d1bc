"""Where the files of a tar lie in it, so that each is read by itself."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from haa.data.files.packed import Packed
from haa.errors import InputError, reading

_CURE = "fetch it again"
_HEADER = 1 << 16
"""Bytes of the longest header: one that claims to be longer is none."""


def members(path: Path) -> Iterator[Packed]:
    """Yield the files in a tar, in order; their content is not read.

    Raises:
        InputError: If it is compressed, damaged or no tar, or holds a link, a device or a sparse file.

    Example:
        >>> import io, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.tar"
        >>> with tarfile.open(path, "w") as archive:
        ...     info = tarfile.TarInfo("x/1.txt")
        ...     info.size = 4
        ...     archive.addfile(info, io.BytesIO(b"text"))
        >>> [(file.name, file.read_bytes()) for file in members(path)]
        [('x/1.txt', b'text')]
    """
    with reading(path, _CURE), path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise InputError(f"{path} is compressed, so that no file in it is found by itself: gunzip it")
        file.seek(0)
        archive = tarfile.TarFile(fileobj=_Headers(file))  # type: ignore[arg-type]
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # it would remember all of them
            if info.isreg() and not info.issparse():
                yield Packed(path, info.offset_data, info.size, info.name)
            elif not info.isdir():
                raise InputError(f"{path}: {info.name} is a link, a device or a sparse file: pack files alone")
        file.seek(archive.offset)  # type: ignore[attr-defined]
        while block := file.read(1 << 20):
            if block.strip(b"\0"):  # tarfile takes a damaged header for the end
                raise ValueError("a header is damaged")


class _Headers:
    """A tar file of which headers are read, and nothing longer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.name = None

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _HEADER:
            raise ValueError("a header is longer than any")
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, *to: Any) -> int:
        return self._file.seek(*to)
