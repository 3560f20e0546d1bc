"""`make demo`, with little data: its commands are the Makefile's, and its page is looked at as a person would."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tests.reporting.looked_at import asks_for_nothing, everybody_can_read_it, links_lead_somewhere

from haa.cli import main as cli

MAKEFILE = Path(__file__).parents[2] / "Makefile"
SMALL = ["epochs=2", "data.train=40", "data.val=20", "data.test=20", "loader.batch_size=20", "trainer=cpu"]
SMALL += ["parallel=1"]  # in this process, which has imported everything
SMALL += ["callbacks.pictures=null"]  # the page draws its own


def demo() -> list[list[str]]:
    """The commands of haa that `make demo` gives."""
    (recipe,) = re.findall(r"^demo:.*\n((?:\t.*\n)+)", MAKEFILE.read_text(), re.MULTILINE)
    return [line.split()[1:] for line in recipe.splitlines() if line.strip().startswith("$(RUN)")]


@pytest.mark.slow
def test_the_demo_ends_in_a_page_that_answers_it(tmp_path, monkeypatch, capsys, opened):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["haa"])
    train, report = demo()
    cli.main([*train, *SMALL])
    assert "9 runs" in capsys.readouterr().out
    cli.main(report)
    out = capsys.readouterr().out
    page = tmp_path / "outputs/demo/report/index.html"
    assert page.is_file()
    assert "outputs/demo/report/index.html" in out
    for width, scheme in ((1280, "light"), (390, "dark")):
        tab = opened(page, width, scheme)
        everybody_can_read_it(tab, width)
        asks_for_nothing(tab, page)
        links_lead_somewhere(tab, page)
    text = tab.locator("main").inner_text()
    assert "imulated human gaze" in tab.locator(".answer").inner_text()
    assert "Few seeds" in text
    table = tab.get_by_role("region", name="Metrics by condition")
    for arm in ("no alignment", "human gaze", "another image's gaze"):
        accuracy = table.get_by_role("row").filter(has=tab.get_by_role("rowheader", name=arm)).first
        assert re.search(r"0\.\d{3}", accuracy.inner_text()), arm
