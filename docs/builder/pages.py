"""A page as the site shows it, made of the page as it is."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any, get_origin

from docs.builder.links import ROOT, SHOWN, named, relinked
from docs.builder.nav import DOCS, toctree
from docs.builder.public import chosen
from docs.builder.words import choices_of, help_of, keys_of


def prepared(page: str, text: str) -> str:
    """Return the text that Sphinx reads for a page.

    Args:
        page: Name of the page: its path below docs/, without ending.
        text: Its text, as it stands in the file.
    """
    path = DOCS / f"{page}.md"
    shows = {DOCS.parent / there: ROOT / file for file, there in SHOWN.items() if (ROOT / file).suffix == ".md"}
    text = relinked(shows[path].read_text(), ROOT, path) if path in shows else relinked(text, path.parent, path)
    if page == "project/examples":
        text += examples()
    return expanded(named(text)) + toctree(page)


def expanded(text: str) -> str:
    """Return a page's text with what its blocks ``{public}``, ``{help}``, ``{keys}`` and ``{choices}`` stand for."""

    def replace(match: re.Match[str]) -> str:
        kind, argument, body = match.groups()
        return reference(chosen(argument, body)) if kind == "public" else WORDS[kind](argument)

    return re.sub(r"^```\{(public|help|keys|choices)\} *(.*)\n((?:.*\n)*?)```$", replace, text, flags=re.MULTILINE)


WORDS: dict[str, Callable[[str], str]] = {"help": help_of, "keys": keys_of, "choices": choices_of}


def reference(names: list[str]) -> str:
    """Return a table of names, and what the docstring of each says, for autodoc to fill in."""
    table = [f"   ~{name}" for name in names if kind(valued(name)) != "alias"]
    return (
        "```{eval-rst}\n.. autosummary::\n   :nosignatures:\n\n" + "\n".join([*table, "", *map(entry, names)]) + "```"
    )


def entry(name: str) -> str:
    """Return the directive that documents a name; an alias of types says what it is."""
    value = valued(name)
    if kind(value) == "alias":
        return f".. py:data:: {name}\n\n   ``{value}``\n"
    return f".. auto{kind(value)}:: {name}\n" + ("   :members:\n" if kind(value) == "class" else "")


def valued(name: str) -> Any:
    """Return what a dotted name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def kind(value: Any) -> str:
    """Return what a value is to autodoc: class, function, data, or an alias of types."""
    if get_origin(value) is not None:
        return "alias"
    return "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"


def readable(body: str) -> str:
    """Return a page's HTML as a screen reader needs it.

    Sphinx makes a list without terms of a long signature, which become lines here; an empty cell is no header.
    """

    def lines(match: re.Match[str]) -> str:
        return match[1].replace("<dd>", '<div class="sig-line">').replace("</dd>", "</div>")

    body = re.sub(r"<th[^>]*>(<p></p>)?</th>", "<td></td>", body)
    return re.sub(r"<dl>\n(<dd><em class=\"sig-param\".*?)</dl>", lines, body, flags=re.DOTALL)


def examples() -> str:
    """Return the programs of examples/, each with what its docstring says."""
    text = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text()
        said = ast.get_docstring(ast.parse(code)) or ""
        anchor = re.sub(r"[^\w-]", "", path.name)
        text.append(f"\n\n({anchor})=\n## {path.name}\n\n{said.splitlines()[0]}\n\n````python\n{code}````\n")
    return "".join(text)
