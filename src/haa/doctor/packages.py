"""What is installed: haa's distributions, what they ask for, and their extras."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

FULL, CORE = "haa", "haa-core"
"""The distribution, and that of the same files without what the commands need: one or the other is installed."""

_NO_FEATURE = (None, "dev", "docs")


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
    for name in (FULL, CORE):
        if version(name) is not None:
            return [Requirement(text) for text in metadata.requires(name) or ()]
    return []


def packages(asked: Iterable[Requirement]) -> dict[str, Any]:
    """Return, of each distribution that haa needs, its ``version`` and what is ``wrong`` with it.

    Args:
        asked: Requirements of haa.
    """
    return {each.name: _state(each) for each in asked if _name(each) is None}


def extras(asked: Iterable[Requirement]) -> dict[str, dict[str, Any]]:
    """Return the extras of haa: the ``packages`` of each, and ``install``, the line that brings them, or None.

    Args:
        asked: Requirements of haa.
    """
    asked = list(asked)
    needed = {each.name for each in asked if _name(each) is None}
    own_name = CORE if version(FULL) is None and version(CORE) is not None else FULL
    names = sorted({_name(each) for each in asked} - {*_NO_FEATURE}, key=str)
    result = {}
    for name in names:
        own = {each.name: _state(each) for each in asked if _name(each) == name and each.name not in needed}
        wrong = any(state["wrong"] for state in own.values())
        result[str(name)] = {"packages": own, "install": f"pip install '{own_name}[{name}]'" if wrong else None}
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
