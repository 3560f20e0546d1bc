"""Writing that survives a kill: a file that is there whole or not at all, a folder that is built once."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock

from haa.errors import writing


def write_whole(path: Path, content: str | bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file that is there whole or not at all, whenever the process is killed.

    It is written beside its place under another name, flushed to the disk, and renamed.

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
    partial = path.with_name(f".{path.name[:200]}.{os.getpid()}.{threading.get_ident()}")
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


@contextmanager
def built_once(folder: Path, stale: Callable[[Path], bool] = lambda folder: False) -> Iterator[Path | None]:
    """Hold the lock of a folder that one process builds and all read; give the place to build it in, if it has to be.

    What is built stands in a folder beside it, which is renamed when the context ends without an exception: the folder
    is there complete or not at all. The lock is the operating system's and goes with a process that is killed.

    Args:
        folder: The folder to be.
        stale: Says of a folder that is there whether it has to be built anew.

    Yields:
        An empty folder to build in, or None where the folder is there and good.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     for _ in range(2):
        ...         with built_once(Path(place) / "index") as partial:
        ...             if partial is not None:
        ...                 print("built", (partial / "rows").write_text("1"))
        built 1
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if folder.exists() and stale(folder):
            shutil.rmtree(folder)
        if folder.exists():
            yield None
            return
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        partial.rename(folder)
