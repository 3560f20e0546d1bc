"""What is asked of every page that a report writes, in a tab of tests/conftest.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


def asks_for_nothing(tab: Any, page: Path) -> None:
    assert {url for url in tab.asked if not url.startswith("data:")} == {page.as_uri()}
    assert tab.errors == []
    # neither does the source name a place that a browser could ask: names of XML's dialects are no addresses
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def links_lead_somewhere(tab: Any, page: Path) -> None:
    links = tab.eval_on_selector_all("a", "links => links.map(a => a.getAttribute('href'))")
    assert len(links) >= 6
    for link in links:
        if link.startswith("#"):
            assert tab.locator(f"[id='{link[1:]}']").count() == 1
        else:
            assert (page.parent / link).exists()
    ids = tab.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def everybody_can_read_it(tab: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: install haa[dev]")
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    # what axe cannot see: text and lines inside the figures
    ink = tab.locator("svg text").first.evaluate("one => getComputedStyle(one).fill")
    assert ink == tab.evaluate("getComputedStyle(document.body).color")
