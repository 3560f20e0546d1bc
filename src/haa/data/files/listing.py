"""What lies in a folder as its owner sees it: no hidden files, nothing that a system left, linked folders followed."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path

from haa.errors import InputError

_OF_THE_SYSTEM = {
    *("__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db"),
    *("$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle"),
}
"""Names, in lower case, of files and folders that Windows, macOS and network disks make beside one's own."""


def hidden(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or was left by a system.

    Example:
        >>> [hidden(name) for name in (".DS_Store", "._a.png", "Thumbs.db", "__MACOSX", "a.png")]
        [True, True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def composed(name: str) -> str:
    r"""Return a name with its letters composed (Unicode's form NFC), so that one name is one text.

    macOS hands out ``é`` as two characters, tables have mostly one.

    Example:
        >>> composed("cafe\u0301.png") == "caf\u00e9.png"
        True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what matches a pattern of `pathlib.Path.glob` in a folder, sorted, without what is hidden.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.png", "a.png", "._a.png"): (folder / name).touch()
        >>> [path.name for path in matching(folder, "*.png")]
        ['a.png', 'b.png']
    """
    return sorted(path for path in folder.glob(pattern) if not any(map(hidden, path.relative_to(folder).parts)))


def files_below(folder: Path, suffixes: Collection[str], apart: Collection[Path] = ()) -> list[Path]:
    """Return the files in a folder, at any depth, sorted, without what is hidden. Linked folders are followed.

    Args:
        folder: The folder; its own name may be hidden.
        suffixes: Endings of the files, in lower case.
        apart: Folders that are left aside.

    Raises:
        InputError: If a folder cannot be listed, or a link leads nowhere.
    """
    endings, found = tuple(suffixes), list[Path]()
    for place, names in _walk(str(folder), {str(path) for path in apart}, ()):
        top = Path(place)
        found += [top / name for name in names if name.lower().endswith(endings)]
    return sorted(found)


def folders_to(folder: Path, suffixes: Collection[str], apart: Collection[Path] = ()) -> list[Path]:
    """Return the folders that lead to what `files_below` returns: one of them changes when a file comes or goes.

    Example:
        >>> import tempfile
        >>> top = Path(tempfile.mkdtemp())
        >>> (top / "a" / "b").mkdir(parents=True), (top / "c").mkdir(), (top / "a" / "b" / "d.png").touch()
        (None, None, None)
        >>> [path.relative_to(top).as_posix() for path in folders_to(top, [".png"])]
        ['.', 'a', 'a/b']
    """
    endings, found = tuple(suffixes), {str(folder)}
    for place, names in _walk(str(folder), {str(path) for path in apart}, ()):
        if any(name.lower().endswith(endings) for name in names):
            while place not in found:
                found.add(place)
                place = os.path.dirname(place)
    return sorted(map(Path, found))


def entries(folder: Path, names: Collection[str]) -> dict[str, Path | None]:
    """Return files and folders by their names, whatever the Unicode form of these; None where there is none.

    Args:
        folder: Folder to which the names are relative.
        names: The names.

    Raises:
        InputError: If there is one whose name differs in upper and lower case alone: systems take that differently.
    """
    found: dict[str, Path | None] = {}
    others: dict[Path, dict[str, str]] = {}
    for name in names:
        path = folder / name
        if path.exists():
            found[name] = path
            continue
        if path.parent not in others:
            there = os.listdir(path.parent) if path.parent.is_dir() else []
            others[path.parent] = {composed(other).casefold(): other for other in there}
        wanted = composed(path.name)
        other = others[path.parent].get(wanted.casefold())
        if other is not None and composed(other) != wanted:
            raise InputError(f"{path.with_name(other)}: is {path.name} meant? Names differ in case: rename it")
        found[name] = None if other is None else path.with_name(other)
    return found


def _walk(folder: str, apart: set[str], above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder with the names of its files; a linked folder that holds itself is not entered again."""
    try:
        stat = os.stat(folder)
        own = stat.st_dev, stat.st_ino
        if own in above:
            return
        with os.scandir(folder) as found:
            entries = [each for each in found if not hidden(each.name)]
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}): correct it") from None
    below, names = list[str](), list[str]()
    for each in entries:
        if each.is_dir():
            below.append(each.path)
        else:
            names.append(each.name)
            if each.is_symlink() and not os.path.splitext(each.name)[1] and not os.path.exists(each.path):
                raise InputError(f"{each.path} is a link that leads nowhere: correct it, or take it away")
    yield folder, names
    for each_folder in below:
        if each_folder not in apart:
            yield from _walk(each_folder, apart, (*above, own))
