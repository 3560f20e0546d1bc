"""The site's navigation: which pages stand under which."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1]

NAV: dict[str, list[str]] = {
    "index": [
        "Start here <start>",
        "Tutorials <tutorials/README>",
        "How-to <how-to>",
        "The science <science/README>",
        "Reference <reference/README>",
        "Results <results>",
        "Decisions <decisions/README>",
        "Project <project/README>",
    ],
    "how-to": ["own-data", "studies", "report", "any-loop", "huggingface", "token-attention", "..."],
    "science/README": ["science/controls", "science/reading", "conditions", "geometry", "lai2020"],
    "reference/README": [
        "reference/commands",
        "reference/config",
        "reference/data-sets",
        "tasks",
        "metrics",
        "reference/haa",
        "reference/losses",
        "reference/metrics",
        "reference/metric-functions",
        "reference/attention",
        "support",
        "support_huggingface",
        "reference/conditions",
        "reference/models",
        "reference/data",
        "reference/tasks",
        "reference/tools",
    ],
    "results": ["calibration", "cost", "torture"],
    "project/README": [
        "project/overview",
        "architecture",
        "extend",
        "project/examples",
        "security",
        "project/contributing",
        "project/changelog",
    ],
}
"""Pages below a page, in order. ``...`` stands for the pages of docs/ that are named nowhere: a new one has a place."""

FOLDERS = ("decisions", "tutorials")
"""Folders whose README lists all that they hold."""


def children() -> dict[str, list[str]]:
    """Return the pages below each page, by their names without ending, as ``page`` or ``title <page>``."""
    nav = {page: list(below) for page, below in NAV.items()}
    for folder in FOLDERS:
        files = [*DOCS.glob(f"{folder}/*.md"), *DOCS.glob(f"{folder}/*.ipynb")]
        nav[f"{folder}/README"] = sorted(f"{folder}/{file.stem}" for file in files if file.stem != "README")
    named = {name(entry) for below in nav.values() for entry in below} | {"index"}
    rest = sorted(page.stem for page in DOCS.glob("*.md") if page.stem not in named)
    return {
        page: [name for entry in below for name in (rest if entry == "..." else [entry])] for page, below in nav.items()
    }


def name(entry: str) -> str:
    """Return the page of an entry.

    >>> name("Start here <start>"), name("studies")
    ('start', 'studies')
    """
    return entry.split("<")[-1].rstrip(">")


def toctree(page: str) -> str:
    """Return what tells Sphinx of the pages below a page; nothing where there are none."""
    below = children().get(page)
    if not below:
        return ""
    lines = "\n".join(entry.replace("<", "</") if "<" in entry else f"/{entry}" for entry in below)
    return f"\n\n```{{toctree}}\n:hidden:\n\n{lines}\n```\n"
