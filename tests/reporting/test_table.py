"""The console's table: whole words and numbers, however many conditions there are."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console
from tests.reporting.simulated import Drawn, study_runs, write

from haa.cli import commands
from haa.reporting.arms import studies
from haa.reporting.collect import collect
from haa.reporting.table import show

CONDITIONS = ("human", "shuffled", "random", "center", "inverted")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_columns_fit_the_console(tmp_path, width):
    write(study_runs(np.random.default_rng(0), {(0.5, c): 0.0 for c in CONDITIONS}, seeds=2, samples=20), tmp_path)
    out = io.StringIO()
    show([tmp_path], Console(file=out, width=width))
    text = out.getvalue()
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for condition in CONDITIONS:
        assert text.count(f"{condition},") == 1
    tables = text.count("attention_nss")
    assert (tables == 1) == (width == 200)
    assert text.count("baseline") == tables


def test_what_no_run_has_a_value_of_is_told_once_and_has_no_row(tmp_path):
    runs = study_runs(np.random.default_rng(0), {(0.5, "human"): 0.1}, seeds=2, samples=20)
    write(runs, tmp_path)
    for path in tmp_path.glob("*/metrics.json"):
        summary = json.loads(path.read_text())
        summary["metrics"] |= {"attention_nss": None, "attention_deletion": 0.25}
        path.write_text(json.dumps(summary))
    out = io.StringIO()
    show([tmp_path], Console(file=out, width=120))
    text = out.getvalue()
    assert "undefined in every run, mostly for want of recorded gaze: attention_nss" in text
    assert text.count("attention_nss") == 1
    assert text.count("0.250 ± 0.000") == 2
    (study,) = studies(collect([tmp_path]))
    assert "attention_nss" not in study.metrics
    assert study.attention is None  # deletion says nothing of people


def test_runs_that_differ_in_more_than_their_arm_have_a_table_of_their_own(tmp_path):
    def with_backbone(run, name):
        backbone = {"_target_": f"haa.models.backbone.{name}"}
        return Drawn(run.folder, {**run.config, "backbone": backbone}, run.summary, run.columns)

    effects = {(0.5, "human"): 0.0, (0.5, "shuffled"): 0.0}
    tiny = [with_backbone(run, "Tiny") for run in study_runs(np.random.default_rng(0), effects, 2, samples=20)]
    timm = [with_backbone(run, "Timm") for run in study_runs(np.random.default_rng(1), effects, 2, samples=20)]
    write([*tiny, *timm], tmp_path)
    out = io.StringIO()
    show([tmp_path], Console(file=out, width=120))
    text = out.getvalue()
    assert text.count("(relevant world), small CNN, ") == text.count("(relevant world), a network of timm, ") == 1
    for runs in (tiny, timm):
        baseline = [run.summary["metrics"]["accuracy"] for run in runs if run.weight == 0]
        assert f"{np.mean(baseline):.3f} ± {np.std(baseline, ddof=1):.3f}" in text
    assert [line.split() for line in text.splitlines() if "seeds " in line] == [["seeds", "2", "2", "2"]] * 2


def test_the_console_ends_with_the_answer_of_every_study(tmp_path, capsys):
    effects = {(0.5, "human"): 0.3, (0.5, "shuffled"): 0.0}
    write(study_runs(np.random.default_rng(0), effects, 5, samples=200), tmp_path)
    commands.report([str(tmp_path)])
    *_, headline, sentence, page = capsys.readouterr().out.rstrip().splitlines()
    assert headline == "Simulated human gaze helps"  # 0.3 of 200 pictures, and nothing of shuffled
    assert sentence.startswith("Human gaze: +0.")
    assert " in accuracy against the baseline (95 % interval" in sentence
    assert page == f"page: {tmp_path}/report/index.html"
