"""Which stimulus a table means, whatever the form of its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from haa.data.files.listing import composed
from haa.errors import InputError


class Names:
    r"""Finds a stimulus by what a table calls it.

    That is a path below the stimuli's folder, with or without the ending, or the file's name or its stem alone.

    Args:
        names: Path of each stimulus.
        top: Folder of the stimuli.

    Example:
        >>> names = Names(["x/a.png", "y/b.png"], Path("images"))
        >>> [names.get(text, "a.csv, line 2") for text in ("a", "x\\a", "images/x/a.png", "c")]
        ['x/a.png', 'x/a.png', 'x/a.png', None]
        >>> names.hint("B.png")
        ' (y/b.png differs in case alone: write it so)'
    """

    def __init__(self, names: Iterable[str], top: Path) -> None:
        self._top = f"{top.name}/"
        by_path: dict[str, list[str]] = defaultdict(list)
        by_file: dict[str, list[str]] = defaultdict(list)
        for name in names:
            whole = composed(name)
            path, _, file = whole.rpartition("/")
            stem = file.rpartition(".")[0]
            by_path[whole].append(name)
            by_path[f"{path}/{stem}" if path else stem].append(name)
            by_file[file].append(name)
            by_file[stem].append(name)
        self._by_name = {**by_file, **by_path}

    def get(self, text: str, where: str) -> str | None:
        """Return the stimulus that a table means, None where there is none.

        Raises:
            InputError: If there are several.
        """
        found = self._by_name.get(text) or self._by_name.get(self._plain(text))
        if found and len(found) > 1:
            raise InputError(f"{where}: {text} may be {found[0]} or {found[1]}: give the path")
        return found[0] if found else None

    def known(self, text: str) -> bool:
        """Return whether a stimulus is called so."""
        return self._plain(text) in self._by_name

    def hint(self, text: str) -> str:
        """Return what to say of a name that is nearly a stimulus'; an empty text of any other."""
        near = self._by_case.get(self._plain(text).casefold())
        return f" ({near} differs in case alone: write it so)" if near else ""

    @cached_property
    def _by_case(self) -> dict[str, str]:
        return {text.casefold(): names[0] for text, names in self._by_name.items()}

    def _plain(self, text: str) -> str:
        return composed(text).replace("\\", "/").removeprefix("./").removeprefix(self._top)


class Tails:
    """Finds the image of a map that lies in fewer sub-folders than it does, or in more.

    Args:
        images: Path of each image.

    Example:
        >>> tails = Tails(["train/real/1.png", "train/fake/1.png", "2.png"])
        >>> [tails.get(stem, Path("maps") / stem) for stem in ("real/1", "real/2", "fake/3", "fake/train/2")]
        ['train/real/1.png', '2.png', None, '2.png']
    """

    def __init__(self, images: Iterable[str]) -> None:
        self._by_tail: dict[str, list[str]] = defaultdict(list)
        self._whole: dict[str, str] = {}
        for image in images:
            stem = composed(Path(image).with_suffix("").as_posix())
            self._whole[stem] = image
            for tail in _tails(stem):
                self._by_tail[tail].append(image)

    def get(self, stem: str, path: Path) -> str | None:
        """Return the image of a map, None where there is none.

        Args:
            stem: Path of the map below its folder, without the ending.
            path: The map, for the error.

        Raises:
            InputError: If there are several.
        """
        found = self._by_tail.get(stem, [])
        if len(found) > 1:
            raise InputError(f"{path} may be of {found[0]} or of {found[1]}: put it into a sub-folder of that name")
        return found[0] if found else next((self._whole[tail] for tail in _tails(stem) if tail in self._whole), None)


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
