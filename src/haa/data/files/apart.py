"""Reading in a process of its own, for formats whose parsers can crash: what a damaged file kills is that process."""

from __future__ import annotations

import atexit
import importlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from haa.errors import InputError, reason

MEMORY = 2 << 30
"""Address space of the process, in bytes: a file that asks for more is refused."""

SECONDS = 8
"""Time that the process may compute for one file; waiting for the disk does not count."""

IDLE = 60
"""Seconds after which the process ends where nothing is asked of it."""

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
"""One thread is enough, and HDF5 loads no filter that a file asks for."""

_SIZES = struct.Struct("<QQ")


def read_apart(function: Callable[..., Any], path: str | Path, *arguments: str) -> Any:
    """Return what a function reads from a file, in a process of its own that goes on to the next file.

    That process has `MEMORY` and `SECONDS`; no parser's crash, endless loop or hunger reaches this one. What comes back
    is plain: dicts, lists, texts, numbers and arrays of numbers or texts, no code.

    Args:
        function: Function at the top of a module that is quick to import, called with the file's name first.
        path: The file.
        arguments: Further texts for the function.

    Raises:
        InputError: If the file cannot be read, whatever the reason.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.arange(3.0))
        >>> read_apart(np.load, path)
        array([0., 1., 2.])
    """
    return _process.ask(str(path), json.dumps([function.__module__, function.__name__, [str(path), *arguments]]))


class _Process:
    """The process of this one; it is started when it is needed, and again where it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, path: str, request: str) -> Any:
        if self._pid != os.getpid():  # a fork, to whose parent the process answers
            self.__init__()  # type: ignore[misc]
        with self._lock:
            for _ in range(2):
                try:
                    reply = self._answer(request)
                except BaseException:  # an answer that nobody waits for must not become the next one
                    self.end()
                    raise
                if reply is not None:
                    break
                if (ended := self.end()) != -getattr(signal, "SIGALRM", 0):  # it was not just idle
                    raise InputError(f"{path} cannot be read ({_cause(ended)}): fetch it again")
        assert reply is not None
        header, numbers = json.loads(reply[0]), reply[1]
        if "refused" in header:
            raise InputError(header["refused"])
        return _restored(header["value"], numbers)

    def _answer(self, request: str) -> tuple[bytes, bytes] | None:
        """Return the two parts of the answer, or None where the process has ended."""
        if self._child is None:
            self._child = _start()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(request.encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            return None
        sizes = self._child.stdout.read(_SIZES.size)
        if len(sizes) < _SIZES.size:
            return None
        parts = [self._child.stdout.read(size) for size in _SIZES.unpack(sizes)]
        return (parts[0], parts[1]) if [len(part) for part in parts] == [*_SIZES.unpack(sizes)] else None

    def end(self) -> int:
        """End the process and return its exit status; 0 where there is none."""
        child, self._child = self._child, None
        if child is None or self._pid != os.getpid():
            return 0
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass
        try:
            return child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


_process = _Process()
atexit.register(_process.end)


def _start() -> subprocess.Popen[bytes]:
    # it finds the modules where this process does; -P keeps the folder that it is started in out of it
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "haa.data.files.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
    )


def _cause(status: int) -> str:
    if status == -getattr(signal, "SIGXCPU", 0):
        return f"it takes longer than {SECONDS} s"
    return f"its parser ends with status {status}"


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests, one a line, until there are no more: the process' own part of `read_apart`."""
    for line in iter(lambda: _next(requests), b""):
        module, name, arguments = json.loads(line)
        numbers = bytearray()
        try:
            function = getattr(importlib.import_module(module), name)
            header = json.dumps({"value": _plain(function(*arguments), numbers)}).encode()
        except InputError as error:
            header, numbers = json.dumps({"refused": str(error)}).encode(), bytearray()
        except Exception as error:
            said = f"{arguments[0]} cannot be read ({reason(error)}): fetch it again"
            header, numbers = json.dumps({"refused": said}).encode(), bytearray()
        replies.write(_SIZES.pack(len(header), len(numbers)) + header)
        replies.write(numbers)
        replies.flush()


def _next(requests: BinaryIO) -> bytes:
    """Return the next request, and allow `SECONDS` for it; the process ends where none comes in time."""
    if sys.platform == "win32":
        return requests.readline()
    import resource

    signal.alarm(IDLE)
    line = requests.readline()
    signal.alarm(0)
    limit = int(time.process_time()) + 1 + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    return line


def _plain(value: Any, numbers: bytearray) -> Any:
    """Return what JSON can hold of a value; the content of arrays is added to ``numbers``."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcSU":
        start = len(numbers)
        numbers += value.tobytes()
        return {"array": [value.dtype.str, value.shape, start]}
    if isinstance(value, dict):
        return {"dict": [[str(key), _plain(part, numbers)] for key, part in value.items()]}
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        return {"list": [_plain(part, numbers) for part in value]}
    raise ValueError(f"it holds a {type(value).__name__}")


def _restored(value: Any, numbers: bytes) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        dtype, shape, start = value["array"]
        count = math.prod(shape)
        # copied, because these bytes cannot be written, and to let go of those of other arrays
        return np.frombuffer(numbers, dtype, count, start).reshape(shape).copy() if count else np.zeros(shape, dtype)
    if "dict" in value:
        return {key: _restored(part, numbers) for key, part in value["dict"]}
    return [_restored(part, numbers) for part in value["list"]]


def _main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; this process ends with the one that asks
    if sys.platform != "win32":
        import resource

        for limit, size in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    _main()
