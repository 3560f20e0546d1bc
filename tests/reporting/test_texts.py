"""Names and texts of runs from elsewhere stand on the page, in figures and in tables as they are, and do nothing."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tests.reporting.looked_at import asks_for_nothing
from tests.reporting.simulated import study_runs, write

from haa.cli.main import main
from haa.printing.console import Console
from haa.reporting import page, plan, table
from haa.run_folder import Maps

LABEL = "$\\frac{_ [bold]x[/y] <b>&\"'</b> \x1b[31m\u202e😀 שלום"
METRIC = "=HYPERLINK(\"http://x\") $a_{ [link=http://x]y[/link] <script>document.title='run'</script>\x00\x07"
LONG = "_" + "long" * 3000


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A study whose treatment, one metric, reference, question and answer have names that could act."""
    runs = study_runs(np.random.default_rng(3), {(0.5, "human"): 0.25, (0.5, "shuffled"): 0.0}, 3, samples=40)
    for run in runs:
        if run.summary["role"] == "treatment":
            run.summary["label"] = LABEL
        if run.summary["role"] == "control":
            run.summary["label"] = LONG
        for name in (METRIC, LONG, "-minus"):
            run.summary["metrics"][name] = 0.5
            run.summary["higher_is_better"][name] = True
        run.summary["references"] = {LABEL: {"attention_nss": 1.0}}
        run.config["task"]["name"] = "vqa $\\undefined{ [red] <i>\x1b"
    folder = write(runs, tmp_path_factory.mktemp("strange[x]$_") / "runs", maps=3)
    for place in folder.iterdir():
        maps = vars(Maps.load(place / "maps.npz"))
        maps["text"] = np.array([METRIC, LABEL, "a" * 100_000])
        maps["said"] = np.array([LABEL, "", "b" * 100_000])
        np.savez(place / "maps.npz", **maps)
    return folder


@pytest.fixture(scope="module")
def written(strange):
    return page.write([strange], strange.parent / "report")


def test_the_page_shows_them_and_nothing_happens(opened, written):
    tab = opened(written)
    asks = written.read_text().replace("http://x", "")
    assert "\x1b" not in asks
    assert "\u202e" not in asks
    assert "\x00" not in asks
    assert "<script" not in asks
    assert "<b>" not in asks
    assert 'href="http' not in asks
    assert tab.errors == []
    assert tab.title().startswith("haa report: vqa $\\undefined{ [red] <i>\\x1b")
    assert tab.locator("svg text", has_text="$\\frac{_ [bold]x[/y] <b>&\"'</b>").count() > 2
    assert tab.locator("th", has_text="<script>document.title='run'</script>\\x00\\x07").count() == 1
    assert all(url.startswith(("data:", "file:")) for url in tab.asked)
    assert asks_for_nothing is not None


def test_figures_are_well_formed_and_of_a_size(written):
    for path in (written.parent / "figures").glob("*.svg"):
        root = ET.fromstring(path.read_text())
        texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert not any(text.startswith("_long") and len(text) > 61 for text in texts)
        assert float(root.get("width").removesuffix("pt")) < 1000
    legend = (written.parent / "figures" / "weights.svg").read_text()
    assert "_longlong" in legend  # matplotlib leaves out names that begin so


def test_no_cell_of_the_summary_is_a_formula_and_numbers_are_numbers(written):
    with (written.parent / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@", "\t", "\r"))]
    negative = [cell for row in rows for cell in row.values() if cell.startswith("-")]
    assert negative
    assert all(float(cell) < 0 for cell in negative)
    assert {row["metric"] for row in rows} >= {"'-minus", "'" + METRIC.replace("\x00\x07", "\\x00\\x07")}


def test_the_console_shows_them_raw_of_nothing(strange, capsys):
    for print_ in (table.show, lambda folders, console: plan.show(folders, 0.2, console=console)):
        out = io.StringIO()
        print_([strange], console=Console(file=out, width=300))
        assert "[red] <i>\\x1b" in out.getvalue()
        assert "[bold]x[/y]" in out.getvalue()
        assert not set(out.getvalue()) & {"\x1b", "\x00", "\x07", "\u202e"}
    (strange / "5" / "metrics.json").write_text("{")
    out_folder = strange.parent / "[bold]out\x1b"
    main(["report", str(strange), f"output={out_folder}"])
    said = capsys.readouterr().out
    assert "Damaged, and not compared: runs/5" in said
    assert "[bold]out\\x1b/index.html" in said.replace("\n", "")
    assert "\x1b" not in said


def test_a_folder_whose_name_is_no_text_is_reported(strange, tmp_path):
    place = tmp_path / "odd\udc80\n"
    strange.joinpath("0").rename(place)
    try:
        (path := page.write([place], tmp_path / "report")).read_text()
        (place / "metrics.json").rename(place / "kept")
        (place / "metrics.json").write_text("{")
        text = page.write([strange, place], tmp_path / "report").read_text()
        assert "odd\\udc80" in text
        assert path.is_file()
    finally:
        (place / "metrics.json").unlink()
        (place / "kept").rename(place / "metrics.json")
        place.rename(strange / "0")
