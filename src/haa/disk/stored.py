"""Files that are held against their checksums when they are read: one flipped bit is an error that names the file.

A JSON object carries its own checksum. Larger files are checked piece by piece, as they are read: the checksums of
``rows.npy`` are in ``rows.npy.crc``, which ends with its own.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from haa.disk.whole import reserve, write_whole
from haa.errors import InputError, reading, writing

CHECKSUM = "crc32"
"""Key of a JSON object's checksum."""

_PIECE = np.dtype([("end", "<u8"), ("crc32", "<u4")])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as JSON with its checksum, whole or not at all.

    Raises:
        InputError: If the disk refuses it.
    """
    write_whole(path, json.dumps({**content, CHECKSUM: _checksum(content)}, indent=1) + "\n")


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """Return what `write_json` wrote.

    Args:
        path: The file.
        cure: What to do if it is damaged.

    Raises:
        InputError: If it is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_json(path, {"rows": [1, 2]})
        >>> read_json(path, "delete it")
        {'rows': [1, 2]}
    """
    with reading(path, cure):
        content = json.loads(path.read_bytes())
        if content.pop(CHECKSUM) != _checksum(content):
            raise InputError(f"{path} is damaged, its checksum does not fit: {cure}")
    return content


def _checksum(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content).encode())


def seal(path: Path, ends: Sequence[int]) -> None:
    """Write the checksums of a finished file's pieces beside it.

    Args:
        path: The file.
        ends: Byte at which each piece ends, in order; the last is the file's end.

    Raises:
        InputError: If the disk refuses it.
    """
    with writing(path), path.open("rb") as file:
        sums = [zlib.crc32(file.read(end - start)) for start, end in zip([0, *ends], ends, strict=False)]
    _write_sums(path, ends, sums)


def _write_sums(path: Path, ends: Sequence[int], sums: Sequence[int]) -> None:
    table = np.empty(len(ends), _PIECE)
    table["end"], table["crc32"] = ends, sums
    content = table.tobytes()
    with writing(path):
        _sums(path).write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))


def _sums(path: Path) -> Path:
    return path.with_name(path.name + ".crc")


class Pieces:
    """A sealed file of a cache, mapped; a piece is held against its checksum the first time that it is taken.

    Args:
        path: The file, in a folder that can be made again.

    Raises:
        InputError: If the file or its checksums are damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_text("first second")
        >>> seal(path, [6, 12])
        >>> bytes(Pieces(path)[1])
        b'second'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.reading(), path.open("rb") as file:
            content, own = (whole := _sums(path).read_bytes())[:-4], whole[-4:]
            if zlib.crc32(content).to_bytes(4, "little") != own:
                raise InputError(f"{_sums(path)} is damaged: {self._cure}")
            table = np.frombuffer(content, _PIECE)
            self._ends, self._checksums = table["end"], table["crc32"]
            if os.fstat(file.fileno()).st_size != self._ends[-1]:
                raise self._damaged()
            self._sound = np.zeros(len(table), bool)
            self.content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> memoryview:
        start = int(self._ends[number - 1]) if number else 0
        piece = self.content[start : int(self._ends[number])]
        if not self._sound[number]:
            if zlib.crc32(piece) != self._checksums[number]:
                raise self._damaged()
            self._sound[number] = True
        return piece

    def reading(self) -> Any:
        """Return the context in which what fails is this file's fault."""
        return reading(self.path, self._cure)

    @property
    def _cure(self) -> str:
        return f"delete the folder {self.path.parent}, it is made again"

    def _damaged(self) -> InputError:
        return InputError(f"{self.path} is damaged, its checksum does not fit: {self._cure}")


class RowWriter:
    """Writer of an array on disk, row after row; `Rows` reads it, and any reader of ``.npy``.

    It writes a file and no mapped memory, which on a full disk would kill the process without a word.

    Args:
        path: The ``.npy`` file.
        count: Number of rows.
        shape: Shape of a row.
        dtype: Type of its numbers.

    Raises:
        InputError: If the disk refuses it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> with RowWriter(path, 2, (3,), np.uint8) as writer:
        ...     writer.append(np.ones((2, 3)))
        >>> Rows(path)[1]
        array([1, 1, 1], dtype=uint8)
    """

    def __init__(self, path: Path, count: int, shape: Sequence[int], dtype: Any) -> None:
        self.path, self.count, self.dtype = path, count, np.dtype(dtype)
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (count, *shape)}
        with writing(path):
            self._file = path.open("wb")
            np.lib.format.write_array_header_1_0(self._file, header)
        self._ends, self._sums = [self._file.tell()], [0]
        reserve(self._file, self._ends[0] + count * int(np.prod(shape)) * self.dtype.itemsize)

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows."""
        for row in rows.astype(self.dtype):
            content = row.tobytes()
            with writing(self.path):
                self._file.write(content)
            self._sums.append(zlib.crc32(content))
            self._ends.append(self._ends[-1] + len(content))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with writing(self.path):
            self._file.close()
        if kind is not None:
            return
        if len(self._sums) != self.count + 1:
            raise ValueError(f"{self.path}: {len(self._sums) - 1} rows were written, not {self.count}")
        with self.path.open("rb") as file:
            self._sums[0] = zlib.crc32(file.read(self._ends[0]))
        _write_sums(self.path, self._ends, self._sums)


class Rows:
    """Array on disk that `RowWriter` wrote, mapped; a row is held against its checksum the first time that it is read.

    Args:
        path: The ``.npy`` file, in a folder that can be made again.

    Raises:
        InputError: If the file is damaged, now or where a row is read.
    """

    def __init__(self, path: Path) -> None:
        self._pieces = Pieces(path)
        with self._pieces.reading():
            header = io.BytesIO(self._pieces[0])
            np.lib.format.read_magic(header)
            self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(header)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        return np.frombuffer(self._pieces[row + 1], self.dtype).reshape(self.shape[1:]).copy()


def opened(path: Path) -> Rows:
    """Return the `Rows` of a file, the same as long as neither it nor its checksums change on disk.

    The runs of a study that share a process so hold each row against its checksum once. 12 files stay mapped.

    Raises:
        InputError: If the file is damaged.
    """
    try:
        states = [(each, os.stat(each)) for each in (path, _sums(path))]
    except OSError:
        return Rows(path)  # which says what is wrong
    return _opened(path, *((each, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for each, s in states))


@lru_cache(maxsize=12)
def _opened(path: Path, *state: Any) -> Rows:
    return Rows(path)
