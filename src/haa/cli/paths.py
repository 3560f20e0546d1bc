"""Paths on the command line: ``= , ( [ { ' #`` and others mean something to Hydra's grammar, and nothing in a path."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from haa.errors import InputError

_WORD = re.compile(r"(?P<key>\+{0,2}[A-Za-z_][\w./@-]*)=(?P<value>.+)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_./][\w./+-]*", re.ASCII)
_QUOTED = re.compile(r"(['\"])((?!\1)[^\\]|\\.)*\1", re.DOTALL)
_NAMED = re.compile(r"null|true|false|nan|inf", re.IGNORECASE)

_TEXTS = {
    *("output_dir", "output", "push_to", "study", "cache", "question"),
    *("dir", "dirpath", "save_dir", "default_root_dir"),
}
"""Keys, by their last part, that have a text and nothing else: what is written, and what a machine is asked."""

_OF_THE_DATA = ("fixations", "maps", "masks", "captions", "questions", "labels", "splits", "mapping", "karpathy", "gha")
_PATHS = {*("root", "checkpoint", "resume", "results", "images", "salicon"), *_OF_THE_DATA}
"""Keys, by their last part, that name what is there to be read."""


def taken_literally(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with paths quoted for Hydra, where it would take them for something else.

    A path that is there is that path. What is quoted already, an interpolation, and lists to be swept over stay what
    they are; so does what is no path and Hydra understands.

    Args:
        words: Words of a command that composes a config.

    Raises:
        InputError: If a path that is there holds ``${``, which no config can name.

    Example:
        >>> taken_literally(["data.root=/my data (1)", "output_dir=runs/a=1,b", "seed=0,1", "data.root=/a"])
        ["data.root='/my data (1)'", "output_dir='runs/a=1,b'", 'seed=0,1', 'data.root=/a']
    """
    roots = [value for word in words if (value := word.partition("data.root=")[2])]
    return [_literally(word, ["", *roots]) for word in words]


def _literally(word: str, folders: Sequence[str]) -> str:
    match = _WORD.fullmatch(word)
    if match is None or (_PLAIN.fullmatch(match["value"]) and not _NAMED.fullmatch(match["value"])):
        return word
    key, value = match["key"], match["value"]
    name = re.split(r"[./@+]", key)[-1]
    there = name in _TEXTS | _PATHS and _there(value, folders if name in _OF_THE_DATA else folders[:1])
    if there and "${" in value:
        raise InputError(f"{key}={value}: ${{ begins a reference to another key in every config: rename the path")
    if not there and (value == "null" or "${" in value or _QUOTED.fullmatch(value)):
        return word
    from haa.run_folder import quoted  # which loads numpy

    if there or name in _TEXTS:
        return f"{key}={quoted(value)}"
    kind = understood(word)
    scalar = name in _PATHS and kind in (int, float, bool)  # a folder called 007
    container = name not in _PATHS and re.match(r"[\[{]|\w+\(", value)
    return f"{key}={quoted(value)}" if scalar or (kind is None and not container) else word


def _there(value: str, folders: Sequence[str]) -> bool:
    paths = (os.path.join(os.path.expanduser(folder), os.path.expanduser(value)) for folder in folders)
    try:
        return any(map(os.path.lexists, paths))
    except (OSError, ValueError):
        return False


def understood(word: str) -> type | None:
    """Return the type of what Hydra takes a word's value for; None where it does not understand it.

    Example:
        >>> understood("seed=1"), understood("seed=0,1").__name__, understood("name=(")
        (<class 'int'>, 'ChoiceSweep', None)
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return type(OverridesParser.create().parse_override(word).value())
    except HydraException:
        return None
