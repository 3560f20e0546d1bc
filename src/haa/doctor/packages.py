"""What is installed: haa's distributions, what they ask for, and their extras."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

CODE, FULL = "haa-core", "haa"
"""The distribution that has the code, and the one that brings everything with it."""

_COMMANDS = "train"
"""Extra that has what the commands need."""

_NO_FEATURE = (None, _COMMANDS, "dev")


def version(name: str) -> str | None:
    """Return the version of an installed distribution, or None.

    Example:
        >>> version("no-such-distribution") is None
        True
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> list[Requirement]:
    """Return all that haa asks for, with its extras as markers; nothing where haa is no installed distribution."""
    try:
        return [Requirement(text) for text in metadata.requires(CODE) or ()]
    except metadata.PackageNotFoundError:
        return []


def packages(asked: Iterable[Requirement]) -> dict[str, Any]:
    """Return, of each distribution that haa needs, its ``version`` and what is ``wrong`` with it.

    They are those of the commands, too, unless haa-core is there alone, which has none.

    Args:
        asked: Requirements of haa.
    """
    core = {each.name: _state(each) for each in asked if _name(each) is None}
    commands = {each.name: _state(each) for each in asked if _name(each) == _COMMANDS}
    alone = version(FULL) is None and version("hydra-core") is None
    return core if alone else {**core, **commands}


def extras(asked: Iterable[Requirement]) -> dict[str, dict[str, Any]]:
    """Return the extras of haa: the ``packages`` of each, and ``install``, the line that brings them, or None.

    Args:
        asked: Requirements of haa.
    """
    asked = list(asked)
    needed = {each.name for each in asked if _name(each) in (None, _COMMANDS)}  # which most extras bring, too
    names = sorted({_name(each) for each in asked} - {*_NO_FEATURE}, key=str)
    result = {}
    for name in names:
        own = {each.name: _state(each) for each in asked if _name(each) == name and each.name not in needed}
        wrong = any(state["wrong"] for state in own.values())
        result[str(name)] = {"packages": own, "install": f"pip install '{FULL}[{name}]'" if wrong else None}
    return result


def _state(asked: Requirement) -> dict[str, str | None]:
    there = version(asked.name)
    if there is None:
        return {"version": None, "wrong": "is not installed"}
    fits = asked.specifier.contains(there, prereleases=True)
    return {"version": there, "wrong": None if fits else f"{there} is not {asked.specifier}"}


def _name(asked: Requirement) -> str | None:
    """Return the extra that a requirement belongs to: hatchling writes one marker, ``extra == "video"``."""
    marker = str(asked.marker or "")
    return marker.partition('extra == "')[2].partition('"')[0] or None
