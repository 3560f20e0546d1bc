"""Links of a page: those to files outside docs/ lead to the page of the site that shows the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

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

    parts = re.split(r"(^ *```.*?^ *```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if n % 2 else re.sub(r"\]\(([^)\s]+)\)", replace, part) for n, part in enumerate(parts))
