"""Writing that survives a kill: a file that is there whole or not at all, a folder that is built once."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from haa.errors import InputError, reading, writing

PARTIAL = re.compile(r"\..+\.\d+\.\d+")
"""Name of a file that `write_whole` has not finished; where its writer was killed, it stays."""


def write_whole(path: Path, content: str | bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file that is there whole or not at all, whenever the process is killed.

    It is written beside its place under another name, flushed to the disk, and renamed. The name itself is not flushed,
    which would cost as much again: a power cut may leave what was there before, whole.

    Args:
        path: Where the file goes.
        content: Text (UTF-8), bytes, or a function that writes into the opened file.

    Raises:
        InputError: If the disk refuses it; what was there before stays.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "a.txt", "whole")
        ...     [path.name for path in Path(folder).iterdir()], (Path(folder) / "a.txt").read_text()
        (['a.txt'], 'whole')
    """
    name = os.fsencode(path.name)[:200].decode(errors="ignore")  # a name has 255 bytes at most
    partial = path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")
    with writing(path):
        try:
            with partial.open("wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def make_folder(path: Path) -> None:
    """Make a folder with those above it, where it is not there.

    Raises:
        InputError: If the disk refuses it, or a file is in the way.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def reserve(file: IO[bytes], size: int) -> None:
    """Take the space of a file from the disk before it is written, so that a full disk is known of at the start.

    Args:
        file: File opened for writing; a file system that cannot reserve leaves it as it is.
        size: Bytes that it will have.

    Raises:
        InputError: If the disk has no room.
    """
    if not size or not hasattr(os, "posix_fallocate"):
        return
    with writing(file.name):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise


@contextmanager
def built_once(folder: Path, stale: Callable[[Path], bool] = lambda folder: False) -> Iterator[Path | None]:
    """Hold the lock of a folder that one process builds and all read; give the place to build it in, if it has to be.

    What is built stands in a folder beside it, which is flushed to the disk and renamed when the context ends without
    an exception, and else deleted: the folder is there complete or not at all. The lock is the operating system's and
    goes with a process that is killed.

    Args:
        folder: The folder to be.
        stale: Says of a folder that is there whether it has to be built anew.

    Yields:
        An empty folder to build in, or None where the folder is there and good.

    Raises:
        InputError: If the disk refuses the folder or its lock.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     for _ in range(2):
        ...         with built_once(Path(place) / "index") as partial:
        ...             if partial is not None:
        ...                 print("built", (partial / "rows").write_text("1"))
        built 1
    """
    partial = folder.with_suffix(".partial")
    with locked(folder.with_suffix(".lock")):
        outdated = folder.exists() and stale(folder)
        with writing(folder):
            _remove(partial)
            if outdated:  # renamed first: killed while it is deleted, it must not look complete
                folder.rename(partial)
                _remove(partial)
            built = folder.exists()
            if not built:
                partial.mkdir()
        if built:
            yield None
            return
        try:
            yield partial
            with writing(folder):
                _flush(partial)
                partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def check_new(output: Path, key: str = "output") -> None:
    """Refuse a folder of output that is there already, unless it is empty.

    Args:
        output: The folder.
        key: Word of the command line that names it.

    Raises:
        InputError: If it is a file, or something lies in it.
    """
    with writing(output):
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise InputError(f"{key}={output} is there already: give another name, or delete it")


@contextmanager
def built_new(output: Path) -> Iterator[Path]:
    """Give a folder to build in, which takes the name of the output once it is whole, and else is deleted.

    Args:
        output: A folder that is not there, or empty (`check_new`).

    Raises:
        InputError: If the disk refuses it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     with built_new(Path(place) / "mine") as folder:
        ...         _ = (folder / "a.txt").write_text("whole")
        ...     [path.name for path in (Path(place) / "mine").iterdir()]
        ['a.txt']
    """
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    make_folder(partial)
    try:
        yield partial
        with writing(output):
            if output.is_dir():
                output.rmdir()
            partial.rename(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def locked(path: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold a lock file, in a folder that is made if it is not there; wait where another process holds it.

    Args:
        path: The lock file; it stays, because to delete it would let two hold it.
        waiting: Called before the wait, if there is one.

    Raises:
        InputError: If the disk refuses the file.
    """
    make_folder(path.parent)
    lock = FileLock(path)
    with writing(path):
        try:
            lock.acquire(timeout=0)
        except Timeout:  # an OSError
            waiting()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def remove_partial(folder: Path) -> None:
    """Delete what writers that were killed left half-written in a folder that nobody else writes into now."""
    with writing(folder):
        for path in folder.glob(".*"):
            if PARTIAL.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def check_zip(path: Path, cure: str = "copy it again") -> None:
    """Hold every member of a zip file, such as a checkpoint, against its checksum.

    What reads a checkpoint maps its members and does not look at the checksums that are written with them.

    Args:
        path: A file whose members are stored as they are, so that it cannot be larger when it is read.
        cure: What to do about one that is damaged.

    Raises:
        InputError: If it is no such file, or a member is damaged.
    """
    with reading(path, cure):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("its members are compressed")
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")
