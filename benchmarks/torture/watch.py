"""What a process does beside reading: programs started, files written elsewhere, connections, code from pickles."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen", "pty.spawn"}
CONNECTIONS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "socket.sendto"}
CHANGES = {
    *("os.remove", "os.rmdir", "os.rename", "os.truncate", "os.link", "os.symlink", "os.mkdir", "os.chmod", "os.chown"),
    *("shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree", "shutil.unpack_archive"),
}
AT = {"os.remove", "os.rmdir", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.chmod", "os.chown"}
"""Those that take names in a folder that is given as a descriptor, which is their last argument."""
CODE = {
    "os",
    "posix",
    "nt",
    "subprocess",
    "builtins",
    "__builtin__",
    "sys",
    "shutil",
    "importlib",
    "runpy",
    "pty",
    "code",
}
HARMLESS = {
    f"builtins.{name}" for name in ("set", "list", "dict", "tuple", "object", "bytearray", "complex", "getattr")
}
"""``getattr`` is how pickle names a method of a class; alone it runs nothing."""


class Watch:
    """Audit hook of this process; there is no way to take it off, so it belongs into a forked one.

    Args:
        own: Folders in which files may be written and deleted.
        secret: Folders in which nothing may be opened at all.
        allowed: Says of what a program is started with, or connected to, whether it may be.
    """

    def __init__(
        self, own: Sequence[Path], secret: Sequence[Path] = (), allowed: Callable[[Any], bool] = lambda argv: False
    ) -> None:
        self.own = tuple(f"{os.path.realpath(folder)}/" for folder in (*own, "/dev", "/proc/self"))
        self.secret = tuple(f"{os.path.realpath(folder)}/" for folder in secret)
        self.allowed = allowed
        self.seen: list[str] = []
        self.armed = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        self.armed = False  # what is done here is not to be seen
        try:
            if found := self._fault(event, args):
                self.seen.append(found[:300])
        finally:
            self.armed = True

    def _fault(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event == "open":
            return self._opened(*args)
        if event in PROGRAMS:
            return None if self.allowed(args) else f"{event} {args!r}"
        if event in CONNECTIONS:
            local = event == "socket.connect" and isinstance(args[1], str)
            return None if local or self.allowed(args) else f"{event} {args!r}"
        if event in CHANGES:
            places = [isinstance(number, int) and number >= 0 and f"/proc/self/fd/{number}" for number in args[-2:]]
            within = next((place for place in places if place), "") if event in AT else ""
            names = [os.fsdecode(path) for path in args[:2] if isinstance(path, str | bytes | Path)]
            outside = [name for name in names if not self._own(os.path.join(within, name))]
            return f"{event} {outside}" if outside else None
        if event == "pickle.find_class":
            name = f"{args[0]}.{args[1]}"
            return f"pickle {name}" if args[0].split(".")[0] in CODE and name not in HARMLESS else None
        return None

    def _opened(self, path: Any, mode: Any, flags: int) -> str | None:
        if isinstance(path, int) or path is None:
            return None
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if writes and not self._own(path):
            return f"written: {os.fsdecode(path)}"
        if self.secret and f"{os.path.realpath(os.fsdecode(path))}/".startswith(self.secret):
            return f"read: {os.fsdecode(path)}"
        return None

    def _own(self, path: Any) -> bool:
        return f"{os.path.realpath(os.fsdecode(path))}/".startswith(self.own)
