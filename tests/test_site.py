"""The documentation site: the reference is whole, every page has a place, and everybody can read it, offline."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from docs.builder import links, nav
from docs.builder import public as public_names
from docs.builder.links import relinked
from docs.builder.pages import expanded, readable
from docs.builder.public import documented, public
from docs.builder.words import choices_of, groups, keys_of

from haa.cli.main import COMPOSED, USAGE

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = {page.stem: page.read_text() for page in (DOCS / "reference").glob("*.md")}


def test_the_reference_has_every_public_name_once():
    names = Counter(name for text in REFERENCE.values() for name in documented(text))
    assert sorted(public() - set(names)) == []
    assert [name for name, times in names.items() if times > 1] == []


def test_the_reference_has_every_command_and_every_group():
    blocks = Counter(re.findall(r"^```\{(\w+)\} (.+)$", "\n".join(REFERENCE.values()), flags=re.MULTILINE))
    commands = {*re.findall(r"^  haa ([\w-]+)", USAGE, flags=re.MULTILINE), "haa", "data import"}
    assert {argument for kind, argument in blocks if kind == "help"} == commands
    assert {argument for kind, argument in blocks if kind == "keys"} == set(COMPOSED)
    assert {argument for kind, argument in blocks if kind == "choices"} == set(groups())


def test_every_page_has_one_place_in_the_navigation():
    places = Counter(nav.name(entry) for below in nav.children().values() for entry in below)
    files = {path.relative_to(DOCS).with_suffix("") for ending in ("md", "ipynb") for path in DOCS.rglob(f"*.{ending}")}
    assert set(places) == {str(path) for path in files} - {"index"}
    assert [page for page, times in places.items() if times > 1] == []


def test_a_page_that_nobody_placed_is_a_how_to(tmp_path, monkeypatch):
    (tmp_path / "brand-new.md").touch()
    monkeypatch.setattr(nav, "DOCS", tmp_path)
    assert nav.children()["how-to"][-1] == "brand-new"
    assert "\n/brand-new\n" in nav.toctree("how-to")


def test_links_to_files_of_the_repository_lead_to_pages_that_show_them():
    text = (
        "[a](../README.md) [b](../examples/own_model.py) [c](loss.md#kl) [d](https://e.f) [e](decisions/)\n"
        "```\n[x](../README.md)\n```"
    )
    assert relinked(text, DOCS, DOCS / "page.md") == (
        "[a](project/overview.md) [b](project/examples.md#own_modelpy) [c](loss.md#kl) [d](https://e.f) "
        "[e](decisions/README.md)\n```\n[x](../README.md)\n```"
    )
    readme = relinked("![p](docs/alignment.png) [t](docs/tasks.md)", ROOT, DOCS / "project" / "overview.md")
    assert readme == "![p](../alignment.png) [t](../tasks.md)"


def test_keys_and_choices_are_those_of_the_configs():
    assert "| `seed` | `0` | weights, data order, augmentation, dropout |" in keys_of("train")
    assert "| `epochs` | none: must be given | of training: the recipe's |" in keys_of("train")
    text = choices_of("condition")
    assert text.count("### `condition=") == len(list((ROOT / "conf" / "condition").glob("*.yaml")))
    assert "The gaze that was recorded for the sample itself. {py:obj}`haa.conditions.Human`" in text


def test_a_block_is_filled_in_and_the_rest_of_the_page_is_kept():
    text = expanded("before\n\n```{public}\nhaa.gaze.density\nhaa.gaze.Gaze\n```\n\nafter\n")
    assert text.startswith("before\n\n```{eval-rst}\n.. autosummary::")
    assert text.endswith("```\n\nafter\n")
    assert ".. autofunction:: haa.gaze.density\n" in text
    assert ".. autoclass:: haa.gaze.Gaze\n   :members:\n" in text


def test_html_is_as_a_screen_reader_needs_it():
    signature = '(\n\n<dl>\n<dd><em class="sig-param">a</em>,</dd>\n</dl>\n\n)'
    assert readable(signature) == '(\n\n<div class="sig-line"><em class="sig-param">a</em>,</div>\n\n\n)'
    assert readable('<th class="head"><p></p></th><th><p>a</p></th>') == "<td></td><th><p>a</p></th>"
    assert readable("<dl>\n<dt>a</dt><dd>b</dd></dl>") == "<dl>\n<dt>a</dt><dd>b</dd></dl>"


def test_examples_in_docstrings_run():
    for module in (links, nav, public_names):
        assert doctest.testmod(module).attempted
        assert doctest.testmod(module).failed == 0


# what is built


class Page(HTMLParser):
    """Links, ids and what a browser fetches by itself, of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.ids, self.fetched = path, [], set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in values:
            self.fetched.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.fetched.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for package in ("sphinx", "pydata_sphinx_theme", "myst_nb", "sphinx_copybutton", "latex2mathml"):
        pytest.importorskip(package, reason="the site is made by haa[docs]: make docs installs it")
    folder = tmp_path_factory.mktemp("site")
    words = ["--fresh-env", "--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir", str(folder / "trees")]
    command = [sys.executable, "-m", "sphinx", *words, str(DOCS), str(folder / "html")]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.mark.slow
def test_every_public_name_has_an_entry(site, pages):
    ids = {one for path, page in pages.items() if path.parent == site / "reference" for one in page.ids}
    assert sorted(public() - ids) == []


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(pages):
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or path.name == "search.html":
                continue
            if "_modules" in path.parts:  # back to the entry: viewcode takes one name for all of a module
                parts = parts._replace(fragment="")
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            ids = pages[target].ids if target in pages else set()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in ids):
                dead.append(f"{path.name}: {link}")
    assert dead == []


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(pages):
    assert [
        (path.name, url)
        for path, page in pages.items()
        for url in page.fetched
        if urlsplit(url).scheme not in ("", "data")
    ] == []


LOOKED_AT = (
    *("index", "start", "how-to", "tutorials/README", "science/README", "science/reading", "reference/README"),
    *("reference/commands", "reference/losses", "reference/metrics", "reference/config", "reference/data"),
    *("metrics", "results", "decisions/README", "project/changelog", "search"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_everybody_can_read_it_without_a_network(opened, site, page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: install haa[dev]")
    tab = opened(site / f"{page}.html", width, scheme)
    assert [url for url in tab.asked if not url.startswith(("file:", "data:"))] == []
    assert [text for text in tab.errors if not text.startswith(("[PST]", "Got invalid theme mode"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_search_finds_a_page_without_a_server(opened: Any, site):
    tab = opened(site / "search.html")
    tab.goto((site / "search.html").as_uri() + "?q=shuffled")
    tab.wait_for_selector("#search-results li a")
    assert "Conditions" in tab.locator("#search-results").inner_text()
