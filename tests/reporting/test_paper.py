"""A paper's tables and figures: the numbers of the page, in forms that other programs read."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.simulated import Drawn, study_runs, write

from haa.errors import InputError
from haa.reporting.across import backbones, gains
from haa.reporting.arms import FAITHFULNESS, studies
from haa.reporting.compare import compare
from haa.reporting.page import write as write_page
from haa.reporting.paper import Number, Table, escaped, layers
from haa.reporting.pays.standard import standardise
from haa.reporting.verdict import family

HUMAN, SHUFFLED, CENTER = (0.5, "human"), (0.5, "shuffled"), (0.5, "center")
ARMS = {HUMAN: 0.2, SHUFFLED: 0.05, CENTER: 0.0}


def with_backbone(run: Drawn, name: str) -> Drawn:
    config = {**run.config, "backbone": {"_target_": "haa.models.backbone.Timm", "name": name}}
    higher = {**run.summary["higher_is_better"], "attention_deletion": False}
    metrics = {**run.summary["metrics"], "attention_deletion": -0.1 * (1 + run.seed) - 0.2 * (run.weight > 0)}
    references = {"centre prior": {"attention_nss": 1.25}, "human ceiling": {"attention_nss": 2.5}}
    summary = {**run.summary, "metrics": metrics, "higher_is_better": higher, "references": references}
    return replace(run, config=config, summary=summary, folder=Path(f"{name}-{run.folder}"))


@pytest.fixture(scope="module")
def runs() -> list[Drawn]:
    rng = np.random.default_rng(1)
    return [
        with_backbone(run, name)
        for name, base in (("alexnet", 0.3), ("resnet50", 0.4))
        for run in study_runs(rng, ARMS, 4, samples=60, base=base)
    ]


@pytest.fixture(scope="module")
def report(runs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    return write_page([write(runs, folder / "runs", maps=0)], folder / "report").parent


def table(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_table_has_its_numbers(runs, report):
    found = studies(runs)
    assert len(found) == 2
    for study, line in zip(found, table(report, "alignment"), strict=True):
        human = next(arm for arm in study.arms if arm.condition == "human" and arm.weight)
        to_baseline = compare(study, human, study.baseline, "accuracy").difference
        assert float(line["less no alignment"]) == pytest.approx(to_baseline.mean)
        assert float(line["less no alignment low"]) == pytest.approx(to_baseline.low)
        controls = [compare(study, human, arm, "accuracy").difference for arm in study.of("control")]
        # the control that did best is the one that human gaze beats by least
        assert float(line["less the control"]) == pytest.approx(min(d.mean for d in controls))
        assert float(line["score"]) == pytest.approx(np.mean(list(human.values("accuracy").values())))
        assert line["gaze"] == "simulated"
        assert "shuffled" in line["controls"]
        assert "center" in line["controls"]
    consistency = table(report, "consistency")
    by_study = {line["study"] for line in consistency}
    assert len(by_study) == 2
    assert len(consistency) == 2 * (4 + 2)  # arms, and what needs no model
    assert {line["attention_nss"] for line in consistency if line["attention of"] == "human ceiling"} == {"2.5"}
    assert len(table(report, "standard")) == 2


def test_faithfulness_before_and_after(report):
    for line in table(report, "explainability"):
        assert line["metric"] == FAITHFULNESS[0]
        assert line["better is"] == "less"
        # by hand: -0.1, -0.2, -0.3, -0.4 over the four seeds, and 0.2 less with alignment
        assert float(line["no alignment"]) == pytest.approx(-0.25)
        assert float(line["with alignment"]) == pytest.approx(-0.45)
        assert float(line["difference"]) == pytest.approx(-0.2)


def test_latex_has_a_cell_for_each_heading(report):
    files = sorted((report / "tables").glob("*.tex"))
    assert [file.stem for file in files] == ["alignment", "consistency", "explainability", "standard"]
    for file in files:
        text = file.read_text()
        columns = re.search(r"begin\{tabular\}\{([lr]+)\}", text)[1]
        lines = [line for line in text.splitlines() if line.endswith("\\\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}
        assert "_" not in re.sub(r"\\_|tab:\w+", "", text.split("\n", 1)[1])


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
def test_latex_compiles(report, tmp_path):
    tables = "\n".join(file.read_text() for file in sorted((report / "tables").glob("*.tex")))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}" + tables + "\\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "paper"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("{x} $1 #2", r"\{x\} \$1 \#2"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
    ],
)
def test_what_latex_would_take_for_commands_is_text(text, expected):
    assert escaped(text) == expected


def test_a_number_that_is_not_known_is_told_as_such():
    shown = Table("t", "caption", ["word", "number"], [["a", Number(0.5, 0.25, 0.75)], ["=b", Number(None)]])
    head, known, unknown = shown.csv().splitlines()
    assert (head, known) == ("word,number,number low,number high", "a,0.5,0.25,0.75")
    assert not unknown.startswith("=")  # which a spreadsheet would run
    assert "a & $0.500$ ($0.250$ to $0.750$) \\\\" in shown.tex()
    assert "=b & -- \\\\" in shown.tex()


def test_backbones_are_drawn_where_there_are_several(runs, report):
    found = studies(runs)
    claims = family(found)
    firsts = [each[0] for each in claims]
    axis = backbones(found, firsts).axes[0]
    dots = {tuple(np.round(line.get_xydata()[0], 6)) for line in axis.lines if line.get_markerfacecolor() != "white"}
    expected = set()
    for study in found:
        values = [np.mean(list(study.baseline.values(name).values())) for name in ("attention_nss", "accuracy")]
        expected.add(tuple(np.round(values, 6)))
    assert dots == expected
    assert len(axis.texts) == 2  # an arrow to where alignment takes each
    assert len(gains(standardise(found, claims)).axes[0].containers) == 2
    assert backbones(found[:1], firsts[:1]) is None
    assert gains(standardise(found[:1], claims[:1])) is None
    for name in ("backbones", "gains", "study1_differences"):
        assert (report / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_leads_to_them(report):
    page = (report / "index.html").read_text()
    for file in re.findall(r'href="((?:tables|figures)/[^"]+)"', page):
        assert (report / file).is_file()
    for file in (report / "tables").iterdir():
        assert f'href="tables/{file.name}"' in page


def probed(folder: Path, **changes) -> Path:
    folder.mkdir()
    rows = [
        {
            "name": f"stage {k}",
            "of": "network",
            "stride": 2**k,
            "metrics": {"nss": {"mean": 0.5 * k, "low": 0.4 * k, "high": k}},
        }
        for k in range(3)
    ]
    rows.append({"name": "centre prior", "of": "no network", "stride": None, "metrics": {"nss": None}})
    about = {"network": "Tiny_1", "weights": "random", "data": "OSIE", "simulated_gaze": False, "stimuli": 200}
    content = {**about, "higher_is_better": {"nss": True}, "rows": rows, **changes}
    (folder / "probe.json").write_text(json.dumps(content))
    return folder


def test_layers_are_told_where_they_were_probed(runs, tmp_path):
    probed(tmp_path / "probe")
    output = write_page([write(runs, tmp_path / "runs", maps=0), tmp_path / "probe"], tmp_path / "report").parent
    lines = table(output, "layers")
    assert [(line["stage"], line["stride"], line["nss"], line["nss high"]) for line in lines] == [
        ("stage 0", "1", "0", "0"),
        ("stage 1", "2", "0.5", "1"),
        ("stage 2", "4", "1", "2"),
        ("centre prior", "", "", ""),
    ]
    assert {line["gaze"] for line in lines} == {"recorded"}
    assert r"Tiny\_1" in (output / "tables" / "layers.tex").read_text()


@pytest.mark.parametrize(
    "changes", [{"rows": 3}, {"rows": [{"name": "a"}]}, {"stimuli": "many"}, {"higher_is_better": None}], ids=str
)
def test_what_is_no_probe_is_refused(tmp_path, changes):
    with pytest.raises(InputError, match=r"probe\.json.*probe again"):
        layers([probed(tmp_path / "probe", **changes)])
