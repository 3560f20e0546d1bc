"""A page as the site shows it, made of the page as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from docs.builder.links import ROOT, SHOWN, relinked
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
    if page == "project/examples":
        text += examples()
    elif path in shows:
        text = relinked(shows[path].read_text(), ROOT, path)
    else:
        text = relinked(text, path.parent, path)
    return expanded(text) + toctree(page)


def expanded(text: str) -> str:
    """Return a page's text with what its blocks ``{public}``, ``{help}``, ``{keys}`` and ``{choices}`` stand for."""

    def replace(match: re.Match[str]) -> str:
        kind, argument, body = match.groups()
        return reference(chosen(argument, body)) if kind == "public" else WORDS[kind](argument)

    return re.sub(r"^```\{(public|help|keys|choices)\} *(.*)\n((?:.*\n)*?)```$", replace, text, flags=re.MULTILINE)


WORDS: dict[str, Callable[[str], str]] = {"help": help_of, "keys": keys_of, "choices": choices_of}


def reference(names: list[str]) -> str:
    """Return a table of names, and what the docstring of each says, for autodoc to fill in."""
    import importlib
    import inspect

    table = "\n".join(f"   ~{name}" for name in names)
    entries = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        kind = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"
        entries.append(f".. auto{kind}:: {name}\n" + ("   :members:\n" if kind == "class" else ""))
    return "```{eval-rst}\n.. autosummary::\n   :nosignatures:\n\n" + table + "\n\n" + "\n".join(entries) + "```"


def examples() -> str:
    """Return the programs of examples/, each with what its docstring says."""
    text = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text()
        said = ast.get_docstring(ast.parse(code)) or ""
        anchor = re.sub(r"[^\w-]", "", path.name)
        text.append(f"\n\n({anchor})=\n## {path.name}\n\n{said.splitlines()[0]}\n\n````python\n{code}````\n")
    return "".join(text)
