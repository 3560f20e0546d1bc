"""The page in a browser: what it says, where its links lead, that everybody can read it, and that it is alone."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.looked_at import asks_for_nothing, everybody_can_read_it, links_lead_somewhere
from tests.reporting.simulated import study_runs, write

from haa.reporting.answer import answer
from haa.reporting.arms import studies
from haa.reporting.caveats import caveats
from haa.reporting.page import write as write_page
from haa.reporting.verdict import claims

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")
REFERENCES = {"centre prior": {"attention_nss": 1.2}, "human ceiling": {"attention_nss": 2.5}}


def report(folder: Path, effects: dict, seeds: int = 6, **kwargs) -> Path:
    runs = study_runs(np.random.default_rng(3), effects, seeds, samples=200)
    for run in runs:
        run.summary["references"] = REFERENCES
    return write_page([write(runs, folder / "runs", **kwargs)], folder / "report")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return report(tmp_path_factory.mktemp("study"), {HUMAN: 0.25, SHUFFLED: 0.0})


def test_the_answer_comes_first_with_its_interval(opened, page):
    tab = opened(page)
    text = tab.locator("main").inner_text()
    first = tab.locator(".answer").inner_text()
    assert first.startswith("Simulated human gaze helps.")
    assert re.search(
        r"Human gaze: \+0\.\d{3} in accuracy .*95 % interval 0\.\d{3} to 0\.\d{3}, over 6 seeds and 200 pictures",
        first,
    )
    assert re.search(r"Control, another image's gaze: .* beaten \(difference \+0\.\d{3}", first)
    for part in ("The gaze is simulated", "By condition", "By weight", "Learning curves", "Where they looked"):
        assert part in text
    for rule in ("At random", "Most improved", "Most worsened"):
        assert tab.get_by_role("heading", name=rule).count() == 1
    assert "Within conditions, runs that look more as people do" in text
    assert tab.get_by_role("table", name="Contrasts in standard deviations of a run").count() == 1
    table = tab.get_by_role("region", name="Metrics by condition")
    rows = table.get_by_role("row").filter(has=tab.get_by_role("rowheader", name="human gaze"))
    assert rows.count() == 3  # accuracy, attention_nss, loss
    # once a figure, once in the table's caption of what needs no model
    assert tab.locator("svg").get_by_text("human ceiling").count() == 1


def test_no_request_leaves_the_page_and_nothing_goes_wrong(opened, page):
    asks_for_nothing(opened(page), page)


def test_links_lead_somewhere(opened, page):
    links_lead_somewhere(opened(page), page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_read_it(opened, page, width, scheme):
    everybody_can_read_it(opened(page, width, scheme), width)


def test_a_keyboard_reaches_the_answer_and_scrolls_the_table(opened, page):
    tab = opened(page, 390)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the answer"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.tagName") == "MAIN"
    region = tab.get_by_role("region", name="Metrics by condition")
    region.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.querySelector('.scroll').scrollLeft > 0")


def test_it_prints(opened, page):
    tab = opened(page, 1280, "dark")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator(".skip").is_hidden()
    wide = tab.evaluate("document.querySelector('table').scrollWidth")
    assert wide < 720  # the text width of A4 in CSS pixels


def test_colours_of_the_figures_stand_out_from_both_papers():
    from haa.reporting.style import COLOURS, DARK

    def light(colour: str) -> float:
        share = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in share]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    for colour, dark in zip(COLOURS, DARK, strict=True):
        assert light("#ffffff") / light(colour) >= 3, colour
        assert light(dark) / light("#15181c") >= 3, dark


@pytest.mark.slow
def test_the_table_of_numbers_is_what_was_computed(page, tmp_path):
    with (page.parent / "summary.csv").open() as file:
        rows = {(row["metric"], row["arm"]): row for row in csv.DictReader(file)}
    runs = study_runs(np.random.default_rng(3), {HUMAN: 0.25, SHUFFLED: 0.0}, 6, samples=200)
    human, base = ([r.summary["metrics"]["accuracy"] for r in runs if r.condition == c] for c in ("human", "baseline"))
    row = rows["accuracy", "human, weight 0.5"]
    assert float(row["mean"]) == pytest.approx(np.mean(human), abs=1e-8)
    assert float(row["difference"]) == pytest.approx(np.mean(human) - np.mean(base), abs=1e-8)
    assert (row["runs"], row["paired_seeds"], row["verdict"]) == ("6", "6", "gaze helps")
    again = report(tmp_path, {HUMAN: 0.25, SHUFFLED: 0.0}, maps=0)
    assert (again.parent / "summary.csv").read_text() == (page.parent / "summary.csv").read_text()
    for name in ("differences", "weights", "curves", "consistency"):
        assert (again.parent / "figures" / f"{name}.svg").stat().st_size > 1000
        assert (again.parent / "figures" / f"{name}.png").stat().st_size > 1000


NOT_SHOWN = "Not shown that simulated human gaze helps"


@pytest.mark.parametrize(
    ("effects", "seeds", "said"),
    [
        ({HUMAN: 0.3, SHUFFLED: 0.3}, 8, "Alignment helps, whosever gaze it is."),
        ({HUMAN: 0.3}, 6, f"{NOT_SHOWN}: there is no control with gaze at other pictures."),
        ({HUMAN: -0.3, SHUFFLED: 0.0}, 6, "Simulated human gaze harms."),
        ({HUMAN: 0.0, SHUFFLED: 0.0}, 4, "Inconclusive: not shown whether simulated human gaze helps."),
        ({HUMAN: 0.3, SHUFFLED: 0.0}, 1, "Inconclusive: not shown whether simulated human gaze helps."),
    ],
)
def test_what_is_not_shown_is_not_said(effects, seeds, said):
    (study,) = studies(study_runs(np.random.default_rng(3), effects, seeds, samples=200))
    short, sentences = answer(study, claims(study))
    assert f"{short}." == said
    assert not re.search(r"\bhelps\b", " ".join(sentences))
    assert any("Few seeds" in text for text in caveats(study)) == (seeds < 5)


@pytest.mark.slow
def test_runs_that_are_missing_are_told(tmp_path):
    runs = study_runs(np.random.default_rng(3), {HUMAN: 0.25, SHUFFLED: 0.0}, 5, samples=50)
    folder = write(runs, tmp_path / "runs", maps=0)
    shutil.rmtree(folder / "7")
    (folder / "8" / "metrics.json").unlink()
    (folder / "8" / "error.json").write_text('{"error": "InputError: <data.root> is gone"}')
    (folder / "9" / "metrics.json").unlink()
    text = write_page([folder], tmp_path / "report").read_text()
    assert "Failed: runs/8: InputError: &lt;data.root&gt; is gone" in text
    assert "still running or cut off: runs/9" in text
    assert "Unequal seeds" in text
