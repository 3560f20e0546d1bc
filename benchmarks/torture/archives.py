"""Archives that an honest publisher would not send."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.torture.payloads import Traps

Evil = Callable[[Path, Traps, Path], Path]


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> Evil:
    def make(folder: Path, traps: Traps, target: Path) -> Path:
        with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                if isinstance(name, str):
                    name = zipfile.ZipInfo(name.replace("OUTSIDE", str(traps.outside)))
                name.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(name, "w") as file:  # writestr takes no empty name
                    file.write(content)
        return folder / "a.zip"

    return make


def _tar(*members: dict[str, Any], link: bool = False) -> Evil:
    def make(folder: Path, traps: Traps, target: Path) -> Path:
        if link:
            (target / "link").symlink_to(traps.outside)
        with tarfile.open(folder / "a.tgz", "w:gz") as archive:
            for member in members:
                info, content = tarfile.TarInfo(), b"x" * 10
                for key, value in member.items():
                    setattr(
                        info, key, value.replace("OUTSIDE", str(traps.outside)) if isinstance(value, str) else value
                    )
                info.size = len(content) if info.isreg() else 0
                archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
        return folder / "a.tgz"

    return make


def _linked(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o777) << 16
    return info


def _claims(folder: Path, traps: Traps, target: Path) -> Path:
    """A zip whose directory says of 50 MB of zeros that they are ten bytes."""
    path = _zip(("a", bytes(50_000_000)))(folder, traps, target)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def _encrypted(folder: Path, traps: Traps, target: Path) -> Path:
    path = _zip(("a", b"x" * 100))(folder, traps, target)
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def _many(folder: Path, traps: Traps, target: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}/", b"")
    return folder / "a.zip"


def _raw(name: str, content: bytes) -> Evil:
    def make(folder: Path, traps: Traps, target: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _overlap(folder: Path, traps: Traps, target: Path) -> Path:
    """A zip all of whose members are the same megabytes of zeros."""
    path = _zip(("a", bytes(10_000_000)))(folder, traps, target)
    data = path.read_bytes()
    at, end = data.rfind(b"PK\x01\x02"), data.rfind(b"PK\x05\x06")
    entry, count = data[at:end], 2000
    tail = bytearray(data[end:])
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    path.write_bytes(data[:at] + entry * count + bytes(tail))
    return path


EVIL: dict[str, Evil] = {
    "parent": _zip(("../../outside/PWNED", b"x")),
    "absolute": _zip(("OUTSIDE/PWNED", b"x")),
    "backslash": _zip(("..\\..\\outside\\PWNED", b"x")),
    "inner parent": _zip(("a/b/../../../../outside/PWNED", b"x")),
    "zip link": _zip((_linked("l", stat.S_IFLNK), b"../../outside"), ("l/PWNED", b"x")),
    "zip fifo": _zip((_linked("l", stat.S_IFIFO), b"")),
    "bomb": _zip(*((f"{n}", bytes(20_000_000)) for n in range(3))),
    "claims": _claims,
    "encrypted": _encrypted,
    "many": _many,
    "overlap": _overlap,
    "file and folder": _zip(("a", b"x"), ("a/b", b"x")),
    "twice": _zip(("a", b"x"), ("A", b"y"), ("a", b"z")),
    "long name": _zip(("x" * 5000, b"x")),
    "empty name": _zip(("", b"x")),
    "dot": _zip((".", b"x")),
    "tar parent": _tar({"name": "../../outside/PWNED"}),
    "tar absolute": _tar({"name": "OUTSIDE/PWNED"}),
    "tar link": _tar({"name": "l", "type": tarfile.SYMTYPE, "linkname": "OUTSIDE"}, {"name": "l/PWNED"}),
    "tar hard link": _tar({"name": "l", "type": tarfile.LNKTYPE, "linkname": "../../outside/secret.txt"}),
    "tar fifo": _tar({"name": "l", "type": tarfile.FIFOTYPE}),
    "tar device": _tar({"name": "l", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    "tar through a link": _tar({"name": "link/PWNED"}, link=True),
    "tar folder through a link": _tar({"name": "link/PWNED", "type": tarfile.DIRTYPE}, link=True),
    "tar folder over a link": _tar({"name": "link", "type": tarfile.DIRTYPE}, {"name": "link/PWNED"}, link=True),
    "tar setuid": _tar({"name": "a", "mode": 0o6777, "uid": 0}),
    "no archive": _raw("a.zip", os.urandom(500)),
    "empty": _raw("a.tar", b""),
    "gzip of nothing": _raw("a.tgz", b"\x1f\x8b\x08\0\0\0\0\0\0\3"),
}
"""Each writes an archive into a folder and returns its path."""
