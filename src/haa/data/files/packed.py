"""A file within a larger one that lies there as it is, byte for byte: in a tar, in an Arrow file."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from haa.errors import InputError

SIGN = "#"
"""What stands between the parts of a packed file's name in an index: ``shard#at+length#name``."""


@dataclass(frozen=True)
class Packed:
    """Bytes within a file, which are read as a file of their own.

    Args:
        holder: The file that they lie in.
        at: Byte at which they begin.
        length: Number of bytes.
        name: Name that they have there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.bin"
        >>> _ = path.write_bytes(b"....text..")
        >>> packed = Packed(path, 4, 4, "note.txt")
        >>> packed.read_bytes(), packed.suffix, packed.spelled("a.bin")
        (b'text', '.txt', 'a.bin#4+4#note.txt')
        >>> Packed.named(path.parent, "a.bin#4+4#note.txt") == packed
        True
    """

    holder: Path
    at: int
    length: int
    name: str

    @classmethod
    def named(cls, root: Path, text: str) -> Packed:
        """Return what `spelled` names, below a folder."""
        shard, place, name = text.split(SIGN, 2)
        at, _, length = place.partition("+")
        return cls(root / shard, int(at), int(length), name)

    def spelled(self, shard: str) -> str:
        """Return a name by which it is found again, with the path of its holder below a folder."""
        return SIGN.join((shard, f"{self.at}+{self.length}", self.name))

    def __str__(self) -> str:
        return f"{self.holder}/{self.name}"

    @property
    def suffix(self) -> str:
        """Ending of its name."""
        return PurePosixPath(self.name).suffix

    def is_file(self) -> bool:
        """Return whether its holder is there."""
        return self.holder.is_file()

    exists = is_file

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Return its content as a file that is open, in memory."""
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        """Return its content.

        Raises:
            InputError: If its holder is missing, or ends before it.
        """
        try:
            file = os.open(self.holder, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise InputError(f"{self.holder} is missing: fetch it, or correct data.root") from None
        try:
            os.lseek(file, self.at, os.SEEK_SET)
            parts, left = [], self.length
            while left and (part := os.read(file, left)):
                parts.append(part)
                left -= len(part)
        finally:
            os.close(file)
        if left:
            raise InputError(f"{self.holder} ends before {self.name}: fetch it again")
        return b"".join(parts)


File = Path | Packed
"""What holds the bytes of one picture, map or array."""
