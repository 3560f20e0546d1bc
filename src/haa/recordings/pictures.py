"""The pictures that were shown, and the names by which recordings call them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from haa.data.files.image import image_size
from haa.data.files.listing import composed, files_below
from haa.data.readers.folder import SUFFIXES
from haa.errors import InputError
from haa.gaze import Size


class Pictures:
    """Pictures of a folder at any depth.

    A recording may call one by its path, by the end of a longer path, by its name or by its name without the ending,
    whatever the case and the Unicode form.

    Args:
        root: The folder.

    Attributes:
        paths: Paths below the folder, sorted.

    Raises:
        InputError: If the folder is missing or holds no picture.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"images={root} is no folder: give the one that holds the pictures that were shown")
        self.root = root
        self.paths = [path.relative_to(root).as_posix() for path in files_below(root, SUFFIXES)]
        if not self.paths:
            raise InputError(f"images={root} holds no picture ({', '.join(sorted(SUFFIXES))}): correct the folder")
        self._names: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            own = Path(path)
            for name in dict.fromkeys((path, own.with_suffix("").as_posix(), own.name, own.stem)):
                self._names[_key(name)].append(path)
        self._sizes: dict[str, Size] = {}

    def size(self, path: str) -> Size:
        """Return a picture's height and width in pixels."""
        if path not in self._sizes:
            self._sizes[path] = image_size(self.root / path)
        return self._sizes[path]

    def find(self, name: str) -> str | None:
        """Return the path of the picture that a recording calls so, None where there is none.

        Raises:
            InputError: If it may be two.
        """
        parts = re.split(r"[/\\]", name.strip().strip("\"'"))
        for start in range(len(parts)):
            key = _key("/".join(parts[start:]))
            found = self._names.get(key) if key else None
            if found:
                if len(found) > 1:
                    raise InputError(f"{name!r} may be {found[0]} or {found[1]} of {self.root}: give them other names")
                return found[0]
        return None

    def find_all(self, names: np.ndarray) -> tuple[np.ndarray, Counter[str]]:
        """Return the picture's path for each name, empty where there is none, and those names with their numbers."""
        known = {name: self.find(name) for name in set(names.tolist())}
        paths = np.array([known[name] or "" for name in names.tolist()], dtype=object)
        missing = Counter(name for name in names.tolist() if not known[name])
        return paths, missing

    def mentioned(self, text: str) -> str | None:
        """Return the picture that a message is, or that a word of it is, with or without the ending; None of others."""
        if "." in text and (found := self.find(text)) is not None:
            return found
        for word in re.split(r"[\s,;=:\"']+", text):
            if "." in word and (found := self.find(word)) is not None:
                return found
        for word in re.split(r"[\s,;=:\"']+", text):
            if len(word) > 1 and not re.fullmatch(r"[\d.+-]+", word) and (found := self.find(word)) is not None:
                return found
        return None

    def column(self, columns: Iterable[tuple[str, np.ndarray]]) -> str | None:
        """Return the column whose values name the most pictures, None where none does for most of its rows."""
        best, share = None, 0.5
        for name, values in columns:
            given = [value for value in values[:2000].tolist() if value]
            known = {value: self.find(value) is not None for value in set(given)}
            hits = sum(known[value] for value in given) / max(1, len(given))
            if hits > share:
                best, share = name, hits
        return best


def _key(name: str) -> str:
    return composed(name).casefold()
