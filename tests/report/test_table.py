"""The console's table: whole words and numbers, however many conditions there are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from tests.report.simulated import study_runs, write

from haa.report.table import show

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
