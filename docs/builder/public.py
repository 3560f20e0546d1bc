"""Which names are public: decision 69."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"

ROOMS = (
    *("haa", "haa.alignment", "haa.losses", "haa.metrics", "haa.metrics.functional", "haa.attention", "haa.conditions"),
    *("haa.models.backbone", "haa.models.huggingface", "haa.data.shapes"),
)
"""Packages whose `__all__` is public; of `haa` itself, the names that it hands out."""


def listed(room: str) -> list[str]:
    """Return the dotted names that a package hands out.

    >>> "haa.losses.nss" in listed("haa.losses"), "haa.align" in listed("haa")
    (True, True)
    """
    module = importlib.import_module(room)
    names = module._PLACES if room == "haa" else module.__all__
    return [f"{room}.{name}" for name in sorted(names, key=str.lower)]


def configured() -> list[str]:
    """Return the dotted names of haa's that the configs name: whoever writes ``key=value`` sets their arguments."""
    found: set[str] = set()
    for path in CONF.rglob("*.yaml"):
        found |= set(re.findall(r"_target_: *(haa\.[\w.]+)", path.read_text()))
    return sorted(found)


def imported() -> list[str]:
    """Return the dotted names of haa's that a page or an example imports: whoever follows one writes them."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
    found: set[str] = set()
    for page in pages:
        for module, names in re.findall(r"^ *from (haa[\w.]*) import ([\w, ]+)", page.read_text(), flags=re.MULTILINE):
            found |= {f"{module}.{name.strip()}" for name in names.split(",")}
    return sorted(found)


def public() -> set[str]:
    """Return every public name."""
    return {name for room in ROOMS for name in listed(room)} | {*configured(), *imported()}


@cache
def in_reference() -> frozenset[str]:
    """Return the names that the pages of the reference document."""
    return frozenset(name for page in (ROOT / "docs/reference").glob("*.md") for name in documented(page.read_text()))


def documented(text: str) -> list[str]:
    """Return the names that a page documents: those of its ``{public}`` blocks.

    A block names a package, whose whole `__all__` is meant, or ``configs of haa.models``, which means the names below
    it that configs name and that no other package lists. Lines in the block are further names.
    """
    names = []
    for argument, body in re.findall(r"^```\{public\} *(.*)\n((?:.*\n)*?)```$", text, flags=re.MULTILINE):
        names += chosen(argument, body)
    return names


def chosen(argument: str, body: str) -> list[str]:
    """Return the names of one ``{public}`` block."""
    extra = body.split()
    if not argument:
        return extra
    if argument.startswith("configs of "):
        rooms = argument.removeprefix("configs of ").split()
        elsewhere = {name for room in ROOMS for name in listed(room)}
        return [
            name
            for name in configured()
            if any(name.startswith(f"{room}.") for room in rooms) and name not in elsewhere
        ] + extra
    return listed(argument) + extra
