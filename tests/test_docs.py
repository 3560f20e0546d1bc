"""The pages: links lead somewhere, dotted paths are today's, and the lists are whole."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NO_PATHS = {
    "haa.data.osie",  # names of version 0.1, in decision 49
    "haa.module",
    "haa.json",  # a file of an export
}


def without_code(page: Path) -> str:
    """Return a page's text without fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = sum(1 for other in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other))
        found.add(f"{anchor}-{repeated}" if repeated else anchor)
    return found


def exists(dotted: str) -> bool:
    """Return whether a dotted path is a module, or an attribute of one."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_dotted_paths_are_those_of_the_code(page):
    spans = re.findall(r"`([^`]+)`", without_code(page))
    paths = {path for span in spans for path in re.findall(r"(?<![\w./])haa(?:\.[A-Za-z_]\w*)+", span)}
    assert not [path for path in sorted(paths - NO_PATHS) if not exists(path)]


def test_index_lists_every_page():
    text = (DOCS / "index.md").read_text()
    assert not [page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"({page.name})" not in text]


def test_list_of_decisions_is_whole_and_in_order():
    listed = re.findall(r"\((\d{4}-[^)]+\.md)\)", (DOCS / "decisions" / "README.md").read_text())
    assert listed == sorted(page.name for page in (DOCS / "decisions").glob("0*.md"))
