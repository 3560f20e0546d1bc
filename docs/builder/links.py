"""Links of a page: those to files outside docs/ lead to the page of the site that shows the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from docs.builder.public import in_reference

ROOT = Path(__file__).parents[2]

SHOWN = {
    "README.md": "docs/project/overview.md",
    "CONTRIBUTING.md": "docs/project/contributing.md",
    "CHANGELOG.md": "docs/project/changelog.md",
    "docs/decisions": "docs/decisions/README.md",
    "examples": "docs/project/examples.md",
}
"""Files and folders, and the pages that show them."""


def relinked(text: str, home: Path, page: Path) -> str:
    """Return a page's text with links that lead to pages of the site.

    Args:
        text: The text, Markdown.
        home: Folder that the links of the text are relative to, below the root of the repository.
        page: File of the page that shows the text.
    """

    def replace(match: re.Match[str]) -> str:
        link = match[1]
        if re.match(r"[a-z]+:|#|<", link):
            return match[0]
        path, _, anchor = link.partition("#")
        target = Path(os.path.normpath(home / path)).relative_to(ROOT)
        shown = Path(SHOWN.get(str(target), target))
        if target.parent == Path("examples"):
            shown, anchor = Path(SHOWN["examples"]), re.sub(r"[^\w-]", "", target.name)
        relative = os.path.relpath(ROOT / shown, page.parent)
        return f"]({relative}{'#' if anchor else ''}{anchor})"

    return outside_code(text, lambda part: re.sub(r"\]\(([^)\s]+)\)", replace, part))


def named(text: str) -> str:
    """Return a page's text in which public names, such as `haa.align`, lead to what the reference says of them.

    >>> named("`haa.align(model)` and `haa.nothing`, [`haa.align`](elsewhere.md)")
    '{py:obj}`haa.align(model) <haa.align>` and `haa.nothing`, [`haa.align`](elsewhere.md)'
    """

    def replace(match: re.Match[str]) -> str:
        name, call = match.groups()
        return f"{{py:obj}}`{name}{call} <{name}>`" if name in in_reference() else match[0]

    pattern = r"(?<![`\[}])`(haa(?:\.\w+)+)((?:\([^`<]*\))?)`(?!`)"
    return outside_code(text, lambda part: re.sub(pattern, replace, part))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a page's text with all but its blocks of code changed."""
    parts = re.split(r"(^ *```.*?^ *```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if n % 2 else change(part) for n, part in enumerate(parts))
