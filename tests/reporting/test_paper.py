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
from haa.reporting.paper import Number, Table, escaped
from haa.reporting.paper.tables import layers
from haa.reporting.pays.standard import standardise
from haa.reporting.verdict import family

needs_tex = pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
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
        assert line["controls"] == "centred gaze, another image's gaze"
    consistency = table(report, "consistency")
    by_study = {line["study"] for line in consistency}
    assert len(by_study) == 2
    assert len(consistency) == 2 * (4 + 2)  # arms, and what needs no model
    assert {line["NSS"] for line in consistency if line["attention of"] == "human ceiling"} == {"2.5"}
    assert {line["attention of"] for line in consistency} >= {"no alignment", "human gaze", "another image's gaze"}
    assert len(table(report, "standard")) == 2


def test_faithfulness_before_and_after(report):
    assert FAITHFULNESS[0] == "attention_deletion"
    for line in table(report, "explainability"):
        assert line["faithfulness"] == "deletion"
        assert line["better is"] == "less"
        # by hand: -0.1, -0.2, -0.3, -0.4 over the four seeds, and 0.2 less with alignment
        assert float(line["no alignment"]) == pytest.approx(-0.25)
        assert float(line["with alignment"]) == pytest.approx(-0.45)
        assert float(line["difference"]) == pytest.approx(-0.2)


def test_latex_has_a_cell_for_each_heading(report):
    files = sorted((report / "tables").glob("*.tex"))
    assert [file.stem for file in files] == [
        *("alignment", "consistency", "explainability", "standard", "study1_results", "study2_results")
    ]
    for file in files:
        text = file.read_text()
        columns = re.search(r"begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", text)[1]
        lines = [line for line in text.splitlines() if line.endswith("\\\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}
        assert "_" not in re.sub(r"\\_|tab:\w+", "", text)


def compiled(folder: Path, body: str) -> str:
    """What pdflatex says of a paper in two columns, with booktabs and nothing else."""
    (folder / "t.tex").write_text(
        "\\documentclass[10pt,twocolumn]{article}\\textwidth 6.9in\\columnsep 0.2in\\usepackage{booktabs}"
        "\\begin{document}" + body + "\\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "t"], cwd=folder, check=True, capture_output=True)
    return (folder / "t.log").read_text(errors="replace")


@needs_tex
def test_latex_compiles_and_fits_the_page(report, tmp_path):
    tables = "\n".join(file.read_text() for file in sorted((report / "tables").glob("*.tex")))
    assert "Overfull" not in compiled(tmp_path, tables)


@needs_tex
def test_the_paper_compiles_with_its_figures_and_references(report, tmp_path):
    shutil.copytree(report, tmp_path / "report")
    for command in (["pdflatex", "-halt-on-error", "paper"], ["bibtex", "paper"]):
        subprocess.run(command, cwd=tmp_path / "report", check=True, capture_output=True)
    for _ in range(2):
        subprocess.run(["pdflatex", "paper"], cwd=tmp_path / "report", check=True, capture_output=True)
    log = (tmp_path / "report" / "paper.log").read_text(errors="replace")
    assert "undefined" not in log
    assert "Error" not in log


HOSTILE = [
    "\\input{/etc/passwd}",
    '\\end{tabular} & # $x^2$ ~ `a\' "b" <c> |d| {e} 5 %',
    "[2cm] at the start of a row",
    "* [x]",
    "Jégou 😀 שלום δ × −1",
    "% nothing of this\n\\immediate\\write18{ls}\t\x1b[31m",
]


@needs_tex
def test_texts_from_elsewhere_do_nothing_in_latex(tmp_path):
    rows = [[text, Number(0.5, 0.25, 0.75), text] for text in HOSTILE]
    log = compiled(tmp_path, Table("t", " ".join(HOSTILE), [HOSTILE[1], "number", HOSTILE[0]], rows).tex())
    assert "passwd" not in re.sub(r"\s", "", log)


def test_nothing_of_a_hostile_text_is_left_as_a_command():
    text = Table("t", HOSTILE[5], ["a"], [[each] for each in HOSTILE]).tex()
    known = r"\\(begin|end|centering|caption|label|small|footnotesize|scriptsize|setlength|tabcolsep|toprule|midrule"
    known += r"|bottomrule|addlinespace|text\w+\{\}|delta|times|\W|'\{e\}|ldots)"
    assert not re.findall(r"\\\w+", re.sub(known, "", text))
    assert len([line for line in text.splitlines() if line.startswith("%")]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("{x} $1 #2", r"\{x\} \$1 \#2"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("[a]* <b>", r"{[}a{]}{*} \textless{}b\textgreater{}"),
        ("Kümmerer, ½", r"K\"{u}mmerer, (U+00BD)"),
        ("a\nb", "a b"),
    ],
)
def test_what_latex_would_take_for_commands_is_text(text, expected):
    assert escaped(text) == expected


def test_a_number_that_is_not_known_is_told_as_such():
    shown = Table("t", "caption", ["word", "number"], [["a", Number(0.5, 0.25, 0.75)], ["=b", Number(None)]])
    head, known, unknown = shown.csv().splitlines()
    assert (head, known) == ("word,number,number low,number high", "a,0.5,0.25,0.75")
    assert not unknown.startswith("=")  # which a spreadsheet would run
    assert "a & $0.500 \\;[0.250, 0.750]$ \\\\" in shown.tex()
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
    assert len([text for text in axis.texts if not text.get_text()]) == 2  # an arrow to where alignment takes each
    assert {text.get_text() for text in axis.texts} == {"", "AlexNet", "ResNet-50"}
    assert len(gains(standardise(found, claims)).axes[0].containers) == 2
    assert backbones(found[:1], firsts[:1]) is None
    assert gains(standardise(found[:1], claims[:1])) is None
    for name in ("backbones", "gains", "study1_differences"):
        assert (report / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_leads_to_them(report):
    page = (report / "index.html").read_text()
    for file in re.findall(r'href="((?:tables|figures)/[^"]+)"', page):
        assert (report / file).is_file()
    for file in [*(report / "tables").iterdir(), *(report / "text").iterdir(), *(report / "figures").glob("*.pdf")]:
        assert f'href="{file.relative_to(report).as_posix()}"' in page


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
    assert [(line["stage"], line["stride"], line["NSS"], line["NSS high"]) for line in lines] == [
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
