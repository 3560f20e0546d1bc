"""Exception that a user is meant to read, the sentences in it that say what to do, and what others raise as it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from haa.printing.plain import plain


class InputError(ValueError):
    """Error of input that cannot be used.

    The message is one line: it names the file, key or value, says what is wrong with it, and what to do. The command
    line prints it without a traceback.

    Example:
        >>> raise InputError("data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/")
        Traceback (most recent call last):
        haa.errors.InputError: data.root=/data/osie does not exist: give the folder that holds eye/ and stimuli/
    """

    def __init__(self, message: str) -> None:
        if "\nOriginal Traceback" in message:  # torch raises a loader's error anew, with where it came from
            message = message.rpartition("InputError: ")[2].strip()
        super().__init__(plain(message).replace("\n", "\\n"))  # names of files and values stand in it


def suggest(word: str, choices: Sequence[str]) -> str:
    """Return a sentence that lists the choices, after the one close to ``word``: ``did you mean a? There are: a, b``.

    Example:
        >>> suggest("hiden", ["hidden", "layers"])
        'did you mean hidden? There are: hidden, layers'
    """
    closest = difflib.get_close_matches(word, choices, n=1)
    start = f"did you mean {closest[0]}? There are: " if closest else "there are: "
    return start + ", ".join(choices)


def needs(what: str, install: str, *modules: str) -> None:
    """Refuse what needs packages that are not installed, with the line that installs them.

    Nothing is imported, so that the packages may be slow to load.

    Args:
        what: What needs them, in the words of whoever asked for it.
        install: What pip is told to install: an extra of haa, or a package that no extra has.
        *modules: Names of the modules, as they are imported.

    Raises:
        InputError: If one is not there; the message names all that are not.

    Example:
        >>> needs("reading a table", "pillow", "PIL", "html.parser")
        >>> needs("reading tea leaves", "haa[tea]", "tealeaves", "PIL")
        Traceback (most recent call last):
        haa.errors.InputError: reading tea leaves needs tealeaves: run `pip install 'haa[tea]'`
    """
    missing = [name for name in modules if not _is_there(name)]
    if missing:
        quoted = f"'{install}'" if "[" in install else install
        raise InputError(f"{what} needs {' and '.join(missing)}: run `pip install {quoted}`")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # what it lies in is not there; it was loaded without a spec
        return False


@contextmanager
def reading(what: str | Path, cure: str = "copy it again") -> Iterator[None]:
    """Raise what fails within as an `InputError` that names what was read, and the cure.

    A damaged file fails in a hundred ways, by exceptions of every library on the way to its content. What is an
    `InputError` already passes as it is.

    Args:
        what: File, or what else it is that cannot be read.
        cure: What to do.

    Example:
        >>> with reading("a.json", "fetch it again"):
        ...     {}["annotations"]
        Traceback (most recent call last):
        haa.errors.InputError: a.json cannot be read (KeyError: 'annotations'): fetch it again
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{what} cannot be read ({reason(error)}): {cure}") from error


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Raise what the disk refuses within as an `InputError`: a full one, one that is read-only, a quota.

    Args:
        path: What is written.

    Example:
        >>> with writing("/proc/version/a"):
        ...     Path("/proc/version/a").mkdir()
        Traceback (most recent call last):
        haa.errors.InputError: /proc/version/a cannot be written (Not a directory): give another place, or make room
    """
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: str | Path, error: OSError) -> InputError:
    """Return the error which says that the disk refuses a file, and the cure."""
    return InputError(f"{path} cannot be written ({error.strerror or reason(error)}): give another place, or make room")


def reason(error: Exception) -> str:
    """Return another library's error on one line, with its kind where its text alone would say little.

    Example:
        >>> reason(KeyError("annotations")), reason(ValueError("not a number"))
        ("KeyError: 'annotations'", 'not a number')
    """
    text = " ".join(str(error).split())
    text = text if len(text) <= 200 else text[:197] + "..."
    if not text:
        return type(error).__name__
    return text if isinstance(error, OSError | ValueError | SyntaxError) else f"{type(error).__name__}: {text}"
